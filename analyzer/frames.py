"""Tables for people: runs and findings as pandas DataFrames. The only module of the audit that imports pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
from msgspec.structs import asdict

from analyzer.model import NO_STEP, Finding, Report, Row, Run


def run_frame(run: Run) -> pd.DataFrame:
    """The long table of a run: view, tag, step, value, wall_time, source, row; one line a point, in written order."""
    paths = np.array([source.path for source in run.sources], dtype=object)
    parts = []
    for view in run.views:
        for tag, series in view.series.items():
            stepless = series.step == NO_STEP
            step = pd.Series(np.where(stepless, 0, series.step), dtype="Int64").mask(stepless)
            columns_of_tag = {
                "view": view.name,
                "tag": tag,
                "step": step,
                "value": series.value,
                "wall_time": series.wall_time,
                "source": paths[series.source],
                "row": series.row,
            }
            parts.append(pd.DataFrame(columns_of_tag))
    columns = ["view", "tag", "step", "value", "wall_time", "source", "row"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def findings_frame(report: Report) -> pd.DataFrame:
    """All findings of a report, a line each."""
    columns = ["run", "code", "name", "severity", "message", "tag", "first_step", "last_step", "help"]
    lines = [
        {"run": one.run.name, **{name: getattr(finding, name) for name in columns[1:]}}
        for one in report.runs
        for finding in one.findings
    ]
    return pd.DataFrame(lines, columns=columns)


def evidence_frame(finding: Finding) -> pd.DataFrame:
    """The rows that prove a finding, a line each."""
    return pd.DataFrame([asdict(row) for row in finding.evidence], columns=Row.__struct_fields__)
