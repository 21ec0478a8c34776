"""Rates of a shape that nobody knows, which begin again or do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import identify
from analyzer.clocks.scheduler.again import back_where_it_began, begun_again
from analyzer.model import Floats
from tests.clocks.test_elapsed import series

X = np.arange(0.0, 600.0, 2.0)


def odd(x: Floats) -> Floats:
    """A warmup, a plateau and a decay as no framework has it."""
    return np.where(x < 40, 1e-5 + x / 40, np.where(x < 90, 1.0, 1.0 / (1 + (np.maximum(x - 90, 0) / 120) ** 1.7)))


def levels(x: Floats) -> Floats:
    return np.select([x < 30, x < 170], [0.25, 1.0], 0.1)


def rows(rate: Floats, *, session_at: int | None = None) -> Observed:
    rate = np.round(rate, 5)
    session = np.zeros(len(rate), dtype=np.int64)
    if session_at is not None:
        session[session_at:] = 1
    step = X[: len(rate)].astype(np.int64)
    return Observed(
        series=series("lr", rate, step), index=np.arange(len(rate)), step=step, rate=rate,
        tolerance=np.full(len(rate), 5e-6), session=session, joins={1: 0} if session_at is not None else {},
        axes={"step": X[: len(rate)]},
    )  # fmt: skip


def resumed(shape: Callable[[Floats], Floats], at: float, begun: float = 0.0) -> Floats:
    return np.where(at > X, shape(X), shape(X - at + begun))


SHAPES = [
    ("at a resume", rows(resumed(odd, 300), session_at=150), 150),
    ("at a resume, between two rows", rows(resumed(odd, 300, 1.0), session_at=150), 150),
    ("levels at a resume", rows(resumed(levels, 400), session_at=200), 200),
    ("early, no session known", rows(resumed(odd, 200)), 100),
    ("restored", rows(odd(X), session_at=150), None),
    ("no resume", rows(odd(X)), None),
    ("late, no session known: it may be a cycle", rows(resumed(odd, 400)), None),
    ("three cycles", rows(odd(X % 200)), None),
    ("goes back, not to the beginning", rows(resumed(odd, 300, 60), session_at=150), None),
    ("begins again at another slope", rows(np.where(X < 300, odd(X), odd((X - 300) * 3)), session_at=150), None),
    ("one level", rows(np.full(len(X), 0.1), session_at=150), None),
    ("levels that return by another course", rows(np.select([X < 30, X < 400, X < 450], [0.25, 1.0, 0.25], 0.5)), None),
]  # fmt: skip


@pytest.mark.parametrize(("observed", "place"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
def test_where_a_rate_begins_again(observed: Observed, place: int | None) -> None:
    found = begun_again(observed)
    assert (None if found is None else found.place) == place


LEVELS = np.array([1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125])
BACK = [
    ("the first rate at a resume", rows(np.where(X < 160, odd(X), odd((X - 160) * 3)), session_at=80), 80),
    ("the highest rate at a resume", rows(np.where(X < 300, odd(X), 1.0 / (1 + X / 300)), session_at=150), None),
    ("held at the highest", rows(np.where(X < 300, odd(X), 1.0), session_at=150), 150),
    ("restored", rows(odd(X), session_at=150), None),
    ("no resume there", rows(np.where(X < 300, odd(X), 1.0)), None),
    ("cycles", rows(odd(X % 150), session_at=150), None),
    ("levels, inside a session", rows(LEVELS[np.where(X < 300, X // 60, (X - 300) // 100).astype(int)]), 150),
    ("two levels tell no schedule", rows(np.where((X > 150) & (X < 300), 0.1, 1.0)), None),
    ("levels in cycles", rows(LEVELS[(X // 40 % 5).astype(int)]), None),
    ("a short way back", rows(np.where(X < 120, odd(X), 1.0), session_at=60), None),
]


@pytest.mark.parametrize(("observed", "place"), [row[1:] for row in BACK], ids=[row[0] for row in BACK])
def test_a_rate_is_back_at_its_start(observed: Observed, place: int | None) -> None:
    assert back_where_it_began(observed) == place


EPOCHS = np.arange(0.0, 30_000.0, 200.0)
FALLS = [
    ("once an epoch, nearly a row apart", 2e-4 * 0.98 ** np.floor(EPOCHS / 196), 0.98, 196),
    ("now and then none", 2e-4 * 0.98 ** np.floor(EPOCHS / 230), 0.98, 230),
    ("one too many at a row", 2e-4 * 0.98 ** (np.floor(EPOCHS / 196) + 2 * (EPOCHS > 15_000)), None, None),
    ("none for a while", 2e-4 * 0.98 ** np.floor((EPOCHS - 4000 * (EPOCHS > 9000)) / 196), None, None),
]


@pytest.mark.parametrize(("rate", "factor", "period"), [row[1:] for row in FALLS], ids=[row[0] for row in FALLS])
def test_falls_that_come_faster_than_rows(rate: Floats, factor: float | None, period: float | None) -> None:
    fit = identify(EPOCHS, rate, 1e-9 * rate, families=("step",))
    if factor is None or period is None:
        assert fit is None
        return
    assert fit is not None
    assert fit.parameters["gamma"] == pytest.approx(factor, rel=1e-4)
    assert fit.parameters["step_size"] == pytest.approx(period, rel=5e-3)
