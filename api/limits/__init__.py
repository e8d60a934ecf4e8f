"""What an app may do how often, shown to whoever asks."""
