"""Event files: one account a folder, unless a later file starts everything over.

Two writers at once, replayed steps and counters that restart stay in one account: those are findings, and a finding
needs both sides in one view.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np

from analyzer.joining.accounts import Account, Piece, place_of, same_values, share_tags, steps_of
from analyzer.joining.lives import Told, goes_on_from, starts_afresh

ANOTHER_RUN = "another run in the same folder"
MAIN_SPLITS = ("", "train", "training")  # folders whose tags keep their names
OTHER_SPLITS = ("validation", "val", "valid", "eval", "evaluation", "test")


def event_accounts(pieces: Sequence[Piece]) -> list[Account]:
    """Event files by folder; split folders and sub-runs go to the folder above them."""
    if not pieces:
        return []
    pieces = sorted(pieces, key=lambda piece: (piece.reading.source.start_time or 0.0, str(piece.path)))
    sub_runs: list[Piece] = []
    silent: list[Piece] = []
    streams: dict[Path, list[Piece]] = {}
    for piece in pieces:
        if not piece.series:
            silent.append(piece)
        elif sub_run_of(piece) is not None:
            sub_runs.append(piece)
        else:
            streams.setdefault(_stream(piece), []).append(piece)
    accounts: list[Account] = []
    for folder, found in streams.items():
        accounts += _lives(folder, found)
    accounts = _continued_in_next_folder(accounts)
    for piece in silent:
        _attach_silent(piece, accounts)
    if sub_runs:
        _attach_sub_runs(sub_runs, accounts)
    return accounts


def _stream(piece: Piece) -> Path:
    """The folder that a file's life is read from: that above train/ and validation/."""
    split = piece.folder.name.lower() in (*MAIN_SPLITS, *OTHER_SPLITS)
    return piece.folder.parent if split else piece.folder


def _lives(folder: Path, pieces: list[Piece]) -> list[Account]:
    """The event files of one folder, cut where a later file starts everything over."""
    prefixes = _split_prefixes(folder, pieces)
    accounts: list[Account] = []
    alike: dict[Hashable, list[tuple[Piece, Account]]] = {}  # files that may be copies of one another
    told = Told()
    for piece in pieces:
        beside = alike.setdefault(_moments(piece), [])
        same = next((account for other, account in beside if _byte_copy(other, piece)), None)
        if same is not None:
            same.notes.append(f"{piece.path.name} is a copy of an event file beside it, wall times included: read once")
            continue
        if not accounts or (not prefixes[piece.path] and starts_afresh(told, piece)):
            told = Told()
            account = Account(view="events", kind=("tfevents",), pieces=[piece], prefixes=prefixes)
            if accounts:
                account.say(
                    piece,
                    f"{ANOTHER_RUN}: {piece.path.name} begins after the files before it ended, and steps, epochs and"
                    " loss all start over",
                )
            accounts.append(account)
        else:
            accounts[-1].pieces.append(piece)
            accounts[-1].why[piece.path] = "beside the event files before it, and does not start everything over"
        told.add(piece)
        beside.append((piece, accounts[-1]))
    return accounts


def _split_prefixes(folder: Path, pieces: list[Piece]) -> dict[Path, str]:
    """Tags of validation/ get its name before them; those of the main folder stay as they are."""
    splits = {"" if piece.folder == folder else piece.folder.name for piece in pieces}
    main = min(splits, key=lambda split: (*MAIN_SPLITS, *OTHER_SPLITS).index(split.lower()))
    if main.lower() in OTHER_SPLITS and len(splits) == 1 and main:
        return {piece.path: f"{main}/" for piece in pieces}
    return {
        piece.path: "" if ("" if piece.folder == folder else piece.folder.name) == main else f"{piece.folder.name}/"
        for piece in pieces
    }


def sub_run_of(piece: Piece) -> str | None:
    """The name below its tag of a file that add_scalars made in a folder of its own, else None."""
    if len(piece.series) != 1:
        return None
    tag = piece.series[0].tag
    flat = tag.replace("/", "_").replace(" ", "_") + "_"
    if piece.folder.name.startswith(flat) and len(piece.folder.name) > len(flat):
        return piece.folder.name[len(flat) :]
    parents = "/".join(piece.folder.parts[:-1])
    return piece.folder.name if parents.endswith("/" + tag) or parents == tag else None


def _attach_sub_runs(pieces: list[Piece], accounts: list[Account]) -> None:
    view = Account(view="add_scalars", kind=("tfevents",), pieces=pieces,
                   notes=[f"{len(pieces)} folders that add_scalars wrote belong to the run above them"])
    for piece in pieces:
        view.prefixes[piece.path] = ""
        view.why[piece.path] = "in a folder that add_scalars made for one line of a chart"
    writers = {(piece.reading.source.host, piece.reading.source.pid) for piece in pieces}
    for account in accounts:
        mine = {(piece.reading.source.host, piece.reading.source.pid) for piece in account.pieces}
        if len(accounts) == 1 or mine & writers:
            account.extra.append(view)
            return
    accounts.append(view)


def _attach_silent(piece: Piece, accounts: list[Account]) -> None:
    """A file without scalars is a life that logged nothing, or holds hyperparameters; it belongs to its neighbours."""
    start = piece.reading.source.start_time or 0.0
    beside = [a for a in accounts if any(_stream(p) == _stream(piece) for p in a.pieces)]
    writer = (piece.reading.source.host, piece.reading.source.pid)
    if not beside and not any(
        writer == (other.reading.source.host, other.reading.source.pid) for a in accounts for other in a.pieces
    ):
        beside = accounts  # a life in a folder of its own; a process that lives on writes hyperparameters there
    if beside:
        before = [a for a in beside if (a.pieces[0].reading.source.start_time or 0.0) <= start]
        chosen = (before or beside[:1])[-1]
        chosen.pieces.append(piece)
        chosen.why[piece.path] = "holds no scalars: hyperparameters, or a life that logged nothing"
        chosen.pieces.sort(key=lambda p: (p.reading.source.start_time or 0.0, str(p.path)))
        chosen.prefixes.setdefault(piece.path, "")
        return
    view = Account(view=piece.folder.name, kind=("tfevents",), pieces=[piece], prefixes={piece.path: ""})
    if accounts:
        accounts[0].extra.append(view)
    else:
        accounts.append(view)


def _continued_in_next_folder(accounts: list[Account]) -> list[Account]:
    """Event accounts of several folders; one that goes on where another ends is the same run, resumed."""
    joined: list[Account] = []
    for account in accounts:
        first = account.pieces[0]
        before = [
            other for other in joined if _may_precede(other.pieces[-1], first) and goes_on_from(other.pieces, first)
        ]
        if not before:
            joined.append(account)
            continue
        other = max(before, key=lambda one: int(steps_of(one.pieces).max()))
        other.pieces += account.pieces
        other.prefixes |= account.prefixes
        other.why |= account.why
        other.say(first, f"{place_of(first)} goes on where {place_of(other.pieces[0])} ends: one run, resumed")
    return joined


def _may_precede(one: Piece, after: Piece) -> bool:
    """Whether two event files of different folders log the same tags, the second when the first had ended."""
    if one.folder == after.folder or not share_tags(one, after):
        return False
    return one.wall_span is None or after.wall_span is None or after.wall_span[0] > one.wall_span[1]


def _moments(piece: Piece) -> Hashable:
    """What two event files with the same records have in common: the writer's start, and when each tag was written."""
    return piece.reading.source.start_time, frozenset((s.tag, hash(s.wall_time.tobytes())) for s in piece.series)


def _byte_copy(one: Piece, two: Piece) -> bool:
    """Whether two event files hold the same records, their wall times included."""
    a, b = {s.tag: s for s in one.series}, {s.tag: s for s in two.series}
    return bool(a) and a.keys() == b.keys() and all(
        same_values(a[tag].step, b[tag].step) and same_values(a[tag].value, b[tag].value)
        and np.isfinite(a[tag].wall_time).all() and same_values(a[tag].wall_time, b[tag].wall_time)
        for tag in a
    )
