"""``analyzer formats``: which logs are read, and what their conventions are taken to be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from analyzer.explaining import Explained

KINDS_SHOWN = 12  # of lines that were passed over
COLUMNS_SHOWN = 40
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]\w)")


@click.command("formats")
@click.option(
    "--format",
    "-f",
    "output_format",
    type=click.Choice(["terminal", "json", "markdown"]),
    default="terminal",
    show_default=True,
    help="How to print the list.",
)
@click.option(
    "--explain",
    "explained",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Which reader takes a file, which columns become what, and which lines say nothing.",
)
def command(output_format: str, explained: Path | None) -> None:
    """List every log format: how it is recognised, and what its step, epoch and learning rate are taken to be.

    With --explain, tell what is made of one file: the way to report a log that is not read.
    """
    from analyzer.console.output import look_of_stdout, say
    from analyzer.readers import all_readers
    from analyzer.renderers.tables import as_json, as_markdown, as_sections

    if explained is not None:
        say(_explained(explained, as_json_too=output_format == "json"))
        return
    headings = ("name", "title", "recognised by", "step", "epoch", "learning rate")
    rows = [(r.name, r.title, r.recognised_by, r.step, r.epoch, r.learning_rate) for r in all_readers()]
    if output_format == "json":
        say(as_json(("name", "title", "recognised_by", "step", "epoch", "learning_rate"), rows))
    elif output_format == "markdown":
        say(as_markdown(headings, rows))
    else:
        say(as_sections(headings, rows, look_of_stdout()))


def _explained(path: Path, *, as_json_too: bool) -> str:
    import json

    import msgspec

    from analyzer.config.files import BadConfig
    from analyzer.console import CannotAudit
    from analyzer.explaining import explain

    try:
        found = explain(path)
    except BadConfig as error:
        raise CannotAudit(str(error)) from error
    except OSError as error:
        raise CannotAudit(f"{path}: {(error.strerror or str(error)).lower()}") from error
    if as_json_too:
        from analyzer.renderers.json_report import plain

        return json.dumps(plain(msgspec.to_builtins(found)), indent=1, allow_nan=False)
    return "\n".join(_lines(path, found))


def _lines(path: Path, found: Explained) -> Iterator[str]:
    from analyzer.renderers.escaping import visible
    from analyzer.spelling import counted

    yield f"{visible(str(path))}: " + (f"read as {found.reader}" if found.reader else "no reader knows this file")
    if found.own_lines:
        yield f"  {visible(found.own_lines)}"
    for source in found.sources:
        if source.records:
            column = f" from column {visible(source.step_column)}" if source.step_column else ""
            writer = f", written by {visible(source.framework)}" if source.framework else ""
            yield f"  {counted(source.records, 'row')}, steps count {source.step_axis}{column}{writer}"
    for one in found.columns[:COLUMNS_SHOWN]:
        role = f"taken for {one.role.replace('_', ' ')}" if one.role else "no role"
        yield f"  {visible(one.tag)}: {counted(one.points, 'point')}, {role} (first: {one.first})"
    if len(found.columns) > COLUMNS_SHOWN:
        yield f"  and {len(found.columns) - COLUMNS_SHOWN} more columns"
    for fact in found.facts:
        yield f"  declares {visible(fact.key)} = {visible(str(fact.value))} ({visible(fact.found_in)})"
    for problem in found.problems:
        where = f" in row {problem.row}" if problem.row is not None else ""
        yield f"  {problem.kind}{where}: {visible(problem.message)}"
    if found.passed_over:
        lines = sum(kind.count for kind in found.passed_over)
        yield f"{counted(lines, 'line')} of {counted(len(found.passed_over), 'kind')} say nothing that is known:"
    for kind in found.passed_over[:KINDS_SHOWN]:
        yield f"  {counted(kind.count, 'line')} such as"
        yield from (f"    {number}: {visible(text[:160])}" for number, text in kind.lines)
    if len(found.passed_over) > KINDS_SHOWN:
        yield f"  and {len(found.passed_over) - KINDS_SHOWN} more kinds"
    if not found.reader and found.passed_over and (match := expression_for(found.passed_over[0].lines[0][1])):
        yield "an expression of your own reads such lines: in analyzer.toml beside the file, with names that say"
        yield "what is what (step, epoch, loss, lr, ...) for a, b, ...:"
        yield from ("  [[line]]", f"  match = {visible(match)}")


def expression_for(line: str) -> str:
    """A ``match`` of a ``[[line]]`` that reads the numbers of a line, as TOML; "" where it has none to name."""
    parts = _NUMBER.split(line.strip())
    names = ascii_lowercase[: len(parts) - 1]
    if len(parts) < 2 or len(names) < len(parts) - 1 or "'" in line or not line.isprintable():
        return ""
    groups = [f"(?P<{name}>[-+.\\deE]+)" for name in names]
    texts = [re.sub(r"([][\\^$.|?*+(){}])", r"\\\1", part) for part in parts]
    return "'" + "".join(map("".join, zip(texts, [*groups, ""], strict=True))) + "'"
