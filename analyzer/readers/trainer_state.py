"""``trainer_state.json`` of the Hugging Face Trainer (first version)."""

from __future__ import annotations

import json
from pathlib import Path

from analyzer.model import NO_STEP, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.csv_table import series_of


def read(path: Path) -> Reading:
    """Read ``log_history``: one point for each number of each entry."""
    state = json.loads(path.read_text())
    points: dict[str, list[tuple[int, float, int]]] = {}
    for number, entry in enumerate(state["log_history"]):
        for tag, value in entry.items():
            if tag != "step" and isinstance(value, (int, float)):
                points.setdefault(tag, []).append((entry.get("step", NO_STEP), float(value), number))
    source = Source(path=str(path), format="trainer-state", framework="transformers", records=len(state["log_history"]))
    return Reading(source=source, series=tuple(series_of(tag, rows) for tag, rows in points.items()))


READER = Reader(
    name="trainer-state",
    title="trainer_state.json of the Hugging Face Trainer",
    recognises=lambda path, head: path.suffix == ".json" and b'"log_history"' in path.read_bytes(),
    read=read,
    recognised_by="`log_history` in a JSON file",
    step="optimizer updates, from 1",
    epoch="a fraction: epoch index + (batch + 1) / batches",
    learning_rate="that of the update (from 4.51), of the next one (before)",
    priority=10,
)
