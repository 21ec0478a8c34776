"""The clocks of a run, one module each: pure functions from a timeline to frozen results."""
