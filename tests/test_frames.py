"""Tables for people."""

from __future__ import annotations

from analyzer.model import Finding, Row


def test_evidence_as_a_frame() -> None:
    row = Row(source="log.csv", row=7, tag="loss", step=5, value=0.5, why="first")
    frame = Finding(severity="error", message="", evidence=(row, row)).to_frame()
    assert list(frame.columns) == ["source", "row", "tag", "step", "value", "why"]
    assert frame.iloc[1].tolist() == ["log.csv", 7, "loss", 5, 0.5, "first"]


def test_no_evidence_is_an_empty_frame_with_its_columns() -> None:
    frame = Finding(severity="note", message="").to_frame()
    assert len(frame) == 0
    assert "value" in frame.columns
