"""Whether one log goes on where another ends, or starts everything over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from analyzer.joining.accounts import Piece, steps_of
from analyzer.model import Floats, Series
from analyzer.roles import role_of_tag

# A life whose first losses lie this far back towards where the first life began, out of (begin - end), started afresh;
# resumed lives with a reset counter lie below 0.04, fresh ones above 0.94.
FRESH_POSITION = 0.6
ROWS_TO_JUDGE = 8  # loss rows that a life needs before its begin and end can be told apart
LIVES_LOOKED_AT = 8  # the last ones of a long chain, behind its first: they tell where it is, and how it began


def goes_on_from(before: Sequence[Piece], after: Piece) -> bool:
    """Whether a log is a later life of the run that others tell of.

    Its first step lies within or just after theirs, well behind their begin, and behind its own first step of logging:
    a run that starts logs that one. Not all of loss, epoch and learning rate start over, unless its steps go on without
    a seam: a loss that does start over there is the resume's. With another configuration beside it only a log without a
    seam goes on.
    """
    before = _looked_at(before)
    first, later = span_of(before), span_of([after])
    if not could_go_on(first, later) or _begins_earlier(before, after):
        return False
    begins, seamless = int(later[0]), 0 < later[0] - first[1] <= first[2]
    if before[-1].settings != after.settings and not seamless:
        return False
    return (seamless or not _all_start_over(Told(before, until=begins), after)) and not _parts_at_once(before, after)


def _looked_at(pieces: Sequence[Piece]) -> Sequence[Piece]:
    return (pieces[0], *pieces[-LIVES_LOOKED_AT:]) if len(pieces) > LIVES_LOOKED_AT + 1 else pieces


def span_of(pieces: Sequence[Piece]) -> Floats:
    """First step, last step and cadence of logs; not a number where they have no step."""
    steps = steps_of(_looked_at(pieces))
    if not len(steps):
        return np.full(3, np.nan)
    return np.array([steps.min(), steps.max(), _cadence(steps)], dtype=np.float64)


def could_go_on(before: Floats, after: Floats) -> Any:
    """Whether the steps of a log lie as those of a later life do; spans are the last axis: of many at once."""
    begin, end, cadence = np.moveaxis(before, -1, 0)
    begins, ends, own = np.moveaxis(after, -1, 0)
    behind = (end < begins) & (begins <= end + np.maximum(10 * cadence, (end - begin) // 2))
    within = (begin + 2 * cadence <= begins) & (begins <= end)
    return (begins > own) & (behind | within) & (ends > end)


def _begins_earlier(before: Sequence[Piece], after: Piece) -> bool:
    """Whether a log was begun before those that it should go on from."""
    began = min((piece.wall_span[0] for piece in before if piece.wall_span), default=None)
    return began is not None and after.wall_span is not None and after.wall_span[0] < began


def _parts_at_once(before: Sequence[Piece], after: Piece) -> bool:
    """Whether the losses of two logs lie far apart at the steps that both have: a replay is near what it replays."""
    mine, theirs = _losses([series for piece in before for series in piece.series]), _losses(after.series)
    if mine is None or theirs is None:
        return False
    _, at, there = np.intersect1d(mine.step, theirs.step, return_indices=True)
    apart = np.abs(mine.value[at] - theirs.value[there])
    apart = apart[np.isfinite(apart)]
    finite = mine.value[np.isfinite(mine.value)]
    if len(apart) < ROWS_TO_JUDGE or len(finite) < ROWS_TO_JUDGE:
        return False
    return bool(np.median(apart) > FRESH_POSITION * abs(np.median(finite[:3]) - np.median(finite[-3:])))


def _losses(series: Iterable[Series]) -> Series | None:
    """The longest series of a training loss."""
    told = [one for one in series if role_of_tag(one.tag) in ("loss", "epoch_loss")]
    return max(told, key=len, default=None)


def _cadence(steps: np.ndarray) -> int:
    rises = np.diff(steps)
    return int(np.median(rises[rises > 0])) if (rises > 0).any() else 1


def _all_start_over(before: Told, after: Piece) -> bool:
    """Whether epoch, learning rate and loss of a log all begin where those before it began."""
    later = Told([after])
    for role in ("epoch", "learning_rate"):
        if _goes_on(before.values(role), later.values(role), rising=role == "epoch"):
            return False
    return _position(before.values("loss"), later.values("loss")) >= FRESH_POSITION


class Told:
    """What logs told so far, kept so that the next one is held against it in one time, however many they are."""

    def __init__(self, pieces: Iterable[Piece] = (), *, until: int | None = None) -> None:
        self.until = until  # the last step that counts
        self.ended = np.nan  # the last moment
        self.first_step: int | None = None
        self.parts: dict[str | None, dict[str, list[Floats]]] = {}  # values by role and tag, in written order
        for piece in pieces:
            self.add(piece)

    def add(self, piece: Piece) -> None:
        if piece.wall_span:
            self.ended = float(np.fmax(self.ended, piece.wall_span[1]))
        if piece.first_step is not None:
            self.first_step = min(piece.first_step, piece.first_step if self.first_step is None else self.first_step)
        for one in piece.series:
            values = one.value if self.until is None else one.value[one.step <= self.until]
            self.parts.setdefault(role_of_tag(one.tag), {}).setdefault(one.tag, []).append(values)

    def values(self, role: str) -> Floats:
        """Values of the main tag of a role."""
        for one in (role, "epoch_loss", "validation_loss") if role == "loss" else (role,):
            if by_tag := self.parts.get(one):
                parts = max(by_tag.values(), key=lambda parts: sum(map(len, parts)))
                if len(parts) > 1:
                    parts[:] = [np.concatenate(parts)]
                return parts[0]
        return np.empty(0)


def starts_afresh(before: Told, after: Piece) -> bool:
    """Whether a file is another run than those before it: later in time, and step, epoch and loss all start over."""
    if not after.wall_span or not after.wall_span[0] > before.ended:
        return False
    if (after.first_step or 0) > (before.first_step or 0):
        return False
    return _all_start_over(before, after)


def _goes_on(first: Floats, after: Floats, *, rising: bool) -> bool:
    """Whether a noise-free quantity (epoch, learning rate) of the second life starts nearer to the end of the first."""
    if not len(first) or not len(after):
        return False
    begin, end, here = float(first[0]), float(first[-1]), float(after[0])
    if rising:
        return here > begin and end > begin
    return begin != end and abs(here - end) < abs(here - begin)


def _position(first: Floats, after: Floats) -> float:
    """Where the second life's loss begins: 0 at the end of the first life, 1 at its begin; 0 when it cannot be told."""
    first, after = first[np.isfinite(first)], after[np.isfinite(after)]
    if len(first) < ROWS_TO_JUDGE or len(after) < 3:
        return 0.0
    rows = max(1, min(5, len(first) // 8, len(after) // 3))
    begin, end, here = (float(np.median(part)) for part in (first[:rows], first[-rows:], after[:rows]))
    noise = float(np.median(np.abs(np.diff(first)))) / 0.95  # MAD of differences over sqrt(2) times 0.6745
    if abs(begin - end) <= 3 * noise:
        return 0.0
    return (here - end) / (begin - end)
