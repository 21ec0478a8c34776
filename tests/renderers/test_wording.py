"""Numbers and times in words."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from analyzer.renderers.escaping import visible
from analyzer.renderers.lines import cut_inside, width_of
from analyzer.renderers.wording import duration, interval, number, rounded, whole
from analyzer.spelling import counted


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (3.0, "3"),
        (0.1, "0.1"),
        (float(np.float32(0.1)), "0.1"),  # as the float32 that it was stored as
        (1e-9, "1e-09"),
        (math.nan, "NaN"),
        (-math.inf, "-inf"),
        (Fraction(63, 4), "63/4"),
        (Fraction(8, 2), "4"),
        (np.int64(7), "7"),
        ("a\nb", "a\\nb"),
        (True, "True"),
    ],
)
def test_a_number_has_the_fewest_digits_that_read_back(value: object, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e6, "1000000"),
        (23449.6, "23449.6"),
        (1234567.8, "1234568"),
        (0.123456789, "0.123457"),
        (3, "3"),
        (math.inf, "inf"),
    ],
)
def test_a_derived_number_is_rounded_and_a_count_is_written_in_full(value: float, text: str) -> None:
    assert rounded(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "0.5 s"),
        (59.99, "60 s"),
        (61, "1 min 01 s"),
        (3661, "1 h 01 min"),
        (200_000, "2 d 7 h"),
        (math.nan, "unknown"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts_and_intervals() -> None:
    assert (
        counted(1, "run") == "1 run" and counted(2, "run") == "2 runs" and counted(0, "entry", "entries") == "0 entries"
    )
    assert interval(469, 469) == "469" and interval(468, 470) == "468 to 470"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Größe/损失", "Größe/损失"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\tb\r\n", "a\\tb\\r\\n"),
        ("\u202eab", "\\u202eab"),
        ("\udcff", "\\udcff"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_an_interval_without_an_upper_end() -> None:
    assert interval(37, 2**58) == "at least 37"


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((622.485, 623.515), "623"),
        ((9498.49, 9501.51), "9499 to 9501"),
        ((210.0, 211.0), "210 to 211"),
        ((0.2, 0.8), "0.2 to 0.8"),  # no whole number lies there
        ((5.5, math.inf), "at least 5.5"),
    ],
)
def test_a_count_lies_at_a_whole_number(bounds: tuple[float, float], text: str) -> None:
    assert interval(*whole(*bounds)) == text


@pytest.mark.parametrize(
    ("name", "width", "shown"),
    [("runs/a", 10, "runs/a"), ("one/long/name/version_0", 13, "one/l...ion_0"), ("日本語の名前です", 9, "日...です")],
)
def test_a_name_that_does_not_fit_keeps_both_ends(name: str, width: int, shown: str) -> None:
    assert cut_inside(name, width) == shown
    assert width_of(shown) <= width
