"""trainer_state.json: rows without a step, bare NaN, what the state declares, and a cut at every byte."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.model import NO_STEP
from analyzer.readers import Reading
from analyzer.readers.trainer_state import parse, recognises

ENTRIES = [
    {"epoch": 0.5, "grad_norm": 1.25, "learning_rate": 0.001, "loss": 2.5, "step": 10},
    {"epoch": 1.0, "grad_norm": float("nan"), "learning_rate": 0.0005, "loss": 2.25, "step": 20},
    {"epoch": 1.0, "eval_loss": 2.125, "eval_runtime": 3.5, "step": 20},
    {"epoch": 1.0, "predict_loss": 2.0},
    {"epoch": 2.0, "learning_rate": 0.0, "loss": float("inf"), "step": 40},
]


def state(entries: list[dict[str, object]] = ENTRIES, **fields: object) -> str:  # type: ignore[assignment]
    known = {
        "epoch": 2.0,
        "global_step": 40,
        "logging_steps": 10,
        "max_steps": 40,
        "num_train_epochs": 2,
        "train_batch_size": 8,
    }
    return json.dumps({"best_metric": None, **known, "log_history": entries, **fields}, indent=2, sort_keys=True) + "\n"


def read(text: str) -> Reading:
    return parse(text.encode(), "checkpoint-40/trainer_state.json")


def points(reading: Reading, tag: str) -> list[tuple[int, float, int]]:
    series = next(one for one in reading.series if one.tag == tag)
    return list(zip(series.step.tolist(), series.value.tolist(), series.row.tolist(), strict=True))


def facts(reading: Reading) -> dict[str, object]:
    return {fact.key: fact.value for fact in reading.facts}


def test_entries_keep_order_step_and_index() -> None:
    reading = read(state())
    assert points(reading, "loss") == [(10, 2.5, 0), (20, 2.25, 1), (40, math.inf, 4)]
    assert points(reading, "predict_loss") == [(NO_STEP, 2.0, 3)]
    assert math.isnan(points(reading, "grad_norm")[1][1])
    assert "step" not in [one.tag for one in reading.series]
    assert not reading.problems
    assert reading.source.framework == "transformers"


def test_what_the_state_declares() -> None:
    assert facts(read(state()))["max_steps"] == 40
    assert facts(read(state()))["epochs"] == 2
    assert facts(read(state()))["logging_steps"] == 10


def test_epochs_that_the_trainer_computed_from_max_steps_are_no_declaration() -> None:
    assert "epochs" not in facts(read(state(max_steps=25)))


@pytest.mark.parametrize("field", ["num_train_epochs", "max_steps", "logging_steps", "global_step"])
def test_a_count_beyond_a_double_costs_itself(field: str) -> None:
    text = state().replace(f'"{field}": ', f'"{field}": {"9" * 400}')
    assert len(read(text).series) == len(read(state()).series)
    assert field not in {fact.key for fact in read(text).facts}


def test_a_default_logging_cadence_that_the_log_does_not_have_is_no_declaration() -> None:
    assert "logging_steps" not in facts(read(state(logging_steps=500)))


@pytest.mark.parametrize(("text", "reason"), [
    ("", "empty file"),
    ('{"log_history": []}', "no entries"),
    ('{"log_history": 3}', "no list"),
    ('{"log_hist', "no complete entry"),
    ("[1, 2]", "no complete entry"),
])  # fmt: skip
def test_nothing_to_read_is_named(text: str, reason: str) -> None:
    reading = read(text)
    assert reading.problems[-1].kind == "unreadable"
    assert reason in reading.problems[-1].message


def test_an_entry_that_is_no_object_costs_itself() -> None:
    reading = read(state([*ENTRIES[:1], 7, *ENTRIES[1:]]))  # type: ignore[list-item]
    assert [problem.row for problem in reading.problems] == [1]
    assert points(reading, "loss")[1] == (20, 2.25, 2)


def test_cut_at_every_byte_gives_the_complete_entries_and_names_the_cut() -> None:
    text = state()
    whole = {
        (one.tag, row): (step, value)
        for one in read(text).series
        for step, value, row in zip(one.step.tolist(), one.value.tolist(), one.row.tolist(), strict=True)
    }
    for end in range(text.rindex("}")):
        reading = read(text[:end])
        assert reading.problems
        for one in reading.series:
            assert "truncated" in [problem.kind for problem in reading.problems]
            for step, value, row in zip(one.step.tolist(), one.value.tolist(), one.row.tolist(), strict=True):
                known = whole[one.tag, row]
                assert known[0] == step
                assert known[1] == value or (math.isnan(value) and math.isnan(known[1]))
        complete = text[:end].count("    }")
        assert len({row for one in reading.series for row in one.row.tolist()}) == min(complete, len(ENTRIES))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.integers(0, 400))
def test_inserted_garbage_never_raises(garbage: str, at: int) -> None:
    text = state()
    read(text[:at] + garbage + text[at:])


def test_recognised_by_name_or_history() -> None:
    assert recognises(Path("trainer_state.json"), b"{")
    assert recognises(Path("progress.json"), b'{"log_history": [')
    assert not recognises(Path("config.json"), b'{"architectures": []}')
