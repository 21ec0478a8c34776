"""How the programs that we know print a step: a table of line patterns, tried on lines one after another."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from analyzer.readers.columns.entries import flatten
from analyzer.readers.columns.step_axis import LARGEST_STEP, names_an_axis
from analyzer.readers.stdout.general import tells
from analyzer.readers.stdout.patterns import (
    ASSIGNED,
    NUMBER,
    QUOTED,
    SPOKEN,
    WALL,
    Entry,
    LinePattern,
    entry_by,
    number_of,
    pairs_of,
)
from analyzer.roles import role_of_tag
from analyzer.written_numbers import loads_json


def _object_behind(found: re.Match[str], line: str) -> dict[str, Any] | None:
    """The JSON object whose brace a pattern ends with; None where it is none, or broken."""
    try:
        value = loads_json(line[found.end() - 1 :])
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _json_after(found: re.Match[str], line: str) -> Entry | None:
    """A JSON object behind a prefix: fairseq's json format writes its numbers as strings."""
    value = _object_behind(found, line)
    return None if value is None else flatten(value)


def _json_in_a_line(found: re.Match[str], line: str) -> Entry | None:
    """A JSON object that a program prints behind words of its own: ``json_stats: {"iter": 20, "loss": "1.59"}``.

    DLLogger writes a step as a list: epoch, iteration of the epoch, and that of its validation.
    """
    if ":::ML" in line[: found.start()]:
        return None  # of MLPerf, whose keys have meanings of their own
    value = _object_behind(found, line)
    if value is None:
        return None
    place = value.get("step")
    if isinstance(place, list) and place and all(type(one) is int for one in place):
        value = {**value, "step": None, **dict(zip(("epoch", "batch", "validation_batch"), place, strict=False))}
    entry = {key: number for key, cell in flatten(value).items() if (number := _cell(cell)) is not None}
    return entry if any(tells(key) for key in entry if not names_an_axis(key)) else None


def _cell(value: Any) -> float | int | None:
    """A number, also one in quotes; None for any other cell."""
    if isinstance(value, str):
        return number_of(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


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
        value = loads_json(text) if text else None
    except (ValueError, RecursionError):
        return None
    if key is None and isinstance(value, dict):
        key = str(value.get("key", ""))
        entry[WALL] = float(value["time_ms"]) / 1000.0 if isinstance(value.get("time_ms"), int | float) else math.nan
    metadata: Mapping[str, Any] = {}
    if isinstance(value, dict):
        inner = value.get("metadata")
        metadata = inner if isinstance(inner, dict) else value
        value = value.get("value")
    if key in _MLPERF_FACTS and isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST_STEP:
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


_ROUNDED_RATE = re.compile(r"\boptim\d{1,3}_lr\d{1,3}=\d{1,9}\.\d{3}(?![\de])")
_ESPNET_PART = re.compile(r"\[(\w{1,20})\] ([^\[]++)")


def _espnet_batches(found: re.Match[str], line: str) -> Entry | None:
    """The means of some batches. From 0.001 on espnet2/train/reporter.py writes three decimals: too few for a rate."""
    phase = "" if found["phase"] == "train" else f"{found['phase']}/"
    values = pairs_of(ASSIGNED, _ROUNDED_RATE.sub("", line[found.end() :]), {})
    return {**{name: int(found[name]) for name in ("epoch", "batch")}, **{phase + k: v for k, v in values.items()}}


def _espnet_results(found: re.Match[str], line: str) -> Entry | None:
    """``3epoch results: [train] loss=1.0, ..., [valid] loss=1.2``: the means of an epoch, which a rate has none of."""
    entry: Entry = {"epoch": int(found["epoch"])}
    for part, said in _ESPNET_PART.findall(line, found.end()):
        values = pairs_of(ASSIGNED, said, {})
        entry |= {f"{part}/{name}": value for name, value in values.items() if role_of_tag(name) != "learning_rate"}
    if "train/loss" in entry:
        entry["train/epoch_loss"] = entry.pop("train/loss")
    return entry if len(entry) > 1 else None


LINES: tuple[LinePattern, ...] = (
    LinePattern(
        name="mlperf",
        framework="mlperf",
        pairs=None,
        entry=_mlperf,
        starts=re.compile(
            r":::(?:MLPv[\d.]+ \w+ (?P<wall>[0-9]{1,15}\.[0-9]{1,15}) \([^)]{0,400}+\) "
            r"|MLL(?:OG)? (?:(?=\{)|(?:\d+\.\d+ )))"
            r"(?:(?P<key>\w+)\s*+(?::\s*+|$))?"
            r"(?P<value>.*)$"
        ),
    ),
    LinePattern(
        name="megatron",
        framework="megatron",
        starts=re.compile(r"^\s*iteration\s+(?P<iteration>\d+)\s*/\s*(?P<total>\d+)\s*\|"),
        renamed={"learning rate": "learning-rate", "grad norm": "grad-norm", "consumed samples": "consumed_samples"},
    ),
    LinePattern(
        name="megatron validation",
        framework="megatron",
        starts=re.compile(r"validation loss at iteration\s+(?P<iteration>\d+)\s*\|"),
        renamed={"lm loss value": "lm loss validation", "lm loss PPL": "lm loss validation ppl"},
    ),
    LinePattern(
        name="modded-nanogpt",
        framework="modded-nanogpt",
        starts=re.compile(r"^step:(?P<step>\d+)/(?P<total>\d+)(?= \w+:)"),
        elapsed=("train_time",),
    ),
    LinePattern(
        name="nanogpt",
        framework="nanogpt",
        pairs=SPOKEN,
        starts=re.compile(r"^iter (?P<iter>\d+):(?= )"),
        elapsed=("time",),
    ),
    LinePattern(
        name="nanogpt evaluation",
        framework="nanogpt",
        pairs=SPOKEN,
        renamed={"train loss": "train/loss", "val loss": "val/loss"},
        starts=re.compile(r"^step (?P<iter>\d+):(?= train loss)"),
    ),
    LinePattern(
        name="llm.c",
        framework="llm.c",
        starts=re.compile(r"^s:(?P<step>\d+)(?= \w+:)"),
        renamed={"trl": "train_loss", "tel": "val_loss", "hel": "hellaswag"},
    ),
    LinePattern(
        name="fairseq json",
        framework="fairseq",
        pairs=None,
        entry=_json_after,
        starts=re.compile(r"\| (?:INFO \| )?(?:train_inner|train|valid|test)\w* \| \{(?=\")"),
    ),
    LinePattern(
        name="json",
        pairs=None,
        entry=_json_in_a_line,
        starts=re.compile(r"\{(?=\"[\w./ -]{1,80}\": )"),
    ),
    LinePattern(
        name="fairseq",
        framework="fairseq",
        pairs=SPOKEN,
        behind="num_updates",
        starts=re.compile(r"\bepoch (?P<epoch>\d+)(?:: +\d+ / \d+|(?= \|))(?= )"),
    ),
    LinePattern(
        name="trainer",
        framework="transformers",
        pairs=QUOTED,
        behind="'epoch': ",
        starts=re.compile(r"\{(?='[\w/]+': ['\w-])"),
    ),
    LinePattern(
        name="darknet",
        framework="darknet",
        pairs=None,
        starts=re.compile(
            rf"^\s*(?P<iteration>\d+)(?:/\d+)?: (?:loss=)?(?P<loss>{NUMBER}), (?P<avg_loss>{NUMBER}) avg(?: loss)?, "
            rf"(?P<rate>{NUMBER}) rate, (?P<seconds>{NUMBER}) seconds, (?P<images>\d+) images"
        ),
        renamed={"rate": "lr", "seconds": "iteration_duration"},  # of the one iteration
    ),
    LinePattern(
        name="mmengine",
        framework="mmengine",
        starts=re.compile(
            r"\b(?:Epoch|Iter)\((?P<phase>\w+)\)\s++(?:\[(?P<epoch>\d+)\])?\[\s*(?P<batch>\d+)/(?P<batches>\d+)\]"
        ),
    ),
    LinePattern(
        name="mmcv",
        framework="mmcv",
        starts=re.compile(r"\bEpoch \[(?P<epoch>\d+)\]\[(?P<batch>\d+)/(?P<batches>\d+)\]\s"),
    ),
    LinePattern(
        name="mmcv iterations", framework="mmcv", starts=re.compile(r"\bIter \[(?P<iter>\d+)/(?P<total>\d+)\]\t")
    ),
    LinePattern(
        name="timm",
        framework="timm",
        pairs=SPOKEN,
        starts=re.compile(r"\bTrain: (?P<epoch>\d+) \[\s*(?P<batch>\d+)/(?P<batches>\d+) \(\s*\d+%\)\]"),
    ),
    LinePattern(
        name="torchvision",
        pairs=SPOKEN,
        starts=re.compile(r"\bEpoch: \[(?P<epoch>\d+)\] *\[ *(?P<batch>\d+)/(?P<batches>\d+)\]"),
    ),
    LinePattern(
        name="pytorch example",
        pairs=ASSIGNED,
        starts=re.compile(r"\bTrain Epoch: (?P<epoch>\d+) \[\s*(?P<samples>\d+)/(?P<of>\d+) \(\s*\d+%\)\]"),
    ),
    LinePattern(  # pytorch-CycleGAN-and-pix2pix, util/visualizer.py: the count goes up by the batch size
        name="cyclegan",
        framework="cyclegan",
        starts=re.compile(r"^\(epoch: (?P<epoch>\d+), iters: (?P<samples>\d+), time: [\d.]+, data: [\d.]+\) "),
    ),
    LinePattern(
        name="openclip evaluation",  # its label counts the epochs done: no label of an epoch, which training has
        framework="openclip",
        starts=re.compile(r"\bEval Epoch: (?P<epochs_done>\d+)\s"),
    ),
    LinePattern(
        name="caffe",
        framework="caffe",
        starts=re.compile(r"\bIteration (?P<iteration>\d+)(?: \([^)]{0,400}+\))?, (?=(?:loss|lr) = )"),
    ),
    LinePattern(  # espnet2/train/trainer.py
        name="espnet",
        framework="espnet",
        pairs=None,
        entry=_espnet_batches,
        starts=re.compile(r"\b(?P<epoch>\d{1,9})epoch:(?P<phase>train|valid):\d{1,15}-(?P<batch>\d{1,15})batch: "),
    ),
    LinePattern(
        name="espnet results",
        framework="espnet",
        pairs=None,
        entry=_espnet_results,
        starts=re.compile(r"\b(?P<epoch>\d{1,9})epoch results: (?=\[)"),
    ),
    LinePattern(  # marian-dev, src/training/scheduler.h: sentences of the epoch, the mean cost of a label
        name="marian",
        framework="marian",
        pairs=SPOKEN,
        renamed={"Sen.": "sentences", "L.r.": "lr"},
        starts=re.compile(
            rf"\bEp\. (?P<epoch>\d+) : Up\. (?P<update>\d+) : Sen\. (?P<samples_in_epoch>[\d,]{{1,20}}) : "
            rf"Cost (?P<cost>{NUMBER}) \* [\d,]{{1,20}}(?: after [\d,]{{1,20}})? :"
        ),
    ),
    LinePattern(
        name="marian validation",
        framework="marian",
        pairs=None,
        entry=lambda found, line: {
            **{name: int(found[name]) for name in ("epoch", "update")}, f"valid/{found['name']}": float(found["value"])
        },
        starts=re.compile(
            r"\[valid\] Ep\. (?P<epoch>\d{1,9}) : Up\. (?P<update>\d{1,15}) : (?P<name>[\w-]{1,40}) : "
            r"(?P<value>-?\d{1,15}(?:\.\d{1,15})?)(?![\w.])"
        ),
    ),
    LinePattern(
        name="bars",
        pairs=SPOKEN,
        starts=re.compile(r"^\s*+step\s++(?P<step>\d+)\s*+/\s*+(?P<total>\d+)\s*+\|", re.I),
    ),
)

_DIGITS = re.compile(r"\d{1,15}")  # longer numbers are none to some patterns: their shape is another
LONGEST_SHAPE, MOST_SHAPES = 1_000, 4_000  # signs, and how many are remembered
# Every pattern above needs one of these words; most lines of prose and source have none.
_ANY_WORD = re.compile(r"\bEp\. \d|step|iter|epoch|batch|update|:::ML|train|valid|^s:\d|\{'|, \S+ avg", re.I)


def begins_as_known(text: str) -> bool:
    """Whether a line counts something in the way of a program, whatever else it says."""
    return _ANY_WORD.search(text) is not None and any(line.starts.search(text) for line in LINES)


class Patterns:
    """The table of patterns, tried on lines one after another: most lines of a log differ in their digits only.

    Whether a pattern begins in a line does not depend on its digits, so a shape that none began is not tried again.
    """

    def __init__(self) -> None:
        self._order = list(LINES)
        self._hits: Counter[str] = Counter()
        self._of_no_program: set[str] = set()

    def first_match(self, text: str) -> tuple[str, Entry] | None:
        """Name of the pattern, and what the line says by it; None where none knows it."""
        shape = _DIGITS.sub("0", text)
        if shape in self._of_no_program:
            return None
        begun = False
        for pattern in self._order if _ANY_WORD.search(text) else ():
            found = pattern.starts.search(text)
            if not found or (pattern.behind and text.find(pattern.behind, found.end()) < 0):
                continue
            begun = True
            entry = pattern.entry(found, text) if pattern.entry is not None else entry_by(pattern, found, text)
            if entry:
                self._count(pattern.name)
                return pattern.name, entry
        if not begun and len(text) <= LONGEST_SHAPE and len(self._of_no_program) < MOST_SHAPES:
            self._of_no_program.add(shape)
        return None

    def _count(self, name: str) -> None:
        self._hits[name] += 1
        if self._hits[name] == 1000:  # most lines of one log are alike: try that pattern first
            self._order.sort(key=lambda one: -(self._hits[one.name] // 1000))
