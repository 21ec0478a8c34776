"""AllenNLP's ``metrics_epoch_3.json``: one small document for each epoch, which together are the log of a run.

allennlp/training/gradient_descent_trainer.py writes them; ``best_*`` repeat an earlier epoch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analyzer.model import Problem, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.columns import Dialect
from analyzer.readers.columns.entries import columns_of_entries
from analyzer.readers.columns.reading import interpret
from analyzer.readers.text_file import decode, unpack, unreadable, why_not_text
from analyzer.regular_files import content_of
from analyzer.written_numbers import loads_json

_FILE = re.compile(r"^metrics_epoch_(\d{1,9})\.json$")
DIALECT = Dialect(framework="allennlp", step_columns=("epoch",), counts="epoch")


def parse(documents: Sequence[bytes], name: str) -> Reading:
    """The documents of one epoch after the other as a reading; rows are their places, from 0."""
    entries: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for data in documents:
        text = unpack(data, name).data
        try:
            document = None if why_not_text(text) else loads_json(decode(text))
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, Mapping):
            message = f"file {len(entries)} of the run ends inside its document: its epoch was not written to its end"
            problems.append(Problem(source=name, kind="truncated", row=len(entries), message=message))
            document = {}
        entries.append({key: value for key, value in document.items() if not key.startswith("best_")})
    if not any(entries):
        return unreadable(name, "allennlp", "no complete document", problems)
    return interpret(
        columns_of_entries(entries),
        np.arange(len(entries)),
        dialect=DIALECT,
        problems=problems,
        source=Source(path=name, format="allennlp"),
        judge=False,
    )


def _later(path: Path) -> Iterator[Path]:
    """The files of the epochs behind one, as far as they go on."""
    epoch = _epoch(path)
    while (path := path.with_name(f"metrics_epoch_{(epoch := epoch + 1)}.json")).is_file():
        yield path


def _epoch(path: Path) -> int:
    found = _FILE.match(path.name)
    return int(found[1]) if found else 0


def read(path: Path) -> Reading:
    """Read the files of the epochs from one on."""
    return parse([content_of(one) for one in (path, *_later(path))], str(path))


def recognises(path: Path, head: bytes) -> bool:
    """The first of the files that AllenNLP gives their name, with the epoch in it."""
    if not _FILE.match(path.name) or b'"epoch":' not in head:
        return False
    return not path.with_name(f"metrics_epoch_{_epoch(path) - 1}.json").is_file()


READER = Reader(
    name="allennlp",
    title="AllenNLP metrics files",
    recognises=recognises,
    read=read,
    also_reads=_later,
    recognised_by="`metrics_epoch_*.json` with an `epoch`: the files of one folder are one log",
    step="epochs, from 0",
    epoch="the key `epoch`, 0-based",
    learning_rate="none",
    priority=5,
)
