"""JSON lines and JSON documents: every writer's keys, nested objects, cuts, garbage."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analyzer.model import NO_STEP
from analyzer.readers import Reading, json_lines, json_table


def lines(text: str) -> Reading:
    return json_lines.parse(text.encode(), "log.jsonl")


def document(text: str) -> Reading:
    return json_table.parse(text.encode(), "history.json")


def points(reading: Reading, tag: str) -> list[tuple[int, float, int]]:
    series = next(one for one in reading.series if one.tag == tag)
    return list(zip(series.step.tolist(), series.value.tolist(), series.row.tolist(), strict=True))


WRITERS = [
    (
        "detectron2",
        '{"iteration": 19, "total_loss": 2.5, "lr": 0.1, "data_time": 0.1, "eta_seconds": 9}',
        '{"iteration": 39, "total_loss": 2.0, "lr": 0.2, "data_time": 0.1, "eta_seconds": 8}',
        "total_loss",
        [19, 39],
        "iteration",
    ),
    (
        "mmengine",
        '{"lr": 0.1, "data_time": 0.1, "loss": 2.5, "iter": 10, "epoch": 1, "step": 10}',
        '{"lr": 0.1, "data_time": 0.1, "loss": 2.0, "iter": 20, "epoch": 1, "step": 20}',
        "loss",
        [10, 20],
        "step",
    ),
    (
        "llama-factory",
        '{"current_steps": 10, "total_steps": 90, "loss": 2.5, "lr": 0.1, "elapsed_time": "0:00:10"}',
        '{"current_steps": 20, "total_steps": 90, "loss": 2.0, "lr": 0.1, "elapsed_time": "0:00:20"}',
        "loss",
        [10, 20],
        "current_steps",
    ),
    (
        "detr",
        '{"train_lr": 0.1, "train_loss": 2.5, "epoch": 0, "n_parameters": 11}',
        '{"train_lr": 0.1, "train_loss": 2.0, "epoch": 1, "n_parameters": 11}',
        "train_loss",
        [0, 1],
        "epoch",
    ),
    (
        "composer",
        '[BATCH][step=1]: {"loss/train/total": 2.5, "trainer/batch_idx": 1}',
        '[BATCH][step=2]: {"loss/train/total": 2.0, "trainer/batch_idx": 2}',
        "loss/train/total",
        [1, 2],
        "step",
    ),
    (
        "fairseq",
        '{"epoch": 1, "num_updates": "100", "train_loss": "2.5", "wall": "9"}',
        '{"epoch": 1, "num_updates": "200", "train_loss": "2.0", "wall": "18"}',
        "train_loss",
        [100, 200],
        "num_updates",
    ),
    (
        "stable-baselines3",
        '{"time/total_timesteps": 128, "train/loss": 2.5}',
        '{"time/total_timesteps": 256, "train/loss": 2.0}',
        "train/loss",
        [128, 256],
        "time/total_timesteps",
    ),
    (None, '{"step": 1, "train": {"loss": 2.5}}', '{"step": 2, "train": {"loss": 2.0}}', "train/loss", [1, 2], "step"),
]


@pytest.mark.parametrize(
    ("framework", "first", "second", "tag", "steps", "column"), WRITERS, ids=[str(one[0]) for one in WRITERS]
)
def test_writers(framework: str | None, first: str, second: str, tag: str, steps: list[int], column: str) -> None:
    reading = lines(f"{first}\n{second}\n")
    assert reading.source.framework == framework
    assert reading.source.step_column == column
    assert points(reading, tag) == [(steps[0], 2.5, 1), (steps[1], 2.0, 2)]
    assert not reading.problems
    assert json_lines.recognises(Path("log.json"), f"{first}\n{second}\n".encode())


def test_llama_factory_declares_its_length() -> None:
    reading = lines(
        '{"current_steps": 10, "total_steps": 90, "loss": 2}\n{"current_steps": 20, "total_steps": 90, "loss": 1}\n'
    )
    assert [(fact.key, fact.value) for fact in reading.facts] == [("max_steps", 90)]


def test_not_finite_in_both_spellings() -> None:
    reading = lines(
        '{"step": 1, "loss": NaN}\n{"step": 2, "loss": "NaN"}\n{"step": 3, "loss": -Infinity}\n{"step": 4, "loss": 1}\n'
    )
    values = [value for _, value, _ in points(reading, "loss")]
    assert math.isnan(values[0]) and math.isnan(values[1])
    assert values[2:] == [-math.inf, 1.0]


ODD_LINES = [
    ("text", "hello there", "row", None, [1, 3]),  # no row was lost
    ("a number", "17", "row", 2, [1, 3]),
    ("a half line that the next process wrote on", '{"step": 2, "lo{"step": 2, "loss": 5}', "corrupt", 2, [1, 2, 3]),
    ("a half line with a nested object", '{"step": 2, "x": {"a": 1}', "row", 2, [1, 3]),
    ("NUL bytes", '\0\0\0{"step": 2, "loss": 5}', "corrupt", 2, [1, 3]),
]


@pytest.mark.parametrize("odd", ODD_LINES, ids=[one[0] for one in ODD_LINES])
def test_odd_lines_are_named_and_cost_themselves(odd: tuple[str, str, str, int | None, list[int]]) -> None:
    _, line, kind, row, steps = odd
    reading = lines(f'{{"step": 1, "loss": 9}}\n{line}\n{{"step": 3, "loss": 1}}\n')
    assert [(problem.kind, problem.row) for problem in reading.problems] == [(kind, row)]
    assert [step for step, _, _ in points(reading, "loss")] == steps


def test_blank_lines_keep_the_numbering() -> None:
    assert points(lines('{"step": 1, "loss": 9}\n\n{"step": 3, "loss": 1}\n'), "loss") == [(1, 9, 1), (3, 1, 3)]


LOG = "".join(
    json.dumps({"step": step, "loss": 3.0 / step, "train": {"lr": 0.001 * step}}) + "\n" for step in range(1, 9)
)
WHOLE = {
    (one.tag, row): value
    for one in lines(LOG).series
    for value, row in zip(one.value.tolist(), one.row.tolist(), strict=True)
}


def test_cut_at_every_byte() -> None:
    for end in range(len(LOG)):
        reading = lines(LOG[:end])
        for one in reading.series:
            for value, row in zip(one.value.tolist(), one.row.tolist(), strict=True):
                assert WHOLE[one.tag, row] == value
        complete = LOG[:end].count("}}")
        assert {row for one in reading.series for row in one.row.tolist()} == set(range(1, complete + 1))
        if end and LOG[end - 1] != "\n" and not LOG[:end].endswith("}}"):
            assert "truncated" in [problem.kind for problem in reading.problems]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=20), st.sampled_from(LOG.splitlines())), max_size=8))
def test_no_garbage_raises(some: list[str]) -> None:
    reading = lines("\n".join(some))
    assert reading.series or reading.problems


SILENT = [
    ("config.json", '{\n  "architectures": ["A"],\n  "betas": [0.9, 0.99],\n  "steps": [8, 16]\n}'),
    ("all_results.json", '{\n    "epoch": 3.0,\n    "train_loss": 1.5\n}'),
    ("metrics.json", '{"run_name": "x", "train_loss": 0.5, "epoch": 24.29}'),
    ("train.jsonl", '{"instruction": "Write", "output": "No"}\n{"instruction": "Read", "output": "Yes"}\n'),
    ("tokenizer.json", '{"version": "1.0", "added_tokens": [{"id": 0, "content": "x"}]}'),
    ("labels.json", '[{"image": "a.png", "bbox": [1, 2, 3, 4]}]'),
]


@pytest.mark.parametrize(("name", "text"), SILENT, ids=[one[0] for one in SILENT])
def test_other_json_is_left_alone(name: str, text: str) -> None:
    assert not json_lines.recognises(Path(name), text.encode())
    assert not json_table.recognises(Path(name), text.encode())


def test_list_of_entries() -> None:
    text = json.dumps(
        [
            {"step": 10, "loss": 3, "epoch": 0.1, "learning_rate": 0.1},
            {"step": 20, "loss": 2, "epoch": 0.2, "learning_rate": 0.1},
        ],
        indent=1,
    )
    assert json_table.recognises(Path("log_history.json"), text.encode())
    reading = document(text)
    assert reading.source.framework == "transformers"
    assert points(reading, "loss") == [(10, 3, 0), (20, 2, 1)]


def test_chainer_log() -> None:
    text = json.dumps(
        [
            {"main/loss": 3, "epoch": 1, "iteration": 100, "elapsed_time": 9},
            {"main/loss": 2, "epoch": 2, "iteration": 200, "elapsed_time": 18},
        ],
        indent=4,
    )
    assert json_table.recognises(Path("result/log"), text.encode())
    assert document(text).source.framework == "chainer"
    assert points(document(text), "main/loss") == [(100, 3, 0), (200, 2, 1)]


def test_keras_history_counts_epochs_from_zero() -> None:
    text = json.dumps({"loss": [3, 2, 1], "val_loss": [4, 3, 2], "lr": [0.1, 0.1, 0.01]})
    assert json_table.recognises(Path("history.json"), text.encode())
    reading = document(text)
    assert (reading.source.framework, reading.source.step_axis) == ("keras", "epoch")
    assert points(reading, "val_loss") == [(0, 4, 0), (1, 3, 1), (2, 2, 2)]


def test_lists_of_several_lengths_keep_their_own_rows() -> None:
    reading = document(json.dumps({"step": [10, 20, 30], "train_loss": [3, 2, 1], "val_loss": [4, 3]}))
    assert points(reading, "train_loss") == [(10, 3, 0), (20, 2, 1), (30, 1, 2)]
    assert points(reading, "val_loss") == [(NO_STEP, 4, 0), (NO_STEP, 3, 1)]


@pytest.mark.parametrize("text", [
    json.dumps([{"step": step, "loss": 3.0 / step} for step in range(1, 6)], indent=1),
    json.dumps({"loss": [3.25, 2.125, 1.5], "val_loss": [4.25, 3.5, 2.75]}),
])  # fmt: skip
def test_documents_cut_at_every_byte(text: str) -> None:
    whole = {
        (one.tag, row): value
        for one in document(text).series
        for value, row in zip(one.value.tolist(), one.row.tolist(), strict=True)
    }
    for end in range(len(text) - 1):
        reading = document(text[:end])
        assert reading.problems
        for one in reading.series:
            for value, row in zip(one.value.tolist(), one.row.tolist(), strict=True):
                assert whole[one.tag, row] == value


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["loss", "step", "epoch", "x"]), inner)
        ),
        max_leaves=12,
    )
)
@example({"step": [0.0], "loss": [0.0, "", ""]})
def test_no_document_raises(value: object) -> None:
    reading = document(json.dumps(value))
    assert reading.series or reading.runs or reading.problems


def test_tensorboard_json_download() -> None:
    text = json.dumps([[1700000000.5, 10, 3.0], [1700000001.5, 20, "NaN"], [1700000002.5, 30, 1.0]])
    assert json_table.recognises(Path("run-train-tag-loss.json"), text.encode())
    reading = json_table.parse(text.encode(), "run-train-tag-loss.json")
    assert reading.source.framework == "tensorboard"
    assert [(step, row) for step, _, row in points(reading, "loss")] == [(10, 0), (20, 1), (30, 2)]
    assert reading.series[0].wall_time.tolist() == [1700000000.5, 1700000001.5, 1700000002.5]


def test_a_step_of_thousands_of_digits_costs_its_line() -> None:
    lines = [f'[BATCH][step={step}]: {{"loss/train": {step}.5}}\n' for step in (1, 2, "9" * 5000, 4)]
    reading = json_lines.parse("".join(lines).encode(), "log.txt")
    (loss,) = reading.series
    assert loss.step.tolist() == [1, 2, 4]
    assert [problem.row for problem in reading.problems] == [3]
