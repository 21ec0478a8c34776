"""What the first kilobytes of a table say: where its steps begin."""

from __future__ import annotations

import csv
import itertools

from analyzer.readers import Peek
from analyzer.readers.columns.step_axis import rank_of_axis


def peek(head: bytes) -> Peek:
    """The smallest step of the first rows of a CSV table; of the epoch where it has no step."""
    lines = head.decode("utf-8", "replace").splitlines()
    if len(lines) < 2:
        return Peek()
    header = next(csv.reader(lines[:1]))
    ranked = sorted((rank, index) for index, name in enumerate(header) if (rank := rank_of_axis(name)) is not None)
    for _, column in ranked:
        rows = [row for row in csv.reader(lines[1:-1] or lines[1:]) if len(row) > column and row[column].strip()]
        steps = sorted({float(row[column]) for row in rows[:20]})
        if steps:
            rises = [b - a for a, b in itertools.pairwise(steps)]
            return Peek(first_step=steps[0], cadence=min(rises, default=None))
    return Peek()
