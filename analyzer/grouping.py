"""Folders to groups of logs that have to be read together, by names and first steps alone."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from analyzer.config.sidecars import is_sidecar
from analyzer.readers import Peek, joined_as
from analyzer.walking import Folder, Log, listed, natural

# Folders that a logger makes inside a run's folder; they do not name a run.
LOGGER_FOLDERS = {
    "lightning_logs", "csv_logs", "tb_logs", "tensorboard", "tensorboard_logs", "tensorboard_log", "tf_logs", "tb",
    "runs", "logs", "log", "summaries", "events", "vis_data", "log_dir", "files",
    "artifacts",
}
DVCLIVE_FOLDERS = {"plots", "metrics"}  # dvclive/plots/metrics/train/loss.tsv
CONFIG_FOLDERS = (".hydra", "files")  # that Hydra and W&B make for the configuration of the run above
SPLIT_FOLDERS = {"train", "training", "validation", "val", "valid", "eval", "evaluation", "test"}
NUMBERED_FOLDER = re.compile(r"^(version|run|exp|experiment|trial|seed|fold)?[-_]?\d+$")  # one of several runs
CHECKPOINT_FOLDER = re.compile(r"^(checkpoint|ckpt)[-_]?\d+$|^global_step\d+$|^last-checkpoint$")
HPARAMS_FOLDER = re.compile(r"^\d{10}\.\d+$")  # tensorboard's add_hparams writes its own file into <unix time>/
DATED_FOLDER = re.compile(r"^[A-Z][a-z]{2}\d\d_\d\d-\d\d-\d\d_")  # Nov22_00-14-50_host: torch, Trainer
WANDB_FOLDER = re.compile(r"^(offline-)?run-\d{8}_\d{6}-(?P<id>\w+)$")
EVENT_FILE = re.compile(r"tfevents\.(?P<time>\d+)\.(?P<host>.+)\.(?P<pid>\d+)\.\d+(?:\.v2)?$")


class Group(Struct, frozen=True, kw_only=True):
    """Logs that have to be read together. Small and picklable: workers get these."""

    name: str
    root: Path
    logs: tuple[Log, ...]
    sidecars: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    names: tuple[tuple[str, str], ...] = ()  # folder of logs -> name of a run that lies there alone
    url: str = ""  # what the root stands for, where it is a mirror of something remote


def groups_of(root: Path, folders: list[Folder]) -> list[Group]:
    homes = _homes(folders)
    by_home: dict[tuple[str, ...], list[Folder]] = {}
    for folder in folders:
        if folder.logs:
            by_home.setdefault(homes[folder.parts], []).append(folder)
    chains = _chained(by_home)
    sidecars = {folder.parts: folder.sidecars for folder in folders if folder.sidecars}
    groups = []
    for chain in chains:
        members = [folder for home in chain for folder in by_home[home]]
        logs = tuple(log for folder in members for log in folder.logs)
        above = sidecars_above(root) if any(_inside_home((), folder.parts) for folder in members) else []
        beside = [path for parts in _sidecar_places(members) for path in sidecars.get(parts, ())]
        names = tuple((str(f.path), _group_name(root, home, by_home[home])) for home in chain for f in by_home[home])
        groups.append(Group(name=names[0][1], root=root, logs=logs, sidecars=(*beside, *above), names=names))
    return groups


def _homes(folders: list[Folder]) -> dict[tuple[str, ...], tuple[str, ...]]:
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
        parts = list(above_plots(parts))
        if parts and parts[-1].lower() in SPLIT_FOLDERS and folder.logs:
            events = all(joined_as(log.reader) == "events" for log in folder.logs)
            if events or splits[tuple(parts[:-1])] > 1:
                parts.pop()
        if len(parts) > 1 and DATED_FOLDER.match(parts[-1]) and parts[-2] == "runs" and tuple(parts[:-2]) in trainer:
            del parts[-2:]
        if parts and CHECKPOINT_FOLDER.match(parts[-1]):
            parts.pop()
        homes[folder.parts] = tuple(part for part in parts if part.lower() not in LOGGER_FOLDERS)
    _adopt_sub_runs(folders, homes)
    return homes


def above_plots(parts: Sequence[str]) -> tuple[str, ...]:
    """The folder of a DVCLive run, which writes ``plots/metrics/train/loss.tsv`` below it; any other path unchanged."""
    at = next((at for at, pair in enumerate(itertools.pairwise(parts)) if pair == ("plots", "metrics")), len(parts))
    return tuple(parts[:at])


def _adopt_sub_runs(folders: list[Folder], homes: dict[tuple[str, ...], tuple[str, ...]]) -> None:
    """Folders that add_scalars made below a run's folder go to that run: same writer, or named after their only tag."""
    writers: dict[tuple[str, ...], set[tuple[str, str]]] = {}
    for folder in folders:
        matches = (EVENT_FILE.search(log.path.name) for log in folder.logs)
        writers[folder.parts] = {(match["host"], match["pid"]) for match in matches if match}
    for folder in folders:
        if not folder.parts or not folder.logs or any(joined_as(log.reader) != "events" for log in folder.logs):
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


def _chained(by_home: dict[tuple[str, ...], list[Folder]]) -> list[list[tuple[str, ...]]]:
    """Homes that have to be read together: lives of one W&B run, and folders of which one may go on in another.

    A folder whose steps begin behind its own first step of logging goes on from something: from a folder beside it that
    holds logs of the same formats and begins earlier, whatever the two are called. Their content decides.
    """
    homes = sorted(by_home, key=lambda parts: [natural(part) for part in parts])
    chain_of: dict[tuple[str, ...], list[tuple[str, ...]]] = {home: [home] for home in homes}
    run_ids: dict[tuple[str, ...], tuple[str, ...]] = {}  # a resumed W&B run has a folder a life
    siblings: dict[tuple[tuple[str, ...], frozenset[str]], list[tuple[str, ...]]] = {}
    for home in homes:
        match = WANDB_FOLDER.match(home[-1]) if home else None
        if match:
            first = run_ids.setdefault((*home[:-1], match["id"]), home)
            _chain(chain_of, first, home)
        elif home:
            formats = frozenset(log.reader for folder in by_home[home] for log in folder.logs)
            siblings.setdefault((home[:-1], formats), []).append(home)
    for beside in siblings.values():
        begins = {home: _begin(by_home[home]) for home in beside}
        for home in beside:
            begin = begins[home]
            if begin is None or not begin.goes_on:
                continue
            for other in beside:
                before = begins[other]
                if before is not None and before.first_step < begin.first_step:  # type: ignore[operator]
                    _chain(chain_of, other, home)
    return [chain for home, chain in chain_of.items() if chain[0] == home]


def _chain(
    chain_of: dict[tuple[str, ...], list[tuple[str, ...]]], one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    if chain_of[one] is chain_of[other]:
        return
    joined = sorted({*chain_of[one], *chain_of[other]}, key=lambda parts: [natural(part) for part in parts])
    for home in joined:
        chain_of[home] = joined


def _begin(folders: list[Folder]) -> Peek | None:
    """What the log that begins first shows of its steps; None where no log shows any."""
    shown = [log.peek for folder in folders for log in folder.logs if log.peek.first_step is not None]
    return min(shown, key=lambda one: one.first_step or 0.0, default=None)


def _sidecar_places(members: list[Folder]) -> list[tuple[str, ...]]:
    """Folders whose sidecars speak for a group, the nearest first: those of its logs, of the last life before earlier
    ones, and those above them as long as only folders of loggers, splits and checkpoints lie between."""
    steps: dict[tuple[str, ...], int] = {}  # place -> folders between it and the log
    for folder in reversed(members):
        parts = folder.parts
        for depth in range(len(parts), -1, -1):
            if _inside_home(parts[:depth], parts):
                steps[parts[:depth]] = min(len(parts) - depth, steps.get(parts[:depth], len(parts)))
    nearest = sorted(steps, key=lambda place: steps[place])
    return [spelled for place in nearest for spelled in (place, *((*place, extra) for extra in CONFIG_FOLDERS))]


def _inside_home(place: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Whether only folders of loggers, splits and checkpoints lie between a place and a log's folder."""
    return all(map(_is_transparent, parts[len(place) :]))


def _is_transparent(name: str) -> bool:
    """Whether a folder of this name is one that a logger, a split or a checkpoint adds inside a run's own."""
    made = (CHECKPOINT_FOLDER, HPARAMS_FOLDER, DATED_FOLDER)
    return name.lower() in LOGGER_FOLDERS | SPLIT_FOLDERS | DVCLIVE_FOLDERS or any(one.match(name) for one in made)


def sidecars_above(root: Path) -> list[Path]:
    """Sidecars above a path that names a logger's folder itself, or a file in one: as far as the run's own folder."""
    place = Path(os.path.abspath(root))
    place = place.parent if root.is_file() else place
    found: list[Path] = []
    while _is_transparent(place.name) and place.parent != place:
        place = place.parent
        for folder in (place, *(place / extra for extra in CONFIG_FOLDERS)):
            found += [path for path in listed(folder) if is_sidecar(path.name)]
    return found


def _group_name(root: Path, home: tuple[str, ...], members: list[Folder]) -> str:
    if root.is_file():
        return own_name(root)
    columns = itertools.takewhile(lambda parts: len(set(parts)) == 1, zip(*(f.parts for f in members), strict=False))
    common = above_plots(tuple(parts[0] for parts in columns))
    own = tuple(part for part in common if part.lower() not in LOGGER_FOLDERS)
    parts = common if own == home or len(members) == 1 else home
    return "/".join(parts) or own_name(root)


def own_name(path: Path) -> str:
    """The last part of a path, however it was typed: ``runs/a/../b/.`` is ``b``.

    A number or a logger's folder says nothing by itself: ``exp/lightning_logs/version_0`` keeps all three.
    """
    parts = Path(os.path.abspath(path)).parts[1:]
    telling = (not (_is_transparent(part) or NUMBERED_FOLDER.match(part.lower())) for part in reversed(parts))
    named = next((depth for depth, tells in enumerate(telling, start=1) if tells), 1)
    return "/".join(parts[-named:]) or str(path)


def copies_named(groups: list[Group]) -> list[Group]:
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


def each_once(groups: list[Group]) -> list[Group]:
    """Groups without those whose files were all found below an earlier path."""
    seen: set[Path] = set()
    kept = []
    for group in groups:
        files = {log.path.resolve() for log in group.logs}
        if not files <= seen:
            kept.append(group)
        seen |= files
    return kept
