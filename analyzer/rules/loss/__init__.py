"""Rules of the loss family, one file each."""
