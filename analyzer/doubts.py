"""What makes a comparison doubtful: errors that touch an axis of a run, and losses that are not the same quantity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct

from analyzer.comparison import SHARE_AVERAGED, Axis, epochs_count_steps
from analyzer.model import RunReport
from analyzer.timeline import Timeline

FACTOR_APART = 2.0  # between two losses, at both ends: no accumulation is by less, and no noise does it twice
FEWEST_ROWS_OF_AN_END = 5
OF_STEPS = ("RES003", "RES008", "LOG002", "LOG006")
"""Rules whose error says that steps are no count of what was trained. A counter set back (RES001) is put right."""
OF_SIZES = ("RES009",)  # the same updates are other numbers of samples
OF_EPOCHS = ("EPO", "RES005")
PUT_RIGHT = ("RES003",)  # what an axis leaves out is told all the same


class Doubt(Struct, frozen=True, kw_only=True):
    """An error of a run, and the axes that rest on what it says is wrong."""

    run: str
    code: str
    message: str
    axes: tuple[Axis, ...]
    counted_from: str  # "its steps", "its epochs"

    @property
    def in_words(self) -> str:
        if self.code in PUT_RIGHT:
            return f"{self.run}: {self.code}: {self.message}; they are not counted"
        axes = " and ".join(filter(None, [", ".join(self.axes[:-1]), self.axes[-1]]))
        return f"{self.run}: {self.code}: {self.message}; its {axes} are counted from {self.counted_from}"


def doubts(reports: Iterable[RunReport], axes: Sequence[Axis]) -> list[Doubt]:
    """Every error that touches a compared axis of a run, each with the axes that it touches."""
    return [
        Doubt(run=one.run.name, code=f.code, message=f.message, axes=touched, counted_from=source)
        for one in reports
        for f in one.findings
        if f.severity == "error"
        for families, source in ((OF_STEPS, "its steps"), (OF_SIZES, "its steps"), (OF_EPOCHS, "its epochs"))
        if f.code.startswith(families)
        if (touched := tuple(axis for axis in axes if _rests(one.timeline, axis, families)))
    ]


def _rests(timeline: Timeline, axis: Axis, families: tuple[str, ...]) -> bool:
    if axis == "time" or (axis == "updates" and families is not OF_STEPS):
        return False
    if axis == "epochs":
        return families is OF_EPOCHS or (families is OF_STEPS and epochs_count_steps(timeline))
    counter = timeline.roles.first("samples" if axis == "samples" else "tokens")
    return families is not OF_EPOCHS and (axis == "updates" or counter is None or len(counter) < 2)


def heights_apart(timelines: Iterable[Timeline]) -> str | None:
    """A line when two training losses lie a factor apart from beginning to end: then they are not the same quantity."""
    spans: dict[str, tuple[float, float]] = {}
    for timeline in timelines:
        loss = timeline.roles.first("loss")
        finite = loss.value[np.isfinite(loss.value)] if loss is not None else np.zeros(0)
        rows = max(FEWEST_ROWS_OF_AN_END, int(len(finite) * SHARE_AVERAGED))
        if len(finite) >= 2 * rows and (finite > 0).all():
            spans[timeline.run.name] = float(np.median(finite[:rows])), float(np.median(finite[-rows:]))
    if len(spans) < 2:
        return None
    low, high = min(spans, key=lambda run: spans[run][0]), max(spans, key=lambda run: spans[run][0])
    ratios = [spans[high][end] / spans[low][end] for end in (0, 1)]
    if min(ratios) < FACTOR_APART:
        return None
    return (
        f"the loss of {high} is {ratios[0]:.3g} times that of {low} at the beginning ({spans[high][0]:.4g} and "
        f"{spans[low][0]:.4g}) and {ratios[1]:.3g} times at the end: they are not the same quantity, or one is summed "
        "or divided over the accumulation steps"
    )
