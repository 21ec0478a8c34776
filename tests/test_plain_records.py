"""Records go to bytes and come back the same, and bytes from anybody make nothing but records."""

from __future__ import annotations

import datetime
import os
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from analyzer.checking import Request, audit_group
from analyzer.discovery import find_groups
from analyzer.model import Report, Row, Series
from analyzer.plain_records import from_bytes, to_bytes
from analyzer.renderers import Look, all_renderers

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
ROW = Row(source="a.csv", row=3, tag="loss", step=None, value=float("inf"))

SAME = [
    None,
    True,
    0,
    -(2**63),
    10**30,
    0.1,
    float("inf"),
    "ä\x1b",
    (),
    (1, (2, "x")),
    [1, [2]],
    {"a": (1,), "b": {}},
    {1: 2.5},
    frozenset({"a"}),
    Fraction(1, 3),
    Path("runs/a"),
    datetime.date(2026, 1, 2),
    datetime.datetime(2026, 1, 2, 3, 4),
    ROW,
    (ROW, ROW),
]


@pytest.mark.parametrize("value", SAME, ids=repr)
def test_plain_values_come_back(value: Any) -> None:
    back = from_bytes(to_bytes(value))
    assert back == value and type(back) is type(value)


def test_arrays_come_back_with_their_type_and_records_that_were_one_are_one() -> None:
    numbers = np.arange(3, dtype=np.int64)
    series = Series(
        tag="x", step=numbers, value=numbers / 3, wall_time=numbers / 7, source=numbers.astype(np.int32), row=numbers
    )
    one, two, number = from_bytes(to_bytes((series, series, np.float32(0.1))))
    assert one is two and one.step is one.row
    assert one.source.dtype == np.int32 and one.value.tolist() == series.value.tolist()
    assert number == np.float32(0.1) and not one.step.flags.writeable


@pytest.mark.parametrize("value", [len, object(), os, np.array([object()]), lambda: None, type, Path.home])
def test_what_is_no_record_of_ours_is_not_written(value: Any) -> None:
    with pytest.raises(TypeError):
        to_bytes(value)


def packed(records: list[Any], top: Any) -> bytes:
    return zlib.compress(msgspec.msgpack.encode([records, top]))


HOSTILE = {
    "no compression": b"x",
    "nothing": zlib.compress(b""),
    "no pair": zlib.compress(msgspec.msgpack.encode(3)),
    "a pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "a function": packed([["record", "analyzer.cli:main", {}]], ["of", 0]),
    "another package": packed([["record", "subprocess:Popen", {"args": "true"}]], ["of", 0]),
    "a module that runs": packed([["record", "analyzer.__main__:x", {}]], ["of", 0]),
    "a name inside": packed([["record", "analyzer.model:Row.__class__", {}]], ["of", 0]),
    "an imported type": packed([["record", "analyzer.cache:Path", {}]], ["of", 0]),
    "an array of objects": packed([["array", "|O", [1], b"\0" * 8, False]], ["of", 0]),
    "a field too many": packed([["record", "analyzer.model:Skipped", {"code": "", "reason": "", "x": 1}]], ["of", 0]),
    "a field too few": packed([["record", "analyzer.model:Skipped", {"code": ""}]], ["of", 0]),
    "a record that is not there": packed([], ["of", 7]),
    "an unknown kind": packed([], ["eval", "1"]),
    "deep": zlib.compress(b"\x91" * 100_000),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_bytes_of_anybody_make_no_more_than_an_error(content: bytes) -> None:
    with pytest.raises(ValueError):
        from_bytes(content)


@pytest.mark.parametrize("folder", ["runs", "formats", "same_run", "events"])
def test_every_answer_can_be_kept_and_reads_as_it_was(folder: str) -> None:
    look = Look(verbose=True)
    for group in find_groups([FIXTURES / folder]).groups:
        answer = audit_group(group, Request(paths=(FIXTURES,)), datetime.date(2026, 1, 1))
        kept = from_bytes(to_bytes(answer))
        for name, renderer in all_renderers().items():
            if name != "html":
                was, is_now = (renderer.render(Report(runs=one.runs), look) for one in (answer, kept))
                assert is_now == was, f"{group.name}: {name}"
