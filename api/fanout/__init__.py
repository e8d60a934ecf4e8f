"""Speed: bytes to whoever listens now, through Redis. Knows nothing of PostgreSQL."""
