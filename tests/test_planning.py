"""The arithmetic of a declaration: numbers worked out by hand, and laws that every reading obeys."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.config.declared import Declared, checked_fact, merge
from analyzer.model import Fact
from analyzer.planning import batches_per_epoch, plan_of, updates_per_epoch


def declared(found_in: str = "--declare", **facts: Any) -> Declared:
    return merge([checked_fact(key, value, found_in) for key, value in facts.items()])


@pytest.mark.parametrize(
    ("facts", "lengths", "totals"),
    [
        pytest.param(
            {"dataset_size": 1000, "batch_size": 32, "epochs": 10}, [31, 32], [310, 320], id="drop_last undeclared"
        ),
        pytest.param(
            {"dataset_size": 1000, "batch_size": 32, "epochs": 10, "drop_last": True}, [31], [310], id="dropped"
        ),
        pytest.param(
            {"dataset_size": 1000, "batch_size": 32, "epochs": 10, "drop_last": False}, [32], [320], id="kept"
        ),
        pytest.param(
            {
                "dataset_size": 91,
                "batch_size": 10,
                "world_size": 2,
                "grad_accumulation": 2,
                "epochs": 10,
                "drop_last": False,
                "accumulation_remainder": "step",
            },
            [3],
            [30],
            id="transformers 36297: ceil(5 / 2)",
        ),
        pytest.param(
            {
                "dataset_size": 260,
                "batch_size": 16,
                "grad_accumulation": 2,
                "epochs": 1,
                "drop_last": False,
                "accumulation_remainder": "drop",
            },
            [8],
            [8],
            id="transformers 35298: floor(17 / 2)",
        ),
        pytest.param(
            {
                "dataset_size": 501,
                "batch_size": 8,
                "grad_accumulation": 4,
                "epochs": 6,
                "drop_last": False,
                "accumulation_remainder": "carry",
            },
            [Fraction(63, 4)],
            [90, 94, 95],
            id="carried over: 15.75",
        ),
        pytest.param({"steps_per_epoch": 50, "epochs": 2.5}, [50], [125], id="half an epoch"),
        pytest.param({"steps_per_epoch": 5, "epochs": 2.5}, [5], [12, 13], id="rounded down and up"),
        pytest.param(
            {"max_steps": 90, "epochs": 3, "steps_per_epoch": 32}, [32], [90], id="max_steps ends the run first"
        ),
        pytest.param(
            {"max_steps": 100, "epochs": 3, "steps_per_epoch": 32}, [32], [96, 100], id="the epochs may end it first"
        ),
        pytest.param(
            {"dataset_size": 1000, "global_batch_size": 128, "epochs": 1, "drop_last": False},
            [8],
            [8],
            id="global batch",
        ),
        pytest.param({"max_steps": 100}, [], [100], id="no data set"),
        pytest.param({"epochs": 3}, [], [], id="epochs alone give no steps"),
        pytest.param({}, [], [], id="nothing declared"),
        pytest.param(
            {
                "dataset_size": 960,
                "batch_size": 16,
                "epochs": 6,
                "drop_last": False,
                "batch_size_ramp": [[0, 16], [2, 32], [4, 64]],
            },
            [60],
            [210],
            id="a ramp: 60, 60, 30, 30, 15, 15",
        ),
    ],
)
def test_readings(facts: dict[str, Any], lengths: list[Fraction], totals: list[int]) -> None:
    plan = plan_of(declared(**facts))
    assert list(plan.steps_per_epoch) == lengths
    assert list(plan.total_steps) == totals


def test_one_reading_explains_length_and_total() -> None:
    plan = plan_of(declared(dataset_size=1003, batch_size=16, grad_accumulation=2, epochs=5, drop_last=False))
    assert plan.totals_given(Fraction(32)) == (160,)
    assert plan.totals_given(Fraction(31)) == (155,)
    assert plan.totals_given(Fraction(63, 2)) == (155, 157, 158)


def test_distributed_sampler_pads_before_batches_are_dropped() -> None:
    counts = [count for count, _ in batches_per_epoch(1001, 10, 3, True)]
    assert counts == [33]  # 1001 // 30; ceil(1001 / 3) // 10 is 33 as well
    assert [count for count, _ in batches_per_epoch(59, 10, 3, True)] == [1, 2]  # 19 or, padded, 20 examples a device


def test_what_the_framework_derived_does_not_overrule_what_was_asked_for() -> None:
    asked = [checked_fact("epochs", 6, "--declare"), checked_fact("steps_per_epoch", 21, "--declare")]
    found = [checked_fact("max_steps", 147, "trainer_state.json: max_steps")]
    assert plan_of(merge(asked, found)).total_steps == (126,)
    assert plan_of(merge(asked, found)).asked_for
    assert not plan_of(merge(found)).asked_for


def test_warmup_ratio_is_rounded_up() -> None:
    plan = plan_of(declared(steps_per_epoch=33, epochs=3, warmup_ratio=0.1))
    assert [reading.warmup_steps for reading in plan.readings] == [10]


@pytest.mark.parametrize(
    "facts",
    [
        {"dataset_size": -5, "batch_size": 2, "epochs": 1},
        {"dataset_size": "many", "batch_size": 2},
        {"batch_size_ramp": [1, 2]},
        {"dataset_size": 10, "batch_size": 2, "epochs": float("nan")},
        {"dataset_size": 10, "batch_size": True},
    ],
)
def test_impossible_facts_give_no_exception(facts: dict[str, Any]) -> None:
    plan_of(merge([Fact(key=key, value=value, found_in="config.yaml") for key, value in facts.items()]))


@given(st.integers(1, 10**6), st.integers(1, 512), st.integers(1, 64))
def test_kept_and_dropped_batches_differ_by_at_most_one(examples: int, batch: int, devices: int) -> None:
    counts = [count for count, _ in batches_per_epoch(examples, batch, devices, None)]
    assert max(counts) - min(counts) <= 1
    assert max(counts) * batch * devices >= examples


@given(st.integers(1, 5000), st.integers(1, 64))
def test_updates_lie_between_floor_and_ceil(batches: int, accumulation: int) -> None:
    for updates, _ in updates_per_epoch(batches, accumulation, None):
        assert batches // accumulation <= updates <= -(-batches // accumulation)
