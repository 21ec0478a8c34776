"""Which of several accounts of one run the clocks are read from."""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.model import Source, View
from analyzer.roles import role_of_tag

CLOCK_ROLES = ("loss", "learning_rate", "epoch")
AS_MANY = 0.97  # a view with this share of the most points tells as much as the one with the most


def richest_view(views: Sequence[View], sources: Sequence[Source] = ()) -> View:
    """The view with the most points on loss, learning rate and epoch, of those that count anything.

    Of accounts that tell about as much, one whose numbers are written in decimals is read before one that rounds them
    to single precision; then the first.
    """
    counting = [view for view in views if points_on_clocks(view) and not _counts_rows(view, sources)]
    views = counting or views
    most = max(points_on_clocks(view) for view in views)
    if not most:
        return max(views, key=lambda view: sum(len(series) for series in view.series.values()))
    telling = [view for view in views if points_on_clocks(view) >= AS_MANY * most]
    return max(telling, key=_written_in_decimals)


def _counts_rows(view: View, sources: Sequence[Source]) -> bool:
    """Whether the steps of a view are only the places of its rows: another account has a counter."""
    axes = {sources[index].step_axis for index in view.sources if index < len(sources)}
    return bool(axes) and axes <= {"row", "redraw"}


def points_on_clocks(view: View) -> int:
    """Points on loss, learning rate and epoch."""
    return sum(len(series) for tag, series in view.series.items() if role_of_tag(tag) in CLOCK_ROLES)


def _written_in_decimals(view: View) -> bool:
    return any(series.written_as == "decimal" for series in view.series.values())
