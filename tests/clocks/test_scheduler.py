"""The scheduler clock: real schedules are identified, healthy runs are silent, planted faults are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzer.clocks.schedules import Schedule
from tests.clocks.schedule_runs import Fault, made_run, timeline_of

RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "fixtures" / "schedules" / "schedules.jsonl").read_text().splitlines()
]
# What the values alone cannot tell: a slow curve with an open scale is also another; two cycles with a warmup each.
NOT_FROM_VALUES = {"hf-inverse_sqrt-0", "optax-sgdr"}
LINE_TO_ZERO_OR_FLOOR = {"megatron-linear"}  # the run ends before the floor is met: both describe it
ENDS_BEFORE_THE_RUN = {"torch-cosine-past-end"}


def recorded(one: dict[str, Any], declared: dict[str, Any]) -> Any:
    rates = np.array(one["rates"])
    axis = "epoch" if one["library"].startswith("timm") else "step"
    first = 0 if axis == "epoch" else 1
    timeline = timeline_of(np.arange(first, first + len(rates)), rates, declared, digits=9, axis=axis)  # type: ignore[arg-type]
    return timeline.schedulers[0]


def test_there_are_forty_schedules_or_more() -> None:
    assert len(RECORDED) >= 40


@pytest.mark.parametrize("one", [r for r in RECORDED if r["declared"].get("scheduler")], ids=lambda one: one["name"])
def test_a_real_schedule_is_what_it_declares(one: dict[str, Any]) -> None:
    clock = recorded(one, one["declared"])
    assert clock.family != "unknown"
    assert clock.explained == 1.0
    loud = [(d.kind, d.what) for d in clock.deviations if d.severity != "note"]
    if one["name"] in ENDS_BEFORE_THE_RUN:
        assert [kind for kind, _ in loud] == ["overrun"]
    else:
        assert not loud


@pytest.mark.parametrize("one", [r for r in RECORDED if r["name"] not in NOT_FROM_VALUES], ids=lambda one: one["name"])
def test_a_real_schedule_is_identified_from_its_values(one: dict[str, Any]) -> None:
    clock = recorded(one, {})
    truth = one["truth"]
    assert clock.family == truth["family"]
    assert not [d for d in clock.deviations if d.severity == "error"]
    shift = 0 if one["library"].startswith("timm") else 1  # steps are counted from 1, counters from 0
    if one["name"] in LINE_TO_ZERO_OR_FLOOR:
        return
    if "total" in truth:
        assert clock.total_steps is not None
        assert clock.total_steps[0] - shift == pytest.approx(truth["total"], abs=1.01)
    if "warmup" in truth:
        assert clock.warmup_steps is not None
        assert clock.warmup_steps[0] - shift == pytest.approx(truth["warmup"], abs=1.01)
    if "floor" in truth:
        assert clock.min_lr == pytest.approx(truth["floor"], rel=1e-3)
    for name in ("gamma", "step_size", "cycle_mult", "decay_steps"):
        if name in truth:
            assert clock.parameters[name] == pytest.approx(
                truth[name], rel=1e-3, abs=1.01 if name == "decay_steps" else 1e-6
            )
    if "milestones" in truth:
        assert [m - shift for m in clock.parameters["milestones"]] == truth["milestones"]


@pytest.mark.parametrize("seed", range(120))
def test_a_healthy_run_is_silent(seed: int) -> None:
    made = made_run(seed)
    assert made is not None
    clock = made.timeline.schedulers[0]
    loud = [(d.kind, d.step, d.what) for d in clock.deviations if d.severity != "note"]
    assert not loud, made.recipe


NAMED_AS: dict[Fault, set[str]] = {
    "horizon": {"horizon", "rate"},  # without a warmup the two are one
    "rate": {"rate", "horizon"},
    "warmup": {"warmup"},
    "jump": {"jump"},
    "lag": {"lag"},
    "frozen": {"frozen"},
    "restart": {"restart"},
    "doubled": {"restart"},
    "per-epoch": {"per-epoch"},
}


@pytest.mark.parametrize("fault", NAMED_AS)
def test_most_planted_faults_are_named(fault: Fault) -> None:
    wrong, silent = [], []
    for seed in range(30):
        made = made_run(seed, fault)
        assert made is not None
        clock = made.timeline.schedulers[0]
        loud = [d for d in clock.deviations if d.severity != "note"]
        if not loud:
            silent.append(seed)
        elif loud[0].kind not in NAMED_AS[fault]:
            wrong.append((seed, loud[0].kind, loud[0].what, made.recipe))
    assert len(wrong) <= 1, wrong
    assert len(silent) <= 3, silent


def test_the_first_wrong_row_and_its_right_value_are_the_evidence() -> None:
    step = np.arange(1, 201)
    schedule = Schedule(family="cosine", peak=1e-3, warmup=20, total=400)
    declared = {"scheduler": "cosine", "warmup_steps": 20, "max_steps": 200, "base_lr": 1e-3}
    deviation = timeline_of(step, schedule(step - 1.0), declared).schedulers[0].deviations[0]
    assert deviation.kind == "horizon"
    assert 20 <= deviation.step <= 25
    right = Schedule(family="cosine", peak=1e-3, warmup=20, total=200)(np.array([deviation.step - 1.0]))[0]
    assert float(deviation.evidence[0].why.removeprefix("should be ")) == pytest.approx(right, rel=1e-4)


def test_two_cycles_of_a_schedule_nobody_declared_are_not_a_fault() -> None:
    one = next(r for r in RECORDED if r["name"] == "optax-sgdr")
    assert not recorded(one, {}).deviations


def test_a_million_rows_and_a_drift_per_epoch_are_found_by_columns() -> None:
    step = np.arange(1, 200_001)
    epoch = (step - 1) // 5000
    declared = {"scheduler": "linear", "max_steps": 200_000, "base_lr": 1e-3}
    rate = Schedule(family="linear", peak=1e-3, total=200_000)(step - 1.0 + epoch)
    clock = timeline_of(step, rate, declared, epoch=epoch.astype(np.float64)).schedulers[0]
    assert [d.kind for d in clock.deviations] == ["per-epoch"]
