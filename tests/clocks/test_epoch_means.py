"""One loss told twice: means of epochs, and two accounts, against the rows that they are made of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from analyzer.auditing import audit_run
from analyzer.clocks.epoch_means import one_measure
from analyzer.config.declared import facts_from_options, merge
from analyzer.discovery import discover
from analyzer.rules.examples import table

EPOCHS, BATCHES = 8, 12
NOISE = np.random.default_rng(3).standard_normal(EPOCHS * BATCHES)
LOSS = 2.5 * np.exp(-np.arange(EPOCHS * BATCHES) / 60) * (1 + 0.1 * NOISE)
SO_FAR = np.cumsum(LOSS.reshape(EPOCHS, BATCHES).mean(axis=1)) / np.arange(1, EPOCHS + 1)
Files = dict[str, str]


def means(factor: float, last: float = 1.0, loss: np.ndarray = LOSS) -> np.ndarray:
    """Mean of each epoch, times a factor; the last batch of each has another weight."""
    weight = np.append(np.ones(BATCHES - 1), last)
    return factor * (loss.reshape(EPOCHS, BATCHES) @ weight) / weight.sum()


def batches(tag: str = "loss", digits: int = 9, every: int = 1) -> str:
    rows = [(s + 1, s // BATCHES + 1, f"{LOSS[s]:.{digits}f}") for s in range(0, len(LOSS), every)]
    return table(("iter", "epoch", tag), rows)


def two_files(mean: np.ndarray, tag: str = "loss", digits: int = 9, **rows: int) -> Files:
    epochs = table(("epoch", tag), [(e + 1, f"{one:.{digits}f}") for e, one in enumerate(mean)])
    return {"train.csv": epochs, "train_batch.csv": batches("loss", digits, **rows)}


def one_file(mean: np.ndarray, tag: str) -> Files:
    rows: list[tuple[object, ...]] = []
    for s, loss in enumerate(LOSS):
        rows.append((s + 1, s // BATCHES, f"{loss:.9f}", None))
        if (s + 1) % BATCHES == 0:
            rows.append((s + 1, s // BATCHES, None, f"{mean[s // BATCHES]:.9f}"))
    return {"log.csv": table(("step", "epoch", "loss_train_batch", tag), rows)}


def printed(mean: np.ndarray, every: int, tag: str = "train_loss") -> Files:
    """Every n-th batch in a line of its own, and a line at the end of each epoch."""
    lines: list[str] = []
    for s, loss in enumerate(LOSS):
        if (s + 1) % every == 0:
            lines.append(f"step {s + 1}/{len(LOSS)} (epoch {s // BATCHES + 1}/{EPOCHS}), loss = {loss:.6f}")
        if (s + 1) % BATCHES == 0:
            lines.append(
                f"epoch {s // BATCHES + 1}: {tag} = {mean[s // BATCHES]:.6f}, dev_score = 0.{70 + s // BATCHES}"
            )
    return {"train.log": "\n".join([*lines, ""])}


def accounts(factor: float, tag: str = "loss", digits: int = 9) -> Files:
    rate = [0.1 * 0.99**s for s in range(len(LOSS))]
    one = table(("step", "loss", "lr"), [(s + 1, f"{x:.{digits}f}", rate[s]) for s, x in enumerate(LOSS)])
    other = [json.dumps({"step": s + 1, tag: round(factor * x, digits), "lr": rate[s]}) for s, x in enumerate(LOSS)]
    return {"log.csv": one, "metrics.jsonl": "\n".join([*other, ""])}


def told(folder: Path, files: Files, *declared: str) -> list[str]:
    for name, text in files.items():
        (folder / name).write_text(text)
    (run,) = discover([folder]).runs
    report = audit_run(run, merge(facts_from_options(declared), run.facts), select=("EPO007", "LOS004"))
    return [f"{one.severity} {one.code} {one.message}" for one in report.findings]


@pytest.mark.parametrize(
    ("files", "declared", "words"),
    [
        (two_files(means(1 / 4)), (), "loss is in train.csv 1/4 of the mean of its 12 rows of loss in all 8 epochs"),
        (two_files(means(1 / 4, 0.3)), ("world_size=4",), "4 times their number (4 is the declared world_size)"),
        (two_files(means(3.0), digits=5), (), "3 times the mean"),
        (two_files(means(3.0)), ("grad_accumulation=3",), "note EPO007"),
        (two_files(means(12 / 7)), (), "12/7 of the mean of its 12 rows"),
        (two_files(means(12 / 19)), (), "the sum is divided by 19/12 of their number"),
        (one_file(means(1 / 4), "loss_train"), (), "loss_train is 1/4 of the mean of its 12 rows of loss_train_batch"),
        (one_file(means(2.0), "epoch_loss"), (), "2 times the mean"),
        (one_file(SO_FAR, "loss_train"), (), "loss_train is the mean of all rows since the start"),
        (two_files(SO_FAR, every=3), (), "the mean of all rows since the start"),
        (printed(SO_FAR, 3), (), "the mean of all rows since the start"),
        (printed(SO_FAR * np.arange(1, EPOCHS + 1), 2), (), "the sum of all rows since the start"),
        (printed(means(1 / 32), 3), ("batch_size=32",), "about 1/32 of the mean of the rows of loss"),
        (printed(means(8.0), 3), ("world_size=8",), "about 8 times"),
        (accounts(16.0), ("grad_accumulation=16",), "warning LOS004"),
        (accounts(0.25, "train_loss"), (), "warning LOS004"),
    ],
)
def test_a_factor_between_two_accounts_of_a_loss(
    tmp_path: Path, files: Files, declared: tuple[str, ...], words: str
) -> None:
    found = told(tmp_path, files, *declared)
    assert len(found) == 1 and words in found[0]


@pytest.mark.parametrize(
    "files",
    [
        two_files(means(1.0)),
        two_files(means(1.0, 0.3)),  # the last batch is smaller
        two_files(means(BATCHES)),  # a sum over the epoch
        two_files(means(32 * (BATCHES - 1 + 0.25), 0.25)),  # a sum over its samples
        two_files(means(1.4427)),  # bits
        two_files(means(12 / 7.4)),  # no number of batches
        two_files(means(12 / 190), digits=3),  # so few digits that 191 would do
        two_files(means(1 / 4) + 0.01),  # a term besides
        two_files(means(2.0, loss=LOSS[::-1].copy())),  # of other rows
        two_files(means(2.0), "loss_kl"),  # of another loss
        two_files(means(1 / 64), digits=3),  # so few digits that 1/60 would do
        two_files(means(2.0), every=3),  # rows are missing
        one_file(means(2.0), "val_loss"),
        one_file(means(2.0), "loss_sum"),
        accounts(1.0),
        accounts(1.01),
        accounts(2.0, "loss_kl"),
    ],
)
def test_conventions_are_no_factor(tmp_path: Path, files: Files) -> None:
    assert told(tmp_path, files) == []


FLAT = 0.7 + 0.05 * NOISE
SMOOTH = np.array(
    [np.sum(LOSS[: BATCHES * e] * 0.9 ** np.arange(BATCHES * e)[::-1]) / 10 for e in range(1, EPOCHS + 1)]
)


@pytest.mark.parametrize(
    ("files", "declared"),
    [
        (printed(means(1.0), 3), ("batch_size=32",)),
        (printed(means(1.0, 0.3), 2), ()),  # the last batch is smaller
        (printed(SMOOTH, 2), ()),  # a meter that forgets
        (printed(SO_FAR, 3, "val_loss"), ()),
        (printed(SO_FAR, 3, "kl_loss"), ()),
        (printed(SO_FAR, 6), ()),  # two rows of each: their spread is not known
        (printed(means(1 / 20), 3), ("batch_size=32",)),  # another factor than the declared one
        (printed(means(1 / 32), 3), ()),  # nobody says what it was divided by
        (printed(means(1.2), 3), ("world_size=2",)),  # dropout, another term
        (printed(means(12.0), 3), ("batch_size=12",)),  # the sum over an epoch
        (printed(np.cumsum(means(1.0, loss=FLAT)) / np.arange(1, EPOCHS + 1), 3), ()),
        (printed(means(1.0, loss=LOSS[::-1].copy()), 3), ()),  # of other rows
    ],
)
def test_means_that_some_rows_do_not_refute(tmp_path: Path, files: Files, declared: tuple[str, ...]) -> None:
    assert told(tmp_path, files, *declared) == []


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("loss_train", "loss_train_batch", True),
        ("Loss/train", "epochLoss", True),
        ("loss", "train/avg_loss", True),
        ("steps/loss", "epochs/train_loss", True),
        ("Train/RunningLoss", "Train/Loss", True),
        ("loss", "total_loss", False),
        ("loss", "val_loss", False),
        ("loss_sum", "loss", False),
    ],
)
def test_names_of_one_measure(first: str, second: str, same: bool) -> None:
    assert one_measure(first, second) is same


def test_a_meter_that_is_not_reset_is_told_from_the_second_epoch_on(tmp_path: Path) -> None:
    for name, text in one_file(SO_FAR, "loss_train").items():
        (tmp_path / name).write_text(text)
    (run,) = discover([tmp_path]).runs
    report = audit_run(run, merge(facts_from_options(()), run.facts), select=("EPO007",))
    (finding,) = report.findings
    assert (finding.first_step, finding.last_step) == (2 * BATCHES, EPOCHS * BATCHES)
