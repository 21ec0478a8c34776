"""Paths to runs: which files are logs, and which logs belong to one run.

``find_groups`` walks once and looks at names and at the first 4 KB of files that could be logs; it parses nothing. A
group is what has to be read together: a run's folder with all its loggers, or a folder that holds several runs.
``read_group`` reads it and lets ``analyzer.joining`` decide by content. ``discover`` does both.
"""

from __future__ import annotations

import contextlib
import fnmatch
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from analyzer.config.sidecars import is_sidecar, read_beside
from analyzer.joining import Piece, join
from analyzer.model import Problem, Run
from analyzer.peek import Peek, peek
from analyzer.readers import Reader, all_readers, reader_for, standard_input
from analyzer.remote import Mirrored, NotReachable, mirror, url_of

HEAD_BYTES = 4096
LOG_SUFFIXES = {
    "", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".log", ".txt", ".out", ".err", ".wandb", ".db", ".sqlite",
    ".sqlite3", ".dat", ".stdout", ".stderr",
}
COMPRESSED = {".gz", ".zst", ".zstd"}
NEVER_LOGS = re.compile(
    r"(?i)^(readme|license|licence|copying|notice|authors|makefile|dockerfile|requirements.*\.txt|package(-lock)?\.json|merges\.txt"
    r"|(vocab|tokenizer|tokenizer_config|special_tokens_map|added_tokens|generation_config|preprocessor_config|processor_config"
    r"|adapter_config|model_index|chat_template|training_args)\.(json|txt)|.*\.index\.json|.*\.ipynb|\..*|case\.json"
    r"|(wandb-metadata|wandb-summary)\.json|conda-environment\.yaml)(\..*)?$"
)
SKIPPED_FOLDERS = {"__pycache__", "node_modules", "site-packages", "venv", "plugins"}
# Folders that a logger makes inside a run's folder; they do not name a run.
LOGGER_FOLDERS = {
    "lightning_logs", "csv_logs", "tb_logs", "tensorboard", "tensorboard_logs", "tensorboard_log", "tf_logs", "tb",
    "runs", "logs", "log", "summaries", "events", "vis_data", "log_dir", "files",
    "artifacts",
}
SPLIT_FOLDERS = {"train", "training", "validation", "val", "valid", "eval", "evaluation", "test"}
CHECKPOINT_FOLDER = re.compile(r"^(checkpoint|ckpt)[-_]?\d+$|^global_step\d+$|^last-checkpoint$")
HPARAMS_FOLDER = re.compile(r"^\d{10}\.\d+$")  # tensorboard's add_hparams writes its own file into <unix time>/
DATED_FOLDER = re.compile(r"^[A-Z][a-z]{2}\d\d_\d\d-\d\d-\d\d_")  # Nov22_00-14-50_host: torch, Trainer
WANDB_FOLDER = re.compile(r"^(offline-)?run-\d{8}_\d{6}-(?P<id>\w+)$")
NUMBERED_FOLDER = re.compile(
    r"^(?P<stem>version_)\d+$|^\d{8}_\d{6}$|^[A-Z][a-z]{2}\d\d_\d\d-\d\d-\d\d_(?P<host>.*)$"
)
EVENT_FILE = re.compile(r"tfevents\.(?P<time>\d+)\.(?P<host>.+)\.(?P<pid>\d+)\.\d+(?:\.v2)?$")

Progress = Callable[[int, int], None]  # files read so far, files in all


@dataclass(frozen=True, kw_only=True)
class Log:
    """A file that a reader recognised by its name and first bytes."""

    path: Path
    reader: str
    size: int
    peek: Peek = field(default_factory=Peek)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Logs that have to be read together. Small and picklable: workers get these."""

    name: str
    root: Path
    logs: tuple[Log, ...]
    sidecars: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    url: str = ""  # what the root stands for, where it is a mirror of something remote


@dataclass(frozen=True, kw_only=True)
class Found:
    """Every group below the given paths, and what could not be looked at."""

    groups: tuple[Group, ...]
    unreadable: tuple[Problem, ...]

    @property
    def files(self) -> int:
        return sum(len(group.logs) for group in self.groups)


@dataclass(frozen=True, kw_only=True)
class Discovered:
    """The runs found, and the files that could not be read at all."""

    runs: tuple[Run, ...]
    unreadable: tuple[Problem, ...]


@dataclass(kw_only=True)
class _Folder:
    parts: tuple[str, ...]  # below the root
    path: Path
    logs: list[Log] = field(default_factory=list)
    sidecars: list[Path] = field(default_factory=list)


def discover(
    paths: Iterable[Path],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    progress: Progress | None = None,
) -> Discovered:
    """Read every log below the given paths and group them into runs.

    Args:
        include: globs on the path below a given root, or on the file name; only files that match one are read.
        exclude: globs; a file or folder that matches one is left out.
        progress: called after every group with the files read so far and the files in all.
    """
    found = find_groups(paths, include=include, exclude=exclude)
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
    return Discovered(runs=tuple(_uniquely_named(runs)), unreadable=tuple(unreadable))


def find_groups(paths: Iterable[Path], *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Found:
    """List the logs below the given paths and group them, by names and first bytes only."""
    roots = [Path(path) for path in paths]
    groups: list[Group] = []
    problems: list[Problem] = []
    for root in roots:
        url = url_of(root) or ""
        try:
            if str(root) == standard_input.NAME:
                root, url = standard_input.spooled(), standard_input.NAME
            elif url:
                mirrored = _mirrored(url, include, exclude)
                root = mirrored.root
                problems += mirrored.problems
            folders, looked_at = _folders_of(root, include, exclude, problems)
        except OSError as error:
            problems.append(_unreadable(url or root, error))
            continue
        found = [replace(group, url=url) for group in _groups_of(root, folders)]
        if not found and not any(problem.source.startswith((str(root), url or str(root))) for problem in problems):
            nothing = _nothing_found(root, looked_at)
            problems.append(Problem(source=url or str(root), kind="unreadable", message=nothing))
        if len(roots) > 1:
            found = [replace(group, name=_name_among_roots(root, group)) for group in found]
        groups += found
    if len(roots) > 1:
        groups = _each_once(groups)
    return Found(groups=tuple(_copies_named(groups)), unreadable=tuple(problems))


def read_group(group: Group) -> Discovered:
    """Read the logs of a group and decide by content which belong to one run."""
    readers = {reader.name: reader for reader in all_readers()}
    settings = _settings_by_folder(group)
    pieces: list[Piece] = []
    unreadable: list[Problem] = []
    for log in group.logs:
        try:
            reading = readers[log.reader].read(log.path)
        except Exception as error:  # a bad file must never cost the rest of the folder
            unreadable.append(_unreadable(log.path, error))
            continue
        if not reading.runs and not reading.series and any(p.kind == "unreadable" for p in reading.problems):
            unreadable += [problem for problem in reading.problems if problem.kind == "unreadable"]
            continue
        folder = log.path.parent
        pieces.append(Piece(path=log.path, folder=folder, reading=reading, settings=settings.get(folder, "")))
    runs = [replace(run, notes=group.notes + run.notes) for run in join(group.name, group.root, pieces)]
    runs = [_with_sidecars(run, group, len(runs)) for run in runs]
    if group.url:
        runs = [_told_by_url(run, group) for run in runs]
        unreadable = [replace(problem, source=_url_for(problem.source, group)) for problem in unreadable]
    return Discovered(runs=tuple(runs), unreadable=tuple(unreadable))


def _told_by_url(run: Run, group: Group) -> Run:
    """A run whose sources and problems are named by what was asked for, not by their copies."""
    return replace(
        run,
        sources=tuple(replace(source, path=_url_for(source.path, group)) for source in run.sources),
        problems=tuple(replace(problem, source=_url_for(problem.source, group)) for problem in run.problems),
    )


def _url_for(path: str, group: Group) -> str:
    return group.url.rstrip("/") + path.removeprefix(str(group.root)) if path.startswith(str(group.root)) else path


def _settings_by_folder(group: Group) -> dict[Path, str]:
    """The text of the configuration in each folder of logs, where a group has several."""
    if len({log.path.parent for log in group.logs}) < 2:
        return {}
    found: dict[Path, str] = {}
    for path in group.sidecars:
        if path.suffix in (".yaml", ".yml"):
            with contextlib.suppress(OSError):  # named as a problem where its facts are read
                found[path.parent] = found.get(path.parent, "") + path.read_text(errors="replace")
    return found


def _with_sidecars(run: Run, group: Group, runs_in_group: int) -> Run:
    if not group.sidecars:
        return run
    folders = {Path(source.path).parent for source in run.sources}
    own = group.sidecars
    if runs_in_group > 1:
        # Several runs: a sidecar speaks for the runs of its own folder, and only when that holds no other's logs.
        shared = {log.path.parent for log in group.logs} - folders
        own = tuple(path for path in own if path.parent in folders and path.parent not in shared)
        if len({log.path.parent for log in group.logs}) == 1:
            own = ()
    facts, problems = read_beside(own)
    return replace(run, facts=run.facts + facts, problems=run.problems + problems)


# Remote


def _mirrored(url: str, include: Sequence[str], exclude: Sequence[str]) -> Mirrored:
    def wanted(below: str) -> bool:
        name = below.rsplit("/", 1)[-1]
        in_store = re.search(r"(^|/)(metrics|params|tags)/", below) is not None or name == "meta.yaml"
        if not (in_store or is_sidecar(name) or _could_be_log(name)) or _matches(below, exclude):
            return False
        return not include or is_sidecar(name) or _matches(below, include)

    def whole(below: str) -> bool:
        name = below.rsplit("/", 1)[-1]
        return "tfevents" in name or is_sidecar(name) or name == "meta.yaml" or name.endswith((".db", ".sqlite"))

    def recognised(path: Path, head: bytes) -> bool:
        in_store = {"metrics", "params", "tags"} & set(path.parts)
        return bool(in_store) or reader_for(path, head) is not None

    return mirror(url, wanted=wanted, whole=whole, recognised=recognised)


# Walking


def _folders_of(
    root: Path, include: Sequence[str], exclude: Sequence[str], problems: list[Problem]
) -> tuple[list[_Folder], int]:
    """Every folder below the root with its logs and sidecars, and how many files were opened."""
    if root.is_file():
        beside = [path for path in _listed(root.parent) if is_sidecar(path.name) and path != root]
        folder = _Folder(parts=(), path=root.parent, sidecars=beside)
        log = _look(root, root.stat().st_size, problems)
        if log is not None:
            folder.logs.append(log)
        return [folder], 1
    os.stat(root)  # raises for a path that does not exist
    if not root.is_dir():
        raise OSError("neither a file nor a folder")
    folders: list[_Folder] = []
    looked_at = 0
    for folder, files, has_metrics in _walk(root, exclude, problems):
        for entry in files:
            name, below = entry.name, "/".join((*folder.parts, entry.name))
            if is_sidecar(name) and not (has_metrics and name == "meta.yaml"):
                folder.sidecars.append(Path(entry.path))
                continue
            if not (_could_be_log(name) or (has_metrics and name == "meta.yaml")) or _matches(below, exclude):
                continue
            if include and not _matches(below, include):
                continue
            looked_at += 1
            log = _look(Path(entry.path), entry.stat().st_size, problems)
            if log is not None:
                folder.logs.append(log)
        if folder.logs or folder.sidecars:
            folders.append(folder)
    return folders, looked_at


def _walk(
    root: Path, exclude: Sequence[str], problems: list[Problem]
) -> Iterator[tuple[_Folder, list[os.DirEntry[str]], bool]]:
    """Every folder once, in the order of names. Links to what lies below the root anyway are not followed."""
    real_root = os.path.realpath(root)
    seen = {real_root}
    waiting = [_Folder(parts=(), path=root)]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder.path) as listing:
                entries = sorted(listing, key=lambda entry: _natural(entry.name))
        except OSError as error:
            problems.append(_unreadable(folder.path, error))
            continue
        files: list[os.DirEntry[str]] = []
        below: list[_Folder] = []
        names = {entry.name for entry in entries}
        store = "meta.yaml" in names and bool(names & {"metrics", "params"})
        for entry in entries:
            try:
                if entry.is_symlink():
                    target = os.path.realpath(entry.path)
                    if target in seen or target.startswith(real_root + os.sep) or not os.path.exists(target):
                        continue
                    if entry.is_dir() and real_root.startswith(target + os.sep):
                        continue  # a loop: the link leads above the root
                    seen.add(target)
                if entry.is_file():
                    files.append(entry)
                elif entry.is_dir() and _worth_entering(entry.name, store):
                    parts = (*folder.parts, entry.name)
                    if not _matches("/".join(parts), exclude):
                        below.append(_Folder(parts=parts, path=Path(entry.path)))
            except OSError as error:
                problems.append(_unreadable(Path(entry.path), error))
        yield folder, files, store
        waiting += reversed(below)


def _worth_entering(name: str, store: bool) -> bool:
    if store and name in {"metrics", "params", "tags", "inputs", "outputs"}:
        return False
    return name not in SKIPPED_FOLDERS and (not name.startswith(".") or name == ".hydra")


def _could_be_log(name: str) -> bool:
    if "tfevents" in name:
        return not name.endswith(".profile-empty")  # a mark that Keras leaves for the profiler's page
    if NEVER_LOGS.match(name):
        return False
    stem, suffix = os.path.splitext(name)
    if suffix.lower() in COMPRESSED:
        suffix = os.path.splitext(stem)[1]
    return suffix.lower() in LOG_SUFFIXES or suffix[1:].isdigit()  # train.log.1, job.12345


def _look(path: Path, size: int, problems: list[Problem]) -> Log | None:
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
        reader: Reader | None = reader_for(path, head)
    except OSError as error:
        problems.append(_unreadable(path, error))
        return None
    if reader is None:
        return None
    return Log(path=path, reader=reader.name, size=size, peek=peek(reader.name, head))


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _matches(below: str, globs: Sequence[str]) -> bool:
    name = below.rsplit("/", 1)[-1]
    return any(fnmatch.fnmatch(below, glob) or fnmatch.fnmatch(name, glob) for glob in globs)


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key in which version_10 comes after version_9."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name)]


def _unreadable(path: Path | str, error: Exception) -> Problem:
    if isinstance(error, NotReachable):
        reason = str(error)
    elif isinstance(error, FileNotFoundError):
        reason = "no such file or folder; check the path"
    elif isinstance(error, PermissionError):
        reason = "permission denied; make it readable or leave it out with --exclude"
    elif isinstance(error, OSError):
        reason = error.strerror or str(error)
    else:
        reason = f"cannot be read: {type(error).__name__}: {error}"
    return Problem(source=str(path), kind="unreadable", message=reason)


def _nothing_found(root: Path, looked_at: int) -> str:
    if root.is_file():
        if root.stat().st_size == 0:
            return "the file is empty"
        return "no reader knows this file; `analyzer formats` lists what can be read"
    return f"no training log below this folder ({looked_at} files looked at); `analyzer formats` lists what can be read"


# Grouping by names


def _groups_of(root: Path, folders: list[_Folder]) -> list[Group]:
    homes = _homes(folders)
    by_home: dict[tuple[str, ...], list[_Folder]] = {}
    for folder in folders:
        if folder.logs:
            by_home.setdefault(homes[folder.parts], []).append(folder)
    chains = _chained(by_home)
    sidecars = {folder.parts: folder.sidecars for folder in folders if folder.sidecars}
    groups = []
    for chain in chains:
        members = [folder for home in chain for folder in by_home[home]]
        logs = tuple(log for folder in members for log in folder.logs)
        beside = [path for parts in _sidecar_places(chain, members, by_home) for path in sidecars.get(parts, ())]
        groups.append(Group(name=_group_name(root, chain[0], members), root=root, logs=logs, sidecars=tuple(beside)))
    return groups


def _homes(folders: list[_Folder]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """For each folder the place of its run: its path without the folders that loggers and checkpoints add."""
    states = {f.parts for f in folders if any(log.path.name.startswith("trainer_state") for log in f.logs)}
    trainer = {parts[:-1] if parts and CHECKPOINT_FOLDER.match(parts[-1]) else parts for parts in states}
    trainer |= {f.parts for f in folders if any(path.name == "training_args.bin" for path in f.sidecars)}
    splits: dict[tuple[str, ...], int] = {}
    for folder in folders:
        if folder.logs and folder.parts and folder.parts[-1].lower() in SPLIT_FOLDERS:
            splits[folder.parts[:-1]] = splits.get(folder.parts[:-1], 0) + 1
    homes = {}
    for folder in folders:
        parts = list(folder.parts)
        if parts and HPARAMS_FOLDER.match(parts[-1]):
            parts.pop()
        if parts and parts[-1].lower() in SPLIT_FOLDERS and folder.logs:
            events = all(log.reader == "tfevents" for log in folder.logs)
            if events or splits[tuple(parts[:-1])] > 1:
                parts.pop()
        if len(parts) > 1 and DATED_FOLDER.match(parts[-1]) and parts[-2] == "runs" and tuple(parts[:-2]) in trainer:
            del parts[-2:]
        if parts and CHECKPOINT_FOLDER.match(parts[-1]):
            parts.pop()
        homes[folder.parts] = tuple(part for part in parts if part.lower() not in LOGGER_FOLDERS)
    _adopt_sub_runs(folders, homes)
    return homes


def _adopt_sub_runs(folders: list[_Folder], homes: dict[tuple[str, ...], tuple[str, ...]]) -> None:
    """Folders that add_scalars made below a run's folder go to that run: same writer, or named after their only tag."""
    writers: dict[tuple[str, ...], set[tuple[str, str]]] = {}
    for folder in folders:
        matches = (EVENT_FILE.search(log.path.name) for log in folder.logs)
        writers[folder.parts] = {(match["host"], match["pid"]) for match in matches if match}
    for folder in folders:
        if not folder.parts or not folder.logs or any(log.reader != "tfevents" for log in folder.logs):
            continue
        tags = {log.peek.first_tag for log in folder.logs}
        for depth in range(len(folder.parts) - 1, max(-1, len(folder.parts) - 4), -1):
            above = folder.parts[:depth]
            if above not in homes and depth != len(folder.parts) - 1:
                continue
            below = folder.parts[depth:]
            if any(tag and is_sub_run(below, tag) for tag in tags) or writers[folder.parts] & writers.get(above, set()):
                homes[folder.parts] = homes.get(above, tuple(p for p in above if p.lower() not in LOGGER_FOLDERS))
                break


def is_sub_run(below: tuple[str, ...], tag: str) -> bool:
    """Whether folders are named as add_scalars does it: <tag>_<name> in torch, <tag>/<name> in tensorboardX."""
    path, flat = "/".join(below), tag.replace("/", "_").replace(" ", "_")
    return (len(below) == 1 and path.startswith(flat + "_")) or path.startswith(tag + "/")


def _chained(by_home: dict[tuple[str, ...], list[_Folder]]) -> list[list[tuple[str, ...]]]:
    """Homes in order; version_N+1 (or the next dated folder) is put to version_N when it does not start afresh."""
    chains: list[list[tuple[str, ...]]] = []
    of_run_id: dict[tuple[str, ...], list[tuple[str, ...]]] = {}  # a resumed W&B run has a folder a life
    for home in sorted(by_home, key=lambda parts: [_natural(part) for part in parts]):
        before = chains[-1][-1] if chains else None
        if home and (match := WANDB_FOLDER.match(home[-1])):
            same = of_run_id.setdefault((*home[:-1], match["id"]), [])
            same.append(home)
            if len(same) == 1:
                chains.append(same)
            continue
        if before is not None and _numbered_alike(before, home):
            first, later = _first_step(by_home[before]), _first_step(by_home[home])
            if first is not None and later is not None and later > first:
                chains[-1].append(home)
                continue
        chains.append([home])
    return chains


def _numbered_alike(one: tuple[str, ...], two: tuple[str, ...]) -> bool:
    if not one or not two or one[:-1] != two[:-1]:
        return False
    a, b = NUMBERED_FOLDER.match(one[-1]), NUMBERED_FOLDER.match(two[-1])
    return bool(a and b and a.groups() == b.groups())


def _first_step(folders: list[_Folder]) -> float | None:
    steps = [log.peek.first_step for folder in folders for log in folder.logs if log.peek.first_step is not None]
    return min(steps, default=None)


def _sidecar_places(
    chain: list[tuple[str, ...]], members: list[_Folder], by_home: dict[tuple[str, ...], list[_Folder]]
) -> list[tuple[str, ...]]:
    """Folders whose sidecars speak for a group: those of its logs, and between them and its home, last life first."""
    places: list[tuple[str, ...]] = []
    for folder in reversed(members):
        parts = folder.parts
        places += [parts[:depth] for depth in range(len(parts), -1, -1) if _inside_home(parts[:depth], parts)]
    if len(by_home) == 1:
        places.append(())
    places += [(*place, extra) for place in list(places) for extra in (".hydra", "files")]
    return list(dict.fromkeys(places))


def _inside_home(place: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Whether only folders of loggers, splits and checkpoints lie between a place and a log's folder."""
    return all(
        part.lower() in LOGGER_FOLDERS | SPLIT_FOLDERS or CHECKPOINT_FOLDER.match(part) or HPARAMS_FOLDER.match(part)
        or DATED_FOLDER.match(part)
        for part in parts[len(place) :]
    )


def _group_name(root: Path, home: tuple[str, ...], members: list[_Folder]) -> str:
    if root.is_file():
        return root.name
    columns = itertools.takewhile(lambda parts: len(set(parts)) == 1, zip(*(f.parts for f in members), strict=False))
    common = tuple(parts[0] for parts in columns)
    own = tuple(part for part in common if part.lower() not in LOGGER_FOLDERS)
    parts = common if own == home or len(members) == 1 else home
    return "/".join(parts) or root.name or root.resolve().name or str(root)


def _name_among_roots(root: Path, group: Group) -> str:
    if root.is_file() or group.name == root.name:
        return str(root)
    return f"{root}/{group.name}"


def _each_once(groups: list[Group]) -> list[Group]:
    """Groups without those whose files were all found below an earlier path."""
    seen: set[Path] = set()
    kept = []
    for group in groups:
        files = {log.path.resolve() for log in group.logs}
        if not files <= seen:
            kept.append(group)
        seen |= files
    return kept


def _copies_named(groups: list[Group]) -> list[Group]:
    """Groups with a note where the same event file lies in another group too: its name holds time, host and process."""
    seen: dict[tuple[str, int], str] = {}
    named = []
    for group in groups:
        twins = []
        for log in group.logs:
            if EVENT_FILE.search(log.path.name):
                first = seen.setdefault((log.path.name, log.size), group.name)
                twins += [first] if first != group.name else []
        said = f"a copied log: the event files of {twins[0]} lie here too, same names, same sizes" if twins else ""
        notes = (said,) if said else ()
        named.append(replace(group, notes=notes))
    return named


def _uniquely_named(runs: list[Run]) -> list[Run]:
    taken: dict[str, int] = {}
    named = []
    for run in runs:
        taken[run.name] = taken.get(run.name, 0) + 1
        number = taken[run.name]
        named.append(run if number == 1 else replace(run, name=f"{run.name} ({number})"))
    return named

