"""TensorBoard event files: fast, every checksum verified, and nothing that was written left out.

Layers, one file each: ``checksum`` (CRC-32C of many messages), ``record`` (framing and what lies behind damage),
``event`` (one event from its bytes), ``columns`` (thousands of like events at once, by the templates of ``shapes``;
the others side by side in ``varied``), ``points`` (what comes of both), ``file`` (a stream into a ``Reading``).
``origin`` and ``declarations`` say who wrote the file and what the run declared in it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from analyzer.readers import Peek, Reader, Reading
from analyzer.readers.correcting import Correction
from analyzer.readers.tfevents.heads import PADDING, header_length


def read(path: Path) -> Reading:
    """Read one event file from disk."""
    from analyzer.readers.tfevents import file

    return file.read(path)


def peek(head: bytes) -> Peek:
    """Where the steps of an event file begin."""
    from analyzer.readers.tfevents import peeking

    return peeking.peek(head)


def recognises(path: Path, head: bytes) -> bool:
    """By the name that every writer gives, or by a first record whose length has the right checksum."""
    if "tfevents" in path.name:
        return not path.name.endswith((".gz", ".zip", ".xz", ".bz2", ".json", ".csv", ".txt"))
    padded = np.frombuffer(head + bytes(PADDING), dtype=np.uint8)
    return header_length(padded, 0, len(head)) >= 0


def rewrite(correction: Correction, content: bytes) -> bytes:
    """An event file with records cut and steps shifted."""
    from analyzer.readers.tfevents import rewriting

    return rewriting.rewritten(correction, content)


READER = Reader(
    name="tfevents",
    title="TensorBoard event files",
    peek=peek,
    recognises=recognises,
    read=read,
    rewrite=rewrite,
    joined="events",
    recognised_by="`tfevents` in the file name, or a first record whose length has the right checksum",
    step="the step that the writer was given, as it was given",
    epoch="a tag of its own, where there is one",
    learning_rate="a tag of its own; which update it belongs to is its framework's habit",
)
