"""Words for an error that nobody foresaw: what the machine could not give, or a fault of this program."""

from __future__ import annotations

LONGEST = 300  # characters of another program's words that a report repeats


def told(error: BaseException) -> str:
    """One line: what the machine lacks is told in its own words, everything else is to be reported."""
    words = " ".join(str(error).split())[:LONGEST]
    if isinstance(error, MemoryError) or "failed to map segment" in words:  # of a library that is loaded late
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower() + (f": {error.filename}" if error.filename else "")
    return f"internal error, please report it: {type(error).__name__}: {words}"
