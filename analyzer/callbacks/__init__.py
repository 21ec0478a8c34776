"""Audits at the end of training: one callback for each framework, over its public interface.

    from analyzer.callbacks.transformers import AuditCallback
    from analyzer.callbacks.lightning import AuditCallback
    from analyzer.callbacks.keras import AuditCallback

The framework is imported only by its own module. A callback never changes the training: what goes wrong in an audit is
told in one line, and only ``raise_on`` ends a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analyzer.model import Finding
    from analyzer.report import Report

GRAVE = {"error": ("error",), "warning": ("error", "warning"), "never": ()}


class AuditFailed(RuntimeError):
    """The log of this training has findings at or above ``raise_on``; ``report`` holds them."""

    def __init__(self, report: Report, count: int) -> None:
        super().__init__(f"the audit of this training's log has {count} finding{'s'[: count != 1]}; see above")
        self.report = report


class Auditor:
    """What the callbacks share: audits a place, prints each finding once, raises when it is asked to.

    Args:
        raise_on: "error", "warning" or "never".
        declared: facts by the keys of ``analyzer.toml``, stronger than what the framework tells.
    """

    def __init__(self, *, raise_on: str = "never", declared: Mapping[str, Any] | None = None) -> None:
        if raise_on not in GRAVE:
            raise ValueError(f"raise_on={raise_on!r}: expected one of {', '.join(GRAVE)}")
        self.raise_on = raise_on
        self.declared = dict(declared or {})
        self.report: Report | None = None
        self._told: set[tuple[str, str, int | None]] = set()

    def audit(self, place: str | Path, declared: Mapping[str, Any] | None = None, *, over: bool) -> None:
        """Audit the log at a place.

        Args:
            over: the training has ended. Before, only errors are told, and none about the run's length.

        Raises:
            AuditFailed: when ``raise_on`` says so and the training has ended.
        """
        import analyzer

        try:
            self.report = analyzer.check(place, declared={**(declared or {}), **self.declared})
            self._say(self.report, over)
        except Exception as error:  # an audit may never cost a training
            print(f"analyzer: {place} was not audited: {type(error).__name__}: {error}")
            return
        grave = sum(finding.severity in GRAVE[self.raise_on] for one in self.report.runs for finding in one.findings)
        if over and grave:
            raise AuditFailed(self.report, grave)

    def _say(self, report: Report, over: bool) -> None:
        """Print what was not told before, and at the end the sum."""
        from analyzer.renderers import Look
        from analyzer.renderers.finding_text import finding_lines
        from analyzer.renderers.wording import totals

        for one in report.runs:
            for finding in one.findings:
                if finding.severity != "note" and self._is_news(finding, over):
                    print("\n".join(finding_lines(one, finding, Look())))
        if over:
            print(f"analyzer: {totals(report.runs)}")

    def _is_news(self, finding: Finding, over: bool) -> bool:
        key = (finding.code, finding.tag or "", finding.first_step)
        if key in self._told or not (over or (finding.severity == "error" and not finding.code.startswith("EPO004"))):
            return False
        self._told.add(key)
        return True
