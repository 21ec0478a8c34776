"""The baseline: findings that were there when it was written, so that only new ones count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from analyzer.config.files import BadConfig
from analyzer.fingerprint import fingerprints
from analyzer.model import Finding, Report, RunReport
from analyzer.regular_files import text_of

SCHEMA = "analyzer-baseline/1"
MOST_BYTES = 100_000_000  # half a million findings


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


class Known(Struct, frozen=True, kw_only=True):
    """The known findings of a baseline: fingerprint -> the run that it is of, and a line that says which it is."""

    findings: Mapping[str, tuple[str, str]]

    @property
    def runs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(run for run, _ in self.findings.values()))


def read_baseline(path: Path) -> Known:
    """The known findings of a file.

    Raises:
        BadConfig: when the file cannot be read or is no baseline.
    """
    try:
        document = json.loads(text_of(path, most=MOST_BYTES))
        if document["schema"] != SCHEMA:
            raise BadConfig(f"{path}: a baseline of schema {document['schema']!r}; write it anew with --write-baseline")
        found = {
            str(one["fingerprint"]): (str(one["run"]), f"{one['rule']} of {one['run']} at step {one['step']}")
            for one in document["findings"]
        }
        return Known(findings=found)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadConfig(f"{path}: {reason}; `--baseline {path} --write-baseline` writes it") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, BadConfig):
            raise
        right = f"`--baseline {path} --write-baseline` writes one in its place"
        raise BadConfig(f"{path}: not a baseline file; {right}") from error


def without_known(report: Report, known: Known, name: str) -> Report:
    """The report with known findings silenced; a known finding of an audited run that is gone becomes a note."""
    runs = []
    met: Counter[str] = Counter()
    audited: set[str] = set()
    for one in report.runs:
        names = [run for run in known.runs if same_run(run, one.run.name)]
        audited.update(names)
        marked = [fingerprints(run, one.findings) for run in names] or [fingerprints(one.run.name, one.findings)]
        old: list[Finding] = []
        new: list[Finding] = []
        for of_finding in zip(*marked, strict=True):
            marks = [mark for _, mark in of_finding]
            met.update(marks)
            (old if any(mark in known.findings for mark in marks) else new).append(of_finding[0][0])
        runs.append(replace(one, findings=tuple(new), silenced=(*one.silenced, *old)))
    gone = [line for mark, (run, line) in known.findings.items() if run in audited and not met[mark]]
    return replace(report, runs=tuple(runs), notes=(*report.notes, *_gone(gone, name)))


def same_run(one: str, other: str) -> bool:
    """Whether two names are of one run, seen from folders of which one may lie above the other."""
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")


def _gone(lines: Iterable[str], name: str) -> list[str]:
    lines = list(lines)
    if not lines:
        return []
    shown = "; ".join(lines[:3]) + (f" and {len(lines) - 3} more" if len(lines) > 3 else "")
    count = "1 known finding is" if len(lines) == 1 else f"{len(lines)} known findings are"
    return [f"{name}: {count} gone ({shown}); write the baseline anew"]
