"""Printed figures that no word names: counters and losses told by how they behave, and what must not be taken for one."""

# ruff: noqa: E501  (lines as the programs print them)

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from analyzer.readers.stdout import parse, recognises
from analyzer.readers.stdout.behaviour import called_losses
from analyzer.readers.stdout.counters import bar_of, counters_of
from analyzer.readers.stdout.terminal import shown
from analyzer.readers.stdout.values import each_named, values_of
from analyzer.roles import role_of_tag

RNG = np.random.default_rng(3)
LOSS = [2.0 * math.exp(-i / 12) + 0.4 + 0.02 * noise for i, noise in enumerate(RNG.normal(size=48))]
FLAT = (1.0 + 0.3 * RNG.normal(size=48)).tolist()
SMOOTH = [math.exp(-i / 20) for i in range(48)]


def lines(line: str) -> str:
    values = zip(LOSS, FLAT, SMOOTH, strict=True)
    return "".join(line.format(i=i, s=10 * (i + 1), loss=a, flat=b, smooth=c, many=int(100 * b), lap=i % 8, level=(4 - i // 12 + (i in (3, 17))) / 4) + "\n" for i, (a, b, c) in enumerate(values))


def taken(text: str, name: str = "train.log") -> dict[str, tuple[str, int, int, int]]:
    """Role -> tag, rows, first and last step of the first series of it."""
    series = reversed(parse(text.encode(), name).series)
    return {role: (one.tag, len(one), int(one.step[0]), int(one.step[-1])) for one in series if (role := role_of_tag(one.tag))}


FOUND = [
    ("a name that is no word for a loss", "Iter {i:04d} | Time 2.1(2.1) | Bit/dim {loss:.4f}({loss:.4f}) | Steps {many} | Grad Norm 0.9\n", ("loss (Bit/dim)", 48, 0, 47)),
    ("a total before its parts", "Epoch {i} | PDE: {loss:.4f} | Total: {loss:.3f}\n", ("loss (Total)", 48, 0, 47)),
    ("numbers alone", "{s} {loss}\n", ("loss (figure 1)", 48, 10, 480)),
    ("numbers with a rate among them", "[{s:6d}, {smooth:.7f}e-02] {flat:.3f}, {loss:10.4f},\n", ("loss (figure 3)", 48, 10, 480)),
    ("numbers alone, the count behind them", "{loss} {s}\n", ("loss (figure 1)", 48, 10, 480)),
    ("a number in brackets with a blank", "epoch {i} loss:[ {loss:.8f}]\n", ("loss", 48, 0, 47)),
    ("an evaluation with a bar of its own", "iter {i} loss {loss:.4f}\n{lap}/8, elapsed: 2s\n", ("loss", 48, 0, 47)),
    ("a count that no word names", "n={i} train.loss={loss:.4f}\n", ("train.loss", 48, 0, 47)),
    ("a count behind a sign", "@{s}: loss {loss:.4f}\n", ("loss", 48, 10, 480)),
    ("a count in a sentence", "After some updates (total {s}), the loss is {loss:.4f} now.\n", ("loss", 48, 10, 480)),
    ("names in front of their numbers", "train, step, loss, acc ===> {i}, {loss:.4f}, 0.5,\n", ("loss", 48, 0, 47)),
    ("a measure with the name of a counter", "episode {i} steps {many} loss {loss:.4f}\n", ("loss", 48, 0, 47)),
    ("words joined to their numbers one after another", "epoch {i} lr 0.1 3d_train {loss:.4f} 3d_valid {loss:.3f}\n", ("loss (3d_train)", 48, 0, 47)),
    ("a count behind the figures", "loss {loss:.4f} (lr 1e-4) after {s} steps\n", ("loss", 48, 10, 480)),
    ("a grid of names and values", "+------+-------+\n| step | {s:6d} |\n| loss | {loss:.4f} |\n+------+-------+\n", ("loss", 48, 10, 480)),
    ("a dictionary of names that no pattern knows", "metrics {{'it': {i}, 'L_total': {loss:.4f}, 'L_rec': 0.5}}\n", ("loss (L_total)", 48, 0, 47)),
    ("epochs without a word, a figure below each", "[{i:02d}/48] train loss = {loss:.4f}\n        valid loss = {loss:.3f}, acc = 0.8\n", ("train loss", 48, 0, 47)),
    ("an evaluation behind its counter", "Epoch {i} Train, loss: {loss:.4f}\nEpoch {i} Val, loss: {flat:.4f}\n", ("loss", 48, 0, 47)),
    ("dots between a name and its number", "epoch {i}\n  train loss ...... {loss:.4f}\n", ("train loss", 48, 0, 47)),
]


@pytest.mark.parametrize(("line", "loss"), [case[1:] for case in FOUND], ids=[case[0] for case in FOUND])
def test_a_loss_is_told_by_how_it_behaves(line: str, loss: tuple[str, int, int, int]) -> None:
    assert taken(lines(line))["loss"] == loss


SILENT = [
    ("nothing falls", "Iter {i} | Bit/dim {flat:.4f}\n"),
    ("it falls without noise", "Iter {i} | kappa {smooth:.6f}\n"),
    ("beside a reward", "Iter {i} | kappa {loss:.4f} | reward {flat:.2f}\n"),
    ("beside a loss", "Iter {i} | kappa {loss:.4f} | val loss {flat:.2f}\n"),
    ("a schedule of levels", "Iter {i} | kappa {level:.4f}\n"),
    ("a duration", "Iter {i} | seconds {loss:.4f}\n"),
    ("whole numbers", "Iter {i} | files {s}\n"),
]


@pytest.mark.parametrize("line", [case[1] for case in SILENT], ids=[case[0] for case in SILENT])
def test_what_is_no_loss(line: str) -> None:
    assert "loss" not in taken(lines(line))


@pytest.mark.parametrize("line", ["{flat:.3f} {loss:.4f}\n", "{lap} {loss:.4f} some words\n"])
def test_what_counts_nothing(line: str) -> None:
    assert taken(lines(line)) == {}


def test_a_loss_beside_what_counts_nothing_is_a_row() -> None:
    read = parse(lines("n={lap}x loss={loss:.4f}\n").encode(), "train.log")
    assert read.source.step_axis == "row" and "loss" in {one.tag for one in read.series}


def test_a_place_without_a_total_comes_back_to_where_it_began() -> None:
    head = "01/14 09:15:30 AM epoch {} lr 2.5e-02\n"
    rows = lines("01/14 09:15:30 AM train {lap:03d} {loss:e} 18.6 75.5\n").splitlines(keepends=True)
    text = "".join((head.format(i // 8) if i % 8 == 0 else "") + row for i, row in enumerate(rows))
    assert taken(text)["loss"][:2] == ("loss (figure 1)", 48)


LISTS = [
    ("by their names", "done\ntrain_losses = [{}]\nval_losses = [{}]\n", "out.txt", ("train_losses", 48)),
    ("by the file's name", "[{}]\n", "train_loss.txt", ("train_loss", 48)),
]


@pytest.mark.parametrize(("text", "name", "loss"), [case[1:] for case in LISTS], ids=[case[0] for case in LISTS])
def test_lists_of_losses_count_rows(text: str, name: str, loss: tuple[str, int]) -> None:
    listed = ", ".join(map(str, LOSS))
    data = text.format(*[listed] * text.count("{}")).encode()
    assert recognises(Path(name), data[:4096])
    assert taken(data.decode(), name)["loss"][:2] == loss
    assert parse(data, name).source.step_axis == "row"


def test_a_number_a_line_is_a_loss_where_the_file_says_so() -> None:
    data = "training error\n" + "".join(f"{one}\n" for one in LOSS)
    assert taken(data, "train_loss.txt")["loss"][:2] == ("train_loss", 48)
    assert not recognises(Path("numbers.txt"), data.encode())


TYPED_OVER = [
    ("one of signs, with its place", " [=>....................]  Loss: 2.408 | Acc: 15%" + "\b" * 40 + " 1/20 ", (1, 20)),
    ("a state painted anew", "  5%|x| 1/20 [00:01]" + "\b" * 30 + " 10%|x| 2/20 [00:02]", (2, 20)),
    ("no bar", "abc\b\bxy", None),
]


@pytest.mark.parametrize(("raw", "bar"), [case[1:] for case in TYPED_OVER], ids=[case[0] for case in TYPED_OVER])
def test_what_is_typed_over_a_line(raw: str, bar: tuple[int, int] | None) -> None:
    assert bar_of(shown(raw)) == bar


def test_a_bar_of_signs_keeps_the_figures_behind_it() -> None:
    counters, rest = counters_of(shown(TYPED_OVER[0][1]))
    assert not counters
    assert values_of(rest) == {"Loss": 2.408, "Acc": 15.0}


NAMED = [
    ("loss/acc: 0.5/0.8", "loss: 0.5, acc: 0.8"),
    ("train, loss, acc ===> 0.5, 0.8", "train loss: 0.5, acc: 0.8"),
    ("see a/b: 0.5", "see a/b: 0.5"),
    ("x, y: 1, 2, 3", "x, y: 1, 2, 3"),
    ("loss: 0.5, acc: 0.8", "loss: 0.5, acc: 0.8"),
]


@pytest.mark.parametrize(("text", "named"), NAMED, ids=[case[0] for case in NAMED])
def test_names_in_front_of_their_numbers(text: str, named: str) -> None:
    assert each_named(text).strip() == named


def test_a_log_that_was_emptied_under_its_writer_begins_behind_the_nul_bytes() -> None:
    text = lines("step {s} | loss {loss:.4f} | lr 2.99e-04").encode()
    assert recognises(Path("train.log"), b"\0" * 2048 + text[:1024])
    assert not recognises(Path("train.log"), b"\0" * 2048)
    series = {one.tag: one for one in parse(b"\0" * 9000 + b"\n" + text, "train.log").series}
    assert len(series["loss"]) == 48


def epochs(values: list[float], first: int = 0) -> str:
    return "".join(f"Epoch {at} loss {value:.4f} lr 0.1\n" for at, value in enumerate(values, start=first))


STEPS = [f"Epoch {at // 4} step {at} loss {value:.4f}\n" for at, value in enumerate([*LOSS[:24], *LOSS[:24]])]
RESTARTS = [
    ("another run behind the first", epochs(LOSS) + epochs(LOSS[:20]), [48, 20]),
    ("another task with another loss", epochs(LOSS) + epochs([3 + one for one in LOSS]) + epochs(LOSS), [48, 48, 48]),
    ("a run that ended in NaN", epochs([*LOSS[:40], *[math.nan] * 8]) + epochs(LOSS), [48, 48]),
    ("stages by their headlines", "== stage 1: frozen ==\n" + epochs(LOSS[:9]) + "== stage 2: all ==\n" + epochs(LOSS[9:20]), [9, 11]),
    ("a state that goes on", epochs(LOSS) + epochs([0.4] * 10), [58]),
    ("a later epoch", epochs(LOSS) + epochs(LOSS, first=20), [96]),
    ("a counter that goes on", "".join(STEPS), [48]),
    ("two rows are no run", epochs(LOSS[:2]) + epochs(LOSS), [50]),
]


@pytest.mark.parametrize(("text", "rows"), [case[1:] for case in RESTARTS], ids=[case[0] for case in RESTARTS])
def test_where_all_starts_over_another_run_begins(text: str, rows: list[int]) -> None:
    reading = parse(text.encode(), "train.log")
    runs = reading.runs or (reading,)
    assert [len(next(one for one in run.series if one.tag == "loss")) for run in runs] == rows


def commands(*planned: tuple[int, int]) -> str:
    """Rows of commands, each of so many epochs of so many batches, the loss falling on through all of them."""
    rows = [(e, es, b, bs) for es, bs in planned for e in range(1, es + 1) for b in range(0, bs, 100)]
    return "".join(f"Epoch:[{e}/{es}]({b}/{bs}) loss:{3 - n / 100:.3f} lr:1e-4\n" for n, (e, es, b, bs) in enumerate(rows))


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        pytest.param(commands((1, 2000), (2, 1500)), 2, id="another command"),
        pytest.param(commands((2, 1500)), 1, id="one command"),
        pytest.param(commands((2, 1500), (2, 1500)), 1, id="the same command: the loss goes on, a clock to judge"),
        pytest.param(commands((2, 2000), (2, 1000)), 1, id="another batch size alone"),
    ],
)
def test_another_command_is_another_run(text: str, runs: int) -> None:
    assert max(len(parse(text.encode(), "train.log").runs), 1) == runs


@pytest.mark.parametrize(
    ("row", "steps"),
    [("{i},{k},{loss:.4f}\n", (1000, 48000)), ("{i},{j},{loss:.4f}\n", (1, 48))],
    ids=["the second counts further", "the second is a figure"],
)
def test_of_two_counts_the_one_between_the_rows_is_the_step(row: str, steps: tuple[int, int]) -> None:
    text = "".join(row.format(i=i, k=1000 * i, j=7 + i % 5, loss=loss) for i, loss in enumerate(LOSS, start=1))
    found = taken(text)
    assert next(iter(found.values()))[2:] == steps


def test_names_of_few_rows_are_not_looked_for_in_every_row() -> None:
    """As many names as rows: each is looked at by its own rows, so that the time is that of the lines."""
    rows = [{"step": at, f"name {at}": 0.5} for at in range(20_000)]
    assert not called_losses(rows)
