"""The order of the data as a witness: batches that come again leave their pattern in the loss."""

from __future__ import annotations

import numpy as np
import pytest

from analyzer.clocks.data_order import repeated_patterns
from analyzer.clocks.session_map import Join, Session, SessionMap
from analyzer.model import Floats, Series
from analyzer.roles import Roles

ROWS = 400  # of which the second life has half


def repeats(loss: Floats) -> bool:
    """Whether the second half of a run, resumed in the middle, is seen to repeat the first."""
    step = np.arange(1, ROWS + 1)
    nowhere = np.full(ROWS, np.nan)
    source = np.zeros(ROWS, dtype=np.int32)
    series = Series(tag="loss", step=step, value=loss, wall_time=nowhere, source=source, row=step.astype(np.int64))
    half = ROWS // 2
    lives = tuple(
        Session(index=n, start=(0, n * half), first_step=n * half + 1, last_step=(n + 1) * half, sources=("log.csv",))
        for n in range(2)
    )
    join = Join(index=0, before=0, after=1, last_step_before=half, first_step_after=half + 1)
    found = SessionMap(sessions=lives, joins=(join,), starts=((0, -1, 0), (0, half + 1, 1)))
    return any(repeated_patterns(Roles(series={"loss": (series,)}), found))


def run(seed: int, *, own: float, again: str, scale: float = 0.2) -> Floats:
    """A falling loss: difficulty of the batches by ``scale``, of which a share ``own`` is each step's own noise."""
    rng = np.random.default_rng(seed)
    batches = rng.normal(0, scale, ROWS)
    half = ROWS // 2
    if again == "the same batches":
        batches[half:] = batches[:half]
    elif again == "one order in every epoch":  # of fifty batches, in both lives
        batches = np.tile(batches[:50], ROWS // 50)
    noise = rng.normal(0, own * scale, ROWS)
    return np.asarray(2.0 / (1 + np.arange(ROWS) / 100) * np.exp(batches + noise))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("own", "scale"), [(0.1, 0.2), (0.5, 0.2), (0.3, 0.02), (0.5, 0.5)])
def test_batches_that_come_again_are_seen(seed: int, own: float, scale: float) -> None:
    assert repeats(run(seed, own=own, scale=scale, again="the same batches"))


@pytest.mark.parametrize("again", ["other batches", "one order in every epoch"])
@pytest.mark.parametrize("own", [0.0, 0.3])
def test_data_that_go_on_are_not(again: str, own: float) -> None:
    assert not any(repeats(run(seed, own=own, again=again)) for seed in range(25))


def test_batches_that_tell_little_of_the_loss_prove_nothing() -> None:
    assert not any(repeats(run(seed, own=3.0, again="the same batches")) for seed in range(25))
