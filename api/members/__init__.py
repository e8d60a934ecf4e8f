"""Members: who belongs to a room, and as what."""
