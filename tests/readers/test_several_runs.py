"""Runs that follow each other in one file: where a process began again, and what its settings and its logger print."""

from __future__ import annotations

import math

import pytest

from analyzer.readers import Reading
from analyzer.readers.stdout import parse
from analyzer.readers.stdout.general import without_logger
from analyzer.roles import role_of_tag

HEAD = "model of 12 layers built on cuda"


def loss(at: int) -> float:
    return round(2.3 * math.exp(-at / 10) + 0.1 + 0.02 * math.sin(7 * at), 4)


def epochs(first: int, last: int, *, like: int = 0) -> list[str]:
    return [f"Epoch: {at}, loss: {loss(at + like)}" for at in range(first, last + 1)]


def lengths(lines: list[str]) -> list[int]:
    reading = parse("".join(f"{line}\n" for line in lines).encode(), "run.log")
    return [len(series_of(one, "loss")) for one in reading.runs or (reading,)]


def series_of(reading: Reading, tag: str) -> list[float]:
    return next(one.value.tolist() for one in reading.series if one.tag == tag)


STATIONARY = [f"Epoch: {at}, loss: {0.5 + 0.1 * math.sin(7 * at):.4f}" for at in range(1, 13)]
FILES = [
    ("a start that was given up, and the run", [HEAD, *epochs(1, 1), HEAD, *epochs(1, 20)], [1, 20]),
    ("two of them, and the run", [HEAD, *epochs(1, 2), HEAD, *epochs(1, 1), HEAD, *epochs(1, 20)], [2, 1, 20]),
    ("a loss that goes nowhere", [HEAD, *STATIONARY, HEAD, *STATIONARY], [12, 12]),
    ("the same without a beginning", [HEAD, *STATIONARY, *STATIONARY], [24]),
    ("a label that is printed twice", [HEAD, *epochs(1, 2), *epochs(2, 20)], [21]),
    ("a counter that is lost at a resume", [HEAD, *epochs(1, 20), HEAD, *epochs(1, 20, like=20)], [40]),
    ("whole losses that go on", [HEAD, *(f"Epoch: {at}, loss: {90 - at}" for at in range(1, 40)), HEAD,
                                 *(f"Epoch: {at}, loss: {51 - at}" for at in range(1, 9)), "Epoch: 9, loss: 42.5"],
     [48]),
    ("a resume", [HEAD, *epochs(1, 20), HEAD, *epochs(18, 30)], [33]),
]


@pytest.mark.parametrize(("lines", "rows"), [row[1:] for row in FILES], ids=[row[0] for row in FILES])
def test_where_a_process_began_another_run_begins(lines: list[str], rows: list[int]) -> None:
    assert lengths(lines) == rows


def test_one_of_several_losses_that_is_where_it_began_tells_another_run() -> None:
    rows = [f"Epoch: {at}, loss: {loss(at % 20)}, kl_loss: 0.5{at % 3}, rec_loss: 0.3{at % 7}" for at in range(20)]
    assert lengths([*rows, *rows]) == [20, 20]


def test_settings_that_are_printed_again_are_no_rows() -> None:
    settings = ["config:", "{", "  'lr': 0.01,", "  'batch_size': 8,", "  'num_workers': 3", "}"]
    reading = parse("".join(f"{line}\n" for line in [*settings, *epochs(1, 9), *settings]).encode(), "run.log")
    assert {one.tag for one in reading.series} == {"epoch", "loss"}


LOGGED = [
    ("2025-11-23 17:16:10.613 | INFO     | env.mac:step:159 - reward=0.5", "reward=0.5"),
    ("INFO     | __main__:_log_metrics:146 - iter=0000 reward=0.1731", "iter=0000 reward=0.1731"),
    ("INFO | step: 159 - loss 0.5", "step: 159 - loss 0.5"),
]


@pytest.mark.parametrize(("line", "message"), LOGGED)
def test_a_place_in_the_source_is_no_counter(line: str, message: str) -> None:
    assert without_logger(line) == message


def test_counts_without_a_name_are_no_losses() -> None:
    lines = [f"==> Statistics for epoch {at}: {1700 - 60 * at + 7 * (at % 3)} clusters" for at in range(16)]
    reading = parse("".join(f"{line}\n" for line in lines).encode(), "run.log")
    assert not [one.tag for one in reading.series if role_of_tag(one.tag) == "loss"]


@pytest.mark.parametrize("name", ["packet_loss_rate", "user_mate_lossrate"])
def test_a_rate_of_losses_is_no_loss(name: str) -> None:
    assert role_of_tag(name) != "loss"


def test_a_total_that_places_pass_by_is_none_of_the_run() -> None:
    rows = [f"epoch={at // 60} i={at % 60}/53 total loss=-{at + 1}.500" for at in range(150)]
    reading = parse("".join(f"{line}\n" for line in rows).encode(), "run.log")
    assert "max_steps" not in {fact.key for fact in reading.facts}
