"""``analyzer compare``: runs on equal footing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.console import CannotAudit
from analyzer.console.options import reading_options
from analyzer.spelling import did_you_mean

if TYPE_CHECKING:
    from analyzer.checking import Request
    from analyzer.comparison import Axis, Comparison
    from analyzer.model import Report
    from analyzer.renderers.comparison_text import Context
    from analyzer.timeline import Timeline

FIGURES = (".png", ".svg", ".pdf")

AXES = ("updates", "samples", "tokens", "epochs", "time")


@click.command("compare")
@reading_options
@click.option(
    "--by", "axes", multiple=True, type=click.Choice(AXES), help="What to hold equal (repeatable); all without it."
)
@click.option("--tag", help="The metric; the training loss without it.")
@click.option("--higher/--lower", "higher", default=None, help="Which is better; by the metric's name without it.")
@click.option(
    "--format",
    "-f",
    "output_format",
    type=click.Choice(["terminal", "json"]),
    default="terminal",
    show_default=True,
    help="How to print it.",
)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path),
    help="Write a page (.html), a figure (.png, .svg, .pdf) or what is printed to a file instead.",
)  # fmt: skip
def command(
    request: Request,
    axes: tuple[str, ...],
    tag: str | None,
    higher: bool | None,
    output_format: str,
    output: Path | None,
) -> None:
    """Compare a metric of several runs after the same updates, samples, tokens, epochs or time.

    The best run comes first. A value is the median over the last 5 % of the budget. Replayed steps count once, pauses
    between two lives of a process do not count as time. Then: what is declared differently of the runs, and the first
    step at which epoch, learning rate and loss of each run and the one before it part.
    """
    from analyzer.cli.check import checked
    from analyzer.comparison import AXES as ALL
    from analyzer.comparison import compare_runs, sounds_better_when_high
    from analyzer.console.output import files_read, look_of_stdout, say, write_file
    from analyzer.doubts import doubts, heights_apart
    from analyzer.parting import configuration_differences, partings
    from analyzer.renderers import Look
    from analyzer.renderers.comparison_text import Context, as_json, as_text
    from analyzer.renderers.escaping import visible

    report = checked(request, quiet=output_format == "json", keep_series=True)
    timelines = [one.timeline for one in report.runs]
    for problem in report.unreadable:
        click.echo(f"not read: {visible(problem.source)}: {visible(problem.message)}", err=True)
    if not timelines:
        sys.exit(2)
    if len(timelines) < 2:
        raise CannotAudit("one run alone cannot be compared; name a second one")
    tags = sorted({name for one in timelines for name in one.view.series})
    if tag is not None and tag not in tags:
        hint = did_you_mean(tag, tags, otherwise="`analyzer timeline` lists the tags")
        raise CannotAudit(f"--tag: no run has a tag {visible(tag)!r}; {visible(hint)}")
    chosen = [axis for axis in ALL if not axes or axis in axes]
    found = compare_runs(timelines, axes=chosen, tag=tag, higher_is_better=higher)
    metrics = [one.tag for comparison in found for one in comparison.standings]
    compared = [one.axis for one in found if len(one.standings) > 1]
    context = Context(
        warning=heights_apart(timelines) if tag is None else None,
        higher_is_better=higher if higher is not None else bool(metrics) and sounds_better_when_high(metrics[0]),
        doubts=tuple(one.in_words for one in doubts(report.runs, compared)),
        differences=configuration_differences(timelines),
        partings=partings(timelines),
    )
    spared = list(files_read((one.run for one in timelines), request))
    if output is None or output.suffix.lower() not in (".html", *FIGURES):
        look = look_of_stdout() if output is None else Look()
        text = as_json(found, context) if output_format == "json" else as_text(found, context, look)
        if output is None:
            say(text, form="json" if output_format == "json" else "text")
        else:
            write_file(output, text, spared=spared)
    elif output.suffix.lower() == ".html":
        write_file(output, _page(report, found, context), spared=spared)
    else:
        write_file(output, _figure(timelines, chosen, tag, output, context.doubts), spared=spared)
    sys.exit(0 if any(len(one.standings) > 1 for one in found) else 2)


def _page(report: Report, found: list[Comparison], context: Context) -> str:
    from analyzer.renderers.comparison_page import values_of
    from analyzer.renderers.html_report import render

    shown = values_of(found, context, [one.run.name for one in report.runs])
    return render(report, title="Runs compared", figures=False, comparison=shown)


def _figure(timelines: list[Timeline], axes: list[Axis], tag: str | None, output: Path, notes: Sequence[str]) -> bytes:
    from analyzer.renderers.comparison_figure import draw
    from analyzer.renderers.figures import NothingToDraw

    try:
        return draw(timelines, axes, tag, output=output.suffix.lower().lstrip("."), notes=notes)
    except NothingToDraw as reason:
        raise CannotAudit(str(reason)) from reason
