"""Rooms: made, read, changed, deleted."""
