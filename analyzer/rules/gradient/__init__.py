"""Rules of the gradient family, one file each."""
