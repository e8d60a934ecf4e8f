"""Users of an app: their names and custom data."""
