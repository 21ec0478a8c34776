"""Declared values are checked when they are read, and the message names the word that was meant."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from analyzer.cli.check import command
from analyzer.config.declared import facts_from_options, merge, scalar
from analyzer.model import Fact


@pytest.mark.parametrize(
    ("option", "words"),
    [
        pytest.param("scheduler=cosin", "did you mean 'cosine'?", id="a schedule that nobody knows"),
        pytest.param("scheduler=3", "expected the name of a schedule", id="a number for a name"),
        pytest.param('base_lr="0.05"', "expected a number, 0 or more", id="a number as text"),
        pytest.param("batch_size=-1", "expected a positive whole number", id="a size below zero"),
        pytest.param("world_size=0", "expected a positive whole number", id="no device"),
        pytest.param("dataset_size=10.5", "expected a positive whole number", id="half an example"),
        pytest.param("batch_size=true", "expected a positive whole number", id="a truth for a number"),
        pytest.param("epochs=1" + "0" * 400, "expected a positive number", id="more epochs than a double holds"),
        pytest.param("epochs=1e308", "expected a positive number", id="epochs whose updates no double holds"),
        pytest.param("early_stopping=1e300", "expected a patience", id="a patience beyond every step"),
        pytest.param("batch_size_ramp=[[0, 1e300]]", "expected [[", id="a ramp beyond every size"),
        pytest.param("batch_size=1" + "0" * 400, "expected a positive whole number", id="a size beyond a double"),
        pytest.param("epochs=" + "9" * 5000, "expected a positive number", id="a number of thousands of digits"),
        pytest.param("scheduler_params=" + "[" * 5000, "expected a table", id="a deep list"),
        pytest.param("drop_last=maybe", "expected true or false", id="neither true nor false"),
        pytest.param("warmup_ratio=3", "0 to 1", id="more than the run"),
        pytest.param("warmup_steps=0.1", "warmup_ratio", id="a share for a count"),
        pytest.param("scheduler_interval=steps", "did you mean 'step'?", id="an interval in the plural"),
        pytest.param("accumulation_remainder=dropped", "did you mean 'drop'?", id="a habit spelt otherwise"),
        pytest.param("epochs=nan", "expected a positive number", id="not a number"),
        pytest.param("scheduler_params=5", "a table", id="a number for a table"),
        pytest.param("batch_size_ramp=[[0]]", "[[from epoch or step, size], ...]", id="half a ramp"),
        pytest.param("batchsize=32", "did you mean 'batch_size'?", id="a key that nobody knows"),
    ],
)
def test_what_a_key_cannot_have_is_named(option: str, words: str) -> None:
    with pytest.raises(ValueError, match="--declare") as raised:
        facts_from_options([option])
    assert words in str(raised.value) and option.partition("=")[0] in str(raised.value)
    answer = CliRunner().invoke(command, [".", "--declare", option])
    assert answer.exit_code == 2 and words in answer.stderr


@pytest.mark.parametrize(
    "option",
    [
        "scheduler=timm.CosineLRScheduler",
        "scheduler=OneCycleLR",
        "scheduler=custom",
        "scheduler=newbob",  # of a project's own: no name that we know is near
        "base_lr=0.0",  # a dry run
        "steps_per_epoch=31.5",
        "dataset_size=50_000",
        "batch_size=32.0",
        "drop_last=True",
        "early_stopping=5",
        "early_stopping=true",
        "warmup_steps=0",
        "min_lr=0",
        "logging_steps=0.1",
        "batch_size_ramp=[[0, 16], [4, 32]]",
        'scheduler_params={"gamma": 0.1}',
    ],
)
def test_what_a_key_can_have_is_taken(option: str) -> None:
    (fact,) = facts_from_options([option])
    assert fact.value == scalar(option.partition("=")[2])


@pytest.mark.parametrize(
    ("value", "unusable"),
    [
        pytest.param("auto-ish", True, id="a word"),
        pytest.param(-3, True, id="below zero"),
        pytest.param(-1, False, id="not set, as the Trainer says"),
        pytest.param(0, False, id="not set, as Megatron says"),
    ],
)
def test_files_beside_the_log_keep_what_cannot_be_used(value: object, unusable: bool) -> None:
    declared = merge([Fact(key="batch_size", value=value, found_in="config.yaml")], [])
    assert "batch_size" not in declared
    assert bool(declared.unusable) == unusable and bool(declared.also) != unusable
