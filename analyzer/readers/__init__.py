"""Readers: one module per format, each ending in READER. ``read(path)`` opens the file, ``parse`` is pure.

A reader keeps what was written, in written order: it sorts, drops and repairs nothing. What it cannot read becomes a
``Problem`` with file and row. Reader modules import nothing heavier than numpy at module level.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Literal

from msgspec import Struct

from analyzer.extensions import accepted
from analyzer.model import Fact, Marker, Problem, Series, Source
from analyzer.readers.correcting import Correction


class Reading(Struct, frozen=True, kw_only=True, eq=False):
    """What one file says. ``Series.source`` and ``Marker.source`` are 0: discovery renumbers them within the run."""

    source: Source
    series: tuple[Series, ...] = ()
    markers: tuple[Marker, ...] = ()
    problems: tuple[Problem, ...] = ()
    facts: tuple[Fact, ...] = ()  # declared truth inside the log: hparams, args, max_steps
    left_aside: int = 0  # tags of the file that were not read, where it has more than are audited
    runs: tuple[Reading, ...] = ()  # for stores that hold many runs in one file (a database): one Reading per run


class Peek(Struct, frozen=True, kw_only=True):
    """What the head of a log says: where its steps begin, how far apart they lie, its first tag; None for not known.

    Enough to tell a run that starts afresh from one that goes on, without reading either.
    """

    first_step: float | None = None
    cadence: float | None = None
    first_tag: str | None = None

    @property
    def goes_on(self) -> bool:
        """Whether the log begins where no run starts: behind its first step of logging."""
        return self.first_step is not None and self.first_step > max(1.0, self.cadence or 1.0)


class Reader(Struct, frozen=True, kw_only=True):
    """A format: how it is recognised, how it is read, and what its conventions are taken to be."""

    name: str  # "tfevents"
    title: str  # "TensorBoard event files"
    recognises: Callable[[Path, bytes], bool]  # file path, its first 4096 bytes
    read: Callable[[Path], Reading]
    recognised_by: str  # one line for people
    step: str  # what its step counts, and from which base
    epoch: str
    learning_rate: str  # the rate used for the update of this row, or the next one's
    also_reads: Callable[[Path], Iterable[Path]] = lambda path: ()  # files beside the log that it opens or looks for
    parse: Callable[[bytes, str], Reading] | None = None  # text formats: bytes and the name that messages show
    suffixes: tuple[str, ...] = ()  # that names of its logs may have beside those that any text may have
    seldom: bool = False  # most files of these suffixes are no logs: one that is none is not worth a word
    peek: Callable[[bytes], Peek] = lambda head: Peek()  # into the first bytes; ValueError where they are damaged
    rewrite: Callable[[Correction, bytes], bytes] | None = None  # its contents with a correction made
    joined: Literal["events", "states", "tables"] = "tables"  # how its files are put together to a run: files of one
    # directory as lives of one writer, states that hold the whole history each, or tables
    family: Callable[[Path], tuple[str, ...]] | None = None  # what the names of one run's files have in common
    priority: int = 0  # the highest priority that recognises a file reads it; generic readers are below 0


@cache
def all_readers() -> tuple[Reader, ...]:
    """Every reader, the most specific first."""
    own = own_readers()
    others, _ = accepted("analyzer.readers", Reader, "READER", [reader.name for reader in own], "name")
    return tuple(sorted((*own, *(reader for reader, _ in others)), key=lambda reader: (-reader.priority, reader.name)))


@cache
def own_readers() -> tuple[Reader, ...]:
    """The readers that the analyzer brings."""
    found = []
    for module_info in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
        reader = getattr(importlib.import_module(module_info.name), "READER", None)
        if isinstance(reader, Reader):
            found.append(reader)
    return tuple(found)


@cache
def readers_by_name() -> dict[str, Reader]:
    """Every reader by its name, which is the format of the sources that it reads."""
    return {reader.name: reader for reader in all_readers()}


def joined_as(name: str) -> Literal["events", "states", "tables"]:
    """How files of a format are put together to a run."""
    reader = readers_by_name().get(name)
    return "tables" if reader is None else reader.joined


@cache
def suffixes() -> frozenset[str]:
    """What the names of logs end in, as the readers say: ``.csv``; compressed files have another behind it."""
    return frozenset(suffix for reader in all_readers() for suffix in reader.suffixes)


@cache
def seldom_logs() -> frozenset[str]:
    """Suffixes of which most files are no logs, as their readers say: prose, configurations."""
    return frozenset(suffix for reader in all_readers() if reader.seldom for suffix in reader.suffixes)


def extension_problems() -> list[str]:
    """A line for every reader of another package that is left out, and why."""
    return accepted("analyzer.readers", Reader, "READER", [reader.name for reader in own_readers()], "name")[1]


def reader_for(path: Path, head: bytes) -> Reader | None:
    """The reader of a file, by its name and first bytes; None when no reader knows it."""
    return next((reader for reader in all_readers() if reader.recognises(path, head)), None)
