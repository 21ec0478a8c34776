"""Objects read by their known keys give the columns that dictionaries give."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.readers import json_objects
from analyzer.readers.columns import Column
from analyzer.readers.columns.entries import columns_of_entries
from analyzer.readers.json_objects import Objects, loads
from analyzer.written_numbers import loads_json

FIRST = '[{"step": 1, "loss": 2.5, "note": "a"}, {"step": 2, "eval/loss": 3, "note": null}]'


def as_rows(columns: list[Column], rows: int) -> dict[str, Any]:
    return {
        column.name: (
            column.positions(rows).tolist(),
            [repr(one) for one in column.value.tolist()],
            list(map(int, column.text_at)),
            list(column.text),
        )
        for column in columns
    }


def same_as_dictionaries(objects: Objects, piece: str) -> None:
    entries = loads_json(piece)
    count, columns = objects.of_list(piece.encode())
    assert count == len(entries)
    assert as_rows(list(columns), count) == as_rows(columns_of_entries(entries), count)


@pytest.mark.parametrize(
    "piece",
    [
        '[{"step": 3, "loss": 0.1, "note": "b"}]',
        '[{"loss": 1, "step": 3}, {"note": "b"}, {}]',  # other order, keys missing
        '[{"step": 3, "loss": 1e-320}, {"step": -0.0, "loss": -0}, {"step": 1E5, "loss": 0.30000000000000004}]',
        '[{"step": 9007199254740993, "loss": 123456789012345678901234567890}]',  # beyond what a float holds exactly
        f'[{{"step": 1{"0" * 400}, "loss": 1}}]',  # beyond any float
        '[{"step": 3, "loss": 1e400}]',
        '[{"step": 3, "loss": NaN}, {"step": 4, "loss": -Infinity}, {"step": 5, "loss": Infinity}]',
        '[{"step": 3, "loss":NaN , "note": ":NaN, x"}, {"note": "l\\": NaN,"}, {"note": "NaN", "loss": NaN}]',
        '[{"step": 3, "loss": NaN, "note": NaN}]',
        '[{"step": 3, "loss": 1.0715086071862673e-301}, {"step": 4, "loss": NaN}]',  # the number that stands for NaN
        '[{"step": 3, "loss": -NaN}]',
        '[{"step": 3, "loss": null}]',
        '[{"step": 3, "loss": true}]',
        '[{"step": 3, "loss": "0.5"}, {"step": 4, "loss": "nan"}, {"step": 5, "loss": "off"}]',
        '[{"step": 3, "new": 1}]',
        '[{"step": 3, "loss": {"inner": 1}, "note": {"a": [2]}}]',
        '[{"step": 3, "note": [1]}, {"step": 4, "note": [1, 2]}]',
        '[{"step": 3, "step": 4, "loss": 1, "loss": 2}]',  # the last of two counts
        r'[{"\u0073tep": 3, "l\u006fss": 1, "eval\/loss": 2, "note": "\u00e9\ud83d\ude00\ud800"}]',
        '[{"": 1, "a b": 2, "\u00e9": 3, "n0": 4, "o0": "x", "__class__": 5}]',
        '[{"step": 3, "inner": {"loss": 1, "deeper": {"x": 2, "y": [3]}}}, {"inner": {}}, {"inner": {"new": NaN}}]',
        '[{"step": 3, "inner": {"loss": 1}}, {"step": 4, "inner": 5}]',
        '[{"step": 3, "a/b": 1, "a": {"b": 2}}]',  # one name for two
        '[{"step": 3, "note": [0.5]}, {"step": 4, "note": []}, {"step": 5, "note": ["x"]}]',
        "[]",
    ],
)
def test_pieces_behind_the_first(piece: str) -> None:
    objects = Objects()
    same_as_dictionaries(objects, FIRST)
    if "-NaN" in piece:
        with pytest.raises(ValueError):
            objects.of_list(piece.encode())
        return
    same_as_dictionaries(objects, piece)
    same_as_dictionaries(objects, piece)  # what was new is known by now
    same_as_dictionaries(objects, FIRST)


keys = st.sampled_from(["step", "loss", "a/b", "", "\u00e9", "n0"])
texts = st.text(max_size=3) | st.sampled_from(["NaN", ":NaN, x", 'a": NaN}', "-Infinity", '": Infinity,'])
plain = st.none() | st.booleans() | st.floats() | st.integers() | texts | st.lists(st.integers(), max_size=2)
values = plain | st.dictionaries(keys, plain, max_size=2)
numbers = st.integers(-(2**70), 2**70) | st.floats()


@given(st.lists(st.lists(st.dictionaries(keys, values, max_size=4) | st.dictionaries(keys, numbers), max_size=4)))
def test_any_pieces(pieces: list[list[dict[str, Any]]]) -> None:
    objects = Objects()
    for piece in pieces:
        same_as_dictionaries(objects, json.dumps(piece))


@pytest.mark.parametrize("loss", ["0.5", "NaN", "-Infinity"])
def test_known_keys_need_no_dictionaries(monkeypatch: pytest.MonkeyPatch, loss: str) -> None:
    objects = Objects()
    objects.of_list(FIRST.encode())

    def refuses(data: bytes) -> Any:
        raise AssertionError("read as dictionaries")

    monkeypatch.setattr(json_objects, "loads", refuses)
    piece = f'[{{"step": 3, "loss": {loss}}}, {{"step": 4, "eval/loss": 1, "note": "x"}}]'
    count, columns = objects.of_list(piece.encode())
    assert as_rows(list(columns), count)["loss"] == ([0], [repr(float(loss))], [], [])


def test_a_log_that_brings_something_new_in_every_piece_is_still_read() -> None:
    objects = Objects()
    for number in range(30):
        same_as_dictionaries(objects, json.dumps([{"step": number, f"metric {number}": number}]))


@pytest.mark.parametrize("piece", ["[1]", "{}", '[{"a": 1}, 2]', '[{"a": 1}', '[{"a": 1}] x', ""])
def test_what_is_no_list_of_objects(piece: str) -> None:
    objects = Objects()
    for _ in range(2):
        with pytest.raises(ValueError):
            objects.of_list(piece.encode())
        objects.of_list(b'[{"a": 1}]')


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        ('{"a": 1}', 1),
        ('{"a": 1}\n{"a": 2, "b": "x"}\r\n{}', 3),
        ('{"a": 1}\r', 1),
        ('{"a": NaN}\n{"a": 2}', 2),
        ('{"a": {"b": 1}}\n{"a": [{"c": 2}]}', 2),
        ('{"a": 1} {"a": 2}\n{"a":\n3}', None),  # three lines and three objects, but not one in each
        ('{"a": {"b": 1}\n{"c": 2}}', None),
        ('{"a": 1}\n\n{"a": 2}', None),
        ('{"a": 1}\n7', None),
        ('{"a": 1}\n{"a": 2} x', None),
        (' {"a": 1}', None),
        ("", None),
    ],
)
def test_lines(lines: str, count: int | None) -> None:
    objects = Objects()
    for _ in range(2):  # by the keys of the first time, too
        if count is None:
            with pytest.raises(ValueError):
                objects.of_lines(lines.encode())
        else:
            assert objects.of_lines(lines.encode())[0] == count
        objects.of_lines(b'{"a": 1, "b": "x"}')


def test_what_python_writes_beyond_the_standard() -> None:
    assert np.isnan(loads(b"[NaN]")[0])
    assert loads(b'{"a": 1e400, "b": "\\ud800"}') == {"a": "1e400", "b": "\ud800"}
