"""A comparison as the page shows it: above the runs, which are laid over each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from analyzer.comparison import Comparison
from analyzer.renderers.comparison_text import Context, metric_in_words, parting_in_words, place, rows_in_words
from analyzer.renderers.wording import rounded


def values_of(comparisons: Sequence[Comparison], context: Context, runs: Sequence[str]) -> dict[str, Any]:
    """What the template shows of a comparison; text is escaped there."""
    return {
        "metric": metric_in_words(comparisons, context.higher_is_better),
        "warning": context.warning,
        "doubts": context.doubts,
        "axes": [_axis(one) for one in comparisons],
        "runs": list(runs),
        "differences": context.differences,
        "partings": [parting_in_words(one) for one in context.partings],
    }


def _axis(one: Comparison) -> dict[str, Any]:
    several = len(one.standings) > 1
    return {
        "name": one.axis,
        "reach": place(one.axis, one.places[-1]) if several else "",
        "places": [place(one.axis, at) for at in one.places],
        "rows": [
            {
                "run": standing.run,
                "cells": [
                    *("-" if math.isnan(value) else rounded(value, 4) for value in standing.values),
                    place(one.axis, one.reaches[standing.run]),
                ],
            }
            for standing in one.standings
            if several
        ],
        "few": rows_in_words(one) if several else "",
        "left_out": one.left_out,
    }
