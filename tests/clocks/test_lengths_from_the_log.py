"""Lengths that a declaration gives in another count than the log's axis, and ends that only the rows tell."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from analyzer.auditing import audit_run
from analyzer.config.declared import facts_from_options, merge
from analyzer.discovery import discover
from analyzer.rules.examples import falling_loss, table


def told(folder: Path, header: tuple[str, ...], rows: list[tuple[object, ...]], *declared: str) -> list[str]:
    """Rules that raise more than a note."""
    (folder / "log.csv").write_text(table(header, rows))
    (run,) = discover([folder]).runs
    report = audit_run(run, merge(facts_from_options(declared), run.facts), select=("SCH", "EPO", "RES"))
    return [f"{one.code} {one.severity}" for one in report.findings if one.severity != "note"]


def cosine(done: float, total: float, warmup: float = 0.0) -> float:
    if done < warmup:
        return done / warmup
    return 0.5 + 0.5 * math.cos(math.pi * (done - warmup) / (total - warmup))


@pytest.mark.parametrize("column", ["lr", "global_schedule"])
@pytest.mark.parametrize(
    ("every", "warmup", "declared", "expected"),
    [
        pytest.param(10, 40, 400, ["SCH003 error"], id="a tenth of it"),
        pytest.param(25, 400, 100, ["SCH003 error"], id="four times"),
        pytest.param(10, 400, 400, [], id="as declared"),
        pytest.param(10, 404, 400, [], id="its end lies between the rows around the declared one"),
    ],
)
def test_a_warmup_whose_top_no_row_shows(
    tmp_path: Path, column: str, every: int, warmup: int, declared: int, expected: list[str]
) -> None:
    """The rows on the line and those behind the top bound its end, however high it went."""
    steps = [1, *range(every, 4001, every)]
    rows = [(s, falling_loss(s), f"{cosine(s - 1, 4000, warmup):.9f}") for s in steps]
    facts = ("scheduler=cosine", "max_steps=4000", f"warmup_steps={declared}")
    assert told(tmp_path, ("step", "loss", column), rows, *facts) == expected


@pytest.mark.parametrize(
    ("built_for", "lr_of_another_group", "expected"),
    [
        pytest.param(600, None, ["SCH005 warning"], id="rises again behind its end"),
        pytest.param(720, None, [], id="as long as the run"),
        pytest.param(900, None, [], id="longer than the run: may be meant so"),
        pytest.param(600, 1e-5, ["SCH005 warning"], id="rises again beside another group"),
    ],
)
def test_a_horizon_of_no_declared_schedule(
    tmp_path: Path, built_for: int, lr_of_another_group: float | None, expected: list[str]
) -> None:
    rows: list[tuple[object, ...]] = [
        (s, falling_loss(s), f"{2e-5 * cosine(s, built_for, 36):.9g}", lr_of_another_group or "") for s in range(1, 721)
    ]
    assert told(tmp_path, ("step", "loss", "lr", "lr_head"), rows, "epochs=3", "steps_per_epoch=240") == expected


@pytest.mark.parametrize("beside", [True, False])
def test_a_group_that_is_frozen_by_design(tmp_path: Path, beside: bool) -> None:
    """A rate that is 0 to the end wastes updates only where no other group is trained by them."""
    rows: list[tuple[object, ...]] = [
        (s, falling_loss(s), f"{1e-4 * max(0.0, 1 - s / 400):.9g}", f"{2e-4 * cosine(s, 600):.9g}" if beside else "")
        for s in range(1, 601)
    ]
    assert told(tmp_path, ("step", "loss", "lr/a", "lr/b"), rows) == ([] if beside else ["SCH005 warning"])


@pytest.mark.parametrize("each", [65536, 4000])
@pytest.mark.parametrize(
    ("built_for", "declared", "expected"),
    [
        pytest.param(300, 480, ["SCH001 error"], id="the loop was prolonged"),
        pytest.param(480, 480, [], id="as declared"),
        pytest.param(479, 480, [], id="counted from the first epoch's end"),
        pytest.param(300, None, [], id="nothing says how many epochs"),
    ],
)
def test_epochs_of_a_length_that_is_known_about(
    tmp_path: Path, each: int, built_for: int, declared: int | None, expected: list[str]
) -> None:
    """One row an epoch: its length in steps has an interval, and the declared epochs are a length with one."""
    rows = [
        (each * (e + 1), e + 1, falling_loss(e), f"{1e-6 + 4.99e-4 * max(0.0, 1 - e / built_for):.9g}")
        for e in range(480)
    ]
    facts = ("scheduler=linear", "base_lr=0.0005", "min_lr=1e-6")
    header = ("frames", "epoch", "loss", "lr")
    assert told(tmp_path, header, rows, *facts, *(() if declared is None else (f"epochs={declared}",))) == expected


@pytest.mark.parametrize(
    ("speed", "interval", "expected"),
    [
        pytest.param(2, None, ["SCH002 error"], id="called twice an update"),
        pytest.param(1, None, [], id="in steps"),
        pytest.param(2, "step", ["SCH002 error"], id="called twice an update, declared in steps"),
    ],
)
@pytest.mark.parametrize("per_epoch", [250, 400])
def test_milestones_of_an_undeclared_unit(
    tmp_path: Path, speed: int, interval: str | None, expected: list[str], per_epoch: int
) -> None:
    """Where labels measure the epoch, a place in steps is one place in epochs and not any."""
    marks = (10000, 16000, 18000)
    rows = [
        (s, (s - 1) // per_epoch, falling_loss(s), f"{2e-4 * 0.5 ** sum(speed * (s - 1) >= m for m in marks):.3e}")
        for s in range(50, 20001, 50)
    ]
    facts = ["scheduler=MultiStepLR", 'scheduler_params={"milestones": [10000, 16000, 18000], "gamma": 0.5}']
    facts += ["base_lr=0.0002", "max_steps=20000", *([f"scheduler_interval={interval}"] if interval else [])]
    assert told(tmp_path, ("iter", "epoch", "loss", "lr"), rows, *facts) == expected


@pytest.mark.parametrize(
    ("calls", "expected"),
    [pytest.param(57, ["SCH002 error"], id="once a batch"), pytest.param(1, [], id="once an epoch")],
)
def test_batches_beside_a_rate_of_epochs(tmp_path: Path, calls: int, expected: list[str]) -> None:
    """Each batch's loss in one list and each epoch's rate in another: their lengths tell the batches of an epoch."""
    steps = range(57 * 40)
    rates = [2e-3 * (0.5 + 0.5 * math.cos(math.pi * calls * (e + 1) / 40)) for e in range(40)]
    history = {
        "steps": {"step": list(steps), "loss": [float(falling_loss(s)) for s in steps]},
        "epochs": {"epoch": list(range(1, 41)), "lr": rates, "val_loss": [1 / (2 + e) for e in range(40)]},
    }
    (tmp_path / "history.json").write_text(json.dumps(history))
    (run,) = discover([tmp_path]).runs
    facts = ("epochs=40", "scheduler=CosineAnnealingLR", "scheduler_interval=epoch", "base_lr=0.002")
    report = audit_run(run, merge(facts_from_options(facts), run.facts), select=("SCH",))
    assert [f"{one.code} {one.severity}" for one in report.findings if one.severity != "note"] == expected
