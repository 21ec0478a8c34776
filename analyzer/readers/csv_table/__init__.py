"""CSV tables: one reader, and a small table of the dialects that frameworks write.

``parse`` is pure: bytes and a name in, a reading out. Small files are split by hand; of large ones lines of
numbers are read by blocks, and only odd lines by hand. Both give the same columns.
"""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from analyzer.model import Source
from analyzer.readers import Reader, Reading
from analyzer.readers.columns.long_table import is_long_form
from analyzer.readers.columns.reading import NO_LOG
from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.csv_table.cells import (
    LINES_SNIFFED,
    looks_like_header,
    number_of,
    sniff_delimiter,
    split_row,
    unique_names,
)
from analyzer.readers.csv_table.dialects import dialect_of
from analyzer.readers.csv_table.one_metric import header_of_one_metric, with_commas
from analyzer.readers.csv_table.peeking import peek
from analyzer.readers.csv_table.rewriting import rewritten
from analyzer.readers.csv_table.rows import NO_HEADER, holds_numbers, parse_text
from analyzer.readers.csv_table.shape import HEAD
from analyzer.readers.stdout import parse as parse_lines
from analyzer.readers.text_file import (
    compressed,
    decode,
    lines_of,
    plain_head,
    plain_suffix,
    unpack,
    unreadable,
    why_not_text,
)
from analyzer.readers.whole_end import with_a_whole_end
from analyzer.regular_files import content_of, opened
from analyzer.roles import role_of_tag

_NAMED_AS_A_LOG = re.compile(r"loss|log|train|metric|histor|result|progress", re.I)
ROWS_WITHOUT_A_COUNTER = 8  # of figures; fewer are results of several models
FAST_FROM = 1 << 20  # bytes; below it the import of a fast parser costs more than it saves


def parse(data: bytes, name: str, fast_from: int = FAST_FROM) -> Reading:
    """The bytes of a table (compressed or not) as a reading.

    Args:
        name: the path that messages show.
        fast_from: bytes from which on the fast path is tried.
    """
    unpacked = unpack(data, name)
    if any(problem.kind == "unreadable" for problem in unpacked.problems):
        return Reading(source=Source(path=name, format="csv", line_numbers=True), problems=unpacked.problems)
    reason = why_not_text(unpacked.data)
    if reason:
        return unreadable(name, "csv", reason, unpacked.problems)
    text = with_a_whole_end(unpacked.data)
    header = header_of_one_metric(text, name)
    if header:
        return parse_text(with_commas(decode(text)), name, unpacked.problems, header)
    if len(text) >= FAST_FROM and (reason := why_no_log_by_its_header(text)):
        return unreadable(name, "csv", reason, unpacked.problems)
    if len(text) >= fast_from:
        from analyzer.readers.csv_table.large import parse_large

        reading = parse_large(text, name, unpacked.problems)
        if reading is not None:
            return reading
    reading = parse_text(decode(text), name, unpacked.problems)
    if not reading.series and _NAMED_AS_A_LOG.search(Path(name).name) and holds_numbers_from_its_start(text):
        apart = text.replace(b",", b", ")  # 2,128 are two cells here
        printed = parse_lines(apart, name)  # what its columns are shows in how they behave
        return printed if printed.series else reading
    return reading


def holds_numbers_from_its_start(text: bytes) -> bool:
    """Whether a table has no header: the first line that is as wide as its rows holds numbers."""
    lines = [line for line in lines_of(decode(text[:HEAD])).lines[:LINES_SNIFFED] if line.strip()]
    delimiter = sniff_delimiter(lines[len(lines) // 2 :])  # above them may stand a sentence
    rows = [split_row(line, delimiter) for line in lines]
    width = statistics.mode(map(len, rows)) if rows else 0
    return any(holds_numbers(row) for row in [row for row in rows if len(row) == width][:1])


def why_no_log_by_its_header(text: bytes) -> str | None:
    """Why a large table is no log: data sets are told by their first line, not read whole. None where it may be one."""
    lines = lines_of(decode(text[:HEAD])).lines[:LINES_SNIFFED]
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    header = unique_names(split_row(lines[0], sniff_delimiter(lines))) if lines else ()
    if holds_numbers(header):
        return NO_HEADER
    telling = any(names_an_axis(name) or role_of_tag(name) or is_long_form(name) for name in header)
    return None if telling or dialect_of(header, "").framework else NO_LOG


def read(path: Path) -> Reading:
    """Read one table from disk."""
    head = _head_of(path) if path.stat().st_size >= FAST_FROM else b""
    streamed = head and not compressed(head) and not why_not_text(head) and not why_no_log_by_its_header(head)
    if streamed:
        from analyzer.readers.csv_table.large import read_large

        reading = read_large(path)
        if reading is not None:
            return reading
    return parse(content_of(path), str(path), fast_from=sys.maxsize if streamed else FAST_FROM)


def _head_of(path: Path) -> bytes:
    with opened(path) as file:
        return file.read(HEAD)


def recognises(path: Path, head: bytes) -> bool:
    """``.csv`` and ``.tsv`` always; other text files when their first lines are a table with a step or epoch column."""
    suffix = plain_suffix(path)
    if suffix in (".csv", ".tsv"):
        return True
    if suffix not in (".txt", ".log", ".dat", ".out", "") or path.name.startswith("events.out"):
        return False
    start = plain_head(head)
    if why_not_text(start) or b"\0" in start or len(start) < 8 or start.lstrip()[:1] in (b"{", b"[", b"<", b":", b"-"):
        return False
    if header_of_one_metric(start, str(path)):
        return True
    lines = lines_of(decode(start)).lines[:LINES_SNIFFED]
    return looks_like_a_log_table(lines)


def looks_like_a_log_table(lines: Sequence[str]) -> bool:
    """Whether lines begin with a header that names an axis and go on with rows of as many cells, mostly numbers."""
    comments = [line for line in lines if line.startswith("#")]
    lines = [line for line in lines if not line.startswith("#")]
    if len(lines) < 3:
        return False
    delimiter = sniff_delimiter(lines[:-1])
    if comments and number_of(split_row(lines[0], delimiter)[0] if lines[0].strip() else "") is not None:
        lines = [comments[-1].lstrip("# "), *lines]
    header = unique_names(split_row(lines[0], delimiter))
    losses = sum(role_of_tag(name) in ("loss", "validation_loss", "epoch_loss") for name in header)
    if len(header) < 2 or not looks_like_header([name for name in header if name]):
        return False
    rows = [split_row(line, delimiter) for line in lines[1:-1]]
    even = [cells for cells in rows if len(cells) == len(header)]
    numeric = sum(number_of(cell) is not None for cells in even for cell in cells)
    of_numbers = losses and numeric == len(header) * len(rows) and len(rows) >= ROWS_WITHOUT_A_COUNTER
    if not any(map(names_an_axis, header)) and 2 * losses < len(header) and not of_numbers:
        return False  # without a counter it must be a table of losses, or of nothing but figures
    return (
        len(even) >= 0.8 * len(rows)
        and numeric >= 0.4 * sum(map(len, even))
        and any(names_an_axis(name) or role_of_tag(name) for name in header)
    )


READER = Reader(
    name="csv",
    title="CSV tables",
    suffixes=(".csv", ".tsv", ".dat"),
    peek=peek,
    recognises=recognises,
    read=read,
    parse=parse,
    rewrite=rewritten,
    recognised_by="`.csv`, `.tsv` (also `.gz`, `.zst`); `.txt` and `.log` files that begin with a header naming a step "
    "or epoch column",
    step="the column that counts updates: `global_step`, `step`, `iteration`, `num_updates`, ...; else samples or "
    "tokens; else W&B's `_step` (a counter of log calls), the epoch, or the row. DeepSpeed, Stable-Baselines3 and "
    "RLlib (`timesteps_total`) count samples, Ray Tune's `training_iteration` and DVCLive's `step` calls",
    epoch="the column `epoch`: 0-based in Keras, Lightning and timm, 1-based in Ultralytics; a series beside a step",
    learning_rate="as logged: Lightning's monitor and nanoGPT the rate that the update used, Keras and timm that of "
    "the finished epoch, DeepSpeed the next one's",
    priority=-10,
)
