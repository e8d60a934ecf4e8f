"""Jobs: deletions that take their time, and how far they are."""
