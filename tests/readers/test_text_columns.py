"""Long columns of text: as a sequence of strings, as a few labels, and as timestamps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.readers.columns.stamps import seconds_of_stamps
from analyzer.readers.columns.texts import PackedText, at_places, few_labels, joined
from analyzer.readers.columns.wall_time import seconds_of_stamp, seconds_of_text

WORDS = ["train", "val", "train", "a longer one", "val"]


def packed(words: list[str]) -> PackedText:
    return PackedText(cells=np.array([word.encode() for word in words], dtype=np.bytes_))


def test_packed_text_is_a_sequence_of_strings() -> None:
    text = packed(WORDS)
    assert list(text) == WORDS
    assert (text[0], text[-1], list(text[1:3]), len(text)) == (WORDS[0], WORDS[-1], WORDS[1:3], len(WORDS))
    assert list(at_places(text, np.array([3, 0]))) == ["a longer one", "train"]
    assert list(joined([text, packed(["x"])])) == [*WORDS, "x"]
    assert joined([text, ["é"]]) == [*WORDS, "é"]


@pytest.mark.parametrize("text", [WORDS, packed(WORDS)], ids=["strings", "packed"])
def test_labels_in_order_of_appearance(text: PackedText | list[str]) -> None:
    found = few_labels(text, 3)
    assert found is not None
    assert found[0] == ["train", "val", "a longer one"]
    assert found[1].tolist() == [0, 1, 0, 2, 1]
    assert few_labels(text, 2) is None


STAMPS = [
    "2024-02-29 23:59:59",
    "2024-02-29T23:59:59.1",
    "2024-02-29T23:59:59,123",
    "1999-12-31T00:00:00.123456Z",
    "2000-01-01T00:00:00Z",
]
OTHERS = [
    "2023-02-29 00:00:00",
    "2024-00-10 00:00:00",
    "2024-01-32 00:00:00",
    "2024-01-01 24:00:00",
    "2024-01-01 00:60:00",
    "2024-01-01 00:00:00.",
    "2024-01-01 00:00:00.1234567",
    "2024-01-01 00:00:00+02:00",
    "2024/01/01 00:00:00",
    "2024-01-01",
    "1815-12-10 00:00:00",
    "x024-01-01 00:00:00",
    "",
    "Z",
]


@pytest.mark.parametrize("stamp", STAMPS)
def test_stamps_of_the_usual_form(stamp: str) -> None:
    assert seconds_of_stamps(packed([stamp]).cells).tolist() == [seconds_of_stamp(stamp)]


@pytest.mark.parametrize("stamp", OTHERS)
def test_other_stamps_are_left_to_the_careful_path(stamp: str) -> None:
    assert math.isnan(seconds_of_stamps(packed([*STAMPS, stamp]).cells)[-1])


@given(st.lists(st.one_of(st.datetimes().map(str), st.sampled_from([*STAMPS, *OTHERS])), max_size=20))
def test_packed_stamps_are_what_strings_are(stamps: list[str]) -> None:
    one, other = seconds_of_text(packed(stamps)), seconds_of_text(stamps)
    if one is None or other is None:
        assert one is other
    else:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("stamp", ["0024-01-01 00:00:16", "3916-01-01 00:00:16", "1815-12-10 00:00:00"])
def test_a_year_in_which_nobody_trains_is_a_damaged_one(stamp: str) -> None:
    assert seconds_of_stamp(stamp) is None


DATED: list[tuple[str, list[str], float]] = [
    ("month before day, as the second row tells", ["05/01/2024 10:00:00", "05/13/2024 10:00:00"], 12 * 86_400.0),
    ("day before month, as the second row tells", ["01/05/2024 10:00:00", "13/05/2024 10:00:00"], 12 * 86_400.0),
    ("either order: the one by which less time passed", ["05/01/2024 10:00:00", "05/02/2024 10:00:00"], 86_400.0),
    ("halves of the day", ["05/01/2024 11:59:00 AM", "05/01/2024 12:01:00 PM"], 120.0),
    ("a month by its name", ["01-May-2024 10:00:00", "01-May-2024 10:01:23"], 83.0),
    ("dots", ["31.12.2023 23:59:59", "01.01.2024 00:00:01"], 2.0),
    ("asctime", ["Wed May  1 10:00:00 2024", "Wed May  1 10:01:01 2024"], 61.0),
]


@pytest.mark.parametrize(("cells", "passed"), [row[1:] for row in DATED], ids=[row[0] for row in DATED])
def test_dates_of_other_forms(cells: list[str], passed: float) -> None:
    seconds = seconds_of_text(cells)
    assert seconds is not None
    assert seconds[-1] - seconds[0] == passed
