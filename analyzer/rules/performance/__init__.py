"""Rules of the performance family, one file each."""
