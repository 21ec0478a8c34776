"""Which readings are one run: by what they say, not by where they lie.

Default: the logs of one run's folder are one run. Separate runs come out only where the content shows it: a later event
file that starts everything over, tables with the same columns and other numbers, trainer states without a common
history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.distinct import distinct
from analyzer.joining.accounts import Account, Piece
from analyzer.joining.event_files import event_accounts, sub_run_of
from analyzer.joining.tables import table_kinds
from analyzer.joining.trainer_states import state_accounts
from analyzer.model import Floats, Run, Series, Source, View
from analyzer.readers import Reading
from analyzer.roles import role_of_tag

SAME_VALUES = 0.5  # share of equal losses from which two accounts tell of one run


def join(name: str, root: Path, pieces: Sequence[Piece]) -> list[Run]:
    """The runs that a group's readings are."""
    stores = [piece for piece in pieces if piece.reading.runs]
    plain = [piece for piece in pieces if not piece.reading.runs]
    runs = [_stored_run(name, piece, reading) for piece in stores for reading in _stored_readings(piece.reading)]
    bound = _bind(_accounts(plain)) if plain else []
    titles = _titles(name, root, bound)
    return [_run(title, accounts) for title, accounts in zip(titles, bound, strict=True)] + runs


def _accounts(pieces: Sequence[Piece]) -> list[list[Account]]:
    """Accounts by kind; within a kind each is a life of its own."""
    events = [piece for piece in pieces if piece.reading.source.format == "tfevents"]
    states = [piece for piece in pieces if piece.reading.source.format == "trainer-state"]
    tables = [piece for piece in pieces if piece.reading.source.format not in ("tfevents", "trainer-state")]
    return [kind for kind in [event_accounts(events), state_accounts(states), *table_kinds(tables)] if kind]


def _bind(kinds: list[list[Account]]) -> list[list[Account]]:
    """Put the accounts of different loggers together: alone by their place, among several by their numbers."""
    kinds = sorted(kinds, key=len, reverse=True)
    runs = [[account] for account in kinds[0]]
    if all(len(kind) == 1 for kind in kinds):
        return [[kind[0] for kind in kinds]]
    runs_with: dict[float, list[int]] = {}  # a loss, to four decimals -> the runs that logged it
    sizes = [_note_losses(runs_with, number, account) for number, (account,) in enumerate(runs)]
    for kind in kinds[1:]:
        for account in kind:
            losses = _losses(account)
            votes = Counter(number for loss in losses.tolist() for number in runs_with.get(loss, ()))
            best, equal = max(votes.items(), key=lambda vote: vote[1], default=(0, 0))
            if equal and equal >= SAME_VALUES * min(len(losses), sizes[best]):
                twin = runs[best][0].view
                account.notes.append(f"{account.view} tells the same numbers as {twin}: one run seen twice")
                runs[best].append(account)
                continue
            home = [run for run in runs if run[0].pieces[0].folder == account.pieces[0].folder]
            if len(home) == 1 and len(runs) > 1 and not len(losses):
                home[0].append(account)
            else:
                sizes.append(_note_losses(runs_with, len(runs), account))
                runs.append([account])
    return runs


def _note_losses(runs_with: dict[float, list[int]], number: int, account: Account) -> int:
    losses = _losses(account).tolist()
    for loss in losses:
        runs_with.setdefault(loss, []).append(number)
    return len(losses)


def _losses(account: Account) -> Floats:
    """Every loss that an account tells, once, to four decimals: what loggers of one run have in common."""
    roles = ("loss", "epoch_loss", "validation_loss")
    found = [s.value for piece in account.pieces for s in piece.series if role_of_tag(s.tag) in roles]
    values = np.concatenate(found) if found else np.empty(0)
    return distinct(np.round(values[np.isfinite(values)], 4))


def _titles(name: str, root: Path, runs: list[list[Account]]) -> list[str]:
    if len(runs) == 1:
        return [name]
    folders = [{piece.folder for piece in run[0].pieces[:1]} for run in runs]
    titles = []
    for run, own in zip(runs, folders, strict=True):
        first = run[0].pieces[0]
        alone = sum(bool(own & other) for other in folders) == 1
        try:
            below = first.folder.relative_to(root).as_posix()
        except ValueError:
            below = "."
        place = name if below == "." else below
        titles.append(place if alone else f"{place}/{_short(first.path.name)}")
    return titles


def _short(file_name: str) -> str:
    return file_name if "tfevents" in file_name else file_name.split(".", 1)[0]


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
        sources += [replace(piece.reading.source, view=title) for piece in account.pieces]
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
