"""Rules of the epoch family, one file each."""
