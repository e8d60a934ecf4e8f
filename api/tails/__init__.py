"""Where the two stores meet on the way to readers: this process's own copy of the end of each live room's log."""
