"""Families of learning-rate schedules: every module of this folder that ends in FAMILY, found by walking it.

A family knows its names as frameworks spell them, its rates at counters, and the schedules that a declaration admits:
its parameters under every convention of the frameworks. A new family is one new file.
"""
