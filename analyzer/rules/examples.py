"""Small logs for the rules' examples, written as text and read back by the real readers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from analyzer.config.declared import checked_fact, merge
from analyzer.config.files import Settings, settings_for
from analyzer.model import RunReport
from analyzer.reconstruction import reconstruct
from analyzer.rules import Example


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV table; None is an empty cell."""
    lines = [",".join(header), *(",".join("" if cell is None else str(cell) for cell in row) for row in rows)]
    return "\n".join(lines) + "\n"


def csv_log(header: Sequence[str], rows: Callable[[], Iterable[Sequence[object]]]) -> Callable[[], Mapping[str, str]]:
    """The files of an example that is one CSV log, built when asked for."""
    return lambda: {"log.csv": table(header, rows())}


def lives(header: Sequence[str], *rows: Iterable[Sequence[object]]) -> Mapping[str, str]:
    """The files of a log to which each life of the process writes the header again."""
    return {"log.csv": "".join(table(header, part) for part in rows)}


def falling_loss(step: int) -> float:
    """A smooth, harmless training loss."""
    return round(0.5 + 2.0 / (1.0 + step / 20.0), 6)


def wobble(step: int) -> float:
    """Repeatable noise from -1 to 1, without a random generator."""
    return ((step * 7919) % 101) / 50 - 1


EPOCHS = ("step", "epoch", "loss")
"""The columns of ``epochs``."""


def epochs(steps: Iterable[int], length: float = 40, *, late: int = 0, first: int = 0) -> list[tuple[int, int, float]]:
    """Rows of a loop whose label, `first` at step 1, rises every `length` steps, `late` steps behind its due."""
    return [(step, first + max(0, int((step - 1 - late) // length)), falling_loss(step)) for step in steps]


def epochs_log(steps: Iterable[int], length: float = 40, *, late: int = 0) -> Callable[[], Mapping[str, str]]:
    """The files of an example that is one session of ``epochs``."""
    return csv_log(EPOCHS, lambda: epochs(steps, length, late=late))


def audit_example(example: Example, folder: Path) -> list[RunReport]:
    """Write an example's files into an empty folder and audit them as a user would."""
    from analyzer.auditing import audit_run
    from analyzer.discovery import discover

    for name, contents in example.files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
    declared: Mapping[str, Any] = example.declared
    own = [checked_fact(key, value, "example") for key, value in declared.items()]
    written = folder / "analyzer.toml"
    settings = settings_for(folder, written) if written.exists() else Settings()
    reference = None
    runs = discover([folder]).runs
    if settings.against is not None:
        (golden,) = discover([settings.against]).runs
        reference = reconstruct(golden, merge(golden.facts))
        runs = tuple(run for run in runs if run.sources[0].path != golden.sources[0].path)
    return [
        audit_run(run, merge(own, settings.facts, run.facts), expectations=settings.expectations, reference=reference)
        for run in runs
    ]
