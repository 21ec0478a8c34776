"""A progress bar for work that turns out to be long."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Timer
from typing import Any

PATIENCE_SECONDS = 1.0  # work that ends sooner needs no bar


@contextmanager
def late_progress(*, wanted: bool = True) -> Iterator[Callable[[int, int], None]]:
    """A function that takes (done, all). A bar on standard error shows it once a second has passed, on a terminal."""
    lock = Lock()
    state: dict[str, Any] = {"done": 0, "of": None, "bar": None, "ended": False}

    def tell(done: int, of: int) -> None:
        with lock:
            state.update(done=done, of=of)
            if state["bar"] is not None:
                state["bar"].update(state["task"], completed=done, total=of)

    def begin() -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("reading logs"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with lock:
            if not state["ended"]:
                state["bar"] = Progress(*columns, console=Console(stderr=True), transient=True)
                state["task"] = state["bar"].add_task("", total=state["of"], completed=state["done"])
                state["bar"].start()

    timer = Timer(PATIENCE_SECONDS, begin)
    timer.daemon = True
    if wanted and sys.stderr.isatty():
        timer.start()
    try:
        yield tell
    finally:
        timer.cancel()
        with lock:
            state["ended"] = True
            if state["bar"] is not None:
                state["bar"].stop()
