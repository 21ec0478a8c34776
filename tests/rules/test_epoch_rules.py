"""Rules about epochs on small tables: what the rows prove, and what they leave open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzer.auditing import audit_run
from analyzer.config.declared import checked_fact, merge
from analyzer.discovery import discover
from analyzer.rules.examples import falling_loss, table


def said(folder: Path, header: tuple[str, ...], rows: list[tuple[object, ...]], **facts: Any) -> list[str]:
    """Codes of the findings about epochs and axes, notes in small letters."""
    (folder / "log.csv").write_text(table(header, rows))
    own = [checked_fact(key, value, "--declare") for key, value in facts.items()]
    return [
        finding.code.lower() if finding.severity == "note" else finding.code
        for run in discover([folder]).runs
        for finding in audit_run(run, merge(own, run.facts), select=("EPO", "LOG006", "RES")).findings
    ]


def from_zero(last: int, *, closing: int | None, fractions: bool = False) -> list[tuple[object, ...]]:
    """Steps 0 to `last` at 40 per epoch, with a validation at every step of that residue."""
    return [
        (
            step,
            (step + 1) / 40 if fractions else step // 40,
            falling_loss(step + 1),
            falling_loss(step + 1) if closing is not None and step % 40 == closing else None,
        )
        for step in range(last + 1)
    ]


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        pytest.param(from_zero(200, closing=39), ["EPO004"], id="epochs close at 39, 79, ..: step 200 is update 201"),
        pytest.param(from_zero(200, closing=None, fractions=True), ["EPO004"], id="step 0 has done a fortieth"),
        pytest.param(from_zero(199, closing=39), [], id="200 updates"),
        pytest.param(from_zero(200, closing=None), [], id="step 0 may be a row before training"),
        pytest.param(from_zero(200, closing=0), [], id="a validation before training, then every 40 steps"),
    ],
)
def test_one_update_more_than_declared(rows: list[tuple[object, ...]], codes: list[str], tmp_path: Path) -> None:
    assert said(tmp_path, ("step", "epoch", "loss", "val_loss"), rows, steps_per_epoch=40, epochs=5) == codes


def validated(every: int, length: int, *, more: int, early: int = 0) -> list[tuple[object, ...]]:
    """Training rows every so many steps from 1, and a validation row of its own at each epoch's end."""
    rows: list[tuple[object, ...]] = []
    for step in range(1, 6 * length + 1):
        label = (step - 1 + early) // length
        if step % every == 0 or step == 1:
            rows.append((step, label, falling_loss(step), None))
        if step % length == 0:
            rows.append((step, label + more, None, falling_loss(step)))
    return rows


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        pytest.param(validated(1, 25, more=1), ["EPO003"], id="every step"),
        pytest.param(validated(2, 25, more=1), ["EPO003"], id="every second step: half of the epochs end on a row"),
        pytest.param(validated(10, 25, more=1), ["EPO003"], id="step 1 and a known length say where epochs end"),
        pytest.param(validated(1, 25, more=0), [], id="one count"),
        pytest.param(validated(10, 25, more=0), [], id="one count, sparse rows"),
        pytest.param(
            [row for row in validated(2, 25, more=0, early=1) if row[0] != 1 and row[0] != 150],
            [],
            id="labels that change between the rows, early or not",
        ),
    ],
)
def test_validation_counts_from_another_base(rows: list[tuple[object, ...]], codes: list[str], tmp_path: Path) -> None:
    assert said(tmp_path, ("step", "epoch", "loss", "val_loss"), rows, steps_per_epoch=25, epochs=6) == codes


@pytest.mark.parametrize(
    ("tags", "codes"),
    [
        pytest.param(("train/loss", "train/lr", "evaluate/psnr"), ["log006"], id="what an evaluation alone tells"),
        pytest.param(("loss", "lr", "test_bleu"), ["log006"], id="the same, no word for the training"),
        pytest.param(("Loss/train", "lr", "Loss/val_epoch"), [], id="named by its epoch"),
        pytest.param(("train/loss", "train/lr", "val/loss"), ["LOG006"], id="one measure over two axes"),
        pytest.param(("train_loss", "train_acc", "val_acc"), ["LOG006"], id="an accuracy over two axes"),
        pytest.param(("train/loss", "val/psnr", "train/lr"), ["LOG006"], id="a rate of the training"),
    ],
)
def test_tags_by_the_epoch(tags: tuple[str, str, str], codes: list[str], tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = []
    for step in range(1, 401):
        rows.append((step, falling_loss(step), 0.001, None))
        if step % 40 == 0:
            rows.append((step // 40 - (step > 200), None, None, falling_loss(step)))  # one is written again at a resume
    assert said(tmp_path, ("step", *tags), rows) == codes


def by_epochs(*, mean: bool, times: int = 40) -> list[tuple[object, ...]]:
    """Running loss and rate by steps; once in so many of them a validation by its number, a mean too if asked."""
    rows: list[tuple[object, ...]] = []
    for step in range(1, 801):
        rows.append((step, falling_loss(step), 0.001, None, None))
        if step % times == 0:
            rows.append((step // times, None, None, falling_loss(step) if mean else None, falling_loss(step) + 0.1))
    return rows


@pytest.mark.parametrize(
    ("tags", "rows", "codes"),
    [
        pytest.param(
            ("Train/RunningLoss", "lr", "Train/Loss", "Test/Loss"), by_epochs(mean=True), ["log006"], id="means"
        ),
        pytest.param(
            ("iter_loss", "lr", "ep_loss", "ep_vloss"), by_epochs(mean=True, times=100), ["log006"], id="others"
        ),
        pytest.param(("Train/Loss", "lr", "Train/Mean", "Test/Loss"), by_epochs(mean=False), ["LOG006"], id="none"),
        pytest.param(("Train/RunningLoss", "aux", "lr", "Test/Loss"), by_epochs(mean=True), ["LOG006"], id="a rate"),
    ],
)
def test_means_and_validations_share_the_axis_of_epochs(
    tags: tuple[str, ...], rows: list[tuple[object, ...]], codes: list[str], tmp_path: Path
) -> None:
    assert [code for code in said(tmp_path, ("step", *tags), rows) if code.lower() == "log006"] == codes


def with_batches(of_validation: int) -> list[tuple[object, ...]]:
    """Training by steps; behind each epoch of 40 an error for each of so many batches of the validation."""
    rows: list[tuple[object, ...]] = []
    for step in range(1, 401):
        rows.append((step, falling_loss(step), falling_loss(step) + 1, None))
        if step % 40 == 0:
            first = of_validation * (step // 40 - 1)
            rows += [(first + k, None, None, falling_loss(step)) for k in range(of_validation)]
    return rows


@pytest.mark.parametrize(
    ("batches", "codes"),
    [
        pytest.param(10, ["log006"], id="a validation that counts its batches"),
        pytest.param(3, ["log006"], id="a few"),
        pytest.param(1, ["LOG006"], id="a validation by epochs"),
    ],
)
def test_validations_that_count_their_batches(batches: int, codes: list[str], tmp_path: Path) -> None:
    header = ("step", "Train/loss", "Train/err", "Val/err")
    assert [code for code in said(tmp_path, header, with_batches(batches)) if code.lower() == "log006"] == codes


STANDING = [(step, falling_loss(step), round(1e-3 * (1 - step // 2 / 200), 8)) for step in range(400)]
LR = ("step", "loss", "lr")
BATCHES = {"steps_per_epoch": 40, "grad_accumulation": 2}
KEPT = [2, *(int(step) for step in np.cumsum(np.random.default_rng(3).integers(1, 9, 700)) + 2 if step < 2647), 2647]
PLAYED = [(640 * row, 5000 * row + 7 * (row % 5), falling_loss(row)) for row in range(1, 61)]


@pytest.mark.parametrize(
    ("header", "rows", "facts", "codes"),
    [
        pytest.param(("step", "loss"), [(step, falling_loss(step)) for step in KEPT], {"max_steps": 2652}, [],
                     id="rows left out at random: five more steps may be among them"),
        pytest.param(("step", "loss"), [(step, falling_loss(step)) for step in KEPT], {"max_steps": 2750}, ["EPO004"],
                     id="a hundred steps are missing"),
        pytest.param(("n_updates", "steps", "loss"), PLAYED, {"max_steps": 300_000}, [], id="max_steps means steps"),
        pytest.param(("n_updates", "steps", "loss"), PLAYED, {"max_steps": 900_000}, ["EPO004"], id="neither counter"),
        pytest.param(LR, STANDING, BATCHES | {"epochs": 10}, [], id="batches of an epoch"),
        pytest.param(LR, STANDING, BATCHES | {"epochs": 12}, ["EPO004"], id="neither"),
    ],
)  # fmt: skip
def test_where_a_run_ends(
    header: tuple[str, ...], rows: list[tuple[object, ...]], facts: dict[str, Any], codes: list[str], tmp_path: Path
) -> None:
    assert [code for code in said(tmp_path, header, rows, **facts) if code == "EPO004"] == codes


def goes_on_at(step: int, by: int, *, was: int = 1) -> list[tuple[object, ...]]:
    """A loss up to step 700, and 300 rows from another one on."""
    steps = [*range(was, 701, was), *range(step, step + 300 * by, by)]
    return [(step, falling_loss(row)) for row, step in enumerate(steps, 1)]


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        pytest.param(goes_on_at(2804, 4), ["LOG006"], id="micro-batches, four to an update"),
        pytest.param(goes_on_at(22464, 64, was=2), ["LOG006"], id="samples, 32 to an update"),
        pytest.param(goes_on_at(710, 10), [], id="logged more seldom"),
        pytest.param(goes_on_at(2804, 1), [], id="a jump, whatever made it"),
        pytest.param(goes_on_at(1400, 7), [], id="no multiple of where it was"),
    ],
)
def test_a_step_that_goes_on_in_another_unit(rows: list[tuple[object, ...]], codes: list[str], tmp_path: Path) -> None:
    assert [code for code in said(tmp_path, ("step", "loss"), rows) if code.startswith("LOG")] == codes


def with_epoch_means(every: int, epochs: int, *, at: Callable[[int], int]) -> list[tuple[object, ...]]:
    """A loss every so many steps of epochs of 40, and the mean of each epoch under the same name."""
    rows: list[tuple[object, ...]] = []
    for epoch in range(epochs):
        rows += [(step, falling_loss(step + 1)) for step in range(40 * epoch, 40 * epoch + 40, every)]
        rows.append((at(epoch), falling_loss(40 * epoch + 20)))
    return rows


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        pytest.param(with_epoch_means(10, 20, at=lambda epoch: epoch), ["LOG006"], id="at the epoch's number"),
        pytest.param(with_epoch_means(10, 90, at=lambda epoch: epoch + 1), ["LOG006"], id="from 1, many of them"),
        pytest.param(with_epoch_means(1, 20, at=lambda epoch: epoch), ["LOG006"], id="beside a row for every step"),
        pytest.param(with_epoch_means(10, 20, at=lambda epoch: 40 * epoch + 39), [], id="at the epoch's last step"),
        pytest.param(with_epoch_means(10, 1, at=lambda epoch: 0), [], id="once, at its end"),
    ],
)
def test_two_axes_in_one_tag(rows: list[tuple[object, ...]], codes: list[str], tmp_path: Path) -> None:
    assert [code for code in said(tmp_path, ("step", "loss"), rows) if code.isupper()] == codes


@pytest.mark.parametrize(
    ("facts", "codes"),
    [
        pytest.param({}, ["log006"], id="nothing declared: a note"),
        pytest.param({"grad_accumulation": 4}, [], id="the declared accumulation"),
        pytest.param({"grad_accumulation": 2}, ["LOG006"], id="another accumulation is declared"),
        pytest.param({"max_steps": 200, "grad_accumulation": 1}, ["LOG006"], id="none is declared"),
    ],
)
def test_a_second_counter(facts: dict[str, Any], codes: list[str], tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [(4 * step, step, falling_loss(step)) for step in range(1, 201)]
    assert said(tmp_path, ("iter", "step", "loss"), rows, **facts) == codes


SET = {"dataset_size": 50_000, "batch_size": 64}


@pytest.mark.parametrize(
    ("tag", "each", "facts", "codes"),
    [
        pytest.param("n_processed", [400_384] * 20, {**SET, "world_size": 8}, ["EPO002"], id="eight passes"),
        pytest.param("images_seen", [150_000] * 20, SET, ["EPO002"], id="three passes, or three views of each"),
        pytest.param("samples_seen", [31_232] * 20, {**SET, "world_size": 1}, ["EPO002"], id="a part of the set"),
        pytest.param("n_processed", [50_176] * 10 + [25_088] * 10, SET, ["RES009"], id="half the set from a row on"),
        pytest.param("imgs_seen", [50_048] * 10 + [100_096] * 10, SET, ["RES009"], id="two passes from a row on"),
        pytest.param("imgs_seen", [50_048] * 10 + [100_096] * 10, {}, ["res009"], id="nothing declared: a note"),
        pytest.param("n_processed", [50_176] * 20, SET, ["epo002"], id="filled for eight devices: a note"),
        pytest.param("n_processed", [49_664] * 20, {**SET, "world_size": 8}, [], id="it is dropped"),
        pytest.param("samples_seen", [6272] * 20, {**SET, "world_size": 8}, [], id="those of one device"),
        pytest.param("n_processed", [6272] * 20, {**SET, "world_size": 8}, [], id="those of one, beside the epoch"),
        pytest.param("n_processed", [6272] * 20, SET, ["epo002"], id="as many devices explain it: a note"),
        pytest.param("samples_seen", [49_984, 50_048] * 10, SET, [], id="the leftovers are carried"),
        pytest.param("n_processed", [30_000, 50_000] * 10, SET, [], id="epochs of varying length"),
        pytest.param("n_processed", [400_384] * 20, {"batch_size": 64}, [], id="no size of the set is declared"),
    ],
)
def test_samples_each(tag: str, each: list[int], facts: dict[str, Any], codes: list[str], tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [(at, falling_loss(at), int(seen)) for at, seen in enumerate(np.cumsum(each), 1)]
    assert said(tmp_path, ("epoch", "loss", tag), rows, **facts) == codes


@pytest.mark.parametrize(
    ("length", "codes"),
    [pytest.param(1268, ["EPO002"], id="twice the declared length"), pytest.param(634, [], id="the declared length")],
)
def test_labels_beside_columns_of_training_without_a_loss(length: int, codes: list[str], tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [
        (step // length, step, falling_loss(step), falling_loss(step)) for step in range(0, 12_000, 100)
    ]
    header = ("Epoch", "Iteration", "Training Count", "Validation Pearson")
    assert said(tmp_path, header, rows, dataset_size=40_550, batch_size=64, drop_last=False) == codes
