"""Findings as a compiler shows them: what, where, the rows that prove it, the curve around it, what to do."""

from __future__ import annotations

import textwrap
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from analyzer.model import Finding, Problem, Report, Row, RunReport
from analyzer.renderers import Look, Renderer
from analyzer.renderers.curve import curve_around, place_in_curve
from analyzer.renderers.escaping import visible
from analyzer.renderers.wording import (
    counted,
    files_of,
    grouped_reasons,
    main_row,
    number,
    place_of,
    reconstruction,
    row_word,
    totals,
)

STYLES = {"error": "1;31", "warning": "1;33", "note": "1;36", "title": "1", "dim": "2", "gutter": "34", "good": "32"}
ROWS_SHOWN = 8  # of the evidence; a finding should need fewer
UNREAD_SHOWN = 5  # of the files that could not be read, where others could
RUNS_IN_FULL = 1  # with more runs, one without findings is one line


def render(report: Report, look: Look | None = None) -> str:
    """The report as lines for a terminal or a pipe."""
    look = look or Look()
    return "".join(f"{_no_command(line)}\n" for line in _lines(report, look))


def _no_command(line: str) -> str:
    """The line, never one that a continuous-integration runner obeys: they look for ``::`` and ``##[`` in front."""
    start = line.lstrip()
    return line.replace(start[:2], f"{start[0]} {start[1]}", 1) if start.startswith(("::", "##[")) else line


def _lines(report: Report, look: Look) -> Iterator[str]:
    if look.statistics:
        yield from _statistics(report, look)
    else:
        for one in report.runs:
            yield from _run(one, look, in_full=look.verbose or len(report.runs) <= RUNS_IN_FULL)
    shown = report.unreadable if look.verbose or not report.runs else report.unreadable[:UNREAD_SHOWN]
    for problem in shown:
        yield from _unread(problem, look)
    if len(shown) < len(report.unreadable):
        yield f"not read: {len(report.unreadable) - len(shown)} more files (-v names them)"
    for note in report.notes:
        yield from _wrapped(f"note: {visible(note)}", look, style="note", label=5)
    if not look.quiet and report.runs:
        yield from _wrapped(_summary(report, look), look, style="title", label=None)


def _end_of(name: str, width: int) -> str:
    """A name that fits, without its beginning: runs of one folder differ in the end."""
    if width_of(name) <= width:
        return name
    while name and width_of(name) > max(width - 3, 8):
        name = name[1:]
    return f"...{name}"


def _summary(report: Report, look: Look) -> str:
    silenced = sum(len(one.silenced) for one in report.runs)
    skipped = sum(len({skip.code for skip in one.skipped}) for one in report.runs)
    parts = [totals(report.runs)]
    if silenced:
        parts.append(f"{silenced} silenced")
    if skipped:
        parts.append(counted(skipped, "check") + " not possible" + ("" if look.verbose else " (-v says why)"))
    return "; ".join(parts)


def _unread(problem: Problem, look: Look) -> Iterator[str]:
    head, reason = f"not read: {visible(problem.source)}", visible(problem.message)
    if width_of(head) + width_of(reason) + 2 <= look.width:
        yield paint(head[:9], "warning", look) + f"{head[9:]}: {reason}"
        return
    yield paint(head[:9], "warning", look) + head[9:]
    yield from (f"  {line}" for line in wrap(reason, look.width - 2))


def _run(one: RunReport, look: Look, *, in_full: bool) -> Iterator[str]:
    if not look.quiet:
        if one.findings or in_full:
            yield from header(one, look)
        else:
            verdict = f": nothing found by {counted(len(one.passed), 'rule')}"
            yield paint(_end_of(visible(one.run.name), look.width - len(verdict)) + verdict, "dim", look)
            return
    for finding in one.findings:
        yield from finding_lines(one, finding, look)
        yield ""
    if look.quiet:
        return
    if not one.findings:
        yield from _wrapped(f"nothing found by {counted(len(one.passed), 'rule')}", look, style="good", label=None)
        yield ""
    if look.verbose:
        yield from _not_checked(one, look)


def header(one: RunReport, look: Look) -> Iterator[str]:
    """The run's name, its files, and what was reconstructed of its clocks."""
    name = visible(one.run.name)
    rule = "─" * max(3, look.width - width_of(name) - 4)
    yield paint(f"── {name} {rule}"[: look.width + 40], "title", look)
    yield from labelled("files", files_of(one.timeline), look)
    for label, text in reconstruction(one.timeline):
        yield from labelled(label, text, look)
    for problem in one.run.problems:
        if look.verbose or problem.kind in ("row", "not-read", "unreadable"):
            where = f":{problem.row}" if problem.row is not None else ""
            yield from labelled("problem", f"{visible(problem.source)}{where}: {visible(problem.message)}", look)
    yield ""


def labelled(label: str, text: str, look: Look, indent: int = 12) -> Iterator[str]:
    """A label in a column of its own, and text that wraps beside it."""
    lines = wrap(text, max(20, look.width - indent))
    for number_of_line, line in enumerate(lines):
        shown = paint(f"   {label}".ljust(indent), "dim", look) if number_of_line == 0 else " " * indent
        yield shown + line


def finding_lines(one: RunReport, finding: Finding, look: Look) -> Iterator[str]:
    """One finding, as a compiler would show it."""
    title = f"{finding.severity}[{finding.code}] {finding.name}:"
    yield from _wrapped(
        f"{title} {visible(finding.message)}", look, style=finding.severity, label=len(title), indent="  "
    )
    bar = "   " + paint("|", "gutter", look)
    row = main_row(finding)
    if row is not None:
        yield "  " + paint("-->", "gutter", look) + " " + place_of(one.run, row)
        yield from (f"{bar}  {line}" for line in _table(one, finding.evidence, look.width - 6))
    picture = list(_picture(one, finding, look))
    if picture:
        yield bar
        yield from (f"{bar}  {line}" for line in picture)
    for consequence in finding.consequences:
        yield from _under("so", visible(consequence), look)
    if finding.help:
        yield from _under("help", visible(finding.help), look)


def _under(label: str, text: str, look: Look) -> Iterator[str]:
    lead = f"   = {label}: "
    lines = wrap(text, max(20, look.width - len(lead)))
    for index, line in enumerate(lines):
        yield (
            f"   {paint('=', 'gutter', look)} {paint(label + ':', 'title', look)} " if index == 0 else " " * len(lead)
        ) + line


def _table(one: RunReport, evidence: tuple[Row, ...], width: int) -> Iterator[str]:
    """Evidence rows under headings; where several files are quoted, each change of file is a line."""
    half = ROWS_SHOWN // 2
    rows = evidence if len(evidence) <= ROWS_SHOWN else (*evidence[:half], *evidence[1 - half :])
    formats = {source.path: source for source in one.run.sources}
    first = formats.get(evidence[0].source)
    word = "line" if first is not None and first.line_numbers else row_word(first.format if first else "")
    short = short_names({row.source for row in evidence})
    cells = [(word, "step", "tag", "value")]
    cells += [(str(r.row), "" if r.step is None else str(r.step), visible(r.tag), number(r.value)) for r in rows]
    sizes = [max(width_of(line[column]) for line in cells) for column in range(4)]
    lines = [
        "  ".join(_padded(*cell) for cell in zip(line, sizes, (True, True, False, True), strict=True)) for line in cells
    ]
    yield cut(lines[0], width)
    quoted = ""
    for index, (row, line) in enumerate(zip(rows, lines[1:], strict=True)):
        if len(short) > 1 and row.source != quoted:
            quoted = row.source
            yield f"in {short[quoted]}:"
        if index == half and len(rows) < len(evidence):
            yield f"... {len(evidence) - len(rows)} more rows"
        yield from _with_reason(line, visible(row.why), width)


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Paths by their last parts, as many as tell them apart."""
    paths = list(paths)
    for parts in range(1, 6):
        short = {path: visible("/".join(path.rstrip("/").split("/")[-parts:])) for path in paths}
        if len(set(short.values())) == len(paths):
            return short
    return {path: visible(path) for path in paths}


def _with_reason(line: str, why: str, width: int) -> Iterator[str]:
    """A row of numbers and beside it, or below it where it is narrow, what is to be seen in it."""
    if not why:
        yield cut(line, width)
    elif width_of(line) + width_of(why) + 2 <= width:
        yield f"{line}  {why}"
    else:
        yield cut(line, width)
        yield from (f"      {text}" for text in wrap(f"^ {why}", width - 6))


def _padded(text: str, size: int, right: bool) -> str:
    fill = " " * (size - width_of(text))
    return fill + text if right else text + fill


def _picture(one: RunReport, finding: Finding, look: Look) -> Iterator[str]:
    found = place_in_curve(one.timeline, finding)
    if found is None:
        return
    series, index = found
    curve, column = curve_around(series, index, min(60, max(10, look.width - 10)))
    tag = visible(series.tag)
    label = f"{tag}, step {int(series.step[index])}" if finding.first_step is not None else tag
    yield paint(curve, "dim", look) if len(set(curve)) == 1 else curve
    pointer = f"^ {label}" if column + 2 + width_of(label) <= look.width - 6 else "^"
    before = f"{label} ^"
    if pointer == "^" and len(before) <= column + 1:
        yield before.rjust(column + 1)
    else:
        yield paint(" " * column + pointer, finding.severity, look)


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


def _wrapped(text: str, look: Look, *, style: str, label: int | None, indent: str = "") -> Iterator[str]:
    """Wrapped text of which the first ``label`` characters are painted; all of it when None."""
    for index, line in enumerate(wrap(text, look.width, indent)):
        if label is None:
            yield paint(line, style, look)
        elif index == 0:
            yield paint(line[:label], style, look) + line[label:]
        else:
            yield line


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most ``width`` columns where words allow; a path is never broken."""
    return textwrap.wrap(
        text, max(20, width), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ) or [""]


def width_of(text: str) -> int:
    """Columns that a text takes in a terminal: wide East Asian signs two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, width: int) -> str:
    """The text, ended by dots where it would not fit."""
    if width_of(text) <= width:
        return text
    while text and width_of(text) > width - 3:
        text = text[:-1]
    return text + "..."


def paint(text: str, style: str, look: Look) -> str:
    """The text in a style of its own on a colour terminal."""
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if look.color and text else text


RENDERER = Renderer(name="terminal", title="text for people", render=render)
