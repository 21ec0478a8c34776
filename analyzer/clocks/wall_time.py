"""The wall clock: seconds per step, stalls, and time that runs backwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyzer.timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class WallClock:
    """Pace of the run, where the log carries times."""

    first: float  # seconds since 1970
    last: float
    seconds_per_step: float  # median


def read_wall_clock(timeline: Timeline) -> WallClock | None:
    """Read the pace from record times or an elapsed column; None when the log has neither."""
    return None
