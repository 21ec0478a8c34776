"""Rows lost, doubled, sampled or told otherwise, steps lost or skipped, and the pace: hits and look-alikes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer.auditing import audit_run
from analyzer.config.declared import merge
from analyzer.discovery import discover
from analyzer.model import Finding
from analyzer.renderers.wording import main_row
from analyzer.rules.examples import falling_loss
from tests.clocks.made_runs import Loop, Point, follow_on, table, write_events

RULES = ("RES001", "RES002", "RES003", "RES008", "LOG001", "LOG002", "LOG003", "LOG004", "LOG005", "LOG007", "PRF")


def findings(folder: Path) -> list[Finding]:
    return [finding for run in discover([folder]).runs
            for finding in audit_run(run, merge((), run.facts), select=RULES).findings]


def loud(folder: Path) -> list[str]:
    return [finding.code for finding in findings(folder) if finding.severity != "note"]


def without(points: list[Point], first: int, last: int) -> list[Point]:
    return [point for point in points if not first <= point[1] <= last]


def test_rows_that_one_of_two_logs_lacks(tmp_path: Path) -> None:
    points = Loop().points(0, 400)
    write_events(tmp_path / "tb", without(points, 90, 104))
    (tmp_path / "log.csv").write_text(table([points]))
    (finding,) = [finding for finding in findings(tmp_path) if finding.severity != "note"]
    assert (finding.code, finding.first_step, finding.last_step) == ("LOG004", 90, 104)


def test_a_value_that_one_of_two_logs_altered(tmp_path: Path) -> None:
    points = Loop().points(0, 400)
    write_events(tmp_path / "tb", points)
    altered = [(tag, step, value * 1.5 if (tag, step) == ("train/loss", 200) else value, wall)
               for tag, step, value, wall in points]
    (tmp_path / "log.csv").write_text(table([altered]))
    (finding,) = [finding for finding in findings(tmp_path) if finding.severity != "note"]
    assert (finding.code, finding.first_step) == ("LOG002", 200)


@pytest.mark.parametrize(("header", "said"), [
    ("epoch,step,train_loss,lr-AdamW", "warning"),  # Lightning's table, which the resumed process emptied
    ("epoch,global_step,loss", "note"),  # what came before may lie in another file
    ("global_step,loss", "note"),
])
def test_a_log_that_starts_late(header: str, said: str, tmp_path: Path) -> None:
    values = {"epoch": lambda s: s // 60, "train_loss": falling_loss, "loss": falling_loss, "lr-AdamW": lambda s: 0.001}
    names = header.split(",")
    rows = [",".join(str(values.get(name, int)(step)) for name in names) for step in range(2119, 3000, 20)]
    (tmp_path / "metrics.csv").write_text("\n".join([header, *rows]) + "\n")
    assert [(one.severity, one.code) for one in findings(tmp_path)] == [(said, "LOG004")]


def test_two_logs_that_agree_to_their_precision(tmp_path: Path) -> None:
    points = Loop().points(0, 400)
    write_events(tmp_path / "tb", points)
    (tmp_path / "log.csv").write_text(table([points]))
    assert findings(tmp_path) == []


@pytest.mark.parametrize(("tags", "verdict"), [
    pytest.param(("train/loss", "train/epoch"), ["LOG004"], id="the epoch goes on with the step"),
    pytest.param(("train/loss", "train/lr"), ["LOG004"], id="the learning rate goes on with the step"),
    pytest.param(("train/loss",), ["LOG004"], id="the wall clock goes on with the step"),
])
def test_lost_rows_have_a_witness(tags: tuple[str, ...], verdict: list[str], tmp_path: Path) -> None:
    points = without(Loop().points(0, 400), 200, 214)
    write_events(tmp_path, [point for point in points if point[0] in tags])
    assert loud(tmp_path) == verdict


@pytest.mark.parametrize("tags", [("train/loss", "train/epoch"), ("train/loss", "train/lr")])
@pytest.mark.parametrize("resumed", [True, False])
def test_a_jumping_counter_has_a_witness(tags: tuple[str, ...], resumed: bool, tmp_path: Path) -> None:
    lives = follow_on(Loop(), [(0, 200), (200, 400)], shifts=(0, 15), pause=30.0 if resumed else 0.0)
    lives = [[point for point in life if point[0] in tags] for life in lives]
    for number, life in enumerate(lives if resumed else [lives[0] + lives[1]]):
        write_events(tmp_path, life, pid=100 + number)
    (finding,) = [finding for finding in findings(tmp_path) if finding.severity != "note"]
    assert (finding.code, finding.severity, finding.first_step) == ("RES003", "error", 216)
    assert finding.numbers["steps"] == 15


@pytest.mark.parametrize(("digits", "lost", "code"), [
    pytest.param(3, False, "RES003", id="the counter jumps: the rate goes on where it was"),
    pytest.param(3, True, "LOG004", id="rows are lost: the rate has moved on"),
    pytest.param(1, False, "LOG004", id="of one digit: nothing tells which"),
])
def test_a_rate_of_few_digits_tells_what_a_long_step_was(digits: int, lost: bool, code: str, tmp_path: Path) -> None:
    rows = []
    for update in range(100, 8100, 100):
        step = update + (2000 if update > 3000 else 0)
        rate = 0.02 * (1 - (step if lost else update) / 16000)
        rows.append(f"{step},{falling_loss(update)},{rate:.{digits}f}\n")
    (tmp_path / "log.csv").write_text("step,loss,lr\n" + "".join(rows))
    assert code in {finding.code for finding in findings(tmp_path)}


def test_rows_that_a_killed_process_held_back_are_a_note(tmp_path: Path) -> None:
    first, second = follow_on(Loop(), [(0, 200), (200, 400)])
    write_events(tmp_path, without(first, 193, 200))
    write_events(tmp_path, second, pid=101)
    assert [(finding.code, finding.severity) for finding in findings(tmp_path)] == [("LOG004", "note")]


def steps_of_a_cadence(first: int, last: int, cadence: int) -> list[int]:
    return list(range(first, last + 1, cadence))


HABITS: dict[str, Callable[[], list[int]]] = {
    "dense at first, then every fifty": lambda: steps_of_a_cadence(1, 100, 1) + steps_of_a_cadence(150, 3000, 50),
    "first step, then every ten": lambda: [1, *steps_of_a_cadence(10, 1000, 10)],
    "every ten, and the last": lambda: [*steps_of_a_cadence(10, 1000, 10), 1004],
    "every fifty batches of each epoch of 313": lambda: [
        313 * epoch + batch for epoch in range(12) for batch in range(49, 313, 50)],
    "powers of two": lambda: [2**power for power in range(20)],
    "by the clock, not by the step": lambda: list(np.cumsum(np.random.default_rng(0).integers(90, 110, 200))),
    "episodes": lambda: list(np.cumsum(np.random.default_rng(1).integers(20, 130, 600))),
}


@pytest.mark.parametrize("steps", HABITS.values(), ids=HABITS.keys())
def test_habits_of_loggers_are_no_gaps(steps: Callable[[], list[int]], tmp_path: Path) -> None:
    rows = "".join(f"{step},{falling_loss(step)}\n" for step in steps())
    (tmp_path / "log.csv").write_text("step,loss\n" + rows)
    assert findings(tmp_path) == []


@pytest.mark.parametrize("cadence", [1, 10, 50])
def test_a_reservoir_of_a_log_is_a_sampled_export(cadence: int, tmp_path: Path) -> None:
    kept = np.sort(np.random.default_rng(2).choice(np.arange(1, 6001), 800, replace=False)) * cadence
    (tmp_path / "log.csv").write_text("step,loss\n" + "".join(f"{step},{falling_loss(step)}\n" for step in kept))
    assert [(finding.code, finding.severity) for finding in findings(tmp_path)] == [("LOG007", "note")]


@pytest.mark.parametrize(("pids", "factor", "code"), [
    pytest.param((7, 8), 1.01, "RES008", id="two ranks"),
    pytest.param((7, 8), 1.0, "RES008", id="two ranks with the same seed"),
    pytest.param((7, 7), 1.0, "LOG003", id="two loggers of one process"),
])
def test_two_files_at_once(pids: tuple[int, int], factor: float, code: str, tmp_path: Path) -> None:
    points = Loop().points(0, 400)
    write_events(tmp_path, points, pid=pids[0])
    write_events(tmp_path, [(tag, step, value * factor, wall + 0.01) for tag, step, value, wall in points], pid=pids[1])
    assert loud(tmp_path) == [code]


@pytest.mark.parametrize(("back", "code"), [(0.3, []), (1.5, []), (600.0, ["LOG005"]), (3600.0, ["LOG005"])])
def test_a_clock_that_is_set_back(back: float, code: list[str], tmp_path: Path) -> None:
    points = [(tag, step, value, wall - back * (step > 200)) for tag, step, value, wall in Loop().points(0, 400)]
    write_events(tmp_path, points)
    assert loud(tmp_path) == code


@pytest.mark.parametrize(("tag", "back", "code"), [
    ("worker_timestamp", 3600, ["LOG005"]), ("worker_timestamp", 0, []), ("worker_number", 3600, []),
])
def test_a_column_of_dates_beside_no_other_time(tag: str, back: int, code: list[str], tmp_path: Path) -> None:
    rows = "".join(f"{s},{falling_loss(s)},{1_782_198_000 + 42 * s - back * (s >= 60)}.5\n" for s in range(1, 120))
    (tmp_path / "log.csv").write_text(f"epoch,loss,{tag}\n{rows}")
    assert loud(tmp_path) == code


@pytest.mark.parametrize(("count", "severity"), [("frame", "warning"), ("epi", "warning"), ("seconds_here", "note")])
def test_what_fell_with_the_step_says_what_the_step_counts(count: str, severity: str, tmp_path: Path) -> None:
    steps = [*range(31, 3100, 31), *range(31, 1500, 31)]
    rows = [f"{step},{64 * step},{falling_loss(at)},{7e-4 * (1 - at / 200):.9f}\n" for at, step in enumerate(steps)]
    (tmp_path / "log.csv").write_text(f"step,{count},loss,lr\n" + "".join(rows))
    found = [one.severity for one in findings(tmp_path) if one.code == "RES001"]
    assert found == [severity]


def test_record_times_in_milliseconds(tmp_path: Path) -> None:
    write_events(tmp_path, [(tag, step, value, 1000 * wall) for tag, step, value, wall in Loop().points(0, 400)])
    assert loud(tmp_path) == ["LOG005"]


PACES = [
    pytest.param(lambda step: 0.5 + 0.6 * (step > 200), ["PRF001"], id="slower for good"),
    pytest.param(lambda step: 0.5 + 20 * (step % 40 == 0), [], id="an evaluation now and then"),
    pytest.param(lambda step: 0.5 + 0.6 * (200 < step < 240), [], id="slower for a while"),
    pytest.param(lambda step: 0.001 + 0.002 * (step > 200), [], id="too fast to judge"),
    pytest.param(lambda step: 0.5 + 60 * (step <= 2), [], id="compilation"),
    pytest.param(lambda step: 0.5 + 900 * (step == 200), ["PRF002"], id="a quarter of an hour without a row"),
    pytest.param(lambda step: 0.5 + 900 * (step % 100 == 0), [], id="a quarter of an hour at each checkpoint"),
    pytest.param(lambda step: 0.5 * (1 + step / 400), [], id="slower and slower"),
]


@pytest.mark.parametrize(("seconds", "codes"), PACES)
def test_pace(seconds: Callable[[int], float], codes: list[str], tmp_path: Path) -> None:
    wall, points = 1.7e9, []
    for tag, step, value, _ in Loop().points(0, 400):
        wall += seconds(step) if tag == "train/loss" else 0.0
        points.append((tag, step, value, wall))
    write_events(tmp_path, points)
    assert loud(tmp_path) == codes


@pytest.mark.parametrize("block", [(101, 140), (381, 400), (1, 400)])
def test_a_block_that_was_copied_into_the_file(block: tuple[int, int], tmp_path: Path) -> None:
    points = Loop().points(0, 400)
    copied = [point for point in points if block[0] <= point[1] <= block[1]]
    behind = [point for point in points if point[1] > block[1]]
    write_events(tmp_path, [point for point in points if point[1] <= block[1]] + copied + behind)
    (finding,) = findings(tmp_path)
    assert (finding.code, finding.severity, finding.numbers["rows"]) == ("LOG003", "warning", block[1] - block[0] + 1)


@pytest.mark.parametrize(("line", "codes"), [
    pytest.param("200,0.7\ufffd\ufffd1,1e-4", ["LOG002"], id="a cell with bytes that are no text"),
    pytest.param("200,0.7", ["LOG002"], id="a row cut short, and rows behind it"),
    pytest.param("200,0.7,201,0.7,1e-4", ["LOG002"], id="two rows run into one"),
    pytest.param("200,nan,1e-4", [], id="a loss that is not a number"),
])
def test_a_damaged_line_in_a_table(line: str, codes: list[str], tmp_path: Path) -> None:
    rows = [f"{step},{falling_loss(step)},1e-4" if step != 200 else line for step in range(1, 401)]
    (tmp_path / "log.csv").write_text("step,loss,lr\n" + "\n".join(rows) + "\n")
    assert loud(tmp_path) == codes
    for finding in findings(tmp_path):
        assert finding.code != "LOG002" or main_row(finding).row == 201  # the line itself, between its neighbours


@pytest.mark.parametrize("later", [1000.0, 0.001])
def test_a_change_of_the_unit_of_time_is_told_once(later: float, tmp_path: Path) -> None:
    first = 1.7e9 if later > 1 else 1.7e12
    times = {step: (first + step) * (later if step > 60 else 1) for step in range(1, 121)}
    rows = [f"{step},{falling_loss(step):.6f},{time:.3f}" for step, time in times.items()]
    (tmp_path / "log.csv").write_text("\n".join(["step,loss,timestamp", *rows]) + "\n")
    (only,) = [finding for finding in findings(tmp_path) if finding.code == "LOG005"]
    assert only.first_step == 61


def _handled(twice_from: int, *, names: str = "step,l_pix,lr", ranks: bool = False) -> str:
    """Rows without a loss by name; from a step on two handlers write each row."""
    rows = []
    for step in range(1, 121):
        value = falling_loss(step)
        rows.append(f"{step},{value!r},0.0002")
        if step >= twice_from:
            rows.append(f"{step},{value + (0.01 if ranks else 0)!r},0.0002")
    return names + "\n" + "\n".join(rows) + "\n"


@pytest.mark.parametrize(("text", "codes"), [
    pytest.param(_handled(60), ["LOG003"], id="two handlers from a step on, no loss by name"),
    pytest.param(_handled(1), ["LOG003"], id="from the first row on"),
    pytest.param(_handled(200), [], id="each row once"),
    pytest.param(_handled(1, ranks=True), [], id="two values at every step"),
])
def test_rows_of_two_handlers(text: str, codes: list[str], tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(text)
    assert loud(tmp_path) == codes


@pytest.mark.parametrize(("spacing", "lost", "codes"), [
    pytest.param((62, 63), range(40, 55), ["LOG004"], id="batches of 64 to the nearest four thousand, rows lost"),
    pytest.param((62, 63), range(0), [], id="the same, no row lost"),
    pytest.param((43, 55), range(40, 55), ["LOG004"], id="rows once a second, fifteen of them lost"),
    pytest.param((43, 55), range(40, 41), [], id="rows once a second, one of them late"),
    pytest.param((43, 55), range(0), [], id="rows once a second"),
    pytest.param((40, 70), range(40, 55), [], id="rows at any distance: nothing can be said to be missing"),
])
def test_cadences_that_are_nearly_even(
    spacing: tuple[int, int], lost: range, codes: list[str], tmp_path: Path
) -> None:
    random = np.random.default_rng(1)
    even = spacing[1] - spacing[0] == 1
    steps = np.cumsum([spacing[n % 2] if even else random.integers(*spacing) for n in range(90)])
    rows = [f"{64 * step},{falling_loss(int(step))!r}" for n, step in enumerate(steps.tolist()) if n not in lost]
    (tmp_path / "log.csv").write_text("step,loss\n" + "\n".join(rows) + "\n")
    assert loud(tmp_path) == codes


@pytest.mark.parametrize(("followed", "severity"), [(False, "note"), (True, "warning")])
def test_files_that_are_cut_together_are_live_and_one_that_is_followed_is_not(
    tmp_path: Path, followed: bool, severity: str
) -> None:
    points = Loop().points(0, 80)
    first, second = points[: len(points) // 2], points[len(points) // 2 :]
    cut = write_events(tmp_path, first)
    cut.write_bytes(cut.read_bytes()[:-7])
    write_events(tmp_path, second if followed else [(f"val_{tag}", *rest) for tag, *rest in first])
    (found,) = [one for one in findings(tmp_path) if one.code == "LOG001"]
    assert found.severity == severity
