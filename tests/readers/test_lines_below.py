"""Kinds of printed lines: figures below counters, bars of signs, places behind a label, names in turn, headers in a log."""

# ruff: noqa: E501  (lines as the programs print them)

from __future__ import annotations

import pytest

from analyzer.readers import Reading
from analyzer.readers.stdout.reading import parse


def column(reading: Reading, tag: str) -> list[float]:
    return next((series.value.tolist() for series in reading.series if series.tag == tag), [])


def read(lines: list[str]) -> Reading:
    return parse("".join(f"{line}\n" for line in lines).encode(), "train.log")


ROWS = range(1, 9)
SHOWN: list[tuple[str, list[str], str, list[float]]] = [
    (
        "a figure that nobody knows, below a counter each time",
        [line for k in ROWS for line in (f"Timestep {k}000", f"mean reward -{20 - k}.5", f"episodes {9 * k}", f"exploration 0.{k}1")],
        "exploration", [k / 10 + 0.01 for k in ROWS],
    ),
    (
        "a measure at the end of each epoch",
        [line for e in ROWS for line in (*(f"epoch {e} batch {b}/20 loss: {9 / (20 * e + b):.4f}" for b in (0, 10)), f"smape {40 - e}.25")],
        "smape", [40.25 - e for e in ROWS],
    ),
    (
        "several figures of another phase that nobody knows",
        [line for e in ROWS for line in (f"Epoch: {e}, loss: {9 / e:.4f}", f"Eval | MRR: 0.{e}1 | Hits@1: 0.{e}2 | Hits@10: 0.{e}3")],
        "Eval Hits@10", [e / 10 + 0.03 for e in ROWS],
    ),
    (
        "a name with how many it is a mean of",
        [line for k in ROWS for line in (f"Timestep {k}000", f"mean reward (100 episodes) -{20 - k}.5")],
        "mean reward (100 episodes)", [k - 20.5 for k in ROWS],
    ),
    (
        "a reward below an episode, without a word of training",
        [line for e in ROWS for line in ("=====", f"Episode:  {e}", f"Reward:  {e * 3}.0")], "Reward", [e * 3.0 for e in ROWS],
    ),
    (
        "names and numbers in turn",
        [f"epoch {e} success rate 0.{e} loss {9 / e:.2f}: exploration 0.5" for e in ROWS], "success rate", [e / 10 for e in ROWS],
    ),
    (
        "dictionaries named after a phase",
        [line for e in ROWS for line in (f"Epoch {e}/8 train=0.{e}1 val=0.{e}2", f"  train_comp: {{'mse': 0.{e}3}}", f"  val_comp: {{'mse': 0.{e}4}}")],
        "val_comp/mse", [e / 10 + 0.04 for e in ROWS],
    ),
    (
        "a header with commas inside a log",
        ["lr: 0.1", "Model size: 11181642 parameters", "Epoch,Train Loss,Test Loss,Test Accuracy", *(f"{e},0.{e}1,0.{e}2,0.5" for e in ROWS)],
        "Test Loss", [e / 10 + 0.02 for e in ROWS],
    ),
    (
        "a count told in millions out of millions",
        [f"  [run] 0.{k}5M / 6.0M  rew={k}.5  ep_len=40" for k in ROWS], "rew", [k + 0.5 for k in ROWS],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "tag", "values"), [row[1:] for row in SHOWN], ids=[row[0] for row in SHOWN])
def test_what_stands_in_lines_of_a_kind_is_read(lines: list[str], tag: str, values: list[float]) -> None:
    assert column(read(lines), tag) == pytest.approx(values)


LOSSES = [f"epoch {e} loss: {9 / e:.4f}" for e in ROWS]
QUIET: list[tuple[str, list[str]]] = [
    ("a line at every third epoch", [line for e in ROWS for line in (LOSSES[e - 1], *(["saved 1.5"] if e % 3 == 0 else []))]),
    ("whole numbers without a sign", [line for e in ROWS for line in (LOSSES[e - 1], f"saved model {e}")]),
    ("twice below a counter", [line for e in ROWS for line in (LOSSES[e - 1], f"patience: {e}.0", f"patience: {e}.0")]),
    ("a sentence", [line for e in ROWS for line in (LOSSES[e - 1], f"it took 3.5 seconds to write the {e} files to disk")]),
    ("names by commas that no row follows", ["Epoch, step, loss", *LOSSES]),
    ("words that lead to a number", [line for e in ROWS for line in (LOSSES[e - 1], f"improved from 0.5 to 0.4 at {e} best")]),
    ("a list of files", ["epoch,file,loss", *LOSSES, "a.py, b.py, c.py"]),
    ("a dictionary of no phase", [line for e in ROWS for line in (LOSSES[e - 1], f"args: {{'seed': {e}}}")]),
]


@pytest.mark.parametrize("lines", [row[1] for row in QUIET], ids=[row[0] for row in QUIET])
def test_other_lines_below_a_counter_are_no_figures(lines: list[str]) -> None:
    reading = read(lines)
    assert {series.tag for series in reading.series} <= {"epoch", "loss"}
    assert len(column(reading, "loss")) == len(ROWS)


STEPS = [
    ("painted, the place behind the label", "\r".join(f"epoch:{e} {i}/4 loss: {9 / (4 * e + i):.4f}" for e in range(3) for i in range(1, 5)) + "\n", "batch"),
    ("a bar of signs with its place behind", "".join(f"epoch {e} [{'#' * i}{'-' * (5 - i)}] {i}/4  25% | 168ms/it | loss {9 / (4 * e + i):.3f}\n" for e in range(3) for i in range(1, 5)), "batch"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "counts"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS])
def test_places_behind_a_label_become_steps(text: str, counts: str) -> None:
    reading = parse(text.encode(), "train.log")
    loss = next(series for series in reading.series if series.tag == "loss")
    assert (reading.source.step_axis, loss.step.tolist()) == (counts, list(range(1, 13)))


def test_a_time_of_a_day_before_each_line_does_not_make_rows_of_epochs() -> None:
    lines = [f"10:00:{e:02d}  |  Epoch {e}  |  {phase} loss 0.{9 - e}" for e in ROWS for phase in ("Training", "Validation")]
    assert read(lines).source.step_axis == "epoch"


def test_laps_without_a_label_below_the_lines_that_close_epochs() -> None:
    lines = [
        line for e in range(1, 4)
        for line in (*(f"step {i}/40  loss={9 / (40 * e + i):.4f}" for i in (10, 20, 30, 40)), f"[epoch {e}/3]  val_loss=0.{9 - e}")
    ]  # fmt: skip
    reading = read(lines)
    steps = {series.tag: series.step.tolist() for series in reading.series}
    assert steps["loss"] == list(range(10, 121, 10))
    assert steps["val_loss"] == [40, 80, 120]


def test_a_total_of_updates_is_none_of_the_steps_beside_them() -> None:
    reading = read([f"Update: {u}/8 | Steps: {2048 * u} | Ret: 0.{u} | v_loss: {1 / u:.3f}" for u in ROWS])
    assert (reading.source.step_axis, reading.source.step_column) == ("environment", "step")
