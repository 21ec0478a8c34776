"""Figures by structure: which panels, curves and marks they hold. Looks are judged by eye."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.auditing import audit_run
from analyzer.config.declared import merge
from analyzer.discovery import discover
from analyzer.model import Finding, Row, RunReport
from analyzer.renderers.charts import charts_of, keep_extremes
from analyzer.renderers.figures import KINDS, NothingToDraw, draw, figure_of
from analyzer.rules.examples import falling_loss, table


def report_of(folder: Path, findings: Sequence[Finding] = (), name: str = "run") -> RunReport:
    """A small run of 100 steps, 20 an epoch, with the given findings instead of the rules' own."""
    from dataclasses import replace

    rows = [(step, (step - 1) // 20, falling_loss(step), 0.1 * (1 - step / 100)) for step in range(1, 101)]
    (folder / "log.csv").write_text(table(("step", "epoch", "loss", "lr"), rows))
    run = replace(discover([folder]).runs[0], name=name)
    return replace(audit_run(run, merge(run.facts), select=()), findings=tuple(findings))


def finding(code: str, step: int, source: str = "log.csv") -> Finding:
    row = Row(source=source, row=step + 1, tag="loss", step=step, value=1.0)
    return Finding(
        severity="error",
        message=f"something at {step}",
        tag="loss",
        first_step=step,
        code=code,
        name="x",
        evidence=(row,),
    )


@pytest.mark.parametrize(
    ("kind", "panels"),
    [
        ("overview", ["Loss", "Epoch against step", "Learning rate"]),
        ("epoch", ["Epoch against step"]),
        ("loss", ["Loss"]),
    ],
)
def test_panels_of_a_kind(kind: str, panels: list[str], tmp_path: Path) -> None:
    figure = figure_of(report_of(tmp_path), kind)
    titles = [panel.get_title(loc="left") for panel in figure.axes if panel.get_title(loc="left")]
    assert titles[: len(panels)] == panels


@pytest.mark.parametrize(
    ("code", "title"), [("LOS001", "Loss"), ("EPO001", "Epoch against step"), ("SCH001", "Learning rate")]
)
def test_a_finding_is_marked_where_it_belongs(code: str, title: str, tmp_path: Path) -> None:
    charts = {chart.title: chart for chart in charts_of(report_of(tmp_path, [finding(code, 40)]))}
    assert [mark.step for mark in charts[title].marks] == [40.0]
    assert not any(
        chart.marks for name, chart in charts.items() if name != title and name != "Scheduler position against step"
    )


@pytest.mark.parametrize("output", ["png", "svg", "pdf"])
def test_every_output_is_written(output: str, tmp_path: Path) -> None:
    first = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[output]
    assert draw(report_of(tmp_path, [finding("LOS001", 40)]), kind="overview", output=output).startswith(first)


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,accuracy\n" + "".join(f"{n},0.{n}\n" for n in range(1, 30)))
    run = discover([tmp_path]).runs[0]
    with pytest.raises(NothingToDraw, match="epoch"):
        draw(audit_run(run, merge(run.facts), select=()), kind="epoch", output="png")


def test_names_of_a_log_are_drawn_literally(tmp_path: Path) -> None:
    assert draw(report_of(tmp_path, name="$\\frac{1}{0$ \x1b[31m \u202e"), kind="overview", output="svg")


def test_kinds_are_those_of_the_command_line() -> None:
    assert set(KINDS) == {"overview", "epoch", "schedule", "resume", "loss"}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=400),
    st.integers(min_value=4, max_value=60),
)
def test_down_sampling_keeps_extremes_and_ends(values: list[float], limit: int) -> None:
    array = np.array(values)
    kept = keep_extremes(array, limit)
    assert kept[0] == 0 and kept[-1] == len(values) - 1
    assert (np.diff(kept) > 0).all()
    finite = array[np.isfinite(array)]
    if len(finite):
        assert np.nanmax(array[kept]) == finite.max() and np.nanmin(array[kept]) == finite.min()
    assert len(kept) <= 2 * limit + 4
