"""Order: each room's totally ordered events, in PostgreSQL. Knows nothing of Redis."""
