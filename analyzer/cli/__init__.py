"""The command line: one file per command, imported when its command runs. Nothing heavier than click at this level."""

from __future__ import annotations

import atexit
import gc
import importlib
import importlib.util
import os
import pkgutil
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from analyzer.accidents import told
from analyzer.console import CannotAudit
from analyzer.spelling import did_you_mean
from analyzer.version import __version__

# A small audit is mostly start-up, and this is a fifth of it. The collector need not look again and again through
# modules that are there to stay, nor once more at the end; and no matrix is so large that it needs several threads.
gc.set_threshold(200_000, 20, 20)
atexit.register(gc.freeze)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "agg"  # figures go to files; a backend that is set for a screen may not even be there
# Losses of 1e308 overflow where they are added up; what comes of it is judged, and numpy's warning helps nobody.
warnings.filterwarnings("ignore", category=RuntimeWarning)

ORDER = (
    "check",
    "report",
    "plot",
    "timeline",
    "explain",
    "rules",
    "formats",
    "plan",
    "compare",
    "repair",
    "export",
    "watch",
)
"""As a newcomer meets them; commands that are not named here follow in the order of the alphabet."""


class CommandFolder(click.Group):
    """A group whose commands are the modules of this package that hold a ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = [module.name for module in pkgutil.iter_modules(__path__) if self.get_command(ctx, module.name)]
        return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if not cmd_name.isidentifier() or importlib.util.find_spec(f"{__name__}.{cmd_name}") is None:
            return None
        command = getattr(importlib.import_module(f"{__name__}.{cmd_name}"), "command", None)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            hint = did_you_mean(args[0], self.list_commands(ctx), otherwise="analyzer --help lists them")
            raise click.UsageError(f"there is no command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Whatever stops it exits with a code that does not mean findings."""
        if not sys.warnoptions:
            warnings.simplefilter("ignore")  # of libraries, about our calls: nothing that a user can act on
        _open_what_is_closed()
        try:
            with _terminated_as_interrupted():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(130)
        except BrokenPipeError:  # the reader of our output has gone, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if os.environ.get("ANALYZER_DEBUG"):
                raise
            raise CannotAudit(f"{told(error)} (ANALYZER_DEBUG=1 shows where)") from error


def _open_what_is_closed() -> None:
    """Standard streams that whoever started us has closed lead nowhere: a log must never be opened in their place."""
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM unwinds the program as an interrupt does: half-written files and other processes go with it."""

    def end(*_: object) -> None:
        sys.exit(128 + signal.SIGTERM)

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:  # not the main thread: somebody else's program
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@click.group(cls=CommandFolder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def main() -> None:
    """Audit training logs: which of a run's own numbers cannot all be true, and the rows that prove it."""
