"""Rounds of federated learning, bars of signs with their place at the end, and figures without a word beside them."""

# ruff: noqa: E501  (lines as the programs print them)

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from analyzer.readers import Reading
from analyzer.readers.csv_table import looks_like_a_log_table
from analyzer.readers.csv_table import parse as parse_csv
from analyzer.readers.json_tables import tells_of_training
from analyzer.readers.stdout import parse

ROUNDS = range(1, 13)


def loss(at: float) -> float:
    return round(2.3 * math.exp(-at / 20) + 0.1 + 0.05 * math.sin(7 * at), 4)


def read(lines: Iterator[str] | list[str], name: str = "run.log") -> Reading:
    return parse("".join(f"{line}\n" for line in lines).encode(), name)


def column(reading: Reading, tag: str) -> dict[int, float]:
    one = next(one for one in reading.series if one.tag == tag)
    return dict(zip(one.step.tolist(), one.value.tolist(), strict=True))


def bars(*, typed_over: bool) -> Iterator[str]:
    """Four epochs of kuangliu's bar, training of 20 batches and test of 4, as a file keeps it."""
    for epoch in range(4):
        yield f"Epoch: {epoch}"
        for batches in (20, 4):
            for at in range(1, batches + 1):
                said = f"  Step: 21ms | Tot: 1s22ms | Loss: {loss(epoch * 20 + at)} | Acc: 9.5% (12/128)"
                place = f" {at}/{batches} "
                bar = "=" * 30 + ">" + "." * 34
                yield f" [{bar[:20]}{place}{bar[20 + len(place):]}]{said}" if typed_over else f" [{bar}]{said}   {place}"


HISTORY = ", ".join(f"({at}, {loss(at)})" for at in ROUNDS)
ACCURACIES = [f"({at}, {0.1 + at / 100:.2f})" for at in ROUNDS]
WRITTEN = [
    ("the central loss of each round", [
        f"INFO :      fit progress: ({at}, {loss(at)}, {{'accuracy': 0.5}}, {at * 12.3})" for at in ROUNDS], "loss"),
    ("the same without metrics", [f"fit progress: ({at}, {loss(at)}, {{}}, {at * 12.3})" for at in ROUNDS], "loss"),
    ("places and values in a list", [f"app_fit: losses_distributed [{HISTORY}]", "FL finished in 3 rounds"],
     "losses_distributed"),
    ("lists over several lines", [f"INFO :   {line}" for line in (
        "run of 12 rounds", *f"{{'loss': [{HISTORY}]".replace("), ", "),\n").split("\n"), f"{{'acc': [{', '.join(ACCURACIES)}]}}")],
     "loss"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "tag"), [row[1:] for row in WRITTEN], ids=[row[0] for row in WRITTEN])
def test_rounds_are_read(lines: list[str], tag: str) -> None:
    reading = read(lines)
    assert column(reading, tag) == {at: loss(at) for at in ROUNDS}
    assert reading.source.step_axis == "epoch"


@pytest.mark.parametrize("typed_over", [True, False])
def test_a_bar_has_its_place_over_its_signs_or_at_the_end(typed_over: bool) -> None:
    reading = read(bars(typed_over=typed_over))
    assert column(reading, "Loss") == {at: loss(at) for at in range(1, 81)}
    assert list(column(reading, "val Loss").values()) == [loss(4), loss(24), loss(44), loss(64)]
    assert reading.source.step_axis == "batch"


def test_a_loss_goes_without_a_name_beside_one_of_validation() -> None:
    lines = [f"{at}:\t{loss(at / 4):.9f}" for at in range(80)]
    reading = read([*lines[:40], "Validation loss 40: 0.5", *lines[40:], "Validation loss 80: 0.4"])
    assert len(column(reading, "loss (figure 1)")) == 80


def test_a_loss_after_so_many_epochs() -> None:
    assert column(read([f"Loss after {at} epochs: {loss(at)}" for at in ROUNDS]), "Loss") == {at: loss(at) for at in ROUNDS}


def test_a_loss_at_an_epoch_and_an_iteration() -> None:
    lines = [f"Loss at epoch {at // 4} and iteration {at % 4 * 500} is {loss(at)}" for at in range(12)]
    assert list(column(read(lines), "Loss").values()) == [loss(at) for at in range(12)]


def test_rates_of_success_are_results() -> None:
    table = [
        line
        for at in range(4)
        for line in ("-" * 30, f"| epoch              | {at}     |", f"| train/success_rate | 0.{at}   |", "-" * 30)
    ]
    assert column(read(table), "train/success_rate") == {0: 0.0, 1: 0.1, 2: 0.2, 3: 0.3}


FIGURES = [f"{loss(at)}\t{2 * loss(at)}\t{0.4}" for at in range(10)]
TABLES = [
    ("figures below a loss and others", ["train_loss\ttrain_EPE\tEPE", *FIGURES], True),
    ("names of models among them", ["model\tloss\tEPE", *(f"resnet{at}\t0.5\t0.4" for at in range(10))], False),
    ("no loss", ["x\ty\tz", *FIGURES], False),
    ("a few rows", ["train_loss\ttrain_EPE\tEPE", *FIGURES[:4]], False),
]


@pytest.mark.parametrize(("lines", "tells"), [row[1:] for row in TABLES], ids=[row[0] for row in TABLES])
def test_a_table_without_a_counter_holds_nothing_but_figures(lines: list[str], tells: bool) -> None:
    assert looks_like_a_log_table([*lines, ""]) is tells


CLOCKS = [
    ("a time of day past midnight", "time", [f"{(22 + at // 2) % 24:02d}:{at % 2 * 30:02d}:00" for at in range(9)], 1800),
    ("a time of day", "time", [f"09:{at:02d}:00" for at in range(9)], 60),
    ("a duration", "time", [f"00:{at:02d}:00" for at in range(1, 10)], None),
    ("a date and a time", "date,time", [f"2024-05-{3 + at // 2:02d},{at % 2 * 12:02d}:00:00" for at in range(9)], 43200),
    ("a date that is not written as one", "date,time", [f"day {at},{at:02d}:00:00" for at in range(9)], None),
]


@pytest.mark.parametrize(("names", "cells", "seconds"), [row[1:] for row in CLOCKS], ids=[row[0] for row in CLOCKS])
def test_times_of_day_and_dates_beside_them_are_a_clock(names: str, cells: list[str], seconds: int | None) -> None:
    rows = [f"{cell},{at},{loss(at)}" for at, cell in enumerate(cells)]
    told = parse_csv("\n".join([f"{names},step,loss", *rows, ""]).encode(), "log.csv")
    wall = next(one for one in told.series if one.tag == "loss").wall_time
    assert (wall[1] - wall[0] == seconds) if seconds else math.isnan(wall[0])


DOCUMENTS = [
    ('{"train": [{"total_loss": 0.5, "kl": 0.1}], "val": [{"total_loss": 0.6}]}', True),
    ('{"models": [{"total_loss": 0.5, "kl": 0.1}]}', False),
]


@pytest.mark.parametrize(("text", "tells"), DOCUMENTS)
def test_entries_below_a_phase_are_of_a_log(text: str, tells: bool) -> None:
    assert tells_of_training(text) is tells
