"""API keys and signing keys of an app."""
