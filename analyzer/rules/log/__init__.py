"""Rules of the log family, one file each."""
