"""Rates that nobody declares, on axes of no known size, and what a schedule in epochs tells of their labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.auditing import audit_run
from analyzer.config.declared import facts_from_options, merge
from analyzer.discovery import discover
from analyzer.rules.examples import falling_loss, table


def told(folder: Path, header: tuple[str, ...], rows: list[tuple[object, ...]], *declared: str) -> list[str]:
    """Rules of schedules, epochs, rows and resumes that raise more than a note."""
    (folder / "log.csv").write_text(table(header, rows))
    (run,) = discover([folder]).runs
    codes = ("SCH", "EPO", "RES", "LOG003", "LOG004")
    report = audit_run(run, merge(facts_from_options(declared), run.facts), select=codes)
    return [f"{one.code} {one.severity}" for one in report.findings if one.severity != "note"]


def levels(stretches: list[tuple[int, float]]) -> list[float]:
    return [rate for count, rate in stretches for _ in range(count)]


RISING = [(10, 9e-7), (10, 1.8e-6), (10, 3.6e-6), (10, 9e-6)]


@pytest.mark.parametrize(("axis", "each"), [("nsamp", 25600), ("step", 50)])
@pytest.mark.parametrize("tag", ["lr", "pslr"])
@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        pytest.param([(90, 1.8e-5), (7, 7.2e-5), (110, 1.8e-5)], ["SCH006 warning"], id="left for seven rows"),
        pytest.param([(90, 1.8e-5), (12, 1.8e-6), (60, 1.8e-5)], ["SCH006 warning"], id="lower for twelve rows"),
        pytest.param([(200, 1.8e-5)], [], id="not left"),
        pytest.param([(90, 1.8e-5), (110, 9e-6)], [], id="left for good"),
        pytest.param([(40, 1.8e-5), (7, 7.2e-5), (40, 1.8e-5), (7, 7.2e-5), (40, 1.8e-5)], [], id="twice: cycles"),
        pytest.param([(40, 1.8e-5), (30, 7.2e-5), (40, 1.8e-5)], [], id="held as long as the level itself"),
        pytest.param([(90, 1.8e-5), (7, 0.0), (110, 1.8e-5)], [], id="nothing was trained"),
    ],
)
def test_a_level_that_is_left_and_taken_again(
    tmp_path: Path, axis: str, each: int, tag: str, behind: list[tuple[int, float]], expected: list[str]
) -> None:
    rows = [(each * (k + 1), falling_loss(k), f"{one:.6g}") for k, one in enumerate(levels([*RISING, *behind]))]
    assert told(tmp_path, (axis, "loss", tag), rows) == expected


def noam(p: float) -> float:
    return 512**-0.5 * min((p + 1) ** -0.5, (p + 1) * 4000**-1.5)


@pytest.mark.parametrize("tag", ["Learn rate", "lr"])
@pytest.mark.parametrize(
    ("rate", "at", "expected"),
    [
        pytest.param(lambda e: noam(max(120 * e - 1, 0)), 64, ["RES006 warning"], id="a warmup that runs again"),
        pytest.param(lambda e: noam(max(120 * e - 1, 0)), None, [], id="one course"),
        pytest.param(lambda e: 1e-3 * 0.95**e, 41, ["RES006 warning"], id="an exponential that begins again"),
        pytest.param(lambda e: 1e-3 * 0.95**e, None, [], id="an exponential"),
        pytest.param(lambda e: 1e-3 * (0.5 + 0.5 * math.cos(math.pi * e / 50)), 50, [], id="a cycle of cosines"),
    ],
)
def test_a_decay_without_an_end_begins_no_cycle(
    tmp_path: Path, tag: str, rate: Callable[[float], float], at: int | None, expected: list[str]
) -> None:
    rows = [
        (e, f"{rate(e if at is None or e < at else e - at):.9g}", falling_loss(e), falling_loss(e)) for e in range(115)
    ]
    assert told(tmp_path, ("Epoch", tag, "Avg Train loss", "Avg Eval loss"), rows) == expected


@pytest.mark.parametrize(
    ("again", "counted", "expected"),
    [
        pytest.param(1, True, ["RES005 warning"], id="a label given again"),
        pytest.param(3, True, ["RES005 warning"], id="three of them"),
        pytest.param(1, False, [], id="replayed, and the schedule too"),
        pytest.param(3, False, [], id="three of them replayed"),
        pytest.param(0, True, [], id="a clean resume"),
    ],
)
@pytest.mark.parametrize(("size", "gamma"), [(25, 0.2), (20, 0.5)])
def test_a_scheduler_counts_epochs_whose_labels_come_again(
    tmp_path: Path, again: int, counted: bool, expected: list[str], size: int, gamma: float
) -> None:
    def row(label: int, count: int) -> tuple[object, ...]:
        return label, falling_loss(count), f"{1e-3 * gamma ** (count // size):.9g}"

    first = [row(e + 1, e) for e in range(38)]
    second = [row(e + 1 - again, e - (0 if counted else again)) for e in range(38, 76)]
    header = ("epoch", "loss", "lr")
    text = table(header, first) + table(header, second)
    (tmp_path / "log.csv").write_text(text)
    (run,) = discover([tmp_path]).runs
    shape = f'{{"step_size": {size}, "gamma": {gamma}}}'
    facts = ("scheduler=StepLR", "scheduler_interval=epoch", f"scheduler_params={shape}")
    report = audit_run(run, merge(facts_from_options(facts), run.facts), select=("SCH", "EPO", "RES005", "RES006"))
    assert [f"{one.code} {one.severity}" for one in report.findings if one.severity != "note"] == expected


def clock(second: int) -> str:
    return f"{second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


@pytest.mark.parametrize("start", [7 * 3600, 23 * 3600 + 1800])
@pytest.mark.parametrize(
    ("labels", "times", "expected"),
    [
        pytest.param([*range(1, 42), *range(43, 61)], range(59), ["EPO005 error"], id="no time for the epoch"),
        pytest.param([*range(1, 42), *range(43, 61)], [*range(41), *range(42, 60)], ["LOG004 warning"], id="its time"),
        pytest.param(range(1, 60), range(59), [], id="all there"),
    ],
)
def test_times_of_day_tell_a_label_from_a_row(
    tmp_path: Path, start: int, labels: list[int], times: list[int], expected: list[str]
) -> None:
    """A column of times without a date goes over midnight, and shows which rows one epoch lies between."""
    rows = [
        (label, clock(start + 204 * at + at * 7 % 5), falling_loss(at)) for label, at in zip(labels, times, strict=True)
    ]
    assert told(tmp_path, ("EPOCH", "TIMESTAMP", "TRAIN_LOSS"), rows) == expected


@pytest.mark.parametrize("column", ["time", "TIMESTAMP"])
def test_durations_are_no_times_of_day(tmp_path: Path, column: str) -> None:
    rows = [(e, f"00:03:{20 + e * 7 % 11:02d}", falling_loss(e)) for e in range(1, 40)]
    (tmp_path / "log.csv").write_text(table(("epoch", column, "loss"), rows))
    (run,) = discover([tmp_path]).runs
    assert all(math.isnan(one) for one in run.views[0].series["loss"].wall_time)


def decaying(count: int) -> float:
    return 4e-3 * 0.98**count


def cosine(count: int) -> float:
    return 2e-3 * (1 + math.cos(math.pi * count / 60))


def at_plateaus(count: int) -> float:
    return 4e-3 * 0.5 ** (count // 10)


@pytest.mark.parametrize(
    ("rate", "goes_on", "expected"),
    [
        pytest.param(decaying, True, ["EPO005 warning"], id="the rate counts the second row: trained again"),
        pytest.param(cosine, True, ["EPO005 warning"], id="along another family"),
        pytest.param(decaying, False, ["LOG003 warning"], id="the rate stands: one epoch is told twice"),
        pytest.param(at_plateaus, True, ["LOG003 warning"], id="a rate of plateaus tells no epochs apart"),
    ],
)
def test_a_label_given_twice_beside_a_rate(
    tmp_path: Path, rate: Callable[[int], float], goes_on: bool, expected: list[str]
) -> None:
    labels = [*range(1, 31), 30, *range(31, 60)]
    counts = [at if goes_on or at < 30 else at - 1 for at in range(len(labels))]
    rows = [(label, falling_loss(at), f"{rate(counts[at]):.6f}") for at, label in enumerate(labels)]
    assert told(tmp_path, ("epoch", "loss", "lr"), rows) == expected
