"""Changes of a log that do not change what is true of the run: the verdict may not depend on them.

A log is a mapping from relative path to bytes beside the declared facts. A change gives another such pair, or None
where it does not apply. ``CHANGES`` is the table; ``may_add`` names rules that a change may rightly bring up.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Files = Mapping[str, bytes]
Facts = Mapping[str, Any]
Row = dict[str, str]  # a cell keeps the text it was written with; an empty cell is not there
Changed = tuple[dict[str, bytes], dict[str, Any]] | None

STEP = re.compile(r"^(global_?step|step|iter|iteration|update|updates|it)$", re.I)
LOSS = re.compile(r"(^|[/_.])(train[_/]?)?loss$", re.I)
RATE = re.compile(r"(^|[/_.])(lr|learning_rate)([-/_].*)?$", re.I)
FEW_LEVELS, FEWEST_DIGITS = 12, 6  # of a rate that moves
TIME = re.compile(r"^(wall_?time|time(stamp)?|unix_time)$", re.I)
RATE_FACTS = ("base_lr", "min_lr")
PLAIN_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")


@dataclass(frozen=True, kw_only=True)
class Change:
    name: str
    make: Callable[[dict[str, bytes], dict[str, Any]], Changed]
    may_add: frozenset[str] = field(default_factory=frozenset)
    may_lose: bool = False  # the evidence itself may be gone


@dataclass(frozen=True, kw_only=True)
class Table:
    """The one CSV or JSON-lines file of a log."""

    path: str
    rows: list[Row]
    columns: list[str]


def table_of(files: Files) -> Table | None:
    """The table of a log that has exactly one, in UTF-8 and without damage; else None."""
    logs = [path for path in files if path.endswith((".csv", ".jsonl"))]
    if len(logs) != 1:
        return None
    try:
        text = files[logs[0]].decode()
        rows = list(_lines(text) if logs[0].endswith(".jsonl") else _cells(text))
    except (UnicodeDecodeError, ValueError, csv.Error):
        return None
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return Table(path=logs[0], rows=rows, columns=columns) if len(rows) > 3 and text.endswith("\n") else None


def _cells(text: str) -> Iterator[Row]:
    head, *rows = list(csv.reader(io.StringIO(text)))
    if len(head) < 2 or len(set(head)) != len(head):
        raise ValueError("no plain table")
    for row in rows:
        if len(row) != len(head) or row == head:
            raise ValueError("damaged, or a header in between")
        yield {name: cell for name, cell in zip(head, row, strict=True) if cell != ""}


def _lines(text: str) -> Iterator[Row]:
    for line in text.splitlines():
        entry = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
        if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
            raise ValueError("no flat numbers")
        yield entry


def _csv(table: Table, delimiter: str = ",") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, table.columns, delimiter=delimiter, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(table.rows)
    return out.getvalue().encode()


def _jsonl(table: Table) -> bytes:
    def told(cell: str) -> str:
        number = PLAIN_NUMBER.fullmatch(cell) is not None or cell in ("NaN", "Infinity", "-Infinity")
        return cell if number else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(cell, json.dumps(cell))

    lines = ("{" + ", ".join(f"{json.dumps(k)}: {told(v)}" for k, v in row.items()) + "}" for row in table.rows)
    return ("\n".join(lines) + "\n").encode()


def _rewritten(files: Files, table: Table, data: bytes | None = None, path: str | None = None) -> dict[str, bytes]:
    own = _jsonl(table) if table.path.endswith(".jsonl") else _csv(table)
    kept = {name: content for name, content in files.items() if name != table.path}
    return kept | {path or table.path: own if data is None else data}


def _with_rows(files: Files, table: Table, rows: list[Row], columns: list[str] | None = None) -> dict[str, bytes]:
    return _rewritten(files, Table(path=table.path, rows=rows, columns=columns or table.columns))


def _on_table(change: Callable[[Files, dict[str, Any], Table], Changed]) -> Callable[..., Changed]:
    def make(files: dict[str, bytes], facts: dict[str, Any]) -> Changed:
        table = table_of(files)
        return None if table is None else change(files, facts, table)

    return make


def _other_format(files: Files, facts: dict[str, Any], table: Table) -> Changed:
    stem = table.path.rsplit(".", 1)[0]
    if table.path.endswith(".jsonl"):
        return _rewritten(files, table, _csv(table), f"{stem}.csv"), facts
    return _rewritten(files, table, _jsonl(table), f"{stem}.jsonl"), facts


def _delimiter(sign: str) -> Callable[..., Changed]:
    def change(files: Files, facts: dict[str, Any], table: Table) -> Changed:
        if not table.path.endswith(".csv") or any(sign in cell for row in table.rows for cell in row.values()):
            return None
        return _rewritten(files, table, _csv(table, sign)), facts

    return _on_table(change)


def _rounded_rates(table: Table) -> bool:
    """Whether a moving rate is written with so few digits that other digits behind it would be untrue."""
    cells = {cell for row in table.rows for name, cell in row.items() if RATE.search(name)}
    digits = (len(re.sub(r"^[+-]?0*\.?0*|[eE].*$|\.", "", cell)) for cell in cells)
    return len(cells) > FEW_LEVELS and max(digits, default=0) < FEWEST_DIGITS


def _as_events(files: Files, facts: dict[str, Any], table: Table) -> Changed:
    """An event file of the table's numbers, one record a cell, on the steps of its step column."""
    from tests.event_files import event_bytes

    if _rounded_rates(table):
        return None
    column = next((name for name in table.columns if STEP.match(name)), None)
    if column is None or any(column not in row or not row[column].isdecimal() for row in table.rows):
        return None
    clock = next((name for name in table.columns if TIME.match(name)), None)
    rows = []
    for row in table.rows:
        values = {name: _number(cell) for name, cell in row.items() if name not in (column, clock)}
        rows.append((int(row[column]), {tag: value for tag, value in values.items() if value is not None}))
    points = [(step, tag) for step, values in rows for tag in values]
    if len(points) != len(set(points)):
        return None  # events tie no values of one step together, as a row does
    return _rewritten(files, table, event_bytes(rows), "events.out.tfevents.1700000000.node.11.0"), facts


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _renamed(pairs: Mapping[str, str]) -> Callable[..., Changed]:
    def change(files: Files, facts: dict[str, Any], table: Table) -> Changed:
        names = {old: new for old, new in pairs.items() if old in table.columns and new not in table.columns}
        if not names:
            return None
        rows = [{names.get(name, name): cell for name, cell in row.items()} for row in table.rows]
        return _with_rows(files, table, rows, [names.get(name, name) for name in table.columns]), facts

    return _on_table(change)


def _shuffled(files: Files, facts: dict[str, Any], table: Table) -> Changed:
    columns = sorted(table.columns, key=hash_of)
    rows = [{name: row[name] for name in columns if name in row} for row in table.rows]
    return _with_rows(files, table, rows, columns), facts


def hash_of(text: str) -> int:
    """An order that has nothing to do with the alphabet, the same on every machine."""
    value = 7
    for sign in text.encode():
        value = (value * 131 + sign) % 10007
    return value


def _index_column(files: Files, facts: dict[str, Any], table: Table) -> Changed:
    """As ``DataFrame.to_csv`` leaves it: a nameless column that numbers the rows."""
    rows = [{"Unnamed: 0": str(number), **row} for number, row in enumerate(table.rows)]
    return _with_rows(files, table, rows, ["Unnamed: 0", *table.columns]), facts


def _more_columns(files: Files, facts: dict[str, Any], table: Table) -> Changed:
    rows = [
        {**row, "gpu_mem_gb": f"{11 + hash_of(str(n)) % 5 / 10:.1f}", "host": "node-3"}
        for n, row in enumerate(table.rows)
    ]
    return _with_rows(files, table, rows, [*table.columns, "gpu_mem_gb", "host"]), facts


def _base_moved(files: Files, facts: dict[str, Any], table: Table) -> Changed:
    """Steps counted from 1 instead of 0, or from 0 instead of 1."""
    column = next((name for name in table.columns if STEP.match(name)), None)
    steps = [row[column] for row in table.rows if column in row] if column else []
    if column is None or len(steps) < 3 or not all(step.isdecimal() for step in steps) or "epoch" in column:
        return None
    cadence = int(steps[1]) - int(steps[0])
    first = int(steps[0])
    by = 1 if first == 0 or (cadence > 1 and first % cadence == cadence - 1) else -1
    if by < 0 and first == cadence > 1:
        return None  # multiples of the cadence count from either: where the labels tell, the base is no other
    if first + by < 0 or "batch" in " ".join(table.columns):
        return None
    if any("tfevents" in path for path in files):
        return None  # another account would say another step: a difference, which is told
    rows = [row | ({column: str(int(row[column]) + by)} if column in row else {}) for row in table.rows]
    return _with_rows(files, table, rows), facts


def _thinned(by: int) -> Callable[..., Changed]:
    """Every ``by``-th of the steps (or rows) at which the loss was logged; the other kinds of rows stay."""

    def change(files: Files, facts: dict[str, Any], table: Table) -> Changed:
        loss = next((name for name in table.columns if LOSS.search(name)), None)
        step = next((name for name in table.columns if STEP.match(name)), None)
        if loss is None:
            return None
        kept: list[Row] = []
        seen, last = 0, None
        for number, row in enumerate(table.rows):
            if loss in row:
                place = row.get(step, "") if step else str(number)
                seen, last = seen + (place != last), place
                if seen % by != 1:
                    continue
            kept.append(row)
        known = {name: value for name, value in facts.items() if name != "logging_steps"}
        return (_with_rows(files, table, kept), known) if len(kept) >= 20 else None

    return _on_table(change)


def _tail_cut(files: Files, facts: dict[str, Any], table: Table) -> Changed:
    return _with_rows(files, table, table.rows[: math.ceil(0.9 * len(table.rows))]), facts


def _last_row_cut(files: Files, facts: dict[str, Any], table: Table) -> Changed:
    data = _rewritten(files, table)[table.path]
    return _rewritten(files, table, data[: len(data) - 1 - len(data.splitlines()[-1]) // 2]), facts


def _digits(pattern: re.Pattern[str], count: int) -> Callable[..., Changed]:
    """Values of some columns written with fewer significant digits."""

    def change(files: Files, facts: dict[str, Any], table: Table) -> Changed:
        def told(name: str, cell: str) -> str:
            value = _number(cell) if pattern.search(name) else None
            return cell if value is None or not math.isfinite(value) or len(cell) <= count else f"{value:.{count}g}"

        rows = [{name: told(name, cell) for name, cell in row.items()} for row in table.rows]
        return (_with_rows(files, table, rows), facts) if rows != table.rows else None

    return _on_table(change)


def _scaled(pattern: re.Pattern[str], factor: float, keys: tuple[str, ...] = ()) -> Callable[..., Changed]:
    def change(files: Files, facts: dict[str, Any], table: Table) -> Changed:
        if keys and any("lr" in str(facts.get(key, "")) for key in ("scheduler_params",)):
            return None
        if keys and _rounded_rates(table):
            return None

        def told(name: str, cell: str) -> str:
            value = _number(cell) if pattern.search(name) else None
            return cell if value is None or not math.isfinite(value) else repr(value * factor)

        rows = [{name: told(name, cell) for name, cell in row.items()} for row in table.rows]
        scaled = {key: value * factor if key in keys else value for key, value in facts.items()}
        return (_with_rows(files, table, rows), scaled) if rows != table.rows else None

    return _on_table(change)


def _later(files: Files, facts: dict[str, Any], table: Table) -> Changed:
    """The same run, started 40 days later."""
    rows = [
        {
            name: repr(float(cell) + 40 * 86_400) if TIME.match(name) and (_number(cell) or 0) > 1e9 else cell
            for name, cell in row.items()
        }
        for row in table.rows
    ]
    return (_with_rows(files, table, rows), facts) if rows != table.rows else None


def _withheld(*keys: str) -> Callable[[dict[str, bytes], dict[str, Any]], Changed]:
    def change(files: dict[str, bytes], facts: dict[str, Any]) -> Changed:
        gone = set(keys) if keys else set(facts)
        left = {key: value for key, value in facts.items() if key not in gone}
        return (files, left) if len(left) < len(facts) else None

    return change


def _zipped(files: dict[str, bytes], facts: dict[str, Any]) -> Changed:
    logs = [path for path in files if path.endswith((".csv", ".jsonl", ".log", ".txt", ".out"))]
    if not logs:
        return None
    kept = {path: data for path, data in files.items() if path not in logs}
    return kept | {f"{path}.gz": gzip.compress(files[path], mtime=0) for path in logs}, facts


def _unrelated(files: dict[str, bytes], facts: dict[str, Any]) -> Changed:
    beside = {
        "README.md": b"# notes\n\nlr 3e-4 looked better, loss 0.2 at step 1000\n",
        "requirements.txt": b"torch==2.3.0\nnumpy\n",
        "data/labels.csv": b"file,label\n" + b"".join(b"img%03d.png,%d\n" % (n, n % 7) for n in range(60)),
        "old/params.yaml": b"epochs: 977\nbatch_size: 3\nlr: 123.0\n",
        "scores.json": b'{"accuracy": 0.91, "f1": 0.9}\n',
    }
    return {path: data for path, data in beside.items() if path not in files} | files, facts


def _sibling_folders(files: dict[str, bytes], facts: dict[str, Any]) -> Changed:
    """The lives of a run whose event files lie in one folder, each in a folder of its own."""
    logs = sorted(path for path in files if "tfevents" in path)
    if len(logs) < 2 or len({path.rpartition("/")[0] for path in logs}) != 1 or len(logs) > 4:
        return None
    if len({path.rpartition("/")[2].split(".")[3] for path in logs}) != len(logs):
        return None  # started in the same second: not lives
    kept = {path: data for path, data in files.items() if path not in logs}
    folder = logs[0].rpartition("/")[0]
    place = f"{folder}/" if folder else ""
    moved = {f"{place}version_{n}/{path.rpartition('/')[2]}": files[path] for n, path in enumerate(logs)}
    return kept | moved, facts


def _second_account(files: Files, facts: dict[str, Any], table: Table) -> Changed:
    """The same rows once more in the other text format."""
    other = _other_format(files, facts, table)
    return None if other is None else ({**files, **other[0]}, facts)


LENGTH = frozenset({"run-length-mismatch", "truncated-log"})
SPARSE = frozenset({"missing-rows"})

CHANGES = (
    Change(name="other text format", make=_on_table(_other_format)),
    Change(name="delimiter ;", make=_delimiter(";")),
    Change(name="delimiter tab", make=_delimiter("\t")),
    Change(name="gzip", make=_zipped),
    Change(name="event file", make=_on_table(_as_events), may_lose=True),
    Change(name="loss named train_loss", make=_renamed({"loss": "train_loss", "train_loss": "loss"})),
    Change(name="lr named learning_rate", make=_renamed({"lr": "learning_rate", "learning_rate": "lr"})),
    Change(name="step named global_step", make=_renamed({"step": "global_step", "global_step": "step"})),
    Change(name="columns shuffled", make=_on_table(_shuffled)),
    Change(name="index column", make=_on_table(_index_column)),
    Change(name="more columns", make=_on_table(_more_columns)),
    Change(name="base of the step", make=_on_table(_base_moved)),
    Change(name="thinned by 2", make=_thinned(2), may_add=SPARSE, may_lose=True),
    Change(name="thinned by 3", make=_thinned(3), may_add=SPARSE, may_lose=True),
    Change(name="tail cut", make=_on_table(_tail_cut), may_add=LENGTH, may_lose=True),
    Change(name="last row cut", make=_on_table(_last_row_cut), may_add=LENGTH, may_lose=True),
    Change(name="loss in 4 digits", make=_digits(LOSS, 4), may_lose=True),
    Change(name="rate in 4 digits", make=_digits(RATE, 4), may_lose=True),
    Change(name="loss times 7.3", make=_scaled(LOSS, 7.3)),
    Change(name="rate times 0.37", make=_scaled(RATE, 0.37, RATE_FACTS)),
    Change(name="40 days later", make=_on_table(_later)),
    Change(name="no facts", make=_withheld(), may_lose=True),
    Change(name="no dataset", make=_withheld("dataset_size", "steps_per_epoch"), may_lose=True),
    Change(name="no scheduler", make=_withheld("scheduler", "scheduler_params", "scheduler_interval"), may_lose=True),
    Change(name="no epochs", make=_withheld("epochs", "max_steps"), may_lose=True),
    Change(name="no peak", make=_withheld("base_lr"), may_lose=True),
    Change(name="unrelated files", make=_unrelated),
    Change(name="lives in sibling folders", make=_sibling_folders),
    Change(name="second account", make=_on_table(_second_account)),
)
