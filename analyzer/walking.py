"""One walk through a tree: which files could be logs, and what reader knows them by their first bytes."""

from __future__ import annotations

import contextlib
import csv
import fnmatch
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct, field

from analyzer.accidents import told
from analyzer.config.own_lines import OwnLine, lines_for, unmatched
from analyzer.config.sidecars import is_sidecar
from analyzer.model import Problem
from analyzer.readers import Peek, Reader, all_readers, reader_for, seldom_logs, suffixes
from analyzer.readers.text_file import COMPRESSED_SUFFIXES, plain_head, plain_suffix, why_not_text
from analyzer.regular_files import opened
from analyzer.remote import NotReachable

HEAD_BYTES = 4096
PEEK_BYTES = 1 << 16  # of an event file whose first bytes hold no step
LARGE_TABLE_BYTES = 64 << 20  # a log of this size has millions of rows; most tables of this size are data sets
TEXT_SUFFIXES = {"", ".log", ".txt", ".out", ".err", ".stdout", ".stderr", ".rout"}  # of any program's output
NEVER_LOGS = re.compile(
    r"(?i)^(readme(?!\.m)|license|licence|copying|notice|authors|makefile|dockerfile|requirements.*\.txt|merges\.txt"
    r"|(vocab|tokenizer|tokenizer_config|special_tokens_map|added_tokens|generation_config|preprocessor_config"
    r"|processor_config|adapter_config|model_index|chat_template|package|package-lock)\.json|.*\.index\.json"
    r"|\..*|(wandb-metadata|wandb-summary)\.json|conda-environment\.yaml)(\..*)?$"
)
DIGITS = "0123456789"  # those that ``int`` reads, and no circled ones
LONGEST_REASON = 300  # characters of another program's words that a report repeats
SKIPPED_FOLDERS = {"__pycache__", "node_modules", "site-packages", "venv", "plugins"}
# what tools keep for themselves: histories, environments, caches, copies; other hidden folders may be an experiment's
OF_TOOLS = re.compile(
    r"\.(?:git(?:hub|lab)?|hg|svn|bzr|jj|venv|env|conda|tox|nox|eggs|cache|\w+_cache|ipynb_checkpoints|idea|vscode|trash|npm|local"
    r"|config|cargo|rustup|pyenv)",
    re.I,
)


class Log(Struct, frozen=True, kw_only=True):
    """A file that a reader recognised by its name and first bytes."""

    path: Path
    reader: str
    size: int
    peek: Peek = field(default_factory=Peek)
    lines: tuple[OwnLine, ...] = ()  # of the configuration, that read it


class Folder(Struct, kw_only=True):
    parts: tuple[str, ...]  # below the root
    path: Path
    logs: list[Log] = field(default_factory=list)
    sidecars: list[Path] = field(default_factory=list)


def folders_of(
    root: Path,
    include: Sequence[str],
    exclude: Sequence[str],
    problems: list[Problem],
    own_lines: Callable[[Path], tuple[OwnLine, ...]] = lambda folder: (),
) -> tuple[list[Folder], list[Problem]]:
    """Every folder below the root with its logs and sidecars, and the files that were opened and are no logs.

    Args:
        own_lines: the ``[[line]]`` expressions that are configured for a folder.
    """
    left: list[Problem] = []
    if root.is_file():
        beside = [path for path in listed(root.parent) if is_sidecar(path.name) and path != root and path.is_file()]
        folder = Folder(parts=(), path=root.parent, sidecars=beside)
        log = _look(root, problems, left, own_lines(root.parent))
        if log is not None:
            folder.logs.append(log)
        return [folder], left
    os.stat(root)  # raises for a path that does not exist
    if not root.is_dir():
        raise OSError("neither a file nor a folder; pipes, devices and sockets are never opened")
    folders: list[Folder] = []
    for folder, files, has_metrics in _walk(root, exclude, problems):
        own = own_lines(folder.path) if files else ()
        for entry in files:
            name, below = entry.name, "/".join((*folder.parts, entry.name))
            if is_sidecar(name) and not (has_metrics and name == "meta.yaml"):
                folder.sidecars.append(Path(entry.path))
                continue
            if matches(below, exclude) or (include and not matches(below, include)):
                continue
            log = _look(Path(entry.path), problems, left, own)
            if log is not None:
                folder.logs.append(log)
        if folder.logs or folder.sidecars:
            folders.append(folder)
    _drop_links_to_logs(folders)
    readers = {reader.name: reader for reader in all_readers()}
    told = {str(path) for folder in folders for log in folder.logs for path in readers[log.reader].also_reads(log.path)}
    return folders, [problem for problem in left if problem.source not in told]


def _drop_links_to_logs(folders: list[Folder]) -> None:
    """Read a file once that links lead to: under its own name, unless that has no suffix (the cache of a hub)."""
    if not any(log.path.is_symlink() for folder in folders for log in folder.logs):
        return
    kept: dict[str, Log] = {}
    for log in [log for folder in folders for log in folder.logs]:
        target = os.path.realpath(log.path)
        other = kept.setdefault(target, log)
        if _telling(log) > _telling(other):
            kept[target] = log
    chosen = {log.path for log in kept.values()}
    for folder in folders:
        folder.logs = [log for log in folder.logs if log.path in chosen]


def _telling(log: Log) -> tuple[bool, bool]:
    return bool(log.path.suffix), not log.path.is_symlink()


def _walk(
    root: Path, exclude: Sequence[str], problems: list[Problem]
) -> Iterator[tuple[Folder, list[os.DirEntry[str]], bool]]:
    """Every folder once, in the order of names. Links to folders below or above the root are not followed."""
    real_root = os.path.realpath(root)
    seen = {real_root}
    waiting = [Folder(parts=(), path=root)]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder.path) as listing:
                entries, store = _telling_entries(listing)
        except OSError as error:
            problems.append(unreadable_path(folder.path, error))
            continue
        files: list[os.DirEntry[str]] = []
        below: list[Folder] = []
        for entry in entries:
            try:
                if entry.is_symlink() and entry.is_dir():
                    target = os.path.realpath(entry.path)
                    common = os.path.commonpath([target, real_root])
                    if target in seen or common in (target, real_root):
                        continue  # below the root and walked anyway, or a loop that leads above it
                    seen.add(target)
                wanted = could_be_log(entry.name) or is_sidecar(entry.name) or (store and entry.name == "meta.yaml")
                if entry.is_dir():
                    parts = (*folder.parts, entry.name)
                    if _worth_entering(entry.name, store) and not matches("/".join(parts), exclude):
                        below.append(Folder(parts=parts, path=Path(entry.path)))
                elif wanted and entry.is_file():
                    files.append(entry)
                elif wanted and not entry.is_symlink():
                    message = "a pipe, device or socket, never opened"
                    problems.append(Problem(source=entry.path, kind="not-read", message=message))
            except OSError as error:
                problems.append(unreadable_path(Path(entry.path), error))
        yield folder, files, store
        waiting += reversed(below)


def _telling_entries(listing: Iterable[os.DirEntry[str]]) -> tuple[list[os.DirEntry[str]], bool]:
    """What could be a log, a sidecar or a folder, in the order of names, and whether a store lies here.

    A folder may hold a million files that are neither: nothing is kept of them.
    """
    kept: list[os.DirEntry[str]] = []
    names: set[str] = set()
    for entry in listing:
        name = entry.name
        if name in ("meta.yaml", "metrics", "params"):
            names.add(name)
        if name == "meta.yaml" or could_be_log(name) or is_sidecar(name) or entry.is_dir():
            kept.append(entry)
    return sorted(kept, key=lambda entry: natural(entry.name)), "meta.yaml" in names and len(names) > 1


def _worth_entering(name: str, store: bool) -> bool:
    if store and name in {"metrics", "params", "tags", "inputs", "outputs"}:
        return False
    return name not in SKIPPED_FOLDERS and not OF_TOOLS.fullmatch(name)


def could_be_log(name: str) -> bool:
    if "tfevents" in name:
        return not name.endswith(".profile-empty")  # a mark that Keras leaves for the profiler's page
    if NEVER_LOGS.match(name):
        return False
    stem, suffix = os.path.splitext(name)
    if suffix.lower() in COMPRESSED_SUFFIXES:
        suffix = os.path.splitext(stem)[1]
    suffix = suffix.lower()
    if suffix[1:].isdecimal() or suffix.startswith(".log-"):  # train.log.1, job.12345, train.log-2020-06-11
        return True
    return suffix in TEXT_SUFFIXES or suffix in suffixes()


def _look(path: Path, problems: list[Problem], left: list[Problem], own: tuple[OwnLine, ...] = ()) -> Log | None:
    """What reader knows a file by its name and first bytes. Whatever goes wrong costs this file, and is named."""
    try:
        with opened(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            head = stream.read(HEAD_BYTES)
        if own and (lines := lines_for(own, path.name)):
            from analyzer.readers import own_lines  # a package that most projects have no use for

            if own_lines.takes(path, head, lines):
                return Log(path=path, reader=own_lines.NAME, size=size, lines=lines)
        reader: Reader | None = reader_for(path, head)
        seen = Peek() if reader is None else _peek(reader, plain_head(head))
        if reader is None:
            if plain_suffix(path) not in seldom_logs():
                reasons = filter(None, (_why_no_log(path, head), unmatched(own, path.name)))
                left.append(Problem(source=str(path), kind="left-alone", message="; ".join(reasons)))
            return None
    except Exception as error:
        problems.append(unreadable_path(path, error))
        return None
    if reader.name == "tfevents" and not seen.first_step and size > len(head):
        seen = _peek_further(reader, path, head, seen)
    if reader.name == "csv" and size > LARGE_TABLE_BYTES and seen.first_step is None:
        message = f"a table of {size >> 20} MB whose first rows count no steps or epochs: taken for data, not read"
        problems.append(Problem(source=str(path), kind="unreadable", message=message))
        return None
    return Log(path=path, reader=reader.name, size=size, peek=seen)


def _why_no_log(path: Path, head: bytes) -> str:
    """Why a file that could be a log by its name is none, as its first bytes show it."""
    reason = why_not_text(plain_head(head))
    if reason:
        return reason
    suffix = plain_suffix(path)
    if suffix in (".csv", ".tsv"):
        return "a table without a column that counts steps or epochs, a loss or a learning rate"
    if suffix in (".json", ".jsonl", ".ndjson"):
        return "JSON without entries that have a step, an epoch, a loss or a learning rate"
    return "text in which no line tells of training; `analyzer formats --explain FILE` shows its lines"


def _peek(reader: Reader, head: bytes) -> Peek:
    try:
        return reader.peek(head)
    except (ValueError, IndexError, OverflowError, csv.Error):
        return Peek()


def _peek_further(reader: Reader, path: Path, head: bytes, seen: Peek) -> Peek:
    """The first steps of an event file that begins with long texts: hyperparameters, a configuration."""
    with contextlib.suppress(OSError), opened(path) as stream:
        return _peek(reader, stream.read(PEEK_BYTES)) if len(head) == HEAD_BYTES else seen
    return seen


def listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def matches(below: str, globs: Sequence[str]) -> bool:
    name = below.rsplit("/", 1)[-1]
    return any(fnmatch.fnmatch(below, glob) or fnmatch.fnmatch(name, glob) for glob in globs)


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key in which version_10 comes after version_9; no two names have the same."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), "") if part[:1] in DIGITS and part else (1, 0, part) for part in parts], name


def unreadable_path(path: Path | str, error: Exception) -> Problem:
    if isinstance(error, NotReachable):
        reason = str(error)
    elif isinstance(error, FileNotFoundError):
        reason = "no such file or folder; check the path"
    elif isinstance(error, PermissionError):
        reason = "permission denied; make it readable or leave it out with --exclude"
    elif isinstance(error, OSError):
        reason = error.strerror or str(error)
    else:
        reason = told(error)
    return Problem(source=str(path), kind="unreadable", message=reason)
