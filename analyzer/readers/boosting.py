"""Evaluation lines of XGBoost and LightGBM: ``[12]  train-logloss:0.31  eval-logloss:0.35``, a line a round."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from analyzer.model import Problem, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.columns import Dialect
from analyzer.readers.columns.entries import columns_of_entries
from analyzer.readers.columns.reading import interpret
from analyzer.readers.text_file import decode, lines_of, plain_head, plain_suffix, unpack, unreadable, why_not_text
from analyzer.regular_files import content_of
from analyzer.written_numbers import number_written

# xgboost/callback.py, EvaluationMonitor: "[%d]" and "\t%s:%.5f"; lightgbm/callback.py, log_evaluation: "[%d]\t%s: %g"
# catboost/libs/logging: "%d:\tlearn: %.7f\ttest: %.7f\tbest: %.7f (%d)\ttotal: 1.2s"
ROUND = re.compile(r"(?:\[([0-9]{1,15})\]|([0-9]{1,15}):)\t(?=[^\t:]+:)")
DIALECT = Dialect(step_columns=("round",), counts="step")
LINES_NEEDED = 2  # one line of this shape is chance


def parse(data: bytes, name: str) -> Reading:
    """Bytes to a reading: one row a round, numbered by its line. A last line that was not ended is left out."""
    unpacked = unpack(data, name)
    if reason := why_not_text(unpacked.data):
        return unreadable(name, "boosting", reason, unpacked.problems)
    lines = lines_of(decode(unpacked.data))
    problems = list(unpacked.problems)
    if not lines.complete and ROUND.match(lines.lines[-1]):
        row = len(lines.lines)
        problems.append(Problem(source=name, kind="truncated", row=row, message=f"the output ends inside line {row}"))
    ended = lines.lines if lines.complete else lines.lines[:-1]
    rows, entries = [], []
    for row, line in enumerate(ended, start=1):
        if found := ROUND.match(line):
            rows.append(row)
            entries.append({"round": int(found[1] or found[2]), **metrics_of(line[found.end() :])})
    if not entries:
        return unreadable(name, "boosting", "no line of a boosting round", problems)
    source = Source(path=name, format="boosting", line_numbers=True)
    return interpret(
        columns_of_entries(entries), np.array(rows, dtype=np.int64), source=source, dialect=DIALECT, problems=problems
    )


def metrics_of(line: str) -> dict[str, float]:
    """Names and numbers of what stands behind the round: cells between tabs, each with its number behind a colon."""
    found: dict[str, float] = {}
    for cell in line.split("\t"):
        before, colon, written = cell.rpartition(":")
        number = number_written(written.removeprefix(" ")) if colon else None
        tag = before.rpartition(":")[2]
        if number is not None and tag:
            found[tag] = number
    return found


def read(path: Path) -> Reading:
    """Read the output in one file."""
    return parse(content_of(path), str(path))


def recognises(path: Path, head: bytes) -> bool:
    """Text in which at least two lines are those of a boosting round."""
    if plain_suffix(path) not in (".log", ".txt", ".out", "") or why_not_text(plain_head(head)):
        return False
    lines = lines_of(decode(plain_head(head))).lines
    rounds = [line[found.end() :] for line in lines if (found := ROUND.match(line))]
    return sum(bool(metrics_of(behind)) for behind in rounds) >= LINES_NEEDED


READER = Reader(
    name="boosting",
    title="XGBoost and LightGBM output",
    recognises=recognises,
    read=read,
    parse=parse,
    recognised_by="lines such as `[12]<tab>train-logloss:0.31<tab>eval-logloss:0.35`",
    step="boosting rounds: XGBoost counts from 0, LightGBM from 1",
    epoch="none",
    learning_rate="none",
    priority=-15,
)
