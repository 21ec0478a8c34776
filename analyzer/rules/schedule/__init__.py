"""Rules of the schedule family, one file each."""
