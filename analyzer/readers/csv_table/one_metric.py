"""Tables of one metric without a header, as TorchRL's and d3rlpy's loggers write: the file's name is the tag.

``scalars/lr.csv`` holds ``step,value``, ``DiscreteCQL_2024/loss.csv`` holds ``epoch,step,value``, and people write
``G_loss.log`` with ``step: value`` (BigGAN) or ``loss.txt`` with a blank between the two.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from analyzer.readers.csv_table.cells import LINES_SNIFFED, number_of, split_row
from analyzer.readers.csv_table.shape import HEAD
from analyzer.readers.text_file import decode, lines_of, plain_name
from analyzer.roles import role_of_tag

COUNTERS = {2: ("step",), 3: ("epoch", "step")}
"""By the number of cells in a row; the last holds the value."""
FEWEST_ROWS = 3
_APART = re.compile(r"(?:[ \t]{0,9}[,;:][ \t]{0,9}|[ \t]{1,9})(?=[\d.+-]|nan|inf)", re.I)


def with_commas(text: str) -> str:
    """Numbers that something else sets apart, set apart by commas."""
    return text if "," in text[:HEAD] else _APART.sub(",", text)


def header_of_one_metric(text: bytes, name: str) -> tuple[str, ...]:
    """The names of the cells of a table without a header that is named as what it holds; empty where it is none."""
    tag = Path(plain_name(Path(name))).stem
    if role_of_tag(tag) is None:
        return ()
    lines = [line for line in lines_of(decode(text[:HEAD])).lines[:LINES_SNIFFED] if line.strip()][:-1]
    rows = [[number_of(cell) for cell in split_row(with_commas(line), ",")] for line in lines]
    width = len(rows[0]) if rows else 0
    counters = COUNTERS.get(width)
    if counters is None or len(rows) < FEWEST_ROWS or any(len(row) != width or None in row for row in rows):
        return ()
    counts = np.array([row[:-1] for row in rows], dtype=np.float64)
    rises = np.diff(counts, axis=0)
    if np.any(counts != np.floor(counts)) or np.any(rises < 0) or np.any(rises[:, -1] == 0):
        return ()
    return (*counters, tag)
