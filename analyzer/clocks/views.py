"""Which of several accounts of one run the clocks are read from."""

from __future__ import annotations

from analyzer.model import Run, View
from analyzer.roles import role_of_tag

CLOCK_ROLES = ("loss", "learning_rate", "epoch")


def richest_view(run: Run) -> View:
    """The view with the most points on loss, learning rate and epoch; the first of equals."""

    def points(view: View) -> tuple[int, int]:
        on_clocks = [len(series) for tag, series in view.series.items() if role_of_tag(tag) in CLOCK_ROLES]
        return sum(on_clocks), sum(len(series) for series in view.series.values())

    return max(run.views, key=points)
