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
from analyzer.parting import configuration_differences, partings
from analyzer.reconstruction import reconstruct
from analyzer.timeline import Timeline
from tests.event_files import write_events


def timeline(folder: Path, text: str, **declared: object) -> Timeline:
    folder.mkdir()
    (folder / "log.csv").write_text(text)
    (run,) = discover([folder]).runs
    return reconstruct(run, merge([checked_fact(key, value, "test") for key, value in declared.items()]))


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


def test_where_runs_part_and_what_is_declared_differently(tmp_path: Path) -> None:
    def text(loss_at_30: float) -> str:
        rows = [f"{s},{0.1 - s / 1000:.4f},{loss_at_30 if s == 30 else 5 / s:.4f}" for s in range(1, 61)]
        return "\n".join(["step,lr,loss", *rows]) + "\n"

    one = timeline(tmp_path / "one", text(0.2), batch_size=8, epochs=3)
    other = timeline(tmp_path / "other", text(0.4), batch_size=16, epochs=3)
    assert configuration_differences([one, other]) == {"batch_size": {"one": 8, "other": 16}}
    found = {parting.role: parting for parting in partings([one, other])}
    assert (found["learning_rate"].step, found["learning_rate"].same) == (None, 60)
    assert (found["loss"].step, found["loss"].same) == (30, 29)
    assert [row.row for row in found["loss"].rows] == [31, 31]


def test_values_that_are_the_same_number_in_fewer_digits_do_not_part(tmp_path: Path) -> None:
    fine = timeline(tmp_path / "fine", log(60, lambda s: f"{1 / s:.8f}"))
    coarse = timeline(tmp_path / "coarse", log(60, lambda s: f"{1 / s:.3f}"))
    assert [one.step for one in partings([fine, coarse]) if one.role == "loss"] == [None]


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
    assert result.output.startswith("compared: loss, lower is better") and "where they part" in result.output
    assert data["better"] == "lower" and data["partings"][0]["rows"][0]["tag"] == "loss"
    assert compare(tmp_path / "one").exit_code == 2
    assert compare(tmp_path, "--by", "tokens").exit_code == 2
    assert "eight" in compare(tmp_path, "--by", "updates", "--tag", "elapsed", "--higher").output


def test_a_page_and_a_figure(tmp_path: Path) -> None:
    for name, hostile in (("a", 1), ("b<script>alert(1)", 2)):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "log.csv").write_text(log(80, lambda s, f=hostile: 1 + f / s))
    assert compare(tmp_path / "runs", "-o", tmp_path / "c.html").exit_code == 0
    page = (tmp_path / "c.html").read_text()
    assert "Compared: loss, lower is better" in page and "analyzerPage.start(1);" in page
    assert "b&lt;script&gt;" in page and "b<script>" not in page
    assert compare(tmp_path / "runs", "-o", tmp_path / "c.png", "--by", "updates").exit_code == 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    refused = compare(tmp_path / "runs", "-o", tmp_path / "t.png", "--by", "tokens")
    assert refused.exit_code == 2 and "no two of the runs have an axis in common" in refused.output


def test_in_python(tmp_path: Path) -> None:
    runs = [timeline(tmp_path / name, log(50, lambda s: 1 / s)).run for name in ("a", "b")]
    table = analyzer.compare(*runs, by=["updates"])
    assert list(table.columns) == ["axis", "place", "run", "tag", "value"] and len(table) == 10
    with pytest.raises(ValueError, match="no axis 'steps'"):
        analyzer.compare(*runs, by=["steps"])


def test_a_counter_that_an_error_refutes_is_named_beside_the_table(tmp_path: Path) -> None:
    def rows(steps: list[int], per_epoch: int) -> str:
        lines = [f"{s},{i // per_epoch},{2 / (1 + i / 40):.6f},{0.1 - i / 5000:.6g}" for i, s in enumerate(steps)]
        return "\n".join(["step,epoch,loss,lr", *lines]) + "\n"

    for name, text in (
        ("sound", rows([*range(1, 241)], 40)),
        ("skips", rows([*range(1, 101), *range(181, 321)], 40)),
    ):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "log.csv").write_text(text)
    result = compare(tmp_path / "runs", "--by", "updates", "--by", "time")
    page = compare(tmp_path / "runs", "--by", "updates", "-o", tmp_path / "c.html")
    said = " ".join(result.output.split())
    assert "skips: RES003" in said and "80 steps were not trained" in said and "they are not counted" in said
    values = {words[0]: words[1:] for line in result.output.splitlines() if (words := line.split()) and len(words) > 5}
    assert values["skips"] == values["sound"]  # the same loss after the same updates, 240 in both
    assert "sound: " not in result.output.split("by updates")[0] and page.exit_code == 0
    assert "skips: RES003" in (tmp_path / "c.html").read_text()
    assert compare(tmp_path / "runs", "--by", "updates", "-o", tmp_path / "c.png").exit_code == 0
    by_time = compare(tmp_path / "runs", "--by", "time")
    assert "RES003" not in by_time.output  # nothing there rests on the steps


def test_rows_stand_inside_their_epoch_in_every_run(tmp_path: Path) -> None:
    """A run whose labels leave the clock is placed by its labels, and inside an epoch by its steps, as the others."""
    steps = [*range(1, 101), *range(181, 321)]
    lines = [f"{s},{i // 40},{2 / (1 + i / 40):.6f}" for i, s in enumerate(steps)]
    broken = curve_of(timeline(tmp_path / "b", "\n".join(["step,epoch,loss", *lines]) + "\n"), "epochs")
    sound = [f"{s},{(s - 1) // 40},{1 / s:.6f}" for s in range(1, 241)]
    whole = curve_of(timeline(tmp_path / "w", "\n".join(["step,epoch,loss", *sound]) + "\n"), "epochs")
    assert isinstance(broken, Curve) and isinstance(whole, Curve)
    assert whole.x[:40] == pytest.approx(np.arange(1, 41) / 40)
    assert broken.x[:80] == pytest.approx(np.arange(1, 81) / 40) and len(set(broken.x)) > 200
    text = "epoch,loss\n" + "".join(f"{e},{1 / (e + 1)}\n" for e in range(9))
    ends = curve_of(timeline(tmp_path / "e", text), "epochs")
    assert isinstance(ends, Curve) and ends.x.tolist() == list(range(1, 10))


def test_a_misspelt_tag_is_told_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.csv").write_text(log(20, lambda s: 1 / s))
    result = compare(tmp_path, "--tag", "losss")
    assert result.exit_code == 2 and result.output.count("losss") == 1 and "'loss'" in result.output


def test_values_of_few_rows_say_so(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.csv").write_text(log(20, lambda s: 1 / s))
    assert "a value is the median of 1 to 2 rows: noise" in compare(tmp_path, "--by", "updates").output
    for name in ("one", "two"):
        (tmp_path / name / "log.csv").write_text(log(2000, lambda s: 1 / s))
    assert "a value is the median" not in compare(tmp_path, "--by", "updates").output


def test_times_of_the_account_that_has_them(tmp_path: Path) -> None:
    """A table without times, and event files of the same run with times: the time is theirs."""
    for name, seconds in (("fast", 1.0), ("slow", 3.0)):
        rows = [(s, {"loss": 2 / s, "lr": 0.1}) for s in range(1, 101)]
        write_events(tmp_path / name, rows, seconds_per_row=seconds)
        table = "".join(f"{s},{values['loss']:.8f},{s // 30},{values['lr']}\n" for s, values in rows)
        (tmp_path / name / "log.csv").write_text("step,loss,epoch,lr\n" + table)
    found = json.loads(compare(tmp_path, "--by", "time", "-f", "json").output)["axes"][0]
    assert [one["run"] for one in found["runs"]] == ["fast", "slow"] and not found["left_out"]
    assert found["reaches"] == {"fast": pytest.approx(99, abs=1), "slow": pytest.approx(297, abs=3)}
