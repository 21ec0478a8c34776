"""A run's head, and a finding as a compiler shows it: what, where, the rows that prove it, the curve, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from analyzer.model import Finding, Row, RunReport
from analyzer.renderers import Look
from analyzer.renderers.curve import curve_around, place_in_curve, sparkline
from analyzer.renderers.escaping import visible
from analyzer.renderers.lines import cut, labelled, linked, paint, width_of, wrap, wrapped
from analyzer.renderers.wording import (
    contradicted,
    files_of,
    main_row,
    number,
    place_of,
    reconstruction,
    rounded,
)
from analyzer.spelling import counted

ROWS_SHOWN = 8  # of the evidence; a finding should need fewer


def header(one: RunReport, look: Look) -> Iterator[str]:
    """The run's name, its files, and what was reconstructed of its clocks."""
    name = visible(one.run.name)
    rule = "─" * max(3, look.width - width_of(name) - 4)
    yield paint(f"── {name} {rule}"[: look.width + 40], "title", look)
    yield from labelled("files", files_of(one.timeline), look)
    for label, text in reconstruction(one.timeline):
        yield from labelled(label, text, look)
    for text in contradicted(one):
        yield from labelled("declared", text, look)
    for problem in one.run.problems:
        if look.verbose or problem.kind in ("row", "not-read", "unreadable"):
            where = f":{problem.row}" if problem.row is not None else ""
            yield from labelled("problem", f"{visible(problem.source)}{where}: {visible(problem.message)}", look)
    yield ""


def brief(finding: Finding, look: Look) -> str:
    """A finding in one line of the width that is there."""
    title = f"{finding.severity}[{finding.code}] {finding.name}:"
    line = paint(title, finding.severity, look) + cut(f" {visible(finding.message)}", look.width - width_of(title))
    return linked(line, finding.code, look)


def names_in_short(names: Sequence[str], shown: int = 3) -> str:
    """``2 more runs: a, b``; of many, the first few."""
    told = ", ".join(visible(name) for name in names[:shown])
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{counted(len(names), 'more run')}: {told}{rest}"


def finding_lines(one: RunReport, finding: Finding, look: Look, elsewhere: Sequence[str] = ()) -> Iterator[str]:
    """One finding, as a compiler would show it; ``elsewhere`` names further runs that have the same."""
    title = f"{finding.severity}[{finding.code}] {finding.name}:"
    lines = wrapped(f"{title} {visible(finding.message)}", look, style=finding.severity, label=len(title), indent="  ")
    yield from (linked(line, finding.code, look) for line in lines)
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
    if elsewhere:
        yield from _under("also", f"in {names_in_short(elsewhere)}", look)


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
    word = "row" if first is None else "line" if first.line_numbers else first.a_row
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
    values, column = curve_around(series, index, min(60, max(10, look.width - 10)))
    curve, finite = sparkline(values), values[np.isfinite(values)]
    reach = f"  {rounded(finite.min(), 4)} to {rounded(finite.max(), 4)}" if len(set(finite)) > 1 else ""
    tag = visible(series.tag)
    label = f"{tag}, step {int(series.step[index])}" if finding.first_step is not None else tag
    reach = reach if width_of(curve + reach) <= look.width - 6 else ""
    yield (paint(curve, "dim", look) if len(set(curve)) == 1 else curve) + paint(reach, "dim", look)
    pointer = f"^ {label}" if column + 2 + width_of(label) <= look.width - 6 else "^"
    before = f"{label} ^"
    if pointer == "^" and len(before) <= column + 1:
        yield before.rjust(column + 1)
    else:
        yield paint(" " * column + pointer, finding.severity, look)
