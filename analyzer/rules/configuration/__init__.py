"""Rules of the configuration family, one file each."""
