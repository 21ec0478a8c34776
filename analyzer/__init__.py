"""Audits training logs: reconstructs every clock of a run and shows the rows that cannot all be true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyzer.version import __version__

if TYPE_CHECKING:
    from analyzer.model import Run
    from analyzer.planning import Plan
    from analyzer.report import Report

__all__ = ["__version__", "audit", "check", "compare", "plan", "read"]


def read(path: str | Path) -> list[Run]:
    """Every run found at a path: a log file, a run's folder, or a tree of runs.

    Raises:
        FileNotFoundError: when nothing lies there.
    """
    from analyzer.discovery import discover

    return list(discover([_there(path)]).runs)


def check(
    *paths: str | Path,
    declared: Mapping[str, Any] | None = None,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] = (),
    roles: Mapping[str, str] | None = None,
    config: str | Path | None = None,
    against: str | Path | None = None,
    jobs: int = 1,
) -> Report:
    """Audit every run found at the paths, as ``analyzer check`` does: under the configuration that lies beside them.

    Args:
        declared: facts that you know of the runs, by the keys of ``analyzer.toml``; stronger than any file.
        select: codes or prefixes of codes instead of the configured selection; ``ignore`` is added to what it ignores.
        roles: role -> tag, where a wrong column was taken.
        config: this configuration file alone, not those beside and above the runs.
        against: a reference run to keep to, or a folder of them by name.
        jobs: processes for folders of many runs.

    Returns:
        The report: ``passed``, ``findings`` (a DataFrame), ``runs``, ``unreadable``, ``save("report.html")``.

    Raises:
        FileNotFoundError: when nothing lies at a path.
        ValueError: for a fact or rule that nobody knows, and for a configuration that cannot be followed.
    """
    from analyzer.auditing import checked_codes
    from analyzer.checking import Request
    from analyzer.checking import check as audited
    from analyzer.config.declared import checked_fact
    from analyzer.config.files import BadConfig
    from analyzer.report import opened

    if not paths:
        raise ValueError("check() needs a path: a log file, a run's folder, or a tree of runs")
    request = Request(
        paths=tuple(_there(path) for path in paths),
        facts=tuple(checked_fact(key, value, "declared=") for key, value in (declared or {}).items()),
        select=None if select is None else checked_codes(select, "select="),
        ignore=checked_codes(ignore, "ignore="),
        roles=roles or {},
        config=None if config is None else Path(config),
        against=None if against is None else Path(against),
        jobs=jobs,
    )
    try:
        return opened(audited(request, keep_series=True))
    except BadConfig as error:
        raise ValueError(str(error)) from error


def _there(path: str | Path) -> Path:
    """The path; URLs are looked at when they are read."""
    if "://" not in str(path) and not Path(path).exists():
        raise FileNotFoundError(f"{path}: no such file or folder; check the path")
    return Path(path)


def audit(run: Run, *, declared: Mapping[str, Any] | None = None, select: Iterable[str] = ("ALL",)) -> Report:
    """Check one run against every selected rule.

    Args:
        declared: facts that you know of the run, by the keys of ``analyzer.toml``; stronger than what the log says.
        select: codes or prefixes of codes, or "ALL".

    Raises:
        ValueError: for a fact or a rule that nobody knows.
    """
    from analyzer.auditing import audit_run, checked_codes
    from analyzer.config.declared import checked_fact, merge
    from analyzer.report import Report

    own = [checked_fact(key, value, "declared=") for key, value in (declared or {}).items()]
    select = tuple(select)
    chosen = select if "ALL" in select else checked_codes(select, "select=")
    return Report(runs=(audit_run(run, merge(own, run.facts), select=chosen),), version=__version__)


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
    from analyzer.reconstruction import reconstruct

    by = tuple(by)
    own = [checked_fact(key, value, "declared=") for key, value in (declared or {}).items()]
    timelines = [reconstruct(run, merge(own, run.facts)) for run in runs]
    unknown = [axis for axis in by if axis not in AXES]
    if unknown:
        raise ValueError(f"by: there is no axis {unknown[0]!r}; known: {', '.join(AXES)}")
    axes = [axis for axis in AXES if not by or axis in by]
    return comparison_frame(compare_runs(timelines, axes=axes, tag=tag))
