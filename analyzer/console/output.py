"""Where results go: the terminal or a pipe, and files that appear whole or not at all."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from analyzer.console import CannotAudit
from analyzer.renderers import Look


def look_of_stdout(*, color: str = "auto", **wanted: bool) -> Look:
    """What standard output can show, and what is wanted of it (fields of ``Look``).

    Colours by ``auto`` only on a terminal, never against NO_COLOR; ``always`` and ``never`` mean what they say.
    """
    on_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    by_itself = (on_terminal or bool(os.environ.get("FORCE_COLOR"))) and not os.environ.get("NO_COLOR")
    colored = by_itself if color == "auto" else color == "always"
    width = max(30, shutil.get_terminal_size((100, 24)).columns)
    return Look(width=width, color=colored, **wanted)


def say(text: str | bytes) -> None:
    """Write to standard output; what its encoding cannot show becomes a question mark."""
    if isinstance(text, bytes):
        sys.stdout.buffer.write(text)
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    click.echo(text, nl=bool(text) and not text.endswith("\n"), color=True)  # colours were decided by the look


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        CannotAudit: when the file cannot be written.
    """
    data = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside a file, which takes its place at the end: nobody ever reads half a file.

    Raises:
        CannotAudit: when the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CannotAudit(f"{path}: cannot be written: {reason}; choose another file with -o") from error
    finally:
        temporary.unlink(missing_ok=True)
