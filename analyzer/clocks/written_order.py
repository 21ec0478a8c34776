"""What the main step counter said when another tag was written: rows of one file are written in order."""

from __future__ import annotations

import re

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.clocks.cadence import usual_cadence
from analyzer.clocks.global_step import main_series
from analyzer.clocks.session_map import SessionMap
from analyzer.model import NO_STEP, Floats, Ints, Series, View
from analyzer.roles import role_of_tag
from analyzer.timeline import Timeline

FEWEST_OVER_ITSELF = 3  # rows
SAME_AXIS = 1.35  # between the ratios of two tags that count the same; episodes end at any step
NAMED_BY_AXIS = re.compile(
    r"^(?P<measure>.+)[/_ .](?:(?:by|per|vs|over)[/_ ])?"
    r"(?P<axis>iter|step|frame|epoch|time|sample|token|update|episode)s?$"
)
OWN_BATCHES = 0.5  # of its rows: of an evaluation that is logged once each time it is none
_PHASE = re.compile(r"^(?:train(?:ing)?|(?P<evaluated>e?val(?:uat(?:e|ion)|id(?:ation)?)?|test(?:ing)?|dev))$", re.I)
_WORD = re.compile(r"[^\W_]+")
_AXES = frozenset({"epoch", "step", "iter", "iteration", "batch"})


class BesideTraining(Struct, frozen=True, kw_only=True, eq=False):
    """Points of a series with the main counter around them; arrays of shape (n,)."""

    series: Series
    index: NDArray[np.int64]
    step: Ints
    before: Ints  # step of the last main row written before
    after: Ints  # step of the first main row written behind

    def off_axis(self, slack: int) -> NDArray[np.bool_]:
        """Points whose own step is outside the main rows around them."""
        low, high = np.minimum(self.before, self.after), np.maximum(self.before, self.after)
        return (self.step < low - slack) | (self.step > high + slack)


def named_by_axis(view: View) -> set[str]:
    """Tags of a measure that is written over several axes, each named in a tag: ``rewards/step``, ``rewards/iter``."""
    named = [found for found in map(NAMED_BY_AXIS.match, view.series) if found]
    axes = {(one["measure"], one["axis"]) for one in named}
    several = {measure for measure, _ in axes if len([1 for other, _ in axes if other == measure]) > 1}
    return {one.string for one in named if one["measure"] in several}


def measured_alone(series: Series, view: View) -> bool:
    """Whether a tag is of an evaluation and tells what no training does: its axis may be its own (a PSNR by epochs)."""
    phases, measure = _phases_and_measure(series.tag)
    others = (_phases_and_measure(tag) for tag in view.series if tag != series.tag)
    return True in phases and not any(True not in phase and other == measure for phase, other in others)


def counts_batches(beside: BesideTraining) -> bool:
    """Whether most rows of an evaluation follow one another between the same training rows: its batches are counted."""
    evaluated = True in _phases_and_measure(beside.series.tag)[0]
    return evaluated and bool(np.mean(np.diff(beside.before) == 0) > OWN_BATCHES)


def keeps_epochs(off_axis: list[Series]) -> bool:
    """Whether a loss of the training is among the tags of another axis, once a number: what is compared shares it."""
    losses = [series for series in off_axis if role_of_tag(series.tag) in ("loss", "epoch_loss")]
    return any(usual_cadence(series.step) == 1 for series in losses)


def _phases_and_measure(tag: str) -> tuple[set[bool], tuple[str, ...]]:
    """Whether words of a tag name an evaluation, or a training, and the words that name neither that nor an axis."""
    words = _WORD.findall(tag.lower())
    phases = [(word, _PHASE.match(word)) for word in words]
    named = {bool(phase["evaluated"]) for _, phase in phases if phase}
    return named, tuple(word for word, phase in phases if not phase and word not in _AXES)


def counts_its_own_axis(series: Series, training: Series | None) -> bool:
    """Whether a counter is written over itself while the training counts further (Tianshou's ``save/epoch``).

    It names what its steps count and says nothing of the training's.
    """
    if training is None or len(series) < FEWEST_OVER_ITSELF or not len(training):
        return False
    return np.array_equal(series.value, series.step) and int(training.step.max()) != int(series.step.max())


def on_no_named_axis(
    found: list[tuple[BesideTraining, float]], training: Series
) -> list[tuple[BesideTraining, float]]:
    """Tags, each with its steps per training step, that count like no counter that is written over itself."""
    named = [ratio for one, ratio in found if counts_its_own_axis(one.series, training)]
    return [one for one in found if not any(max(one[1], by) < SAME_AXIS * min(one[1], by) for by in named)]


def training_rows(timeline: Timeline, view: View) -> Series | None:
    """The series of a view that stands for its training rows."""
    if view is timeline.view:
        return main_series(timeline.view, timeline.roles)
    for role in ("loss", "learning_rate", "grad_norm"):
        found = [series for tag, series in view.series.items() if role_of_tag(tag) == role]
        if found:
            return max(found, key=len)
    return None


def beside_training(session_map: SessionMap, main: Series, series: Series) -> BesideTraining | None:
    """Place a series among the training rows: by rows in one file, by time in two; None without either."""
    if series is main or (len(series) == len(main) and np.array_equal(series.step, main.step)):
        return None
    mine = np.nonzero(series.step != NO_STEP)[0]
    if len(mine) < 3 or len(main) < 3:
        return None
    if set(sources_of(series)) <= set(sources_of(main)):
        ours = _row_keys(series)[mine]
        theirs = _row_keys(main)
    elif np.all(np.isfinite(series.wall_time[mine])) and np.all(np.isfinite(main.wall_time)):
        ours, theirs = series.wall_time[mine], main.wall_time
    else:
        return None
    if np.any(np.diff(theirs) < 0):
        return None
    behind = ours > theirs[0]  # what was written before the first training row may have any smaller step
    mine, ours = mine[behind], ours[behind]
    if len(mine) < 3:
        return None
    at = np.searchsorted(theirs, ours)
    same_session = session_map.of(series)[mine]
    session = session_map.of(main)
    before, after = np.clip(at - 1, 0, len(main) - 1), np.clip(at, 0, len(main) - 1)
    before = np.where(session[before] == same_session, before, after)
    after = np.where(session[after] == same_session, after, before)
    return BesideTraining(
        series=series, index=mine, step=series.step[mine], before=main.step[before], after=main.step[after]
    )


def sources_of(series: Series) -> list[int]:
    """The sources of a series, in the order of its rows; neighbours are of one source but for the seams."""
    seams = np.nonzero(np.diff(series.source))[0] + 1
    return [int(series.source[0]), *series.source[seams].tolist()]


def _row_keys(series: Series) -> Floats:
    return series.source.astype(np.float64) * 2.0**40 + series.row
