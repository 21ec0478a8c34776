"""Audits training logs: reconstructs every clock of a run and shows the rows that cannot all be true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analyzer.model import Report, Run

__version__ = "0.1.0"
__all__ = ["__version__", "audit", "read"]


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
