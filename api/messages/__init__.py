"""Messages: what users say."""
