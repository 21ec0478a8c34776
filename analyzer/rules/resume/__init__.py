"""Rules of the resume family, one file each."""
