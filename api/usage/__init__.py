"""What an app has done, by the hour and by the day, shown to its servers."""
