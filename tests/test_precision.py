"""How precisely a value was written."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from analyzer.model import Series
from analyzer.precision import half_width

DRAWN = 1e-4 * np.random.default_rng(5).random(400)


def logged(values: np.ndarray, written_as: Literal["float32", "decimal"]) -> Series:
    count = np.arange(len(values))
    if written_as == "float32":
        values = values.astype(np.float32).astype(np.float64)
    return Series(
        tag="lr", step=count, value=values, wall_time=count.astype(float), source=0 * count.astype(np.int32), row=count,
        written_as=written_as,
    )  # fmt: skip


def rounded(values: np.ndarray, digits: int) -> np.ndarray:
    return np.array([float(f"{value:.{digits - 1}e}") for value in values])


@pytest.mark.parametrize(
    ("values", "written_as", "digits"),
    [
        pytest.param(DRAWN, "float32", None, id="a float32 of its own"),
        pytest.param(rounded(DRAWN, 7), "float32", None, id="more digits than it holds"),
        pytest.param(rounded(DRAWN, 5), "float32", 5, id="rounded before it was stored"),
        pytest.param(rounded(DRAWN, 5)[:8], "float32", None, id="too few values to know"),
        pytest.param(np.append(rounded(DRAWN, 5), DRAWN), "float32", None, id="half of them were not rounded"),
        pytest.param(rounded(DRAWN, 5), "decimal", 5, id="printed"),
        pytest.param(np.repeat([0.1, 0.01], 50), "float32", None, id="levels as people choose them"),
    ],
)
def test_the_width_is_that_of_the_digits_that_were_written(
    values: np.ndarray, written_as: Literal["float32", "decimal"], digits: int | None
) -> None:
    exact = values * 2.0**-24
    by_digits = 0.5 * 10.0 ** (np.floor(np.log10(values)) - (digits or 20) + 1)
    expected = np.maximum(by_digits, 0 if written_as == "decimal" else exact)
    assert half_width(logged(values, written_as)) == pytest.approx(expected, rel=1e-3)
