"""Places inside epochs to steps: what goes on, goes back or lacks a label, and what is no place at all."""

from __future__ import annotations

import numpy as np
import pytest

from analyzer.readers.columns.places import laps_of_rows

Rows = list[tuple[int, int]]  # label, place


def epochs(labels: range | list[int], places: range) -> Rows:
    return [(label, place) for label in labels for place in places]


def along(S: int, cadence: int, last: int, base: int = 1) -> Rows:
    """Rows every ``cadence`` steps of the run, each with its label and the place in its epoch."""
    return [((step - 1) // S + base, (step - 1) % S + 1) for step in range(cadence, last + 1, cadence)]


FIFTIES = range(0, 1201, 50)
SOUND = epochs(range(1, 6), FIFTIES)


@pytest.mark.parametrize(
    ("rows", "length", "whole", "laps"),
    [
        pytest.param(SOUND, 1250, False, [1, 2, 3, 4, 5], id="a cadence that begins again"),
        pytest.param(epochs(range(3), range(1, 41)), 40, True, [0, 1, 2], id="every place, from 1"),
        pytest.param(epochs(range(3), range(40)), 40, True, [0, 1, 2], id="every place, from 0"),
        pytest.param(along(1334, 100, 9000), 1334, False, [1, 2, 3, 4, 5, 6, 7], id="a cadence of the run"),
        pytest.param([row for row in SOUND if not 400 < 2000 * (row[0] != 2) + row[1] < 1000], 1250, False,
                     [1, 2, 3, 4, 5], id="rows missing inside an epoch"),
        pytest.param([*SOUND[:70], *SOUND[58:]], 1250, False, [1, 2, 3, 4, 5], id="rows told twice"),
        pytest.param([row for row in SOUND for _ in (0, 1)], 1250, False, [1, 2, 3, 4, 5], id="every row twice"),
        pytest.param(epochs([1, 2, 3, 5, 6], FIFTIES), 1250, False, [1, 2, 3, 4, 5], id="a label left out"),
        pytest.param(epochs([1, 2, 3, 3, 4], FIFTIES), 1250, False, [1, 2, 3, 4, 5], id="a label given twice"),
        pytest.param(SOUND[:30] + SOUND[90:], 1250, False, [1, 2, 4, 5], id="from inside one epoch into another"),
    ],
)  # fmt: skip
def test_laps(rows: Rows, length: int, whole: bool, laps: list[int]) -> None:
    epoch, place = np.array(rows).T
    found = laps_of_rows(epoch, place, np.full(len(rows), np.nan))
    assert found is not None
    assert (found[1], found[2], sorted(set(found[0].tolist()))) == (length, whole, laps)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(epochs(range(0, 40, 5), FIFTIES), id="only every fifth epoch is printed"),
        pytest.param([(k // 10, k) for k in range(60)], id="a step of the run"),
        pytest.param([(e, p) for e in range(6) for p in range(0, 400 + 37 * (e * e % 5), 50)], id="ends that differ"),
        pytest.param([(1, p % 50) for p in range(200)], id="one label"),
        pytest.param([(e, 7) for e in range(40)], id="one row an epoch"),
        pytest.param([(e, p) for e in (1, 2) for _ in range(4) for p in range(0, 100, 10)], id="passes over a batch"),
    ],
)
def test_no_places(rows: Rows) -> None:
    epoch, place = np.array(rows).T
    assert laps_of_rows(epoch, place, np.full(len(rows), np.nan)) is None


@pytest.mark.parametrize(
    ("pause", "laps"),
    [pytest.param(1.0, [1, 2, 3, 4, 5], id="no pause: the label moved"),
     pytest.param(1250.0, [1, 2, 3, 5, 6], id="as long as an epoch: it was trained elsewhere")],
)  # fmt: skip
def test_time_tells_a_label_left_out_from_an_epoch_without_rows(pause: float, laps: list[int]) -> None:
    epoch, place = np.array(epochs([1, 2, 3, 5, 6], FIFTIES)).T
    wall = 50.0 * np.arange(len(epoch)) + np.where(epoch > 3, pause, 0)
    found = laps_of_rows(epoch, place, wall)
    assert found is not None and sorted(set(found[0].tolist())) == laps


@pytest.mark.parametrize("early", [-3, 0, 4], ids=["late", "in time", "early"])
def test_labels_that_change_beside_the_lap(early: int) -> None:
    rows = [((step + early) // 88, step % 88 + 1) for step in range(88 * 6)]
    epoch, place = np.array(rows).T
    found = laps_of_rows(np.maximum(epoch, 0), place, np.full(len(rows), np.nan))
    assert found is not None and found[1:] == (88, True)
    assert np.array_equal(found[0] - found[0][0], np.arange(88 * 6) // 88)
