"""What the axis of a log counts, and what may be concluded from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analyzer.auditing import audit_run
from analyzer.config.declared import checked_fact, merge
from analyzer.discovery import discover
from analyzer.model import Axis
from analyzer.reconstruction import reconstruct
from tests.clocks.test_global_step import losses, timeline_of
from tests.event_files import write_events


def columns(names: str, row: Callable[[int], str], steps: range) -> tuple[str, list[str]]:
    return names, [row(step) for step in steps]


def loss(step: int) -> str:
    return f"{0.5 + 1 / (step + 1):.6f}"


@pytest.mark.parametrize(
    ("header", "rows", "facts", "unit", "per_update"),
    [
        pytest.param("step,loss", losses(range(1, 50)), {}, "update", 1.0, id="a step"),
        pytest.param("samples,loss", losses(range(32, 1600, 32)), {}, "sample", None, id="samples of unknown batch"),
        pytest.param(
            "samples,loss", losses(range(32, 1600, 32)), {"batch_size": 32}, "sample", 32.0, id="a known batch"
        ),
        pytest.param("total_tokens,loss", losses(range(512, 9000, 512)), {}, "token", None, id="tokens"),
        pytest.param(
            "total_tokens,loss",
            losses(range(512, 9000, 512)),
            {"tokens_per_step": 512},
            "token",
            512.0,
            id="sized tokens",
        ),
        pytest.param(
            "total_timesteps,loss",
            losses(range(2048, 90000, 2048)),
            {"batch_size": 64},
            "environment step",
            None,
            id="RL",
        ),
        pytest.param(
            *columns("step,update,loss", lambda s: f"{s},{s // 4},{loss(s)}", range(4, 400, 4)),
            {},
            "micro-batch",
            4.0,
            id="an update counter beside it",
        ),
        pytest.param(
            *columns("step,epoch,loss", lambda s: f"{s},{s // 3200},{loss(s)}", range(0, 32000, 320)),
            {"dataset_size": 3200, "batch_size": 16},
            "sample",
            16.0,
            id="an epoch of as many steps as there are examples",
        ),
        pytest.param(
            *columns("step,epoch,loss", lambda s: f"{s},{s // 3200},{loss(s)}", range(0, 32000, 100)),
            {"dataset_size": 3200, "batch_size": 16},
            "update",
            1.0,
            id="steps that are no whole batches",
        ),
        pytest.param(
            *columns("step,epoch,loss", lambda s: f"{s},{s // 1600},{loss(s)}", range(0, 32000, 320)),
            {"dataset_size": 3200, "batch_size": 16},
            "update",
            1.0,
            id="an epoch of another length",
        ),
        pytest.param(
            *columns("learner_steps,actor_steps,loss", lambda s: f"{s},{4 * s + s % 3},{loss(s)}", range(48, 4800, 48)),
            {},
            "update",
            1.0,
            id="a learner's counter beside its actors'",
        ),
        pytest.param(
            *columns("actor_steps,loss", lambda s: f"{s},{loss(s)}", range(48, 4800, 48)),
            {"batch_size": 16},
            "environment step",
            None,
            id="the steps of actors",
        ),
        pytest.param("step,loss", losses(range(40)), {"epochs": 40}, "epoch", None, id="the declared epochs"),
        pytest.param("step,loss", losses(range(1, 41)), {"epochs": 40}, "epoch", None, id="and from 1"),
        pytest.param("step,loss", losses(range(40)), {"epochs": 50}, "update", 1.0, id="fewer rows than epochs"),
        pytest.param(
            "step,loss", losses(range(40)), {"epochs": 40, "steps_per_epoch": 1}, "update", 1.0, id="one update each"
        ),
        pytest.param(
            *columns("step,lr,loss", lambda s: f"{s},{1e-3 - 1e-5 * (s // 4):g},{loss(s)}", range(200)),
            {"grad_accumulation": 4},
            "micro-batch",
            4.0,
            id="the rate moves with every fourth step",
        ),
        pytest.param(
            *columns("step,lr,loss", lambda s: f"{s},{1e-3 - 1e-6 * s:g},{loss(s)}", range(200)),
            {"grad_accumulation": 4},
            "update",
            1.0,
            id="the rate moves with every step",
        ),
        pytest.param(
            *columns("step,lr,loss", lambda s: f"{s},{1e-3 - 1e-6 * s:.5f},{loss(s)}", range(200)),
            {"grad_accumulation": 4},
            "update",
            1.0,
            id="rounded rates move where they will",
        ),
        *(
            pytest.param(
                *columns(
                    f"Run Train/Epoch,{name},Run Train/Loss", lambda s: f"{s // 40},{s + 1},{loss(s)}", range(200)
                ),
                {},
                "update",
                1.0,
                id=f"named {name}",
            )
            for name in ("Run Train/Step", "gstep", "Run Train/global_step")
        ),
        pytest.param(
            *columns(
                "eval/step,Run Train/Step,Run Train/Loss", lambda s: f"{s // 40},{s + 1},{loss(s)}", range(200)
            ),
            {},
            "update",
            1.0,
            id="an evaluation's own step is none",
        ),
        pytest.param(
            *columns("step,iteration,loss", lambda s: f"{s},{s // 4},{loss(s)}", range(4, 400, 4)),
            {},
            "update",
            1.0,
            id="another counter may count anything",
        ),
        pytest.param(
            "_step,loss", losses(range(0, 500, 10)), {}, "update", 1.0, id="a call counter that goes on alone"
        ),
        pytest.param("_step,loss", losses(range(50)), {}, "call", None, id="log calls"),
        pytest.param(
            "_step,loss", losses(range(50)), {"logging_steps": 10}, "call", 0.1, id="calls of a declared size"
        ),
        pytest.param("_step,loss", losses(range(50)), {"max_steps": 60}, "update", 1.0, id="as many calls as updates"),
    ],
)
def test_unit_and_size(
    header: str, rows: list[str], facts: dict[str, Any], unit: str, per_update: float | None, tmp_path: Path
) -> None:
    axis = timeline_of(tmp_path, header, rows, **facts).step_axis
    assert (axis.unit, axis.per_update) == (unit, per_update)


EVENTS = [
    pytest.param(["rollout/ep_rew_mean", "time/fps", "train/loss"], "environment step", id="Stable-Baselines3"),
    pytest.param(["metrics/mAP50(B)", "train/box_loss"], "epoch", id="Ultralytics"),
    pytest.param(["train/loss", "rollout/loss"], "update", id="no framework's own tags"),
]


@pytest.mark.parametrize(("tags", "unit"), EVENTS)
def test_what_frameworks_hand_to_tensorboard_as_the_step(tags: list[str], unit: str, tmp_path: Path) -> None:
    write_events(tmp_path, [(step, dict.fromkeys(tags, 1 / (step + 1))) for step in range(40)])
    (run,) = discover([tmp_path]).runs
    assert reconstruct(run, merge((), run.facts)).step_axis.unit == unit


def test_a_count_of_unknown_size_is_no_count_of_updates() -> None:
    assert Axis(unit="sample", per_update=32.0).updates(320) == 10
    assert Axis(unit="sample").updates(320) is None


@pytest.mark.parametrize("code", ["EPO001", "EPO002", "EPO004", "EPO005", "LOG008"])
def test_what_is_not_counted_is_not_checked(code: str, tmp_path: Path) -> None:
    rows = [f"{step},{step // 10},{loss(step)}" for step in range(60)]
    (tmp_path / "log.csv").write_text("\n".join(["_step,epoch,loss", *rows]) + "\n")
    (run,) = discover([tmp_path]).runs
    own = [checked_fact("steps_per_epoch", 40, "--declare"), checked_fact("epochs", 6, "--declare")]
    report = audit_run(run, merge(own, run.facts), select=(code,))
    assert not report.findings and not report.passed
    assert "this log counts calls" in report.skipped[0].reason and "logging_steps" in report.skipped[0].reason


@pytest.mark.parametrize(
    ("last", "found"),
    [
        pytest.param(1600 * 32, 0, id="as declared, in batches of 32"),
        pytest.param(1601 * 32, 1, id="one update more than declared, whatever the batch"),
        pytest.param(800 * 32, 0, id="half of it: batches of 16 would be enough"),
    ],
)
def test_samples_bound_the_updates_from_below(last: int, found: int, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("\n".join(["samples,loss", *losses(range(32, last + 1, 32))]) + "\n")
    (run,) = discover([tmp_path]).runs
    report = audit_run(run, merge([checked_fact("max_steps", 1600, "--declare")], run.facts), select=("EPO004",))
    assert len(report.findings) == found


def test_a_long_table_of_aim_is_a_series_a_metric_and_context(tmp_path: Path) -> None:
    cells = [
        f"{step},{value / (step + 1)},{step // 10},h1,{metric},{part}"
        for metric, part, value in (("loss", "train", 2), ("lr", "train", 1), ("loss", "val", 3))
        for step in range(0, 40, 10 if part == "val" else 1)
    ]
    header = "step,value,epoch,run.hash,metric.name,metric.context.subset"
    (tmp_path / "aim.csv").write_text("\n".join((header, *cells, "")))
    (run,) = discover([tmp_path]).runs
    tags = {tag: len(one) for view in run.views for tag, one in view.series.items()}
    assert (tags["train/loss"], tags["train/lr"], tags["val/loss"]) == (40, 40, 4)
    assert [one.code for one in audit_run(run, merge((), run.facts)).findings if one.severity != "note"] == []


@pytest.mark.parametrize(
    ("last", "digits", "told"),
    [(2300, 6, False), (2300, 9, False), (2700, 9, True)],
    ids=["to its end, rounded", "to its end", "past its end"],
)
def test_zeros_of_six_decimals_are_no_end_of_a_schedule(last: int, digits: int, told: bool, tmp_path: Path) -> None:
    def rate(step: int) -> float:
        return 2e-5 * min(step / 300, max(0.0, (2300 - step) / 2000))

    rows = [f"{step},{rate(step):.{digits}f},{loss(step)}" for step in range(10, last + 1, 10)]
    (tmp_path / "log.csv").write_text("step,lr,loss\n" + "\n".join(rows) + "\n")
    (run,) = discover([tmp_path]).runs
    facts = {"max_steps": last, "warmup_steps": 300, "base_lr": 2e-5, "scheduler": "linear"}
    declared = merge([checked_fact(key, value, "test") for key, value in facts.items()], run.facts)
    found = audit_run(run, declared, select=("SCH001", "SCH005")).findings
    assert any(one.severity != "note" for one in found) == told
