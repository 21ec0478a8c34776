"""JSON objects that stand behind words of a program: fairseq's, MLPerf's, DLLogger's, and a print of one's own."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from analyzer.readers.columns.entries import flatten
from analyzer.readers.columns.step_axis import LARGEST_STEP, names_an_axis
from analyzer.readers.stdout.patterns import PLACE, WALL, Entry, number_of, place_of
from analyzer.readers.stdout.values import tells
from analyzer.written_numbers import loads_json


def _object_behind(found: re.Match[str], line: str) -> dict[str, Any] | None:
    """The JSON object whose brace a pattern ends with; None where it is none, or broken."""
    try:
        value = loads_json(line[found.end() - 1 :])
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def json_after(found: re.Match[str], line: str) -> Entry | None:
    """A JSON object behind a prefix: fairseq's json format writes its numbers as strings."""
    value = _object_behind(found, line)
    return None if value is None else flatten(value)


def json_in_a_line(found: re.Match[str], line: str) -> Entry | None:
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
    entry: Entry = {}
    for key, cell in flatten(value).items():
        if isinstance(cell, str) and (place := PLACE.fullmatch(cell)):  # "epoch": "5/10", "iter": "230/235"
            entry |= place_of(key, *place.groups())
        elif (number := _cell(cell)) is not None:
            entry[key] = number
    return entry if any(tells(key) for key in entry if not names_an_axis(key)) else None


def nested_in_a_line(found: re.Match[str], line: str) -> Entry | None:
    """A printed dictionary that holds others: ``{'epoch': 1, 'train': {'loss': 0.5}, 'val': {'loss': 0.6}}``."""
    said = line[found.start() : line.rfind("}") + 1]
    try:
        value = loads_json(_CONSTANTS.sub(lambda one: _AS_JSON[one[0]], said.replace("'", '"')))
    except (ValueError, RecursionError):
        return None
    entry = {key: number for key, cell in flatten(value).items() if (number := _cell(cell)) is not None}
    return entry if any(map(names_an_axis, entry)) and any(map(tells, entry)) else None


_AS_JSON = {"None": "null", "True": "true", "False": "false", "nan": "NaN", "inf": "Infinity"}
_CONSTANTS = re.compile(r"(?<=: )(?:None|True|False|nan|inf)(?=[,}])")


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
_MLPERF_METADATA = (
    ("epoch", "epoch"), ("epoch_num", "epoch"), ("iteration", "iteration"), ("step_num", "step"),
    ("samples_count", "consumed_samples"), ("lr", "lr"),
)  # fmt: skip


def mlperf(found: re.Match[str], line: str) -> Entry | None:
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
    for name, known in _MLPERF_METADATA:
        if isinstance(metadata.get(name), int | float) and not isinstance(metadata.get(name), bool):
            entry[known] = metadata[name]
    if key == "train_epoch":
        entry["epoch"] = value
    elif isinstance(value, int | float):
        entry[key.removeprefix("opt_")] = value
    else:
        return None
    return entry if isinstance(entry.get("epoch", 0), int | float) else None
