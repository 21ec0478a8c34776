"""Trainer states: the latest of a lineage tells the run, earlier ones are its beginning or another view."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace

from analyzer.joining.accounts import Account, Piece, is_beginning_of
from analyzer.roles import role_of_tag


def state_accounts(pieces: Sequence[Piece]) -> list[Account]:
    """One account a lineage: the latest state, and those states of its history that say something else."""
    accounts: list[Account] = []
    for piece in sorted(pieces, key=_state_order):
        for account in accounts:
            main = account.pieces[0]
            if is_beginning_of(piece, main):
                account.notes.append(f"{_label(piece)} adds nothing: its history is the beginning of {_label(main)}")
                break
            if _common_history(piece, main):
                note = f"{_label(piece)} parts from {_label(main)} after a common beginning: kept as another view"
                account.extra.append(Account(view=_label(piece), kind=("trainer-state",), pieces=[piece], notes=[note]))
                break
        else:
            accounts.append(Account(view=_label(piece), kind=("trainer-state",), pieces=[piece]))
    for account in accounts:
        account.notes = _merged_notes(account.notes)
        main = account.pieces[0]
        if "/" in _label(main) and not _reached_its_end(main):
            source = replace(main.reading.source, unfinished=True)
            account.pieces[0] = replace(main, reading=replace(main.reading, source=source))
            account.notes.append(f"known from {_label(main)} only: the run may have gone on behind it")
        if len(accounts) > 1:
            account.notes.append(f"{len(accounts)} trainer states without a common history lie here: runs of their own")
    return accounts


def _reached_its_end(piece: Piece) -> bool:
    """Whether a checkpoint was saved at the step that its state declares as the last."""
    number = re.search(r"\d+$", piece.folder.name)
    planned = [fact.value for fact in piece.reading.facts if fact.key == "max_steps"]
    return number is not None and bool(planned) and int(number[0]) >= planned[0]


def _merged_notes(notes: list[str]) -> list[str]:
    same = [note for note in notes if " adds nothing: " in note]
    if len(same) < 3:
        return notes
    names = [note.split(" adds nothing", 1)[0] for note in same]
    rest = same[0].split(" of ", 1)[-1]
    merged = f"{len(same)} earlier states ({names[-1]} .. {names[0]}) add nothing: each is the beginning of {rest}"
    return [merged, *(note for note in notes if note not in same)]


def _label(piece: Piece) -> str:
    name = piece.path.name
    return f"{piece.folder.name}/{name}" if re.match(r"(?i)(checkpoint|ckpt|last)", piece.folder.name) else name


def _state_order(piece: Piece) -> tuple[int, bool, int, str]:
    """Most steps first; of equals the one of the run's own folder, then the latest checkpoint."""
    last = max((int(s.step.max()) for s in piece.series if len(s)), default=0)
    number = re.search(r"\d+$", piece.folder.name)
    return -last, "/" in _label(piece), -int(number[0]) if number else 0, str(piece.path)


def _common_history(one: Piece, two: Piece) -> bool:
    """Whether two states begin with the same rows, losses included, before they part."""
    whole = {series.tag: series for series in two.series}
    losses = 0
    for s in one.series:
        role = role_of_tag(s.tag)
        if s.tag not in whole or role not in ("loss", "epoch_loss", "validation_loss", "learning_rate", "grad_norm"):
            continue
        other = whole[s.tag]
        if not (len(s) and len(other) and s.step[0] == other.step[0] and s.value[0] == other.value[0]):
            return False
        losses += role != "learning_rate"
    return losses > 0
