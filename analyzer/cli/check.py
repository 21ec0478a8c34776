"""``analyzer check``: the main job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analyzer.console import CannotAudit
from analyzer.console.options import audit_options
from analyzer.spelling import did_you_mean

if TYPE_CHECKING:
    from analyzer.checking import Request
    from analyzer.model import Report

PRINTED: dict[str, Any] = {"github": "commands", "json": "json", "sarif": "json", "gitlab": "json"}
BASELINE = Path("analyzer-baseline.json")


def format_names(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Names of formats for the shell's completion."""
    from analyzer.renderers import all_renderers

    return sorted(name for name in all_renderers() if name.startswith(begun))


@click.command("check")
@audit_options
@click.option(
    "--format",
    "-f",
    "formats",
    multiple=True,
    metavar="FORMAT",
    shell_complete=format_names,
    help="terminal, concise, json, sarif, junit, github, gitlab, markdown or html; to standard output or -o FILE.",
)
@click.option(
    "--output",
    "-o",
    "outputs",
    multiple=True,
    metavar="[FORMAT:]FILE",
    help="Write to a file; with FORMAT: in front, besides what is printed (repeatable).",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "note", "never"]),
    default="warning",
    show_default=True,
    help="The least severity that makes the exit code 1.",
)
@click.option("--write-baseline", is_flag=True, help=f"Write all findings as known to --baseline (or {BASELINE}).")
@click.option("--statistics", is_flag=True, help="Counts per rule instead of findings.")
@click.option("--verbose", "-v", is_flag=True, help="Also what was not checked and why, and what was silenced.")
@click.option("--quiet", "-q", is_flag=True, help="Findings only.")
@click.option("--notes", is_flag=True, help="Every note in full, not a line each.")
@click.option("--show-sound", is_flag=True, help="Name every run without findings, not only their number.")
@click.option(
    "--show-settings", is_flag=True, help="Audit nothing; print what each run would be audited under."
)
@click.option(
    "--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True, help="Colours."
)
def command(
    request: Request,
    formats: tuple[str, ...],
    outputs: tuple[str, ...],
    fail_on: str,
    write_baseline: bool,
    statistics: bool,
    verbose: bool,
    quiet: bool,
    notes: bool,
    show_sound: bool,
    color: str,
    show_settings: bool,
) -> None:
    """Audit logs and print what cannot be true.

    PATH is a log file, a run's folder, or a tree of runs. Exit codes: 0 nothing at or above --fail-on, 1 findings,
    2 the audit could not be made.
    """
    from msgspec.structs import replace

    from analyzer.config.baseline import baseline_text
    from analyzer.console.output import files_read, look_of_stdout, say, write_file
    from analyzer.renderers import renderer_named

    if show_settings:
        say(settings_text(request))
        return
    targets = planned_outputs(formats, outputs)
    baseline = request.baseline or BASELINE
    report = checked(
        replace(request, baseline=None) if write_baseline else request,
        quiet=quiet,
        keep_series=any(name == "html" for name, _ in targets),
    )
    spared = list(files_read((one.run for one in report.runs), replace(request, baseline=None)))
    if write_baseline:
        write_file(baseline, baseline_text(report), spared=spared)
        say(f"{baseline}: {sum(len(one.findings) for one in report.runs)} findings are known from now on")
        return
    look = look_of_stdout(
        color=color,
        verbose=verbose,
        statistics=statistics,
        quiet=quiet,
        notes=notes,
        sound=show_sound,
        fail_on=fail_on,
    )
    for name, file in targets:
        content = renderer_named(name).render(report, look if file is None else replace(look, color=False, width=100))
        if file is None:
            say(content, form=PRINTED.get(name, "text"))
        else:
            write_file(file, content, spared=spared)
    if any(name == "github" for name, _ in targets):
        _append_step_summary(report)
    if not report.runs and all(file is not None or name != "terminal" for name, file in targets):
        for problem in report.unreadable:
            from analyzer.renderers.escaping import visible

            click.echo(f"not read: {visible(problem.source)}: {visible(problem.message)}", err=True)
    sys.exit(exit_code(report, fail_on))


def settings_text(request: Request) -> str:
    """What every run found at the paths would be audited under.

    Raises:
        CannotAudit: when a configuration cannot be followed, or nothing is found.
    """
    from analyzer.checking import find_all
    from analyzer.config.declared import merge
    from analyzer.config.files import BadConfig
    from analyzer.configured import settings_of
    from analyzer.renderers.settings_text import as_text

    found = find_all(request)
    if not found.runs:
        raise CannotAudit("; ".join(f"{one.source}: {one.message}" for one in found.unreadable) or "no training log")
    try:
        return "\n".join(
            as_text(run.name, settings, merge(request.facts, settings.facts, run.facts), request)
            for run in found.runs
            for settings in [settings_of(run, request.config, isolated=request.isolated)]
        )
    except BadConfig as error:
        raise CannotAudit(str(error)) from error


def exit_code(report: Report, fail_on: str) -> int:
    """0 nothing at or above ``fail_on``; 1 findings; 2 nothing could be audited."""
    from analyzer.model import GRAVE

    if not report.runs:
        return 2
    return int(any(finding.severity in GRAVE[fail_on] for one in report.runs for finding in one.findings))


def planned_outputs(formats: tuple[str, ...], outputs: tuple[str, ...]) -> list[tuple[str, Path | None]]:
    """What to write where: (format, file), the file None for standard output."""
    from analyzer.renderers import ENDINGS, all_renderers

    def known(name: str, option: str = "--format") -> str:
        from analyzer.renderers import renderer_named

        try:
            return renderer_named(name).name
        except KeyError:
            names = sorted(all_renderers())
            hint = did_you_mean(name, names, otherwise=f"formats: {', '.join(names)}")
            raise CannotAudit(f"{option}: there is no format {name!r}; {hint}") from None

    targets: list[tuple[str, Path | None]] = []
    plain: list[Path] = []
    for output in outputs:
        name, colon, file = output.partition(":")
        if colon and file and name.isidentifier() and len(name) > 1:
            targets.append((known(name, f"-o {output}"), Path(file)))
        else:
            plain.append(Path(output))
    printed = [known(name) for name in formats]
    if len(plain) > 1 or (plain and len(printed) > 1):
        raise CannotAudit("-o: say which format goes to which file, as in -o sarif:out.sarif -o junit:out.xml")
    if plain:
        inferred = known(ENDINGS.get(plain[0].suffix, "terminal"))
        return [(printed[0] if printed else inferred, plain[0]), *targets]
    return [*((name, None) for name in printed or ["terminal"]), *targets]


def checked(request: Request, *, quiet: bool = False, keep_series: bool = False) -> Report:
    """The report of a request, with a progress bar when it takes longer than a second.

    Raises:
        CannotAudit: when a configuration cannot be followed, or a cluster does not do the work.
    """
    from analyzer.checking import check
    from analyzer.config.files import BadConfig
    from analyzer.console.progress import late_progress
    from analyzer.workers import NoCluster

    try:
        with late_progress(wanted=not quiet) as progress:
            return check(request, progress, keep_series=keep_series)
    except (BadConfig, NoCluster) as error:
        raise CannotAudit(str(error)) from error


def _append_step_summary(report: Report) -> None:
    """GitHub shows what is appended to this file on the page of the job."""
    import os

    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        from analyzer.renderers import Look, renderer_named

        content = renderer_named("markdown").render(report, Look())
        try:
            with open(summary, "a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(content if isinstance(content, str) else content.decode())
        except OSError as error:  # the verdict of the job does not hang on it
            click.echo(f"no step summary: {summary}: {(error.strerror or str(error)).lower()}", err=True)
