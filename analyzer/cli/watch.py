"""``analyzer watch``: follow live runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from analyzer.console import CannotAudit
from analyzer.console.options import audit_options

if TYPE_CHECKING:
    from analyzer.checking import Request


@click.command("watch")
@audit_options
@click.option(
    "--every", type=click.FloatRange(min=0.05), default=10.0, show_default=True, help="Seconds between looks."
)
@click.option("--idle", type=click.FloatRange(min=0), help="End when nothing was written for so many seconds.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "note", "never"]),
    default="never",
    show_default=True,
    help="End with exit code 1 at the first finding of this severity.",
)
def command(request: Request, every: float, idle: float | None, fail_on: str) -> None:
    """Follow live runs and tell every finding once, when the rows behind it bear it out.

    A finding is told when it was so without the last tenth of the rows as well, one about the course of
    the run (EPO, SCH, LOS004, LOS009, PRF002) without the last half; a loss that is no number, at once. What
    chance may have done once in a thousand logs, and what only a finished run can be asked, such as its
    length, is told when --idle ends the watch.
    """
    import time

    from analyzer.cli.check import exit_code
    from analyzer.config.files import BadConfig
    from analyzer.console.output import look_of_stdout, say
    from analyzer.model import GRAVE
    from analyzer.renderers.escaping import visible
    from analyzer.renderers.finding_text import finding_lines
    from analyzer.renderers.wording import totals
    from analyzer.spelling import counted
    from analyzer.watch import follow
    from analyzer.workers import NoCluster

    look = look_of_stdout()
    begun = False
    try:
        for news in follow(request, every=every, idle=idle):
            for problem in news.unreadable:
                click.echo(f"waiting: {visible(problem.source)}: {visible(problem.message)}", err=True)
            for one, finding in news.new:
                head = f"{time.strftime('%H:%M:%S')} {visible(one.run.name)}"
                say("\n".join([head, *finding_lines(one, finding, look), ""]))
            for one, finding, before in news.renamed:
                if finding.code != before.code:
                    head = f"{time.strftime('%H:%M:%S')} {visible(one.run.name)}"
                    before_as = f"told of these rows before as {before.code} {before.name}"
                    say("\n".join([f"{head}: {before_as}", *finding_lines(one, finding, look), ""]))
            for name, finding in news.withdrawn:
                head = f"{time.strftime('%H:%M:%S')} {visible(name)}"
                say(f"{head}\nno longer so: {finding.code} {finding.name}: {visible(finding.message)}\n")
            if not begun and not news.over:
                begun = True
                so_far = "" if news.new else ", nothing found so far"
                runs = counted(len(news.report.runs), "run") if news.report.runs else "for a run, there is none yet"
                say(f"watching {runs}{so_far if news.report.runs else ''}; a look every {every:g} s")
            sys.stdout.flush()
            if news.over:
                say(f"over: {totals(news.report.runs)}")
                sys.exit(exit_code(news.report, fail_on))
            told = [finding for _, finding in news.new] + [finding for _, finding, _ in news.renamed]
            if any(finding.severity in GRAVE[fail_on] for finding in told):
                sys.exit(1)
    except (BadConfig, NoCluster) as error:
        raise CannotAudit(str(error)) from error
