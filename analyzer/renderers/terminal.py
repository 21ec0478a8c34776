"""A report for people: the worst first, the same in many runs once, sound runs counted, a summary at the end."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence

from analyzer.model import Finding, Problem, Report, RunReport
from analyzer.renderers import Look, Renderer
from analyzer.renderers.escaping import visible, without_commands
from analyzer.renderers.finding_text import brief, finding_lines, header
from analyzer.renderers.lines import cut, cut_inside, labelled, linked, paint, width_of, wrap, wrapped
from analyzer.renderers.overview import Shown, notes_by_rule, serious, told_once, worst_first
from analyzer.renderers.wording import grouped_reasons, totals
from analyzer.spelling import counted

UNREAD_SHOWN = 5  # of the files that could not be read, where others could
NAMES_SHOWN = 3  # of the runs that share a note
NAMED_IN_SUMMARY = 12  # runs with errors, and with warnings; more of them are counted
LEFT_SHOWN = 3  # of the files that are no logs
RUNS_IN_FULL = 5  # of many, the worst: what fits a few screens; of the others a line a finding


def render(report: Report, look: Look | None = None) -> str:
    """The report as lines for a terminal or a pipe."""
    look = look or Look()
    return without_commands("".join(f"{line}\n" for line in _lines(report, look)))


def _lines(report: Report, look: Look) -> Iterator[str]:
    if look.statistics:
        yield from _statistics(report, look)
    elif look.verbose or len(report.runs) == 1:
        for one in worst_first(report.runs):
            yield from _in_full(one, look)
    else:
        yield from _of_many(report.runs, look)
    shown = report.unreadable if look.verbose or not report.runs else report.unreadable[:UNREAD_SHOWN]
    for problem in shown:
        yield from _unread(problem, look)
    if len(shown) < len(report.unreadable):
        yield f"not read: {len(report.unreadable) - len(shown)} more files (-v names them)"
    if not look.quiet:
        yield from _left_alone(report, look)
    for note in report.notes:
        yield from wrapped(f"note: {visible(note)}", look, style="note", label=5)
    if not look.quiet and report.runs:
        yield from wrapped(_summary(report, look), look, style="title", label=None)
        yield from _runs_by_gravity(report, look)


def _in_full(one: RunReport, look: Look) -> Iterator[str]:
    """One run with its clocks and all that was found; notes a line each unless they are asked for."""
    if not look.quiet:
        yield from header(one, look)
    whole = [finding for finding in one.findings if finding.severity != "note" or look.notes or look.verbose]
    for finding in whole:
        yield from finding_lines(one, finding, look)
        yield ""
    notes = [finding for finding in one.findings if finding not in whole]
    yield from (brief(finding, look) for finding in notes)
    if look.quiet:
        return
    if not one.findings:
        yield from wrapped(f"nothing found by {counted(len(one.passed), 'rule')}", look, style="good", label=None)
    if not look.verbose and len(one.timeline.sessions) > 1:
        yield from _resume_not_checked(one, look)
    if notes or not one.findings:
        yield ""
    if look.verbose:
        yield from _not_checked(one, look)
        yield from (f"configured in {visible(path)}" for path in one.configured_in)


def _resume_not_checked(one: RunReport, look: Look) -> Iterator[str]:
    """What could not be looked at where a session begins: a resume of which nothing is found may not be clean."""
    for reason, codes in grouped_reasons(skip for skip in one.skipped if skip.code.startswith("RES")):
        yield from wrapped(f"not checked at the resume: {', '.join(codes)}: {reason}", look, style="dim", label=None)


def _of_many(runs: Sequence[RunReport], look: Look) -> Iterator[str]:
    told = told_once(runs)
    whole = told if len(told) <= RUNS_IN_FULL + 1 else told[:RUNS_IN_FULL]
    for shown in whole:
        if not look.quiet:
            yield from header(shown.run, look)
        for finding, elsewhere in shown.findings:
            yield from finding_lines(shown.run, finding, look, elsewhere)
            yield ""
    if len(whole) < len(told):
        rest = told[len(whole) :]
        title = f"── {len(rest)} more runs with findings, a line each: -v shows all in full "
        yield from wrapped(title + "─" * (look.width - width_of(title)), look, style="title", label=None)
        for shown in rest:
            yield from _in_lines(shown, look)
        yield ""
    if look.notes:
        for one in runs:
            yield from (f"{visible(one.run.name)}: {brief(f, look)}" for f in one.findings if f.severity == "note")
    else:
        yield from _notes(runs, look)
    if not look.quiet:
        yield from _sound(runs, look)


def _in_lines(shown: Shown, look: Look) -> Iterator[str]:
    """A run by its name, and under it a line for each kind of finding."""
    yield paint(cut_inside(visible(shown.run.run.name), look.width), "title", look)
    kinds: dict[str, list[tuple[Finding, tuple[str, ...]]]] = {}
    for finding, elsewhere in shown.findings:
        kinds.setdefault(finding.code, []).append((finding, elsewhere))
    for same in kinds.values():
        others = sum(len(elsewhere) for _, elsewhere in same)
        more = [f"{len(same) - 1} more here"] if len(same) > 1 else []
        more += [f"the same in {counted(others, 'more run')}"] if others else []
        tail = f" ({', '.join(more)})" if more else ""
        title = f"  {same[0][0].severity}[{same[0][0].code}]"
        message = cut(f" {visible(same[0][0].message)}", look.width - width_of(title) - width_of(tail))
        line = paint(title, same[0][0].severity, look) + message + paint(tail, "dim", look)
        yield linked(line, same[0][0].code, look)


def _notes(runs: Sequence[RunReport], look: Look) -> Iterator[str]:
    """A line for each rule that has notes, with the first few runs."""
    for (code, name), where in notes_by_rule(runs).items():
        title = f"note[{code}] {name}"
        told = ", ".join(visible(run) for run in where[:NAMES_SHOWN])
        rest = f" and {len(where) - NAMES_SHOWN} more" if len(where) > NAMES_SHOWN else ""
        line = f" in {counted(len(where), 'run')}: {told}{rest}"
        yield paint(title, "note", look) + cut(line, look.width - width_of(title))


def _sound(runs: Sequence[RunReport], look: Look) -> Iterator[str]:
    sound = [one for one in runs if not one.findings]
    if look.sound:
        for one in sound:
            verdict = f": nothing found by {counted(len(one.passed), 'rule')}"
            yield paint(cut_inside(visible(one.run.name), look.width - len(verdict)) + verdict, "dim", look)
    elif sound:
        yield paint(f"{counted(len(sound), 'run')}: nothing found (--show-sound lists them)", "good", look)


def _summary(report: Report, look: Look) -> str:
    silenced = sum(len(one.silenced) for one in report.runs)
    skipped = sum(len({skip.code for skip in one.skipped}) for one in report.runs)
    parts = [totals(report.runs)]
    if silenced:
        parts.append(f"{silenced} silenced")
    if skipped:
        parts.append(counted(skipped, "check") + " not possible" + ("" if look.verbose else " (-v says why)"))
    hidden = sum(finding.severity == "note" for one in report.runs for finding in one.findings)
    if hidden and not (look.notes or look.verbose or look.statistics):
        parts.append("--notes shows notes in full" if len(report.runs) == 1 else "--notes shows every note")
    return "; ".join(parts)


def _runs_by_gravity(report: Report, look: Look) -> Iterator[str]:
    """The names of the runs with errors, and of those with warnings alone: none is missed."""
    if len(report.runs) < 2 or look.statistics:
        return
    gravest = {one.run.name: {finding.severity for finding in serious(one)} for one in worst_first(report.runs)}
    for lead, style, names in (
        ("errors in: ", "error", [name for name, found in gravest.items() if "error" in found]),
        ("warnings in: ", "warning", [name for name, found in gravest.items() if found == {"warning"}]),
    ):
        if names:
            told = ", ".join(visible(name) for name in names[:NAMED_IN_SUMMARY])
            rest = f" and {len(names) - NAMED_IN_SUMMARY} more" if len(names) > NAMED_IN_SUMMARY else ""
            yield from wrapped(f"{lead}{told}{rest}", look, style=style, label=len(lead), indent=" " * len(lead))


def _unread(problem: Problem, look: Look) -> Iterator[str]:
    head, reason = f"not read: {visible(problem.source)}", visible(problem.message)
    if width_of(head) + width_of(reason) + 2 <= look.width:
        yield paint(head[:9], "warning", look) + f"{head[9:]}: {reason}"
        return
    yield paint(head[:9], "warning", look) + head[9:]
    yield from (f"  {line}" for line in wrap(reason, look.width - 2))


def _left_alone(report: Report, look: Look) -> Iterator[str]:
    """Files that were looked at and are no logs: one line, or each with its reason."""
    if not report.left_alone:
        return
    if look.verbose:
        for problem in report.left_alone:
            yield from wrapped(
                f"no log: {visible(problem.source)}: {visible(problem.message)}", look, style="dim", label=7
            )
        return
    count = len(report.left_alone)
    shown = ", ".join(visible(os.path.basename(problem.source)) for problem in report.left_alone[:LEFT_SHOWN])
    more = f" and {count - LEFT_SHOWN} more" if count > LEFT_SHOWN else ""
    yield from wrapped(
        f"no log: {counted(count, 'file')} looked at and left alone: {shown}{more} (-v says why)",
        look,
        style="dim",
        label=7,
    )


def _not_checked(one: RunReport, look: Look) -> Iterator[str]:
    groups = grouped_reasons(one.skipped)
    if groups:
        yield paint("   not checked", "dim", look)
        for reason, codes in groups:
            yield from labelled(
                codes[0] if len(codes) == 1 else ", ".join(codes),
                reason,
                look,
                indent=12 if len(codes) == 1 else min(5 + len(", ".join(codes)), look.width // 2),
            )
    for finding in one.silenced:
        yield from labelled("silenced", f"{finding.code} {visible(finding.message)}", look)
    if groups or one.silenced:
        yield ""


def _statistics(report: Report, look: Look) -> Iterator[str]:
    found = [finding for one in report.runs for finding in one.findings]
    counts = Counter((f.code, f.name, f.severity) for f in found)
    runs = {
        key: sum(any((f.code, f.name, f.severity) == key for f in one.findings) for one in report.runs)
        for key in counts
    }
    for key, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        code, name, severity = key
        line = f"{count:6d}  {severity:8s} {code} {name} (in {counted(runs[key], 'run')})"
        yield paint(cut(line, look.width), severity, look)


RENDERER = Renderer(name="terminal", title="text for people", render=render)
