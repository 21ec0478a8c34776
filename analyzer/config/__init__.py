"""Declared facts, the project's own configuration, known findings."""
