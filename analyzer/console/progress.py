"""A line of progress for work that turns out to be long."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 1.0  # work that ends sooner needs no line
SECONDS_BETWEEN_LINES = 0.5


@contextmanager
def late_progress(*, wanted: bool = True) -> Iterator[Callable[[int, int], None]]:
    """A function that takes (done, all). Once a second has passed a line on standard error shows it, on a terminal."""
    if not wanted or not sys.stderr.isatty():
        yield lambda done, of: None
        return
    from threading import Event, Thread
    from time import monotonic

    counts = [0, 0]
    over = Event()
    began = monotonic()

    def tell(done: int, of: int) -> None:
        counts[:] = done, of

    def show() -> None:
        pause = PATIENCE_SECONDS
        while not over.wait(pause):
            pause = SECONDS_BETWEEN_LINES
            done, of = counts
            share = f"{done} of {of}, " if of else ""
            sys.stderr.write(f"\rreading logs: {share}{monotonic() - began:.0f} s\x1b[K")
            sys.stderr.flush()
        if pause == SECONDS_BETWEEN_LINES:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    line = Thread(target=show, daemon=True)
    line.start()
    try:
        yield tell
    finally:
        over.set()
        line.join()
