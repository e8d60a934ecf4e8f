"""The dashboard: pages on which a tenant's people keep its apps, keys and team, on a listener of their own."""
