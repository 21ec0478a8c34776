"""The declared schedule on the rows of a log: what a picture shows beside the schedule that ran."""

from __future__ import annotations

from analyzer.clocks.declared_schedule import read_claim
from analyzer.clocks.learning_rate import observe
from analyzer.clocks.scheduler.tied import references
from analyzer.model import Floats, Ints, Series
from analyzer.timeline import Timeline


def declared_rates(timeline: Timeline, series: Series) -> tuple[Ints, Floats] | None:
    """Rows of a series and the rate that the declaration gives there, in the reading that follows the log longest.

    Returns:
        Indices into the series, shape (n,), and rates, shape (n,); None where no schedule is declared, or one that
        depends on a metric.
    """
    claim = read_claim(timeline)
    if claim.family is None or claim.family == "plateau":
        return None
    rows = observe(timeline, series)
    if rows is None:
        return None
    tied = next(iter(references(claim, rows.sample(), 1)), None)
    return None if tied is None else (rows.index, tied.on(rows))
