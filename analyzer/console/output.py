"""Where results go: the terminal or a pipe, and files that appear whole or not at all."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import click

from analyzer.console import CannotAudit
from analyzer.renderers import Look
from analyzer.renderers.escaping import json_without_commands, without_commands
from analyzer.whole_files import whole_file

if TYPE_CHECKING:
    from analyzer.checking import Request
    from analyzer.model import Run


def look_of_stdout(*, color: str = "auto", **wanted: Any) -> Look:
    """What standard output can show, and what is wanted of it (fields of ``Look``).

    Colours by ``auto`` only on a terminal, never against NO_COLOR; ``always`` and ``never`` mean what they say.
    """
    on_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    by_itself = (on_terminal or bool(os.environ.get("FORCE_COLOR"))) and not os.environ.get("NO_COLOR")
    colored = by_itself if color == "auto" else color == "always"
    if colored and on_terminal:
        wanted.setdefault("rule_page", rule_page())
    width = max(30, shutil.get_terminal_size((100, 24)).columns)
    return Look(width=width, color=colored, **wanted)


def rule_page() -> str:
    """Address of a rule's page, {code} in it: on the site that ANALYZER_DOCS names, in this checkout, or none."""
    site = os.environ.get("ANALYZER_DOCS", "").rstrip("/")
    if site.startswith(("https://", "http://", "file://")) and site.isprintable():
        return f"{site}/rules/{{code}}.html"
    pages = Path(__file__).resolve().parents[2] / "docs" / "rules"
    if not pages.is_dir():
        return ""  # an installed package has no pages; `analyzer explain` prints them
    host = os.uname().nodename if hasattr(os, "uname") else ""  # over ssh, the terminal's own files are others
    return pages.as_uri().replace("file://", f"file://{host}", 1) + "/{code}.md"


def say(text: str | bytes, *, form: Literal["text", "json", "commands"] = "text") -> None:
    """Write to standard output; what its encoding cannot show becomes a question mark.

    Args:
        form: commands are meant for a continuous-integration runner; of anything else no line is one that it obeys.
    """
    if isinstance(text, bytes):
        sys.stdout.buffer.write(text)
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    if form != "commands":
        text = json_without_commands(text) if form == "json" else without_commands(text)
    click.echo(text, nl=bool(text) and not text.endswith("\n"), color=True)  # colours were decided by the look


def write_file(path: Path, content: str | bytes, *, spared: Iterable[str | Path] = ()) -> None:
    """Write a file whole or not at all.

    Args:
        spared: files that must not be written to: the audited logs.

    Raises:
        CannotAudit: when the file cannot be written.
    """
    with writing(path, spared=spared) as stream:
        stream.write(content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace"))


@contextmanager
def writing(path: Path, *, spared: Iterable[str | Path] = ()) -> Iterator[BinaryIO]:
    """A stream whose content takes the place of a file at the end: nobody ever reads half a file.

    Raises:
        CannotAudit: when the file cannot be written.
    """
    sys.stdout.flush()  # the file may be standard output under another name
    try:
        with whole_file(path, spared=spared) as stream:
            yield stream
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CannotAudit(f"{path}: cannot be written: {reason}; choose another file with -o") from error


def files_read(runs: Iterable[Run], request: Request) -> Iterator[str | Path]:
    """Every file that an audit has read, as far as its runs tell: no output may take the place of one."""
    yield from request.paths
    yield from (path for path in (request.config, request.baseline) if path is not None)
    for run in runs:
        yield from (source.path for source in run.sources)
        yield from (fact.found_in.partition(": ")[0] for fact in run.facts)
