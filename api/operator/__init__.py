"""What operators do: tenants, apps and their first keys, by REST on the internal listener and by the command line."""
