"""Standard input as a file: what is piped in is kept in a temporary file, so that every reader can read it."""

from __future__ import annotations

import atexit
import sys
from pathlib import Path
from typing import BinaryIO

NAME = "-"


def spooled(stream: BinaryIO | None = None) -> Path:
    """The whole of a stream (standard input by default) as a file that is removed when the program ends."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="analyzer-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "standard-input"
    with path.open("wb") as file:
        shutil.copyfileobj(stream or sys.stdin.buffer, file, 1 << 20)
    return path
