"""The baseline: findings that were there when it was written, so that only new ones count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from analyzer.config.files import BadConfig
from analyzer.fingerprint import fingerprints
from analyzer.model import Report, RunReport

SCHEMA = "analyzer-baseline/1"


def baseline_text(report: Report) -> str:
    """All findings of a report as a baseline file, one a line, sorted: a change of it reads well in a diff."""
    entries = sorted(
        (
            _entry(one, finding, mark)
            for one in report.runs
            for finding, mark in fingerprints(one.run.name, one.findings)
        ),
        key=lambda entry: (entry["run"], entry["rule"], entry["fingerprint"]),
    )
    lines = ",\n".join("  " + json.dumps(entry) for entry in entries)
    return f'{{"schema": "{SCHEMA}", "findings": [\n{lines}\n]}}\n'


def _entry(one: RunReport, finding: Any, mark: str) -> dict[str, Any]:
    return {
        "fingerprint": mark,
        "rule": finding.code,
        "run": one.run.name,
        "tag": finding.tag,
        "step": finding.first_step,
        "message": finding.message,
    }


def read_baseline(path: Path) -> dict[str, str]:
    """Fingerprints of known findings, each with a line that says which it is.

    Raises:
        BadConfig: when the file cannot be read or is no baseline.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise BadConfig(f"{path}: a baseline of schema {document['schema']!r}; write it anew with --write-baseline")
        return {
            str(entry["fingerprint"]): f"{entry['rule']} of {entry['run']} at step {entry['step']}"
            for entry in document["findings"]
        }
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadConfig(f"{path}: {reason}; write a baseline with --write-baseline {path}") from error
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, BadConfig):
            raise
        raise BadConfig(f"{path}: not a baseline file; write one with --write-baseline {path}") from error


def without_known(report: Report, known: dict[str, str], name: str) -> Report:
    """The report with known findings silenced; a known finding that is gone becomes a note of the report."""
    runs = []
    met: Counter[str] = Counter()
    for one in report.runs:
        marked = list(fingerprints(one.run.name, one.findings))
        met.update(mark for _, mark in marked)
        old = tuple(finding for finding, mark in marked if mark in known)
        new = tuple(finding for finding, mark in marked if mark not in known)
        runs.append(replace(one, findings=new, silenced=(*one.silenced, *old)))
    gone = [line for mark, line in known.items() if not met[mark]]
    return replace(report, runs=tuple(runs), notes=(*report.notes, *_gone(gone, name)))


def _gone(lines: Iterable[str], name: str) -> list[str]:
    lines = list(lines)
    if not lines:
        return []
    shown = "; ".join(lines[:3]) + (f" and {len(lines) - 3} more" if len(lines) > 3 else "")
    count = "1 known finding is" if len(lines) == 1 else f"{len(lines)} known findings are"
    return [f"{name}: {count} gone ({shown}); write the baseline anew"]
