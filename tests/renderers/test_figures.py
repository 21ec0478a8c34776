"""Figures by structure: which panels, curves and marks they hold. Looks are judged by eye."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analyzer.auditing import audit_run
from analyzer.config.declared import facts_from_options, merge
from analyzer.discovery import discover
from analyzer.model import Finding, Row, RunReport
from analyzer.renderers.chart_axes import scales_of
from analyzer.renderers.chart_data import keep_extremes
from analyzer.renderers.charts import Line, charts_of
from analyzer.renderers.figures import KINDS, NothingToDraw, _curve, draw, figure_of
from analyzer.rules.examples import falling_loss, table
from tests.event_files import write_events


def report_of(folder: Path, findings: Sequence[Finding] = (), name: str = "run") -> RunReport:
    """A small run of 100 steps, 20 an epoch, with the given findings instead of the rules' own."""
    from msgspec.structs import replace

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
    assert set(KINDS) == {"overview", "epoch", "schedule", "resume", "loss", "time"}


def timed(folder: Path, pause: float, *, rate: float | None = None) -> RunReport:
    """200 rows a second apart with one pause before row 120; the learning rate is constant where one is given."""
    head = ("step", "loss", "wall_time", *(("lr",) if rate is not None else ()))
    rows = [
        (s, falling_loss(s), 1.7e9 + s + (pause if s >= 120 else 0), *((rate,) if rate is not None else ()))
        for s in range(1, 201)
    ]
    (folder / "log.csv").write_text(table(head, rows))
    (run,) = discover([folder]).runs
    return audit_run(run, merge(run.facts))


def test_a_stall_is_marked_on_wall_time(tmp_path: Path) -> None:
    report = timed(tmp_path, 3000.0)
    (chart,) = [one for one in charts_of(report) if one.key == "sessions"]
    (mark,) = chart.marks
    assert (mark.code, mark.step, mark.y) == ("PRF002", 119, 119) and mark.time is not None
    ids = {artist.get_gid() for panel in figure_of(report, "overview").axes for artist in panel.get_children()}
    assert "finding-PRF002" in ids


def test_without_a_stall_the_overview_has_no_wall_time(tmp_path: Path) -> None:
    titles = [panel.get_title(loc="left") for panel in figure_of(timed(tmp_path, 0.0), "overview").axes]
    assert "Steps on wall time" not in titles


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_a_rate_that_never_changes_has_no_position(rate: float, tmp_path: Path) -> None:
    assert "position" not in {one.key for one in charts_of(timed(tmp_path, 0.0, rate=rate))}


def test_a_series_of_another_unit_shares_no_axis(tmp_path: Path) -> None:
    """Keras writes the validation loss over epochs and over iterations."""
    for part, tags in (("train", ("epoch_loss",)), ("validation", ("epoch_loss", "evaluation_loss_vs_iterations"))):
        size = {"epoch_loss": 1, "evaluation_loss_vs_iterations": 20}
        rows = [(e * size[tag] + (tag in tags[1:]) * 20, {tag: 2 / (e + 1)}) for tag in tags for e in range(20)]
        write_events(tmp_path / part, rows)
    (run,) = discover([tmp_path]).runs
    (chart,) = [one for one in charts_of(audit_run(run, merge(run.facts), select=())) if one.key == "loss"]
    names = [line.name for line in chart.lines]
    assert "validation/epoch_loss" in names and not any("iterations" in name for name in names)


@pytest.mark.parametrize(("factor", "parts"), [(1.0, 1), (4.0, 2)])
def test_the_level_of_a_loss_leads_over_no_jump(factor: float, parts: int, tmp_path: Path) -> None:
    noise = np.random.default_rng(3).normal(0, 0.05, 600)
    loss = (0.5 + np.exp(-np.arange(600) / 80)) * np.exp(noise) * np.where(np.arange(600) < 300, 1, factor)
    (tmp_path / "log.csv").write_text(table(("step", "loss"), [(step + 1, value) for step, value in enumerate(loss)]))
    (run,) = discover([tmp_path]).runs
    (chart,) = charts_of(audit_run(run, merge(run.facts)))
    level = chart.lines[1]
    assert level.style == "level" and level.session is not None and len(set(level.session)) == parts
    assert np.allclose(level.y[290:310] / loss[290:310], 1, atol=0.25)  # on either side its own
    above, below = (line.y for line in chart.lines[2:4])
    assert np.mean((below < loss) & (loss < above)) > 0.98  # the band of its noise
    assert np.mean(above - below) < 16 * 0.05 * np.mean(loss)  # no wider than twice what was put in


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


def doubled_rate_report(folder: Path) -> RunReport:
    """A linear schedule of 100 updates that moves by two steps an update."""
    rows = [(step, falling_loss(step), 0.1 * max(0.0, 1 - 2 * (step - 1) / 100)) for step in range(1, 101)]
    (folder / "log.csv").write_text(table(("step", "loss", "lr"), rows))
    (run,) = discover([folder]).runs
    declared = {"scheduler": "linear", "max_steps": 100, "base_lr": 0.1, "warmup_steps": 0}
    return audit_run(run, merge(run.facts, facts_from_options([f"{key}={value}" for key, value in declared.items()])))


def test_the_declared_schedule_is_drawn_where_another_one_ran(tmp_path: Path) -> None:
    (chart,) = (chart for chart in charts_of(doubled_rate_report(tmp_path)) if chart.key == "schedule")
    (declared,) = (line for line in chart.lines if line.style == "declared")
    np.testing.assert_allclose(declared.y, 0.1 * (1 - np.arange(100) / 100), atol=1e-9)


def test_no_declared_schedule_beside_one_that_ran_as_declared(tmp_path: Path) -> None:
    assert all(line.style != "declared" for chart in charts_of(report_of(tmp_path)) for line in chart.lines)


def test_evidence_is_marked_on_the_curve_it_was_read_from(tmp_path: Path) -> None:
    report = report_of(tmp_path, [finding("RES007", 40)])
    heights = {chart.key: [mark.y for mark in chart.marks] for chart in charts_of(report) if chart.marks}
    assert heights["loss"] == [1.0], "the value of the evidence row"
    assert len(heights["epoch"]) == 1, "elsewhere only the place"


@pytest.mark.parametrize(("apart", "unit"), [(0.01, "seconds"), (5, "minutes"), (200, "hours"), (9000, "days")])
def test_time_is_told_in_a_unit_that_fits(apart: float, unit: str, tmp_path: Path) -> None:
    rows = [(step, 1.7e9 + apart * step, falling_loss(step)) for step in range(1, 101)]
    (tmp_path / "log.csv").write_text(table(("step", "timestamp", "loss"), rows))
    (run,) = discover([tmp_path]).runs
    (chart,) = (chart for chart in charts_of(audit_run(run, merge(run.facts), select=())) if chart.by_time)
    assert chart.x_label == f"{unit} since the first record"
    assert max(line.x["time"].max() for line in chart.lines) < 500


COUNTERS: list[tuple[str, Callable[[int], float], tuple[float, float] | None]] = [
    ("a constant batch", lambda step: 4096.0 * step, (4096.0, 0.0)),
    ("counted from the step before", lambda step: 4096.0 * (step - 1), (4096.0, -4096.0)),
    ("padding, a little more or less", lambda step: 4096.0 * step + 100 * (step % 3), (4096.0, 100.0)),
    ("a ramp of the batch", lambda step: 40.0 * step * step, None),
    ("a counter that starts over", lambda step: 4096.0 * (step % 60), None),
    ("a counter that stands", lambda step: 4096.0, None),
]


@pytest.mark.parametrize(("what", "tokens", "scale"), COUNTERS, ids=[row[0] for row in COUNTERS])
def test_a_logged_counter_is_an_axis_where_it_is_straight(
    what: str, tokens: Callable[[int], float], scale: tuple[float, float] | None, tmp_path: Path
) -> None:
    rows = [(step, falling_loss(step), tokens(step)) for step in range(1, 101)]
    (tmp_path / "log.csv").write_text(table(("step", "loss", "tokens"), rows))
    run = discover([tmp_path]).runs[0]
    found = scales_of(audit_run(run, merge(run.facts), select=())).get("tokens")
    assert (found is None) == (scale is None)
    if scale is not None:
        np.testing.assert_allclose(found, scale, rtol=0.01, atol=100)


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ([finding("LOS001", 40)], "run\nLOS001: something at 40"),
        ([finding("SCH001", 40)], "run"),  # not of this figure
        ([], "run"),
    ],
)
def test_the_title_says_what_is_seen(findings: list[Finding], said: str, tmp_path: Path) -> None:
    assert figure_of(report_of(tmp_path, findings), "loss").get_suptitle() == said


def test_a_figure_of_resumes_needs_one(tmp_path: Path) -> None:
    with pytest.raises(NothingToDraw, match="never resumed"):
        figure_of(report_of(tmp_path), "resume")


def test_sessions_are_told_apart(tmp_path: Path) -> None:

    panel = Figure().subplots()
    steps = np.array([1.0, 2, 3, 2, 3, 4])
    line = Line(name="loss", x={"step": steps}, y=steps, session=np.array([0, 0, 0, 1, 1, 1]))
    _curve(panel, line, "step", 0)
    looks = {(one.get_color(), one.get_linestyle(), one.get_label()) for one in panel.lines}
    assert len(looks) == 2 and {look[2] for look in looks} == {"loss, session 1", "loss, session 2"}


@pytest.mark.parametrize("step", [1, 50, 100])
def test_labels_stay_inside_the_axes(step: int, tmp_path: Path) -> None:
    figure = figure_of(report_of(tmp_path, [finding("LOS001", step)]), "loss")
    FigureCanvasAgg(figure).draw()
    panel = figure.axes[0]
    (label,) = panel.texts
    box, frame = label.get_window_extent(), panel.get_window_extent()
    assert frame.x0 - 2 <= box.x0 and box.x1 <= frame.x1 + 2 and box.y1 <= frame.y1 + 12


def test_fonts_of_a_pdf_are_truetype(tmp_path: Path) -> None:
    data = draw(report_of(tmp_path), kind="loss", output="pdf")
    assert b"/Type3" not in data and (b"/TrueType" in data or b"/CIDFontType2" in data)
