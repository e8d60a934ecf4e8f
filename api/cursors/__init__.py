"""Read cursors: how far a member has read; they move forward only and stand in no log."""
