"""Schedules as functions: golden vectors of the libraries, and properties that hold for every parameter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.clocks.schedules import Schedule

ONE = {"peak": 1.0}
GOLDEN = [
    pytest.param(
        Schedule(family="step", step_size=3, gamma=0.1, **ONE),
        [1, 1, 1, 0.1, 0.1, 0.1, 0.01],
        id="torch StepLR(3, 0.1)",
    ),
    pytest.param(
        Schedule(family="step", milestones=(3, 6), gamma=0.1, **ONE),
        [1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01],
        id="torch MultiStepLR",
    ),
    pytest.param(Schedule(family="polynomial", total=10, **ONE), [1, 0.9, 0.8, 0.7], id="torch PolynomialLR(10, 1)"),
    pytest.param(
        Schedule(family="cosine", total=10, clamp=False, **ONE),
        [1, 0.975528, 0.904508, 0.793893, 0.654508, 0.5, 0.345492, 0.206107, 0.095492, 0.024472, 0, 0.024472],
        id="torch CosineAnnealingLR(10) rises again",
    ),
    pytest.param(
        Schedule(family="warm-restarts", step_size=4, cycle_mult=2, gamma=1, **ONE),
        [1, 0.853553, 0.5, 0.146447, 1, 0.96194, 0.853553, 0.691342, 0.5, 0.308658, 0.146447, 0.03806, 1],
        id="torch CosineAnnealingWarmRestarts(4, 2)",
    ),
    pytest.param(
        Schedule(family="one-cycle", warmup=2, total=9, warmup_start=0.04, floor=4e-6, shape="cosine", **ONE),
        [0.04, 0.52, 1, 0.950485, 0.811746, 0.611262, 0.388742, 0.188258, 0.049519, 4e-06],
        id="torch OneCycleLR(1, 10)",
    ),
    pytest.param(
        Schedule(family="cyclic", floor=0.1, step_size=4, timescale=4, gamma=1, **ONE),
        [0.1, 0.325, 0.55, 0.775, 1, 0.775, 0.55, 0.325, 0.1],
        id="torch CyclicLR(0.1, 1, 4)",
    ),
    pytest.param(
        Schedule(family="linear", warmup=3, total=10, **ONE),
        [0, 0.333333, 0.666667, 1, 0.857143, 0.714286, 0.571429, 0.428571, 0.285714, 0.142857, 0, 0],
        id="transformers linear",
    ),
    pytest.param(
        Schedule(family="cosine", warmup=3, total=10, floor=0.1, **ONE),
        [0, 0.333333, 0.666667, 1, 0.955436, 0.83057, 0.650134, 0.449866, 0.26943, 0.144564, 0.1],
        id="transformers cosine_with_min_lr",
    ),
    pytest.param(
        Schedule(family="cosine", warmup=3, total=10, floor=0.1, span="T-W, ahead", warmup_form="(p+1)/W", **ONE),
        [0.333333, 0.666667, 1, 0.955436, 0.83057, 0.650134, 0.449866, 0.26943, 0.144564, 0.1],
        id="transformers cosine_warmup_with_min_lr",
    ),
    pytest.param(
        Schedule(family="restarts", warmup=3, total=10, cycles=2, **ONE),
        [0, 0.333333, 0.666667, 1, 0.811745, 0.38874, 0.049516, 0.950484, 0.61126, 0.188255, 0, 0],
        id="transformers cosine_with_restarts",
    ),
    pytest.param(
        Schedule(family="inverse-sqrt", warmup=3, timescale=3, **ONE),
        [0, 0.333333, 0.666667, 1, 0.866025, 0.774597, 0.707107],
        id="transformers inverse_sqrt",
    ),
    pytest.param(
        Schedule(family="wsd", warmup=3, total=10, decay_steps=4, shape="cosine", **ONE),
        [0, 0.333333, 0.666667, 1, 1, 1, 1, 0.853553, 0.5, 0.146447, 0],
        id="transformers warmup_stable_decay",
    ),
    pytest.param(
        Schedule(family="cosine", warmup=3, total=10, floor=0.1, span="whole", warmup_start=0.01, **ONE),
        [0.01, 0.34, 0.67, 0.814503, 0.689058, 0.55],
        id="timm without prefix",
    ),
    pytest.param(
        Schedule(family="cosine", warmup=3, total=10, floor=0.1, warmup_form="(p+1)/(W+1)", **ONE),
        [0.25, 0.5, 0.75, 1, 0.955436, 0.83057],
        id="nanoGPT",
    ),
]


@pytest.mark.parametrize(("schedule", "rates"), GOLDEN)
def test_golden_vector(schedule: Schedule, rates: list[float]) -> None:
    assert schedule(np.arange(len(rates), dtype=np.float64)) == pytest.approx(rates, abs=2e-6)


@settings(max_examples=60, deadline=None)
@given(
    family=st.sampled_from(["linear", "cosine", "polynomial", "wsd", "exponential", "inverse-sqrt", "step"]),
    total=st.integers(20, 5000),
    width=st.integers(0, 15),
    share=st.floats(0, 0.5),
)
def test_rates_stay_between_zero_and_peak_and_fall_after_the_warmup(
    family: str, total: int, width: int, share: float
) -> None:
    schedule = Schedule(
        family=family,
        peak=0.1,
        floor=0.1 * share,
        warmup=width,
        total=total,
        decay_steps=total // 4,
        gamma=0.5,
        step_size=total / 3,
        timescale=10,
    )
    rates = schedule(np.arange(total + 20, dtype=np.float64))
    assert np.isfinite(rates).all() and rates.min() >= 0 and rates.max() <= 0.1 * (1 + 1e-12)
    assert (np.diff(rates[width:]) <= 1e-15).all()
    assert (np.diff(rates[: width + 1]) >= -1e-15).all() or family == "step"
