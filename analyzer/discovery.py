"""Paths to runs: which files are logs, and which logs belong to one run.

``find_groups`` walks once and looks at names and at the first 4 KB of files that could be logs; it parses nothing. A
group is what has to be read together: a run's folder with all its loggers, or a folder that holds several runs.
``read_group`` reads it and lets ``analyzer.joining`` decide by content. ``discover`` does both.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from analyzer.config.files import BadConfig, settings_for
from analyzer.config.own_lines import OwnLine, unmatched
from analyzer.config.sidecars import is_sidecar, read_beside
from analyzer.grouping import CONFIG_FOLDERS, Group, copies_named, each_once, groups_of, own_name
from analyzer.joining import Piece, join
from analyzer.model import Problem, Run
from analyzer.readers import all_readers, own_lines, reader_for, standard_input
from analyzer.readers.bounds import bounded
from analyzer.regular_files import text_of
from analyzer.remote import Mirrored, mirror, url_of
from analyzer.walking import could_be_log, folders_of, matches, unreadable_path

Progress = Callable[[int, int], None]  # files read so far, files in all


class Found(Struct, frozen=True, kw_only=True):
    """Every group below the given paths, and what could not be looked at."""

    groups: tuple[Group, ...]
    unreadable: tuple[Problem, ...]
    left_alone: tuple[Problem, ...] = ()  # looked at, and no logs

    @property
    def files(self) -> int:
        return sum(len(group.logs) for group in self.groups)


class Discovered(Struct, frozen=True, kw_only=True):
    """The runs found, and the files that could not be read at all."""

    runs: tuple[Run, ...]
    unreadable: tuple[Problem, ...]
    left_alone: tuple[Problem, ...] = ()


def discover(
    paths: Iterable[Path],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    progress: Progress | None = None,
    config: Path | None = None,
    isolated: bool = False,
) -> Discovered:
    """Read every log below the given paths and group them into runs.

    Args:
        include: globs on the path below a given root, or on the file name; only files that match one are read.
        exclude: globs; a file or folder that matches one is left out.
        progress: called after every group with the files read so far and the files in all.
        config: the file whose ``[[line]]`` expressions count, instead of those beside and above the logs.
        isolated: none of them count.
    """
    found = find_groups(paths, include=include, exclude=exclude, config=config, isolated=isolated)
    runs: list[Run] = []
    unreadable = list(found.unreadable)
    done = 0
    for group in found.groups:
        read = read_group(group)
        runs += read.runs
        unreadable += read.unreadable
        done += len(group.logs)
        if progress is not None:
            progress(done, found.files)
    return Discovered(
        runs=tuple(_uniquely_named(runs)), unreadable=tuple(unreadable), left_alone=found.left_alone
    )


def find_groups(
    paths: Iterable[Path],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    config: Path | None = None,
    isolated: bool = False,
) -> Found:
    """List the logs below the given paths and group them, by names and first bytes only; arguments as ``discover``."""

    bad: list[str] = []  # configurations that cannot be followed: told with the runs that they cost, if there are any
    own: dict[OwnLine, None] = {}  # expressions of the configurations that were followed

    def configured(folder: Path) -> tuple[OwnLine, ...]:
        try:
            lines = () if isolated else settings_for(folder, config).lines
        except BadConfig as error:
            bad.append(str(error))
            return ()
        own.update(dict.fromkeys(lines))
        return lines

    roots = [Path(path) for path in paths]
    groups: list[Group] = []
    problems: list[Problem] = []
    left_alone: list[Problem] = []
    above = _common_folder(roots)
    for root in roots:
        url = url_of(root) or ""
        try:
            if str(root) == standard_input.NAME:
                root, url = standard_input.spooled(), standard_input.NAME
            elif url:
                mirrored = _mirrored(url, include, exclude)
                root = mirrored.root
                problems += mirrored.problems
            folders, left = folders_of(root, include, exclude, problems, configured)
            found = [replace(group, url=url) for group in groups_of(root, folders)]
        except Exception as error:  # one path must never cost the others
            problems.append(unreadable_path(url or root, error))
            continue
        if not found and not any(problem.source.startswith((str(root), url or str(root))) for problem in problems):
            nothing = bad[-1] if bad else _nothing_found(root, left, tuple(own))
            problems.append(Problem(source=url or str(root), kind="unreadable", message=nothing))
        if not root.is_file():
            left_alone += [_by_url(problem, url, root) for problem in left]
        groups += [_named_among_roots(root, group, above) for group in found] if len(roots) > 1 else found
    if len(roots) > 1:
        groups = each_once(groups)
    told = {problem.source: problem for problem in left_alone}
    return Found(groups=tuple(copies_named(groups)), unreadable=tuple(problems), left_alone=tuple(told.values()))


def read_group(group: Group) -> Discovered:
    """Read the logs of a group and decide by content which belong to one run."""
    readers = {reader.name: reader for reader in all_readers()}
    settings = _settings_by_folder(group)
    pieces: list[Piece] = []
    unreadable: list[Problem] = []
    for log in group.logs:
        try:
            read = own_lines.read(log.path, log.lines) if log.lines else readers[log.reader].read(log.path)
            reading = bounded(read)
        except Exception as error:  # a bad file must never cost the rest of the folder
            unreadable.append(unreadable_path(log.path, error))
            continue
        if not reading.runs and not reading.series and any(p.kind == "unreadable" for p in reading.problems):
            unreadable += [problem for problem in reading.problems if problem.kind == "unreadable"]
            continue
        folder = log.path.parent
        pieces.append(Piece(path=log.path, folder=folder, reading=reading, settings=settings.get(folder, "")))
    runs = [replace(run, notes=group.notes + run.notes) for run in _joined(group, pieces, unreadable)]
    if group.sidecars:
        runs = _with_sidecars(runs, group)
    if group.url:
        runs = [_told_by_url(run, group) for run in runs]
        unreadable = [replace(problem, source=_url_for(problem.source, group)) for problem in unreadable]
    return Discovered(runs=tuple(runs), unreadable=tuple(unreadable))


def _joined(group: Group, pieces: Sequence[Piece], unreadable: list[Problem]) -> list[Run]:
    """The runs of a group; where logs that cannot be joined would cost all of them, each log by itself."""
    try:
        return join(group.name, group.root, pieces, dict(group.names))
    except Exception as error:
        if len(pieces) <= 1:
            unreadable += [unreadable_path(piece.path, error) for piece in pieces]
            return []
    return [run for piece in pieces for run in _joined(group, [piece], unreadable)]


def _with_sidecars(runs: Sequence[Run], group: Group) -> list[Run]:
    """Runs with what their sidecars declare; one that could speak for several runs of the group speaks for none."""
    folders = [{Path(source.path).parent for source in run.sources} for run in runs]
    own: list[list[Path]] = [[] for _ in runs]
    for path in group.sidecars:
        spoken_for = [number for number, of_run in enumerate(folders) if _speaks_for(path, of_run)]
        if len(spoken_for) == 1:
            own[spoken_for[0]].append(path)
    found = [read_beside(paths) for paths in own]
    return [
        replace(run, facts=run.facts + facts, problems=run.problems + problems)
        for run, (facts, problems) in zip(runs, found, strict=True)
    ]


def _settings_by_folder(group: Group) -> dict[Path, str]:
    """The text of the configuration in each folder of logs, where a group has several."""
    if len({log.path.parent for log in group.logs}) < 2:
        return {}
    found: dict[Path, str] = {}
    for path in group.sidecars:
        if path.suffix in (".yaml", ".yml"):
            with contextlib.suppress(OSError):  # named as a problem where its facts are read
                found[path.parent] = found.get(path.parent, "") + text_of(path, errors="replace")
    return found


def _speaks_for(sidecar: Path, folders: set[Path]) -> bool:
    """Whether a sidecar lies in a folder of the run's logs or above one, and not beside an earlier checkpoint only."""
    place = sidecar.parent.parent if sidecar.parent.name in CONFIG_FOLDERS else sidecar.parent
    return any(place == folder or place in folder.parents for folder in folders)


def _told_by_url(run: Run, group: Group) -> Run:
    """A run whose sources and problems are named by what was asked for, not by their copies."""
    return replace(
        run,
        sources=tuple(replace(source, path=_url_for(source.path, group)) for source in run.sources),
        problems=tuple(replace(problem, source=_url_for(problem.source, group)) for problem in run.problems),
    )


def _by_url(problem: Problem, url: str, root: Path) -> Problem:
    return replace(problem, source=url.rstrip("/") + problem.source.removeprefix(str(root))) if url else problem


def _url_for(path: str, group: Group) -> str:
    return group.url.rstrip("/") + path.removeprefix(str(group.root)) if path.startswith(str(group.root)) else path


def _mirrored(url: str, include: Sequence[str], exclude: Sequence[str]) -> Mirrored:
    if url.startswith("mlflow+"):
        from analyzer import mlflow_server  # nothing else needs what it imports

        return mlflow_server.mirror_of(url)

    def wanted(below: str) -> bool:
        name = below.rsplit("/", 1)[-1]
        in_store = re.search(r"(^|/)(metrics|params|tags)/", below) is not None or name == "meta.yaml"
        if not (in_store or is_sidecar(name) or could_be_log(name)) or matches(below, exclude):
            return False
        return not include or is_sidecar(name) or matches(below, include)

    def whole(below: str) -> bool:
        name = below.rsplit("/", 1)[-1]
        return "tfevents" in name or is_sidecar(name) or name == "meta.yaml" or name.endswith((".db", ".sqlite"))

    def recognised(path: Path, head: bytes) -> bool:
        in_store = {"metrics", "params", "tags"} & set(path.parts)
        return bool(in_store) or reader_for(path, head) is not None

    return mirror(url, wanted=wanted, whole=whole, recognised=recognised)


def _nothing_found(root: Path, left: Sequence[Problem], lines: Sequence[OwnLine]) -> str:
    if root.is_file():
        if root.stat().st_size == 0:
            return "the file is empty"
        hint = unmatched(lines, root.name) or "`analyzer formats` lists what can be read"
        return f"no reader knows this file; {hint}; `analyzer formats --explain {root}` shows its lines"
    files = "1 file" if len(left) == 1 else f"{len(left)} files"
    seen = f"`analyzer formats --explain {left[0].source}` shows what is made of a file" if left else ""
    hint = "; ".join(filter(None, (unmatched(lines), seen))) or "`analyzer formats` lists what can be read"
    return f"no training log below this folder ({files} looked at); {hint}"


def _common_folder(roots: Sequence[Path]) -> str:
    """The folder that all paths lie in, however they were typed; "" where there is none."""
    try:
        return os.path.commonpath([os.path.dirname(os.path.abspath(root)) for root in roots])
    except ValueError:  # no paths, or paths of several drives
        return ""


def _named_among_roots(root: Path, group: Group, above: str) -> Group:
    """A group whose runs are named from the folder that all roots lie in: as an audit of that folder names them."""
    place = os.path.relpath(os.path.abspath(root), above).replace(os.sep, "/") if above else str(root)

    def named(name: str) -> str:
        return place if root.is_file() or name == own_name(root) else f"{place}/{name}"

    return replace(group, name=named(group.name), names=tuple((path, named(name)) for path, name in group.names))


def _uniquely_named(runs: list[Run]) -> list[Run]:
    taken: dict[str, int] = {}
    named = []
    for run in runs:
        taken[run.name] = taken.get(run.name, 0) + 1
        number = taken[run.name]
        named.append(run if number == 1 else replace(run, name=f"{run.name} ({number})"))
    return named
