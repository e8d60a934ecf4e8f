"""Following rooms: one connection, its rooms, what they hold, and what is to be sent."""
