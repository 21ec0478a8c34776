"""Runs are compared after the same updates, samples, epochs and time, not at the same row."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import analyzer
from analyzer.cli import main
from analyzer.comparison import Curve, compare_runs, curve_of, sounds_better_when_high, value_at
from analyzer.config.declared import checked_fact, merge
from analyzer.discovery import discover
from analyzer.timeline import Timeline


def timeline(folder: Path, text: str, **declared: object) -> Timeline:
    folder.mkdir()
    (folder / "log.csv").write_text(text)
    (run,) = discover([folder]).runs
    return Timeline(run=run, declared=merge([checked_fact(key, value, "test") for key, value in declared.items()]))


def log(steps: int, loss_after: object, *, elapsed: float = 1.0, every: int = 1) -> str:
    rows = [f"{s},{loss_after(s)},{s * elapsed}" for s in range(1, steps + 1, every)]  # type: ignore[operator]
    return "\n".join(["step,loss,elapsed", *rows]) + "\n"


def test_equal_samples_are_not_equal_steps(tmp_path: Path) -> None:
    small = timeline(tmp_path / "small", log(400, lambda s: 10 / (1 + s * 16 / 1600)), batch_size=16)
    large = timeline(tmp_path / "large", log(100, lambda s: 10 / (1 + s * 64 / 1600)), batch_size=64)
    by_updates, by_samples = compare_runs([small, large], axes=("updates", "samples"))
    assert by_updates.places[-1] == 100 and by_samples.places[-1] == 6400
    assert [one.run for one in by_updates.standings] == ["large", "small"]  # after 100 updates it has seen more
    one, two = by_samples.standings
    assert one.values == pytest.approx(two.values, rel=0.03)


def test_time_counts_work(tmp_path: Path) -> None:
    fast = timeline(tmp_path / "fast", log(100, lambda s: 1 / s, elapsed=1))
    slow = timeline(tmp_path / "slow", log(100, lambda s: 1 / s, elapsed=4))
    (found,) = compare_runs([slow, fast], axes=("time",))
    assert found.places[-1] == 100
    assert [one.run for one in found.standings] == ["fast", "slow"]


def test_an_axis_that_cannot_be_told_is_not_guessed(tmp_path: Path) -> None:
    known = timeline(tmp_path / "known", log(50, lambda s: 1.0), batch_size=8)
    unknown = timeline(tmp_path / "unknown", log(50, lambda s: 1.0))
    (found,) = compare_runs([known, unknown], axes=("samples",))
    assert "batch_size" in found.left_out["unknown"] and [one.run for one in found.standings] == ["known"]


def test_a_replayed_branch_counts_once(tmp_path: Path) -> None:
    steps = [*range(1, 61), *range(41, 101)]
    losses = [9.0 if i < 60 and step > 40 else 1.0 for i, step in enumerate(steps)]
    text = "step,loss\n" + "".join(f"{step},{loss}\n" for step, loss in zip(steps, losses, strict=True))
    curve = curve_of(timeline(tmp_path / "a", text), "updates")
    assert isinstance(curve, Curve)
    assert curve.x.tolist() == list(range(1, 101)) and set(curve.y) == {1.0}


def test_values_are_medians_of_the_last_part_of_the_budget() -> None:
    curve = Curve(run="a", tag="loss", x=np.arange(1.0, 101.0), y=np.where(np.arange(1, 101) == 99, 1000.0, 1.0))
    assert value_at(curve, 100) == 1.0
    assert np.isnan(value_at(curve, 0.5))
    sparse = Curve(run="a", tag="val", x=np.array([10.0, 50.0]), y=np.array([2.0, 1.0]))
    assert value_at(sparse, 49) == 2.0  # the last row within the budget


@pytest.mark.parametrize(
    ("tag", "high"), [("val/accuracy", True), ("f1", True), ("loss", False), ("perplexity", False)]
)
def test_which_way_is_better(tag: str, high: bool) -> None:
    assert sounds_better_when_high(tag) is high


def compare(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["compare", *(str(argument) for argument in arguments)])


def test_the_command(tmp_path: Path) -> None:
    for name, factor in (("one", 1), ("eight", 8)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.csv").write_text(log(80, lambda s, f=factor: (1 + 1 / s) / f))
    result = compare(tmp_path)
    assert result.exit_code == 0
    assert "by updates, up to 80" in result.output and "8 times" in result.output
    data = json.loads(compare(tmp_path, "--by", "updates", "-f", "json").output)
    assert [run["run"] for run in data["axes"][0]["runs"]] == ["eight", "one"] and "8 times" in data["warning"]
    assert compare(tmp_path / "one").exit_code == 2
    assert compare(tmp_path, "--by", "tokens").exit_code == 2
    assert "eight" in compare(tmp_path, "--by", "updates", "--tag", "elapsed", "--higher").output


def test_in_python(tmp_path: Path) -> None:
    runs = [timeline(tmp_path / name, log(50, lambda s: 1 / s)).run for name in ("a", "b")]
    table = analyzer.compare(*runs, by=["updates"])
    assert list(table.columns) == ["axis", "place", "run", "tag", "value"] and len(table) == 10
    with pytest.raises(ValueError, match="no axis 'steps'"):
        analyzer.compare(*runs, by=["steps"])
