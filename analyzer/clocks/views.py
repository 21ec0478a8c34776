"""Which of several accounts of one run the clocks are read from."""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.model import View
from analyzer.roles import role_of_tag

CLOCK_ROLES = ("loss", "learning_rate", "epoch")
AS_MANY = 0.97  # a view with this share of the most points tells as much as the one with the most


def richest_view(views: Sequence[View]) -> View:
    """The view with the most points on loss, learning rate and epoch.

    Of accounts that tell about as much, one whose numbers are written in decimals is read before one that rounds them
    to single precision; then the first.
    """
    most = max(points_on_clocks(view) for view in views)
    if not most:
        return max(views, key=lambda view: sum(len(series) for series in view.series.values()))
    telling = [view for view in views if points_on_clocks(view) >= AS_MANY * most]
    return max(telling, key=_written_in_decimals)


def points_on_clocks(view: View) -> int:
    """Points on loss, learning rate and epoch."""
    return sum(len(series) for tag, series in view.series.items() if role_of_tag(tag) in CLOCK_ROLES)


def _written_in_decimals(view: View) -> bool:
    return any(series.written_as == "decimal" for series in view.series.values())
