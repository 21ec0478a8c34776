"""What programs print while they train: one reader, and a table of line patterns.

``parse`` is pure. A line that no pattern knows is passed over: output holds anything. The last line counts only when
it was ended, since its last number may be cut. Rows are line numbers; of a line that a progress bar overwrote
(carriage returns) the last state counts.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analyzer.model import Fact, Problem, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.columns import Dialect
from analyzer.readers.columns.entries import columns_of_entries, flatten
from analyzer.readers.columns.reading import interpret
from analyzer.readers.columns.step_axis import LARGEST_STEP, names_an_axis
from analyzer.readers.columns.wall_time import seconds_of_stamp
from analyzer.readers.json_lines import TELLING_ROLES
from analyzer.readers.text_file import (
    GZIP_MAGIC,
    ZSTD_MAGIC,
    Lines,
    decode,
    lines_of,
    plain_head,
    plain_suffix,
    unpack,
    unreadable,
    why_not_text,
)
from analyzer.roles import role_of_tag

SUFFIXES = (".log", ".txt", ".out", ".err", ".stdout", ".stderr", "")
GENERIC = ("step", "epoch")  # patterns that a line of source code or of prose may match by chance
LINES_NEEDED = 3  # fewer lines that look like a step of training are chance
LINES_OF_A_PROGRAM = 2  # lines of a shape that one program prints
LONGEST_LINE = 10_000  # characters; nothing that people read is longer
BYTES_LOOKED_AT = 1 << 19  # of a file whose first lines tell nothing: some programs print their own source first
WALL = "timestamp"

Entry = dict[str, Any]
_N = r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|(?:nan|inf|NaN|Inf|infinity|Infinity)\b)"
_END = r"(?!\d|\.\d|[eE][+-]?\d|:\d|,\d{3}\b)"  # a number ends where no more of it follows; a duration is none
_NAME = r"(?<![\w.])[A-Za-z][\w@/.%^-]*(?:[ ][A-Za-z@(][\w@/.)-]*){0,3}"
_ASSIGNED = re.compile(rf"({_NAME})\s*[:=]\s*\[?({_N}){_END}")  # loss: 0.5, Val Loss=0.5
_SPOKEN = re.compile(rf"({_NAME})[ \t:=]+({_N}){_END}")  # loss 0.5, Loss 6.9e+00 (7.0e+00)
_QUOTED = re.compile(rf"['\"]([^'\"]+)['\"]:\s*['\"]?({_N})['\"]?\s*[,}}]")  # {'loss': 0.5, 'lr': '1e-05'}
_STAMP = re.compile(r"\s*\[?(\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?)\]?")
_DIGIT = re.compile(r"\d")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NO_TAGS = {
    "eta",
    "time",
    "data",
    "epoch",
    "step",
    "iter",
    "iteration",
    "info",
    "rank",
    "pid",
    "gpu",
    "memory",
    "max mem",
    "mem",
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line pattern: how it is recognised, and what its numbers are called."""

    name: str
    starts: re.Pattern[str]  # named groups become numbers of the row; ``total`` and ``epochs`` are declared
    pairs: re.Pattern[str] | None = _ASSIGNED  # name and number pairs behind it
    framework: str | None = None
    renamed: Mapping[str, str] = None  # type: ignore[assignment]  # names as printed -> tags
    elapsed: tuple[str, ...] = ()
    entry: Callable[[re.Match[str], str], Entry | None] | None = None  # lines that need more than pairs


def _json_after(found: re.Match[str], line: str) -> Entry | None:
    """A JSON object behind a prefix: fairseq's json format writes its numbers as strings."""
    try:
        value = json.loads(line[found.end() - 1 :])
    except (ValueError, RecursionError):
        return None
    return flatten(value) if isinstance(value, dict) else None


_MLPERF_METRIC = re.compile(
    r"eval_(?:\w+_)?accuracy|(?:opt_)?learning_rate|train_epoch|(?:train|eval)?_?loss|throughput", re.I
)
_MLPERF_FACTS = {
    "input_batch_size": "global_batch_size",
    "global_batch_size": "global_batch_size",
    "preproc_num_train_examples": "dataset_size",
    "train_samples": "dataset_size",
}


def _mlperf(found: re.Match[str], line: str) -> Entry | None:
    """``:::MLPv0.5.0 resnet 1543785241.9 (file.py:1) eval_accuracy: {"value": 0.1, "epoch": 3}``, and later forms."""
    entry: Entry = {WALL: float(found["wall"])} if found["wall"] else {}
    key, text = found["key"], found["value"] or ""
    try:
        value = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    if key is None and isinstance(value, dict):
        key = str(value.get("key", ""))
        entry[WALL] = float(value["time_ms"]) / 1000.0 if isinstance(value.get("time_ms"), int | float) else np.nan
    metadata: Mapping[str, Any] = {}
    if isinstance(value, dict):
        inner = value.get("metadata")
        metadata = inner if isinstance(inner, dict) else value
        value = value.get("value")
    if key in _MLPERF_FACTS and isinstance(value, int) and not isinstance(value, bool):
        return {f"={_MLPERF_FACTS[key]}": value}
    if not key or not _MLPERF_METRIC.fullmatch(key) or isinstance(value, bool):
        return None
    for name, known in (("epoch", "epoch"), ("epoch_num", "epoch"), ("iteration", "iteration"), ("step_num", "step")):
        if isinstance(metadata.get(name), int | float) and not isinstance(metadata.get(name), bool):
            entry[known] = metadata[name]
    if key == "train_epoch":
        entry["epoch"] = value
    elif isinstance(value, int | float):
        entry[key.removeprefix("opt_")] = value
    else:
        return None
    return entry if isinstance(entry.get("epoch", 0), int | float) else None


_COUNTER = r"(?P<{0}>\d+)"
LINES: tuple[Line, ...] = (
    Line(
        name="mlperf",
        framework="mlperf",
        pairs=None,
        entry=_mlperf,
        starts=re.compile(
            r":::(?:MLPv[\d.]+ \w+ (?P<wall>\d+\.\d+) \([^)]*\) |MLL(?:OG)? (?:(?=\{)|(?:\d+\.\d+ )))"
            r"(?:(?P<key>\w+)\s*(?::\s*|$))?"
            r"(?P<value>.*)$"
        ),
    ),
    Line(
        name="megatron",
        framework="megatron",
        starts=re.compile(r"^\s*iteration\s+(?P<iteration>\d+)\s*/\s*(?P<total>\d+)\s*\|"),
        renamed={"learning rate": "learning-rate", "grad norm": "grad-norm", "consumed samples": "consumed_samples"},
    ),
    Line(
        name="megatron validation",
        framework="megatron",
        starts=re.compile(r"validation loss at iteration\s+(?P<iteration>\d+)\s*\|"),
        renamed={"lm loss value": "lm loss validation", "lm loss PPL": "lm loss validation ppl"},
    ),
    Line(
        name="modded-nanogpt",
        framework="modded-nanogpt",
        starts=re.compile(r"^step:(?P<step>\d+)/(?P<total>\d+)(?= \w+:)"),
        elapsed=("train_time",),
    ),
    Line(
        name="nanogpt",
        framework="nanogpt",
        pairs=_SPOKEN,
        starts=re.compile(r"^iter (?P<iter>\d+):(?= )"),
        elapsed=("time",),
    ),
    Line(
        name="nanogpt evaluation",
        framework="nanogpt",
        pairs=_SPOKEN,
        renamed={"train loss": "train/loss", "val loss": "val/loss"},
        starts=re.compile(r"^step (?P<iter>\d+):(?= train loss)"),
    ),
    Line(
        name="llm.c",
        framework="llm.c",
        starts=re.compile(r"^s:(?P<step>\d+)(?= \w+:)"),
        renamed={"trl": "train_loss", "tel": "val_loss", "hel": "hellaswag"},
    ),
    Line(
        name="fairseq json",
        framework="fairseq",
        pairs=None,
        entry=_json_after,
        starts=re.compile(r"\| (?:INFO \| )?(?:train_inner|train|valid|test)\w* \| \{(?=\")"),
    ),
    Line(
        name="fairseq",
        framework="fairseq",
        pairs=_SPOKEN,
        starts=re.compile(r"\bepoch (?P<epoch>\d+)(?:: +\d+ / \d+|(?= \|))(?= .*\bnum_updates)"),
    ),
    Line(
        name="trainer",
        framework="transformers",
        pairs=_QUOTED,
        starts=re.compile(r"\{(?='[\w/]+': ['\w-])(?=.*'epoch': )"),
    ),
    Line(
        name="darknet",
        framework="darknet",
        pairs=None,
        starts=re.compile(
            rf"^\s*(?P<iteration>\d+)(?:/\d+)?: (?:loss=)?(?P<loss>{_N}), (?P<avg_loss>{_N}) avg(?: loss)?, "
            rf"(?P<rate>{_N}) rate, (?P<seconds>{_N}) seconds, (?P<images>\d+) images"
        ),
        renamed={"rate": "lr"},
    ),
    Line(
        name="mmengine",
        framework="mmengine",
        starts=re.compile(r"\b(?:Epoch|Iter)\((?P<phase>\w+)\)\s+(?:\[(?P<epoch>\d+)\])?\[\s*(?P<batch>\d+)/\d+\]"),
    ),
    Line(name="mmcv", framework="mmcv", starts=re.compile(r"\bEpoch \[(?P<epoch>\d+)\]\[(?P<batch>\d+)/\d+\]\s")),
    Line(name="mmcv iterations", framework="mmcv", starts=re.compile(r"\bIter \[(?P<iter>\d+)/(?P<total>\d+)\]\s")),
    Line(
        name="timm",
        framework="timm",
        pairs=_SPOKEN,
        starts=re.compile(r"\bTrain: (?P<epoch>\d+) \[\s*(?P<batch>\d+)/\d+ \(\s*\d+%\)\]"),
    ),
    Line(
        name="torchvision", pairs=_SPOKEN, starts=re.compile(r"\bEpoch: \[(?P<epoch>\d+)\] *\[ *(?P<batch>\d+)/\d+\]")
    ),
    Line(
        name="pytorch example",
        pairs=_ASSIGNED,
        starts=re.compile(r"\bTrain Epoch: (?P<epoch>\d+) \[\s*(?P<samples_in_epoch>\d+)/\d+ \(\s*\d+%\)\]"),
    ),
    Line(
        name="caffe",
        framework="caffe",
        starts=re.compile(r"\bIteration (?P<iteration>\d+)(?: \([^)]*\))?, (?=(?:loss|lr) = )"),
    ),
    Line(name="bars", pairs=_SPOKEN, starts=re.compile(r"^\s*step\s+(?P<step>\d+)\s*/\s*(?P<total>\d+)\s*\|", re.I)),
    Line(
        name="step",
        starts=re.compile(
            r"(?:^|[\s\[(])(?:epochs?\s*[:=#]?\s*[\[(]?\s*(?P<epoch>\d+)(?:\s*/\s*(?P<epochs>\d+))?[\])]?[\s,;:|-]+)?"
            r"(?:global[ _]?step|training step|step|iter(?:ation)?|batch|update)s?\s*[:=#]?\s*[\[(]?\s*(?P<step>\d+)"
            r"(?:\s*/\s*(?P<total>\d+))?[\])]?[\s,;:|-]",
            re.I,
        ),
    ),
    Line(
        name="epoch",
        starts=re.compile(
            r"(?:^|[\s\[(:])epochs?\s*[:=#]?\s*[\[(]?\s*(?P<epoch>\d+)(?:\s*/\s*(?P<epochs>\d+))?[\])]?[\s,;:|-]", re.I
        ),
    ),
)
_KERAS_EPOCH = re.compile(r"^\s*Epoch (\d+)/(\d+)\s*$")
_KERAS_BAR = re.compile(r"^\s*(\d+)/(\d+) (?:\[[=>.\s]+\]|[━\s]+|-) ?.*?(?:s|step|-)\b")
_BOX = re.compile(r"^\|(\s*)([\w./@ -]+?)\s*\|\s*(\S+)\s*\|\s*$")
_BOX_HEADING = re.compile(r"^\|\s?([\w ]+/)\s*\|\s*\|\s*$")
_BOX_EDGE = re.compile(r"^-{8,}$")
_OLMO = re.compile(r"\[step=(\d+)(?:/(\d+))?(?:,epoch=(\d+)(?:/\d+)?)?\]\s*$")
_OLMO_VALUE = re.compile(r"^\s{2,}([\w./-]+(?: [\w./-]+)*)=([-+\w.,]+)\s*$")


def entries_of(lines: Lines) -> Iterator[tuple[int, str, Entry]]:
    """Line number, name of the pattern and numbers of every line, or block of lines, that a pattern knows.

    Keys that begin with ``=`` are declarations.
    """
    patterns = list(LINES)
    hits: Counter[str] = Counter()
    keras_epoch: int | None = None
    complete = lines.lines if lines.complete else lines.lines[:-1]
    index = -1
    while (index := index + 1) < len(complete):
        line = shown(complete[index])
        if not _DIGIT.search(line):
            if _BOX_EDGE.match(line):
                end, entry = _box(complete, index + 1)
                if entry:
                    yield index + 2, "box", entry
                    index = end - 1
            continue
        head = _KERAS_EPOCH.match(line) if "poch" in line else None
        if head:
            keras_epoch = int(head[1])
            yield index + 1, "keras", {"=epochs": int(head[2])}
            continue
        if keras_epoch is not None and (bar := _KERAS_BAR.match(line)) and bar[1] == bar[2]:
            values = _pairs(_ASSIGNED, line[bar.end() - 1 :], {})
            if values:
                yield index + 1, "keras", {"epoch": keras_epoch, **values}
            continue
        opened = _OLMO.search(line) if "[step=" in line else None
        if opened:
            end, values = _indented(complete, index + 1)
            if values:
                yield index + 1, "olmo", {"step": int(opened[1]), **values}
                index = end - 1
            continue
        if len(line) > LONGEST_LINE:
            continue
        stamp = _STAMP.match(line)
        text = line[stamp.end() :].lstrip(" -:|,") if stamp else line
        found = _by_pattern(patterns, text)
        if found is None:
            continue
        pattern, entry = found
        if stamp and WALL not in entry and (seconds := seconds_of_stamp(stamp[1])) is not None:
            entry[WALL] = seconds
        hits[pattern.name] += 1
        if hits[pattern.name] == 1000:  # most lines of one log are alike: try that pattern first
            patterns.sort(key=lambda one: -(hits[one.name] // 1000))
        yield index + 1, pattern.name, entry


def shown(raw: str) -> str:
    """A line as a terminal shows it at last, without colours."""
    if "\r" in raw or "\b" in raw:
        states = [state for state in re.split(r"[\r\x08]+", raw) if state.strip()]
        raw = states[-1] if states else ""
    return (_ANSI.sub("", raw) if "\x1b" in raw else raw).rstrip()


def _box(lines: Sequence[str], index: int) -> tuple[int, Entry]:
    """A boxed table of names and values that starts at a line; nothing when no edge closes it."""
    entry: Entry = {}
    heading = ""
    for end in range(index, len(lines)):
        if _BOX_EDGE.match(lines[end].rstrip()):
            return end, entry
        title = _BOX_HEADING.match(lines[end])
        if title:
            heading = title[1]
            continue
        found = _BOX.match(lines[end])
        if not found:
            break
        number = _number(found[3])
        if number is not None:
            entry[(heading if len(found[1]) > 1 else "") + found[2]] = number
        if "e+" in found[3] and names_an_axis(found[2]):
            entry["=rounded"] = 1
    return index, {}


def _indented(lines: Sequence[str], index: int) -> tuple[int, Entry]:
    """Indented ``name=value`` lines that start at a line."""
    entry: Entry = {}
    for end in range(index, len(lines)):
        found = _OLMO_VALUE.match(lines[end])
        if not found:
            return end, entry
        number = _number(found[2].replace(",", ""))
        if number is not None:
            entry[found[1]] = number
    return len(lines), entry


# Every pattern above needs one of these words; most lines of prose and source have none.
_ANY_WORD = re.compile(r"step|iter|epoch|batch|update|:::ML|train|valid|^s:\d|\{'|, \S+ avg", re.I)


def _by_pattern(patterns: Sequence[Line], text: str) -> tuple[Line, Entry] | None:
    if not _ANY_WORD.search(text):
        return None
    for pattern in patterns:
        found = pattern.starts.search(text)
        if not found:
            continue
        if pattern.entry is not None:
            entry = pattern.entry(found, text)
        else:
            entry = _entry(pattern, found, text)
        if entry:
            return pattern, entry
    return None


def _entry(pattern: Line, found: re.Match[str], text: str) -> Entry | None:
    """The numbers of a line: its counters, and the pairs behind them."""
    entry: Entry = {}
    phase = ""
    for name, value in found.groupdict().items():
        if value is None:
            continue
        if name == "phase":
            phase = "" if value == "train" else f"{value}/"
        elif name in ("total", "epochs"):
            entry["=max_steps" if name == "total" else "=epochs"] = int(value)
        else:
            number = _number(value)
            if number is None:
                return None
            entry[(pattern.renamed or {}).get(name, name)] = number
    if pattern.pairs is None:
        return entry
    values = _pairs(pattern.pairs, text[found.end() :], pattern.renamed or {})
    if not values:
        return None
    return {**entry, **{f"{phase}{name}": value for name, value in values.items() if name not in entry}}


def _pairs(pattern: re.Pattern[str], text: str, renamed: Mapping[str, str]) -> Entry:
    """Names and numbers of a line; a printed dictionary says what each number is, so none of its names is left out."""
    values: Entry = {}
    quoted = pattern is _QUOTED
    for name, number in pattern.findall(text):
        name = renamed.get(name, name.strip())
        if (quoted or name.lower() not in _NO_TAGS) and name not in values:
            values[name] = _number(number) if quoted else float(number)
    return values


def _number(text: str) -> int | float | None:
    if not re.fullmatch(_N, text):
        return None
    value = float(text)
    return (
        int(value)
        if value.is_integer() and abs(value) < LARGEST_STEP and "." not in text and "e" not in text.lower()
        else value
    )


def parse(data: bytes, name: str) -> Reading:
    """Printed lines as a reading; rows are 1-based line numbers."""
    unpacked = unpack(data, name)
    reason = why_not_text(unpacked.data)
    if reason:
        return unreadable(name, "stdout", reason, unpacked.problems)
    lines = lines_of(decode(unpacked.data))
    found: list[tuple[int, str, Entry]] = []
    declared: dict[str, list[int]] = {}
    for row, pattern, entry in entries_of(lines):
        numbers = {key: value for key, value in entry.items() if key[:1] != "="}
        for key in entry.keys() - numbers.keys():
            declared.setdefault(key[1:], []).append(entry[key])
        if set(numbers) - {WALL}:
            found.append((row, pattern, numbers))
    patterns = Counter(pattern for _, pattern, _ in found)
    found = [one for one in found if one[1] not in GENERIC or patterns[one[1]] >= LINES_NEEDED or len(patterns) == 1]
    rows = [row for row, _, _ in found]
    entries = [numbers for _, _, numbers in found]
    problems = [*unpacked.problems, *_cut(lines, rows, name)]
    if not entries:
        return unreadable(name, "stdout", "no line that tells of training", problems)
    if "rounded" in declared:
        reason = "not read: a copy for the terminal, its steps are rounded to three digits; the logger's table has them"
        return unreadable(name, "stdout", reason, problems)
    by_name = {line.name: line for line in LINES}
    known = [by_name[one] for one, _ in patterns.most_common() if one in by_name]
    framework = next((line.framework for line in known if line.framework), None) or (
        "keras" if "keras" in patterns else None
    )
    dialect = Dialect(
        framework=framework,
        wall_column=WALL,
        elapsed_columns=tuple(one for line in known for one in line.elapsed),
        step_columns=("num_updates",) if framework == "fairseq" else (),
    )
    facts = [
        Fact(key=key, value=values[0], found_in=f"{Path(name).name}")
        for key, values in declared.items()
        if len(set(values)) == 1 or key in ("dataset_size", "global_batch_size")
    ]
    return interpret(
        columns_of_entries(entries),
        np.array(rows, dtype=np.int64),
        dialect=dialect,
        problems=problems,
        facts=facts,
        source=Source(path=name, format="stdout", line_numbers=True),
    )


def _cut(lines: Lines, rows: Sequence[int], name: str) -> list[Problem]:
    """The end of the output is named only where it is in the middle of a line that would have counted."""
    if lines.complete or not lines.lines or not rows:
        return []
    ended = Lines(lines=lines.lines[-1:], complete=True)
    if not any(True for _ in entries_of(ended)):
        return []
    row = len(lines.lines)
    return [
        Problem(
            source=name, kind="truncated", row=row, message=f"the output ends inside line {row}: that line is left out"
        )
    ]


def tells_of_training(lines: Lines) -> bool:
    """Whether some lines count steps or epochs and name a loss, a learning rate or another figure of training."""
    telling: Counter[bool] = Counter()  # by a program's own pattern, by a generic one
    counted = False
    for _, pattern, entry in entries_of(lines):
        keys = [key for key in entry if key[:1] != "="]
        counted = counted or any(names_an_axis(key) for key in keys)
        telling[pattern not in GENERIC] += any(
            role_of_tag(key) in TELLING_ROLES or "acc" in key.lower() for key in keys
        )
        if telling[True] >= LINES_OF_A_PROGRAM or (telling[False] >= LINES_NEEDED and counted):
            return True
    return False


def read(path: Path) -> Reading:
    """Read the output in one file."""
    return parse(path.read_bytes(), str(path))


def recognises(path: Path, head: bytes) -> bool:
    """Text in which at least a few lines match; programs that print their source first are looked at further down."""
    if not (plain_suffix(path) in SUFFIXES or plain_suffix(path)[1:].isdigit()):
        return False
    start = plain_head(head)
    if len(start) < 20 or why_not_text(start) or b"\0" in start:
        return False
    if tells_of_training(lines_of(decode(start))):
        return True
    if len(head) < 4096 or plain_suffix(path) not in (".log", ".txt", ".out", ".stdout"):
        return False
    try:
        with path.open("rb") as stream:
            more = stream.read(BYTES_LOOKED_AT)
    except OSError:
        return False
    if more.startswith((GZIP_MAGIC, ZSTD_MAGIC)):
        more = unpack(more, "").data
    return tells_of_training(lines_of(decode(more)))


READER = Reader(
    name="stdout",
    title="Printed output",
    recognises=recognises,
    read=read,
    parse=parse,
    recognised_by="`.log`, `.txt`, `.out`: some lines as printed by Keras, the Trainer, nanoGPT, Megatron, fairseq, "
    "MLPerf, mmengine, timm, torchvision, OLMo, Caffe, darknet, Stable-Baselines3, or `Epoch 3: loss=0.5` and its like",
    step="the counter that the line begins with: `iter`, `iteration`, `step`, `num_updates`, or the epoch",
    epoch="as printed: Keras prints from 1 (its files count from 0); the Trainer a fraction",
    learning_rate="as printed: Megatron the next update's, nanoGPT none",
    priority=-20,
)
