"""A scheduler is judged on whatever the log counts: micro-batches, rounded shares of an epoch, planned epochs."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from analyzer.clocks.schedules import Schedule
from analyzer.model import Floats, Ints
from tests.clocks.schedule_runs import timeline_of

Window = Literal["ended", "dropped", "carried"]
E, G = 8, 4


def loop(L: int, window: Window, *, phase: int, per_call: int = 1, micro: bool = False) -> tuple[Ints, Ints, Ints]:
    """A loop of E epochs of L batches: micro-batch, epoch and scheduler counter at every batch.

    Args:
        window: what happens to an epoch's last, short window.
        phase: 0, the rate is read before the update of a batch; 1, behind it.
        per_call: counts of every call; ``micro``: called with every batch.
    """
    counter = inside = 0
    rows: list[tuple[int, int, int]] = []
    for epoch in range(E):
        for batch in range(L):
            before, inside = counter, inside + 1
            due = inside == G or (window == "ended" and batch == L - 1)
            counter += per_call if due or micro else 0
            inside = 0 if due or (window == "dropped" and batch == L - 1) else inside
            rows.append((epoch * L + batch, epoch, counter if phase else before))
    n, epoch, count = np.array(rows).T
    return n, epoch, count


def updates(L: int, window: Window) -> int:
    return E * -(-L // G) if window == "ended" else E * (L // G) if window == "dropped" else E * L // G


def told(
    schedule: Schedule, L: int, window: Window, declared: dict[str, Any], *, every: int = 1, digits: int = 6, **how: Any
) -> list[str]:
    n, epoch, count = loop(L, window, **how)
    keep = np.arange(len(n)) % every == 0
    timeline = timeline_of(
        n[keep], schedule(count[keep].astype(np.float64)), {"grad_accumulation": G, "epochs": E, **declared},
        digits=digits, epoch=epoch[keep].astype(np.float64), axis="batch",
    )  # fmt: skip
    assert timeline.step_axis.unit == "micro-batch"
    return [one.kind for one in timeline.schedulers[0].deviations if one.severity != "note"]


GEOMETRIES: list[tuple[int, Window]] = [(80, "ended"), (83, "ended"), (83, "dropped"), (83, "carried"), (150, "ended")]


@pytest.mark.parametrize("every", [1, 3, 10])
@pytest.mark.parametrize("phase", [0, 1])
@pytest.mark.parametrize(("L", "window"), GEOMETRIES)
@pytest.mark.parametrize("family", ["cosine", "linear"])
def test_a_schedule_in_updates_is_sound_in_a_log_of_micro_batches(
    family: str, L: int, window: Window, phase: int, every: int
) -> None:
    T = updates(L, window)
    schedule = Schedule(family=family, peak=2e-3, warmup=20, total=T)
    declared = {"scheduler": family, "warmup_steps": 20, "max_steps": T, "base_lr": 2e-3}
    assert told(schedule, L, window, declared, every=every, phase=phase) == []


@pytest.mark.parametrize(
    ("schedule", "how", "kinds"),
    [
        pytest.param({"total": 4 * 160, "warmup": 80}, {}, {"rate", "horizon"}, id="lengths in micro-batches"),
        pytest.param({}, {"micro": True}, {"rate"}, id="called with every micro-batch"),
        pytest.param({}, {"per_call": 2}, {"rate", "horizon"}, id="called twice"),
        pytest.param({"peak": 4e-3}, {}, {"peak"}, id="twice the peak"),
        pytest.param({"family": "linear"}, {}, {"family"}, id="another family"),
        pytest.param({"total": 320}, {}, {"horizon"}, id="twice the horizon"),
        pytest.param({}, {"per_call": 0}, {"frozen"}, id="never called"),
    ],
)
@pytest.mark.parametrize("every", [1, 10])
def test_a_fault_is_seen_in_a_log_of_micro_batches(
    schedule: dict[str, Any], how: dict[str, Any], kinds: set[str], every: int
) -> None:
    made = Schedule(**{"family": "cosine", "peak": 2e-3, "warmup": 20, "total": 160, "warmup_start": 1e-5, **schedule})
    declared = {
        "scheduler": "cosine", "warmup_steps": 20, "max_steps": 160, "base_lr": 2e-3,
        "scheduler_params": {"warmup_start_lr": 1e-5},
    }  # fmt: skip
    found = told(made, 80, "ended", declared, every=every, **{"phase": 1, **how})
    assert found and set(found) <= kinds


def shares(epochs: int, batches: int, every: int) -> Floats:
    at = np.arange(epochs * batches, dtype=np.float64) / batches
    return at[every - 1 :: every]


@pytest.mark.parametrize(
    ("scale", "rate", "kinds"),
    [
        pytest.param(1.0, 1.0, [], id="as declared"),
        pytest.param(4.0, 1.0, ["peak"], id="four times the peak"),
        pytest.param(1.0, 2.0, ["rate"], id="counted by two processes"),
    ],
)
@pytest.mark.parametrize(("batches", "every"), [(312, 26), (617, 40)])
def test_a_schedule_in_epochs_is_judged_on_their_rounded_share(
    scale: float, rate: float, kinds: list[str], batches: int, every: int
) -> None:
    at = shares(18, batches, every)
    schedule = Schedule(family="cosine", peak=scale * 1.2e-3, warmup=4, total=18, clamp=False)
    declared = {"scheduler": "cosine", "warmup_epochs": 4, "epochs": 18, "base_lr": 1.2e-3}
    timeline = timeline_of(np.floor(1000 * at).astype(np.int64), schedule(rate * at), declared)
    assert timeline.step_axis.unit == "unknown"
    assert [one.kind for one in timeline.schedulers[0].deviations if one.severity != "note"] == kinds


@pytest.mark.parametrize(
    ("calls", "kinds"), [pytest.param(1, [], id="once"), pytest.param(2, ["rate"], id="twice an epoch")]
)
@pytest.mark.parametrize("remainder", ["step", "drop"])
def test_epochs_that_only_the_plan_knows_are_axes(calls: int, kinds: list[str], remainder: str) -> None:
    U = 13 if remainder == "step" else 12  # 97 batches, 8 to an update
    n = np.arange(1, 40 * U + 1)
    lap = (n - 1) // U
    declared = {
        "dataset_size": 97 * 32, "batch_size": 32, "grad_accumulation": 8, "epochs": 40, "base_lr": 0.1,
        "scheduler": "StepLR", "scheduler_interval": "epoch", "scheduler_params": {"step_size": 9, "gamma": 0.5},
    }  # fmt: skip
    rate = 0.1 * 0.5 ** ((calls * lap) // 9)
    timeline = timeline_of(n, rate, declared, digits=7)
    assert [one.kind for one in timeline.schedulers[0].deviations if one.severity != "note"] == kinds


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize(
    ("total", "per_call", "kinds"),
    [(E * 16, 1, []), (2 * E * 16, 1, ["horizon"]), (E * 16, 2, ["rate"])],
    ids=["as planned", "built for twice as many", "two calls"],
)
def test_the_last_batch_of_an_epoch_is_an_update_of_fewer_samples(
    total: int, per_call: int, kinds: list[str], every: int
) -> None:
    seen = np.array([e * 1000 + min(64 * (i + 1), 1000) for e in range(E) for i in range(16)])[::every]
    count = per_call * np.arange(1.0, E * 16 + 1)[::every]
    facts = {"dataset_size": 1000, "batch_size": 64, "epochs": E, "scheduler": "cosine", "base_lr": 1e-3}
    rates = Schedule(family="cosine", peak=1e-3, total=total)(count)
    timeline = timeline_of(seen, rates, facts, digits=6)
    assert timeline.step_axis.unit == "sample"
    found = [one.kind for one in timeline.schedulers[0].deviations if one.severity != "note"]
    assert bool(found) == bool(kinds)


@pytest.mark.parametrize("late", [0, 3, 7], ids=lambda late: f"moves at batch {late}")
@pytest.mark.parametrize(("total", "kinds"), [(313, []), (2504, ["horizon"])], ids=["updates", "micro-batches"])
def test_rates_that_move_at_one_batch_of_every_window_are_exact(total: int, kinds: list[str], late: int) -> None:
    n = np.arange(1, 2505)
    schedule = Schedule(family="cosine", peak=2e-5, total=total, warmup=5, span="T")
    facts = {"grad_accumulation": 8, "scheduler": "cosine", "base_lr": 2e-5, "epochs": E}
    timeline = timeline_of(n, schedule((n + late) // 8 + 0.0), facts, digits=9, epoch=((n - 1) // 313).astype(float))
    assert timeline.step_axis.unit == "micro-batch"
    assert [one.kind for one in timeline.schedulers[0].deviations if one.severity != "note"] == kinds


@pytest.mark.parametrize("first", [0, 1], ids=["from 0", "from 1"])
@pytest.mark.parametrize(
    ("total", "facts", "kinds"),
    [
        pytest.param(240, {"epochs": E}, [], id="as planned"),
        pytest.param(480, {"epochs": E}, ["horizon"], id="built for the micro-batches"),
        pytest.param(480, {}, [], id="no plan"),
    ],
)
def test_measured_epochs_of_micro_batches_are_a_length(
    total: int, facts: dict[str, int], kinds: list[str], first: int
) -> None:
    n = np.arange(480)
    schedule = Schedule(family="cosine", peak=1e-3, total=total, warmup=20, span="T")
    timeline = timeline_of(
        n + first, schedule(n // 2 + 1.0), {"grad_accumulation": 2, "scheduler": "cosine", "base_lr": 1e-3, **facts},
        digits=9, epoch=(n // 60).astype(float),
    )  # fmt: skip
    assert timeline.step_axis.unit == "micro-batch"
    assert [one.kind for one in timeline.schedulers[0].deviations if one.severity != "note"] == kinds
