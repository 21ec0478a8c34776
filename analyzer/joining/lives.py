"""Whether one log goes on where another ends, or starts everything over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from analyzer.joining.accounts import Piece, steps_of
from analyzer.model import Floats, Series
from analyzer.roles import role_of_tag

# A life whose first losses lie this far back towards where the first life began, out of (begin - end), started afresh;
# resumed lives with a reset counter lie below 0.04, fresh ones above 0.94.
FRESH_POSITION = 0.6
ROWS_TO_JUDGE = 8  # loss rows that a life needs before its begin and end can be told apart


def goes_on_from(before: Sequence[Piece], after: Piece) -> bool:
    """Whether a log is a later life of the run that others tell of.

    Its first step lies within or just after theirs, well behind their begin, and behind its own first step of logging:
    a run that starts logs that one. Not all of loss, epoch and learning rate start over, unless its steps go on without
    a seam: a loss that does start over there is the resume's. With another configuration beside it only a log without a
    seam goes on.
    """
    first, later = steps_of(before), steps_of([after])
    if not len(first) or not len(later):
        return False
    cadence, own = _cadence(first), _cadence(later)
    begin, end, begins = int(first.min()), int(first.max()), int(later.min())
    seamless = 0 < begins - end <= cadence
    if begins <= own or (before[-1].settings != after.settings and not seamless):
        return False
    behind = end < begins <= end + max(10 * cadence, (end - begin) // 2)
    within = begin + 2 * cadence <= begins <= end
    if not (behind or within) or int(later.max()) <= end or _begins_earlier(before, after):
        return False
    return (seamless or not _all_start_over(before, after, begins)) and not _parts_at_once(before, after)


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


def _all_start_over(before: Sequence[Piece], after: Piece, begins: int | None = None) -> bool:
    """Whether epoch, learning rate and loss of a log all begin where those before it began."""
    first = [series for piece in before for series in piece.series]
    for role in ("epoch", "learning_rate"):
        if _goes_on(_pooled(first, role, begins), _pooled(after.series, role), rising=role == "epoch"):
            return False
    return _position(_pooled(first, "loss", begins), _pooled(after.series, "loss")) >= FRESH_POSITION


def starts_afresh(before: Sequence[Piece], after: Piece) -> bool:
    """Whether a file is another run than those before it: later in time, and step, epoch and loss all start over."""
    ended = max((piece.wall_span[1] for piece in before if piece.wall_span), default=np.nan)
    if not after.wall_span or not after.wall_span[0] > ended:
        return False
    if (after.first_step or 0) > min((one.first_step for one in before if one.first_step is not None), default=0):
        return False
    return _all_start_over(before, after)


def _pooled(series: Iterable[Series], role: str, until: int | None = None) -> Floats:
    """Values of the main tag of a role, in written order; those up to a step, where one is given."""
    roles = (role, "epoch_loss", "validation_loss") if role == "loss" else (role,)
    for one in roles:
        by_tag: dict[str, list[Floats]] = {}
        for s in series:
            if role_of_tag(s.tag) == one:
                by_tag.setdefault(s.tag, []).append(s.value if until is None else s.value[s.step <= until])
        if by_tag:
            return np.concatenate(max(by_tag.values(), key=lambda parts: sum(map(len, parts))))
    return np.empty(0)


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
