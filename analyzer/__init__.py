"""Audits training logs: reconstructs every clock of a run and shows the rows that cannot all be true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analyzer.model import Report, Run
    from analyzer.planning import Plan

__version__ = "0.1.0"
__all__ = ["__version__", "audit", "compare", "plan", "read"]


def read(path: str | Path) -> list[Run]:
    """Every run found at a path: a log file, a run's folder, or a tree of runs."""
    from analyzer.discovery import discover

    return list(discover([Path(path)]).runs)


def audit(run: Run, *, declared: Mapping[str, Any] | None = None, select: Iterable[str] = ("ALL",)) -> Report:
    """Check one run against every selected rule.

    Args:
        declared: facts that you know of the run, by the keys of ``analyzer.toml``; stronger than what the log says.
        select: codes or prefixes of codes, or "ALL".
    """
    from analyzer.auditing import audit_run
    from analyzer.config.declared import checked_fact, merge
    from analyzer.model import Report

    own = [checked_fact(key, value, "declared=") for key, value in (declared or {}).items()]
    return Report(runs=(audit_run(run, merge(own, run.facts), select=select),), version=__version__)


def plan(**facts: Any) -> Plan:
    """Every reading of a declaration: ``analyzer.plan(dataset_size=50_000, batch_size=128, epochs=20).readings``.

    Raises:
        ValueError: for a key that nobody knows.
    """
    from analyzer.config.declared import checked_fact, merge
    from analyzer.planning import plan_of

    return plan_of(merge([checked_fact(key, value, "plan()") for key, value in facts.items()]))


def compare(
    *runs: Run, by: Iterable[str] = (), tag: str | None = None, declared: Mapping[str, Any] | None = None
) -> Any:
    """A metric of several runs after the same updates, samples, tokens, epochs or time, as a pandas DataFrame.

    Args:
        by: what to hold equal; all five when empty.
        tag: the metric; the training loss when not given.
        declared: facts that hold for all the runs.
    """
    from analyzer.comparison import AXES, compare_runs, comparison_frame
    from analyzer.config.declared import checked_fact, merge
    from analyzer.timeline import Timeline

    by = tuple(by)
    own = [checked_fact(key, value, "declared=") for key, value in (declared or {}).items()]
    timelines = [Timeline(run=run, declared=merge(own, run.facts)) for run in runs]
    unknown = [axis for axis in by if axis not in AXES]
    if unknown:
        raise ValueError(f"by: there is no axis {unknown[0]!r}; known: {', '.join(AXES)}")
    axes = [axis for axis in AXES if not by or axis in by]
    return comparison_frame(compare_runs(timelines, axes=axes, tag=tag))
