"""Every clock of a report is read before anything is shown: one that fails is named, and costs nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from analyzer.model import RunReport, Skipped

CLOCKS: Mapping[str, Any] = {"epoch": None, "schedulers": (), "wall": None, "loss": None}
"""Clocks that a report can do without, and what stands for one that could not be read."""


def with_sound_clocks(report: RunReport) -> RunReport:
    """The report with every clock read: one that fails is left out and named, and costs nothing else."""
    skipped = list(report.skipped)
    for clock, nothing in CLOCKS.items():
        try:
            getattr(report.timeline, clock)
        except Exception as error:
            if os.environ.get("ANALYZER_DEBUG"):
                raise
            report.timeline.__dict__[clock] = nothing
            reason = f"internal error in the {clock} clock, please report it: {told(error)}"
            skipped.append(Skipped(code=clock, reason=reason))
    return replace(report, skipped=tuple(skipped))


def told(error: Exception) -> str:
    """An error on one line."""
    return f"{type(error).__name__}: {error}"
