"""Accounts side by side: content decides which are one run, in every pairing of formats; nothing stays hidden."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyzer.cli import main
from analyzer.discovery import discover
from tests.event_files import write_events

Rows = Sequence[tuple[int, float, float]]  # step, loss, learning rate


def run_rows(seed: int, *, first: int = 1, last: int = 120, nan_from: int | None = None, ratio: float = 1.0) -> Rows:
    noise = random.Random(seed)
    losses = {s: 0.5 + 2 * math.exp(-s / 40) + 0.02 * noise.gauss(0, 1) for s in range(1, last + 1)}
    return [
        (s, math.nan if nan_from is not None and s >= nan_from else ratio * loss, 1e-3 * (1 - s / 400))
        for s, loss in losses.items() if s >= first
    ]


def events(folder: Path, rows: Rows) -> None:
    write_events(folder, [(s, {"loss": loss, "lr": rate}) for s, loss, rate in rows])


def table(folder: Path, rows: Rows) -> None:
    (folder / "log.csv").write_text("step,loss,lr\n" + "".join(f"{s},{loss},{rate}\n" for s, loss, rate in rows))


def json_lines(folder: Path, rows: Rows) -> None:
    (folder / "log.jsonl").write_text("".join(json.dumps({"step": s, "loss": v, "lr": r}) + "\n" for s, v, r in rows))


def json_list(folder: Path, rows: Rows) -> None:
    (folder / "history.json").write_text(json.dumps([{"step": s, "loss": v, "lr": r} for s, v, r in rows]))


def printed(folder: Path, rows: Rows) -> None:
    (folder / "train.log").write_text("".join(f"step: {s}, loss: {v:.4f}, lr: {r:.3e}\n" for s, v, r in rows))


def trainer_state(folder: Path, rows: Rows) -> None:
    log = [{"step": s, "loss": v, "learning_rate": r, "epoch": s / 60} for s, v, r in rows]
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": rows[-1][0], "log_history": log}))


WRITERS: dict[str, Callable[[Path, Rows], None]] = {
    "events": events, "csv": table, "json lines": json_lines, "json": json_list, "printed": printed,
    "trainer state": trainer_state,
}
PAIRS = list(itertools.permutations(WRITERS, 2))


def written(folder: Path, one: str, rows: Rows, other: str, others: Rows) -> Path:
    folder.mkdir(exist_ok=True)
    WRITERS[one](folder, rows)
    WRITERS[other](folder, others)
    return folder


@pytest.mark.parametrize(("healthy", "broken"), PAIRS)
@pytest.mark.parametrize("nan_from", [1, 91])
def test_a_healthy_log_hides_no_other(tmp_path: Path, healthy: str, broken: str, nan_from: int) -> None:
    folder = written(tmp_path, healthy, run_rows(1), broken, run_rows(2, nan_from=nan_from))
    result = CliRunner().invoke(main, ["check", str(folder), "--format", "json", "--no-cache"])
    report = json.loads(result.stdout)
    assert len(report["runs"]) == 2
    assert [finding["code"] for run in report["runs"] for finding in run["findings"]].count("LOS003") == 1
    assert result.exit_code == 1


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_one_run_told_twice_is_one_run(tmp_path: Path, one: str, other: str) -> None:
    (run,) = discover([written(tmp_path, one, run_rows(1), other, run_rows(1))]).runs
    assert len(run.views) == 2
    assert any("one run seen" in note for note in run.notes)


ONE_RUN = {
    "the loss of one is that of the other times the accumulation": (run_rows(1), run_rows(1, ratio=16.0)),
    "one logs every tenth row": (run_rows(1), run_rows(1)[9::10]),
    "one counts updates from 0": (run_rows(1), [(s - 1, loss, rate) for s, loss, rate in run_rows(1)]),
    "one was cut": (run_rows(1), run_rows(1)[:40]),
    "both end in NaN": (run_rows(1, nan_from=50), run_rows(1, nan_from=50)),
}
TWO_RUNS = {
    "another seed": (run_rows(1), run_rows(2)),
    "another seed, shorter": (run_rows(1), run_rows(2)[:20]),
    "another seed, every tenth row": (run_rows(1), run_rows(2)[9::10]),
    "never finite": (run_rows(1), run_rows(1, nan_from=1)),
}


@pytest.mark.parametrize(("rows", "others"), ONE_RUN.values(), ids=ONE_RUN.keys())
def test_accounts_of_one_run(tmp_path: Path, rows: Rows, others: Rows) -> None:
    for pair in (("events", "csv"), ("csv", "events"), ("json lines", "csv")):
        assert len(discover([written(tmp_path / "-".join(pair), pair[0], rows, pair[1], others)]).runs) == 1


@pytest.mark.parametrize(("rows", "others"), TWO_RUNS.values(), ids=TWO_RUNS.keys())
def test_accounts_of_two_runs(tmp_path: Path, rows: Rows, others: Rows) -> None:
    for pair in (("events", "csv"), ("csv", "events"), ("json lines", "csv")):
        assert len(discover([written(tmp_path / "-".join(pair), pair[0], rows, pair[1], others)]).runs) == 2


def test_two_losses_of_one_loop_under_different_names_are_one_run(tmp_path: Path) -> None:
    write_events(tmp_path, [(s, {"total_loss": loss}) for s, loss, _ in run_rows(1)])
    table(tmp_path, run_rows(2))
    text = (tmp_path / "log.csv").read_text().replace("loss", "ce_loss")
    (tmp_path / "log.csv").write_text(text)
    assert len(discover([tmp_path]).runs) == 1


# Lives in folders beside each other


def lives(tmp_path: Path, names: tuple[str, str], second: Rows) -> int:
    for name, rows, start in zip(names, (run_rows(1)[9::10], second), (1.7e9, 1.7e9 + 5000), strict=True):
        placeholders = [(0, {"hp_metric": -1.0})]
        logged = [(s, {"loss": loss, "lr": rate}) for s, loss, rate in rows]
        write_events(tmp_path / name, [*placeholders, *logged], start=start)
    return len(discover([tmp_path]).runs)


FOLDERS = [("version_0", "version_1"), ("b", "a"), ("exp", "exp-resumed"), ("job_41", "job_7")]


@pytest.mark.parametrize("names", FOLDERS)
def test_a_run_that_goes_on_in_another_folder_is_one(tmp_path: Path, names: tuple[str, str]) -> None:
    assert lives(tmp_path / "behind", names, run_rows(1, first=121, last=240)[9::10]) == 1
    assert lives(tmp_path / "replayed", names, run_rows(1, first=81, last=240)[9::10]) == 1


@pytest.mark.parametrize("names", FOLDERS)
def test_seeds_and_sweeps_are_runs_of_their_own(tmp_path: Path, names: tuple[str, str]) -> None:
    assert lives(tmp_path / "seed", names, run_rows(2)[9::10]) == 2
    assert lives(tmp_path / "longer", names, run_rows(2, last=240)[9::10]) == 2
    assert lives(tmp_path / "coarser", names, run_rows(2, last=400)[49::50]) == 2
    assert lives(tmp_path / "far behind", names, run_rows(2, first=1001, last=1240)[9::10]) == 2


# What is no log is named


def test_files_that_were_left_alone_are_named(tmp_path: Path) -> None:
    table(tmp_path, run_rows(1))
    (tmp_path / "notes.txt").write_text("we tried 3 things on 7 May\n" * 5)
    (tmp_path / "labels.json").write_text('{"cat": 1, "dog": 2}')
    short = CliRunner().invoke(main, ["check", str(tmp_path), "--no-cache"]).stdout
    assert "no log: 2 files looked at and left alone: labels.json, notes.txt (-v says why)" in short
    long = CliRunner().invoke(main, ["check", str(tmp_path), "--no-cache", "-v"]).stdout
    assert "labels.json: JSON without entries that have a step" in " ".join(long.split())
    report = json.loads(CliRunner().invoke(main, ["check", str(tmp_path), "--no-cache", "--format", "json"]).stdout)
    assert [Path(one["path"]).name for one in report["left_alone"]] == ["labels.json", "notes.txt"]


def test_the_timeline_says_why_each_file_belongs_to_its_run(tmp_path: Path) -> None:
    written(tmp_path, "events", run_rows(1), "csv", run_rows(1))
    text = " ".join(CliRunner().invoke(main, ["timeline", str(tmp_path), "-v"]).stdout.split())
    assert "the first log of this run" in text
    assert "tells the same numbers as events (loss: 120 of 120 equal): one run seen twice" in text


# What the same logs are called


def test_the_baseline_of_a_tree_fits_each_of_its_runs(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        (tmp_path / "runs" / "sweep" / name).mkdir(parents=True)
        table(tmp_path / "runs" / "sweep" / name, run_rows(seed, nan_from=91))
    known = str(tmp_path / "known.json")
    CliRunner().invoke(main, ["check", str(tmp_path / "runs"), "--baseline", known, "--write-baseline"])
    for below in ("runs", "runs/sweep", "runs/sweep/a", "runs/sweep/../sweep/b/"):
        typed = f"{tmp_path}/{below}"
        result = CliRunner().invoke(main, ["check", typed, "--baseline", known, "--fail-on", "note", "--no-cache"])
        assert result.exit_code == 0, result.stdout
        assert "gone" not in result.stdout


def _measures(seed: int, tags: Sequence[str], rows: int = 30) -> list[tuple[int, dict[str, float]]]:
    noise = random.Random(seed)
    return [(step, {tag: noise.gauss(1, 0.3) for tag in tags}) for step in range(1, rows + 1)]


MEASURES = [
    # seeds of two loggers, tags of each, rows of the second, runs
    pytest.param(1, 1, ["rollout/reward", "rollout/length"], ["rollout/reward", "rollout/length"], 30, 1, id="one run"),
    pytest.param(1, 2, ["rollout/reward", "rollout/length"], ["rollout/reward", "rollout/length"], 30, 2,
                 id="two measures of one name have no number in common"),
    pytest.param(1, 2, ["rollout/reward", "a"], ["rollout/reward", "b"], 30, 1, id="one may be smoothed in one log"),
    pytest.param(1, 2, ["a", "b"], ["c", "d"], 30, 1, id="nothing is told twice"),
    pytest.param(1, 2, ["a/fps", "time/fps"], ["a/fps", "time/fps"], 30, 1, id="speeds depend on who takes them"),
    pytest.param(1, 2, ["a", "b"], ["a", "b"], 6, 1, id="too few rows"),
]


@pytest.mark.parametrize(("one", "other", "tags", "other_tags", "rows", "runs"), MEASURES)
def test_measures_of_one_name_tell_two_runs_apart(
    one: int, other: int, tags: list[str], other_tags: list[str], rows: int, runs: int, tmp_path: Path
) -> None:
    write_events(tmp_path, _measures(one, tags))
    lines = [json.dumps({"frames": 100 * step, **found}) for step, found in _measures(other, other_tags)[:rows]]
    (tmp_path / "progress.jsonl").write_text("\n".join(lines) + "\n")
    assert len(discover([tmp_path]).runs) == runs


def test_another_runs_folder_is_another_place(tmp_path: Path) -> None:
    for name, write, first in (("a", events, 1), ("b", printed, 60)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, run_rows(3 if name == "a" else 4, first=first))
    assert len(discover([tmp_path]).runs) == 2


def test_a_history_of_another_split_is_the_validation(tmp_path: Path) -> None:
    for seed, name in enumerate(("history_train", "history_val", "other")):
        losses = [loss for _, loss, _ in run_rows(seed)]
        (tmp_path / f"{name}.json").write_text(json.dumps({"loss": losses, "mae": losses[::-1]}))
    runs = discover([tmp_path]).runs
    assert sorted(sorted(run.views[0].series) for run in runs) == [
        ["loss", "mae"], ["loss", "mae", "val/loss", "val/mae"]
    ]  # fmt: skip


@pytest.mark.parametrize(("folders", "runs"), [(("train", "val"), 1), (("seed_1", "seed_2"), 2)])
def test_folders_named_after_splits_are_one_run(tmp_path: Path, folders: tuple[str, str], runs: int) -> None:
    for seed, name in enumerate(folders):
        (tmp_path / name).mkdir()
        rows = [{"epoch": s, "loss": v, "lr": r if seed == 0 else 0} for s, v, r in run_rows(seed)]
        (tmp_path / name / "stats.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert len(discover([tmp_path]).runs) == runs
