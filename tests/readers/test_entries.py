"""Entries to columns: what is a number, what is text, what is left out, whatever else stands beside it."""

# ruff: noqa: E501  (tables read better in one piece)

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.readers.columns import entries as module
from analyzer.readers.columns.entries import columns_of_entries
from analyzer.written_numbers import BEYOND

HUGE = 10**400
TABLE: list[tuple[str, list[dict[str, Any]], dict[str, tuple[list[int], list[float], list[str]]]]] = [
    # what, entries, column: (positions of numbers, numbers, texts)
    ("no entries", [], {}),
    ("empty entries", [{}, {}], {}),
    ("numbers", [{"a": 1, "b": 2.5}, {"a": 2, "b": 3.5}], {"a": ([0, 1], [1, 2], []), "b": ([0, 1], [2.5, 3.5], [])}),
    ("one key", [{"a": 1}, {"a": 2}], {"a": ([0, 1], [1, 2], [])}),
    ("keys in another order", [{"a": 1, "b": 2}, {"b": 4, "a": 3}], {"a": ([0, 1], [1, 3], []), "b": ([0, 1], [2, 4], [])}),
    ("as many keys, but others", [{"a": 1}, {"b": 2}, {"a": 3}], {"a": ([0, 2], [1, 3], []), "b": ([1], [2], [])}),
    ("some share keys", [{"b": 1, "a": 2}, {"a": 3}], {"b": ([0], [1], []), "a": ([0, 1], [2, 3], [])}),
    ("true is no number", [{"a": 1, "b": True}, {"a": 0, "b": False}], {"a": ([0, 1], [1, 0], []), "b": ([], [], [])}),
    ("ones and zeros are", [{"a": 1, "b": 0}, {"a": 1.0, "b": -0.0}], {"a": ([0, 1], [1, 1], []), "b": ([0, 1], [0, 0], [])}),
    ("null is no number", [{"a": 1, "b": None}, {"a": 2, "b": 5}], {"a": ([0, 1], [1, 2], []), "b": ([1], [5], [])}),
    ("text", [{"a": 1, "b": "x"}, {"a": 2, "b": 5}], {"a": ([0, 1], [1, 2], []), "b": ([1], [5], ["x"])}),
    ("a number in quotes", [{"a": "1.5"}, {"a": "-2"}], {"a": ([0, 1], [1.5, -2], [])}),
    ("beyond a float", [{"a": HUGE, "b": 1}, {"a": -HUGE, "b": 2}], {"a": ([], [], [BEYOND] * 2), "b": ([0, 1], [1, 2], [])}),
    ("not finite", [{"a": float("inf")}, {"a": float("nan")}], {"a": ([0, 1], [np.inf, np.nan], [])}),
    ("nested", [{"a": {"b": 1}}, {"a": {"b": 2}}], {"a/b": ([0, 1], [1, 2], [])}),
    ("a list of one", [{"a": [1.5]}, {"a": [2.5]}], {"a": ([0, 1], [1.5, 2.5], [])}),
    ("a list of more", [{"a": [1, 2], "b": 1}], {"b": ([0], [1], [])}),
]  # fmt: skip


@pytest.mark.parametrize(("what", "entries", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_columns(what: str, entries: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    columns = columns_of_entries(entries)
    assert [column.name for column in columns] == list(expected)
    for column in columns:
        at, numbers, texts = expected[column.name]
        assert column.positions(len(entries)).tolist() == at
        np.testing.assert_array_equal(column.value, np.array(numbers, dtype=float))
        assert list(column.text) == texts


VALUES = st.one_of(st.integers(), st.floats(), st.booleans(), st.none(), st.sampled_from(["x", "1.5", "nan", ""]))


@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUES), max_size=40), st.integers(1, 5), st.sampled_from([0, 2, 8]))
def test_each_value_is_where_it_was_written(entries: list[dict[str, Any]], together: int, of_a_shape: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_IN_CACHE", together)
        patch.setattr(module, "FEWEST_OF_A_SHAPE", of_a_shape)
        found = {column.name: column for column in columns_of_entries(entries)}
    for key in {key for entry in entries for key in entry}:
        column = found[key]
        numbers = dict(zip(column.positions(len(entries)).tolist(), column.value.tolist(), strict=True))
        texts = dict(zip(column.text_at, column.text, strict=True))
        for position, entry in enumerate(entries):
            value = entry.get(key)
            quoted = isinstance(value, str) and value in ("1.5", "nan")
            if quoted or (isinstance(value, int | float) and not isinstance(value, bool)):
                np.testing.assert_equal(numbers.pop(position), float(value))  # type: ignore[arg-type]
            elif isinstance(value, str):
                assert texts.pop(position) == value
        assert not numbers and not texts
