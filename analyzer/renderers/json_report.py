"""The JSON report, schema ``analyzer-report/1``: fields may be added, never renamed. Strict JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from analyzer.fingerprint import fingerprints
from analyzer.model import Fact, FactStatus, Finding, Report, RunReport
from analyzer.renderers import Look, Renderer

SCHEMA = "analyzer-report/1"


def render(report: Report, look: Look | None = None) -> str:
    """The report as one JSON document."""
    document = {
        "schema": SCHEMA,
        "version": report.version,
        "runs": [_run(one) for one in report.runs],
        "unreadable": [{"path": problem.source, "reason": problem.message} for problem in report.unreadable],
        "left_alone": [{"path": problem.source, "reason": problem.message} for problem in report.left_alone],
        "notes": list(report.notes),
    }
    return json.dumps(plain(document), indent=1, allow_nan=False, ensure_ascii=True)


def plain(value: Any) -> Any:
    """A value of JSON's own types; NaN and infinity become strings."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Fraction):
        return value.numerator if value.denominator == 1 else float(value)
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return str(value)


def known_number(interval: tuple[float, float] | None) -> Any:
    """A number where an interval is one step or narrower, its bounds where it is not; None where it is not known."""
    if interval is None:
        return None
    low, high = interval
    if high - low < 1 and round(low) == round(high):
        return round(low)
    return {"low": low, "high": high}


def _run(one: RunReport) -> dict[str, Any]:
    timeline = one.timeline
    return {
        "name": one.run.name,
        "sources": [{"path": s.path, "format": s.format, "framework": s.framework} for s in one.run.sources],
        "declared": {key: _declared(fact, one.declared.get(key)) for key, fact in timeline.declared.facts.items()},
        "timeline": timeline_json(timeline),
        "findings": [
            {**_finding(finding), "fingerprint": mark} for finding, mark in fingerprints(one.run.name, one.findings)
        ],
        "silenced": [_finding(finding) for finding in one.silenced],
        "skipped": [{"code": skip.code, "reason": skip.reason} for skip in one.skipped],
        "passed": list(one.passed),
        "problems": [
            {"path": p.source, "kind": p.kind, "message": p.message, "row": p.row, "offset": p.offset}
            for p in one.run.problems
        ],
        "configured_in": list(one.configured_in),
        "notes": list(one.run.notes),  # how the logs of the run were found to belong together
    }


def _declared(fact: Fact, found: FactStatus | None) -> dict[str, Any]:
    status = {} if found is None else {"status": found.status, "reason": found.reason}
    return {"value": fact.value, "from": fact.found_in, **status}


def timeline_json(timeline: Any) -> dict[str, Any]:
    """The reconstructed clocks of one run."""
    sessions = timeline.sessions
    epoch, axis = timeline.epoch, timeline.step_axis
    main = timeline.schedulers[0] if timeline.schedulers else None
    return {
        "first_step": min((session.first_step for session in sessions), default=None),
        "last_step": max((session.last_step for session in sessions), default=None),
        "step_axis": {"unit": axis.unit, "column": axis.column, "per_update": axis.per_update},
        "steps_per_epoch": epoch and {"low": epoch.low, "high": epoch.high, "exact": epoch.exact},
        "sessions": [
            {"first_step": s.first_step, "last_step": s.last_step, "sources": list(s.sources)} for s in sessions
        ],
        "schedule": main
        and {
            "family": main.family,
            "warmup_steps": known_number(main.warmup_steps),
            "total_steps": known_number(main.total_steps),
            "peak_lr": main.peak_lr,
            "rate": main.rate,
            "offset": main.offset,
        },
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity,
        "message": finding.message,
        "tag": finding.tag,
        "first_step": finding.first_step,
        "last_step": finding.last_step,
        "numbers": dict(finding.numbers),
        "evidence": [
            {"source": r.source, "row": r.row, "tag": r.tag, "step": r.step, "value": r.value, "why": r.why}
            for r in finding.evidence
        ],
        "help": finding.help,
        "consequences": list(finding.consequences),
    }


RENDERER = Renderer(name="json", title="the whole report, schema analyzer-report/1", render=render)
