"""The report that Python code gets: a table of findings, a file in any format, a picture in a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analyzer import model
from analyzer.renderers.notebook import render
from analyzer.renderers.saving import save


class Report(model.Report, frozen=True, kw_only=True):
    """The audit of everything that was asked for."""

    @property
    def findings(self) -> Any:
        """All findings as a pandas DataFrame, a row each."""
        import pandas as pd

        columns = ["run", "code", "name", "severity", "message", "tag", "first_step", "last_step", "help"]
        lines = [
            {"run": one.run.name, **{name: getattr(finding, name) for name in columns[1:]}}
            for one in self.runs
            for finding in one.findings
        ]
        return pd.DataFrame(lines, columns=columns)

    def save(self, path: str | Path, *, form: str | None = None) -> None:
        """Write the report to a file, whole or not at all.

        Args:
            form: a name of ``analyzer check --format``; by the ending (.html, .json, .sarif, .xml, .md, .txt) if None.

        Raises:
            ValueError: for an ending or a format that nobody knows.
            OSError: when the file cannot be written.
        """
        save(self, path, form)

    def _repr_html_(self) -> str:
        return render(self)


def opened(report: model.Report) -> Report:
    """A report as Python code gets it."""
    return Report(**{name: getattr(report, name) for name in report.__struct_fields__})
