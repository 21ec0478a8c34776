"""Tables and texts: those of one kind in one folder are runs of their own, unless one goes on from another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct, field

from analyzer.joining.accounts import (
    SAME_TAGS,
    SPLIT_FOLDER,
    SPLIT_WORD,
    Account,
    Piece,
    is_beginning_of,
    place_of,
    points_in,
    split_of,
)
from analyzer.joining.lives import could_go_on, goes_on_from, span_of
from analyzer.joining.numbered import one_after_another
from analyzer.model import Floats
from analyzer.readers import readers_by_name
from analyzer.roles import role_of_tag

SPLITS = {"va": "val", "ev": "eval", "te": "test", "de": "dev"}  # as ``split_of`` tells them
TENSORBOARD_EXPORT = re.compile(r"^(?:run-)?(?P<run>.*?)-tag-(?P<tag>.+?)(?: ?\(\d+\))?\.csv$")


class _Kind(Struct, kw_only=True, eq=False):
    """Accounts of one kind, and where to look for one that a new account could belong to."""

    accounts: list[Account]
    by_first_row: dict[tuple[float, ...], list[Account]] = field(default_factory=dict)
    spans: list[Floats] = field(default_factory=list)  # of the steps of each account
    begins: set[int] = field(default_factory=set)  # first steps; runs of a sweep all begin at the same


def table_kinds(pieces: Sequence[Piece]) -> list[list[Account]]:
    """Accounts of all other formats, those of one kind together."""
    kinds: list[_Kind] = []
    for account in _families(pieces):
        kind = next((kind for kind in kinds if _same_kind(kind.accounts[0], account)), None)
        if kind is None:
            kind = _Kind(accounts=[])
            kinds.append(kind)
        _add_to_kind(kind, account)
    return _with_their_splits([one_after_another(kind.accounts) for kind in kinds])


def _with_their_splits(kinds: list[list[Account]]) -> list[list[Account]]:
    """``history_val.json`` beside ``history_train.json`` tells of the same run: its tags get the split before them."""
    every = [account for kind in kinds for account in kind if len(account.pieces) == 1]
    mains = {_without_split(account): account for account in every if split_of(account) == "tr"}
    taken: list[Account] = []
    for account in every:
        main = mains.get(_without_split(account))
        if split_of(account) in ("", "tr") or main is None or main.kind != account.kind:
            continue
        piece = account.pieces[0]
        main.pieces.append(piece)
        main.prefixes[piece.path] = f"{SPLITS[split_of(account)]}/"
        main.say(piece, f"{place_of(piece)} is named after another split of what {place_of(main.pieces[0])} tells")
        taken.append(account)
    left = ([account for account in kind if not any(account is one for one in taken)] for kind in kinds)
    return [kind for kind in left if kind]


def _without_split(account: Account) -> tuple[Path, str]:
    """Where a table lies and what it is called, without the word that names its split."""
    path = account.pieces[0].path
    if SPLIT_WORD.search(path.stem):
        return path.parent, SPLIT_WORD.sub("", path.stem)
    return (path.parent.parent if SPLIT_FOLDER.match(path.parent.name) else path.parent), path.stem


def _families(pieces: Sequence[Piece]) -> list[Account]:
    """Files that one logger wrote side by side, a tag a file, are one account; any other file is one by itself."""
    families: dict[tuple[str, ...], list[Piece]] = {}
    for piece in pieces:
        families.setdefault(_family(piece), []).append(piece)
    accounts = []
    for key, found in families.items():
        view = Path(found[0].reading.source.path).name if len(found) == 1 else key[-1] or key[0]
        account = Account(view=view, kind=(found[0].reading.source.format, found[0].reading.source.step_column or ""),
                          pieces=found)
        found.sort(key=lambda piece: (piece.reading.source.start_time or 0.0, str(piece.path)))
        if key[0] == "W&B run":
            first = place_of(found[0])
            for piece in found[1:]:
                account.say(piece, f"{place_of(piece)} has the run id of {first}: resumed")
        elif len(found) > 1:
            account.notes.append(f"{len(found)} files with a tag each are one log: {found[0].path.name}, ...")
            account.why = {piece.path: "one of several files with a tag each" for piece in found}
        if key[0] == "DVCLive":  # the folders below plots/metrics are the beginning of the tag
            below = {piece.path: piece.folder.relative_to(Path(key[1]) / "plots" / "metrics") for piece in found}
            account.prefixes = {path: f"{place.as_posix()}/" for path, place in below.items() if place.parts}
        accounts.append(account)
    return accounts


def _family(piece: Piece) -> tuple[str, ...]:
    name = piece.path.name
    reader = readers_by_name().get(piece.reading.source.format)
    if reader is not None and reader.family is not None:
        return reader.family(piece.path)
    export = TENSORBOARD_EXPORT.match(name)
    if export:
        return ("tensorboard export", str(piece.folder), export["run"])
    tags = [s.tag for s in piece.series]
    if (place := dvclive_folder(piece)) is not None:
        return ("DVCLive", str(place), "dvclive")
    if piece.path.suffix == ".csv" and len(tags) == 1:
        last = re.escape(tags[0].split("/")[-1])
        match = re.search(rf"^(.*?)[_-]?{last}$", piece.path.stem)
        if match:  # DeepSpeed's monitor: Train_Samples_lr.csv has the columns step and lr
            return ("a file a tag", str(piece.folder), match[1])
    return ("file", str(piece.path))


def dvclive_folder(piece: Piece) -> Path | None:
    """The folder of a DVCLive run whose ``plots/metrics`` a file lies in, else None."""
    if piece.path.suffix != ".tsv":
        return None
    return next((p.parent.parent for p in piece.path.parents if p.parts[-2:] == ("plots", "metrics")), None)


def _same_kind(one: Account, two: Account) -> bool:
    if one.kind != two.kind or split_of(one) != split_of(two):
        return False
    a = {s.tag for piece in one.pieces for s in piece.series}
    b = {s.tag for piece in two.pieces for s in piece.series}
    return bool(a | b) and len(a & b) >= SAME_TAGS * len(a | b)


def _add_to_kind(kind: _Kind, account: Account) -> None:
    first_row = _first_row(account)
    begin = int(first_row[0])
    same = kind.by_first_row.get(first_row, [])
    if _read_twice(same, account):
        for at, other in enumerate(kind.accounts):
            if any(other is one for one in same):
                kind.spans[at] = span_of(other.pieces)
    elif not _resumed(kind, account, begin):
        kind.accounts.append(account)
        kind.spans.append(span_of(account.pieces))
        kind.by_first_row.setdefault(first_row, []).append(account)
    kind.begins.add(begin)


def _first_row(account: Account) -> tuple[float, ...]:
    """First step and value of the losses, or of the first tag: equal for copies of one table."""
    series = [s for piece in account.pieces[:1] for s in piece.series if len(s)]
    losses = [s for s in series if role_of_tag(s.tag) in ("loss", "epoch_loss", "validation_loss")]
    chosen = min(losses or series, key=lambda s: s.tag, default=None)
    return (float(chosen.step[0]), float(chosen.value[0])) if chosen is not None else (0.0,)


def _read_twice(others: Sequence[Account], account: Account) -> bool:
    """Whether one of the accounts holds the same rows, or some of them; the longer one is kept."""
    piece = account.pieces[0]
    for other in others:
        last = other.pieces[-1]
        if len(account.pieces) != 1 or len(other.pieces) != 1:
            continue
        if not (is_beginning_of(piece, last) or is_beginning_of(last, piece)):
            continue
        longer, shorter = (last, piece) if points_in(last) >= points_in(piece) else (piece, last)
        rows = {s.tag: len(s) for s in longer.series}
        word = "the same numbers as" if all(len(s) == rows[s.tag] for s in shorter.series) else "the beginning of"
        other.pieces = [longer]
        other.view = longer.path.name
        other.notes.append(f"{shorter.path.name} holds {word} {longer.path.name}: read once")
        return True
    return False


def _resumed(kind: _Kind, account: Account, begin: int) -> bool:
    """Whether the account goes on where another one ends, or the other way round; then they are one."""
    if kind.begins <= {begin}:
        return False
    piece = account.pieces[0]
    spans = np.array(kind.spans)
    able = could_go_on(spans, span_of([piece])) | could_go_on(span_of(account.pieces), spans)
    for at in np.flatnonzero(able).tolist():
        other = kind.accounts[at]
        last = other.pieces[-1]
        if goes_on_from(other.pieces, piece):
            other.pieces += account.pieces
            other.say(piece, f"{place_of(piece)} goes on where {place_of(last)} ends: one run, resumed")
        elif len(other.pieces) == 1 and goes_on_from(account.pieces, last):
            other.pieces[:0] = account.pieces
            other.say(last, f"{place_of(last)} goes on where {place_of(piece)} ends: one run, resumed")
        else:
            continue
        kind.spans[at] = span_of(other.pieces)
        return True
    return False
