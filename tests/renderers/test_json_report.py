"""Numbers of the JSON report: a number where it is known, bounds where it is not, strict JSON always."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest

from analyzer.renderers.json_report import known_number, plain


@pytest.mark.parametrize(
    ("interval", "number"),
    [
        (None, None),
        ((500.0, 500.0), 500),
        ((499.9999, 500.0001), 500),
        ((480.0, 520.0), {"low": 480.0, "high": 520.0}),
        ((480.0, math.inf), {"low": 480.0, "high": math.inf}),
    ],
)
def test_a_length_is_a_number_where_it_is_known(interval: tuple[float, float] | None, number: object) -> None:
    assert known_number(interval) == number


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.nan, '"nan"'),
        (math.inf, '"inf"'),
        (-math.inf, '"-inf"'),
        (Fraction(63, 2), "31.5"),
        (Fraction(40), "40"),
        (np.int64(3), "3"),
        (np.array([1.0, np.nan]), '[1.0, "nan"]'),
        (True, "true"),
        (None, "null"),
    ],
)
def test_any_number_is_strict_json(value: object, written: str) -> None:
    assert json.dumps(plain(value), allow_nan=False) == written
