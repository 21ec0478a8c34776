"""Rules that hold the learning rate against its schedule."""
