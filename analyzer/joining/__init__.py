"""Which readings are one run: by what they say, not by where they lie.

Default: the logs of one run's folder are one run. Separate runs come out only where the content shows it: a later event
file that starts everything over, tables with the same columns and other numbers, trainer states without a common
history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.distinct import distinct
from analyzer.joining.accounts import Account, Piece
from analyzer.joining.agreement import LOSSES, Compared, compared, told
from analyzer.joining.event_files import event_accounts, sub_run_of
from analyzer.joining.tables import table_kinds
from analyzer.joining.trainer_states import state_accounts
from analyzer.model import Run, Series, Source, View
from analyzer.readers import Reading, joined_as
from analyzer.roles import role_of_tag

RUNS_COMPARED = 20  # with which one account is compared point by point
LIKELIEST = 2  # of more runs: those with the most losses in common


def join(name: str, root: Path, pieces: Sequence[Piece], names: Mapping[str, str] | None = None) -> list[Run]:
    """The runs that a group's readings are.

    Args:
        names: folder -> name of a run that lies there alone; ``name`` where nothing is said.
    """
    stores = [piece for piece in pieces if piece.reading.runs]
    plain = [piece for piece in pieces if not piece.reading.runs]
    runs = [_stored_run(name, piece, reading) for piece in stores for reading in _stored_readings(piece.reading)]
    bound = _bind(_accounts(plain), names or {}) if plain else []
    titles = _titles(name, root, bound, names or {})
    return [_run(title, accounts) for title, accounts in zip(titles, bound, strict=True)] + runs


def _accounts(pieces: Sequence[Piece]) -> list[list[Account]]:
    """Accounts by kind; within a kind each is a life of its own."""
    told: dict[str, list[Piece]] = {"events": [], "states": [], "tables": []}
    for piece in pieces:
        told[joined_as(piece.reading.source.format)].append(piece)
    kinds = [event_accounts(told["events"]), state_accounts(told["states"]), *table_kinds(told["tables"])]
    return [kind for kind in kinds if kind]


def _bind(kinds: list[list[Account]], names: Mapping[str, str]) -> list[list[Account]]:
    """Put the accounts of different loggers together: by their numbers, and by place where they share none.

    Folders of one run's name are one place; of several runs there, only the one in the same folder is.
    """
    first, *others = sorted(kinds, key=len, reverse=True)
    seen = _Seen(first)
    for account in (account for kind in others for account in kind):
        by_run = [(run, [(compared(account, twin), twin) for twin in run]) for run in seen.candidates(account)]
        agree = [(run, found, twin) for run, of_run in by_run for found, twin in of_run if found.verdict == "agree"]
        if agree:
            run, found, twin = max(agree, key=lambda one: one[1].equal / one[1].of)
            account.say(account.pieces[0], told((account.view, twin.view), found))
            run.append(account)
            continue
        place = names.get(str(_folder(account)), "")
        beside = [of_run for of_run in by_run if names.get(str(_folder(of_run[0][0])), "") == place]
        if len(seen.runs) > 1:
            beside = [of_run for of_run in beside if _folder(of_run[0][0]) == _folder(account)]
        open_ = [run for run, of_run in beside if all(found.verdict == "unknown" for found, _ in of_run)]
        if len(open_) == len(beside) == 1 and not account.alone:
            account.say(account.pieces[0], told((account.view, open_[0][0].view), Compared(verdict="unknown")))
            open_[0].append(account)
            continue
        for found, twin in by_run[0][1] if by_run else ():
            if found.verdict == "differ":
                account.say(account.pieces[0], told((account.view, twin.view), found))
        seen.add(account)
    return seen.runs


def _folder(account: Account) -> Path:
    return account.pieces[0].folder


class _Seen:
    """The runs of a group so far, and which of them an account may belong to: few, however many there are."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self.runs: list[list[Account]] = []
        self.with_loss: dict[float, set[int]] = {}
        for account in accounts:
            self.add(account)

    def add(self, account: Account) -> None:
        for loss in _losses(account):
            self.with_loss.setdefault(loss, set()).add(len(self.runs))
        self.runs.append([account])

    def candidates(self, account: Account) -> list[list[Account]]:
        """All runs where they are few; of many the likeliest by their losses, else those of the same folder if few."""
        if len(self.runs) <= RUNS_COMPARED:
            return self.runs
        votes = Counter(number for loss in _losses(account) for number in self.with_loss.get(loss, ()))
        if votes:
            return [self.runs[number] for number, _ in votes.most_common(LIKELIEST)]
        beside = [run for run in self.runs if _folder(run[0]) == _folder(account)]
        return beside if len(beside) <= RUNS_COMPARED else []


def _losses(account: Account) -> list[float]:
    """Every loss that an account tells, once, to four decimals."""
    found = [s.value for piece in account.pieces for s in piece.series if role_of_tag(s.tag) in LOSSES]
    values = np.concatenate(found) if found else np.empty(0)
    rounded: list[float] = distinct(np.round(values[np.isfinite(values)], 4)).tolist()
    return rounded


def _titles(name: str, root: Path, runs: list[list[Account]], names: Mapping[str, str]) -> list[str]:
    """A name for every run: that of its folder, of the folder below where several share it, and of its file at last."""
    firsts = [run[0].pieces[0] for run in runs]
    places = [names.get(str(first.folder), name) for first in firsts]
    titles = []
    of_place, of_folder = Counter(places), Counter(str(first.folder) for first in firsts)
    for first, place in zip(firsts, places, strict=True):
        if of_place[place] > 1:
            try:
                below = first.folder.relative_to(root).as_posix()
            except ValueError:
                below = "."
            place = place if below == "." else below
            place = place if of_folder[str(first.folder)] == 1 else f"{place}/{_short(first)}"
        titles.append(place)
    return titles


def _short(piece: Piece) -> str:
    name = piece.path.name
    return name if joined_as(piece.reading.source.format) == "events" else name.split(".", 1)[0]


def _stored_readings(store: Reading) -> list[Reading]:
    """The readings of a store that hold numbers, each with what was found for all of them."""
    found = [one for one in store.runs if one.series]
    return [
        replace(one, facts=one.facts + store.facts, problems=one.problems + (store.problems if not at else ()))
        for at, one in enumerate(found)
    ]


def _stored_run(name: str, piece: Piece, reading: Reading) -> Run:
    title = reading.source.view or piece.path.stem
    written_by = reading.source.format
    account = Account(view=written_by, kind=(written_by,), pieces=[replace(piece, reading=reading)])
    return _run(f"{name}/{title}", [account])


def _run(name: str, accounts: list[Account]) -> Run:
    views: list[View] = []
    sources: list[Source] = []
    pieces: list[Piece] = []
    every = [one for account in accounts for one in (account, *account.extra)]
    taken: dict[str, int] = {}
    for account in every:
        taken[account.view] = taken.get(account.view, 0) + 1
        title = account.view if taken[account.view] == 1 else f"{account.view} ({taken[account.view]})"
        indices = range(len(sources), len(sources) + len(account.pieces))
        sources += [replace(piece.reading.source, view=title, why=account.why.get(piece.path, ""))
                    for piece in account.pieces]
        pieces += account.pieces
        views.append(View(name=title, sources=tuple(indices), series=_joined_series(account, indices)))
    notes = [note for account in every for note in account.notes]
    if len(every) > 1:
        notes.append(f"one run seen {len(every)} times: {', '.join(view.name for view in views)}")
    return Run(
        name=name,
        sources=tuple(sources),
        views=tuple(views),
        markers=tuple(replace(m, source=at) for at, piece in enumerate(pieces) for m in piece.reading.markers),
        problems=tuple(problem for piece in pieces for problem in piece.reading.problems),
        facts=tuple(fact for piece in reversed(pieces) for fact in piece.reading.facts),
        notes=tuple(dict.fromkeys(notes)),
    )


def _joined_series(account: Account, indices: range) -> dict[str, Series]:
    by_tag: dict[str, list[tuple[int, Series]]] = {}
    for index, piece in zip(indices, account.pieces, strict=True):
        for series in piece.series:
            by_tag.setdefault(_tag_in_view(account, piece, series), []).append((index, series))
    return {
        tag: Series(
            tag=tag,
            step=_end_to_end(series.step for _, series in found),
            value=_end_to_end(series.value for _, series in found),
            wall_time=_end_to_end(series.wall_time for _, series in found),
            source=_end_to_end(np.broadcast_to(np.int32(index), len(series)) for index, series in found),
            row=_end_to_end(series.row for _, series in found),
            written_as=found[0][1].written_as,
        )
        for tag, found in by_tag.items()
    }


def _end_to_end(parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
    """Arrays as one; a single one, as most runs have, is not copied."""
    arrays = list(parts)
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _tag_in_view(account: Account, piece: Piece, series: Series) -> str:
    if account.view == "add_scalars":
        return f"{series.tag}/{sub_run_of(piece)}"
    return account.prefixes.get(piece.path, "") + series.tag
