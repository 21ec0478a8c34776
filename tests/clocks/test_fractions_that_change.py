"""Fractional labels whose slope changes though nothing falls: another batch from some step on."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.auditing import audit_run
from analyzer.config.declared import facts_from_options, merge
from analyzer.discovery import discover
from analyzer.rules.examples import falling_loss, table


def told(
    folder: Path, lengths: list[tuple[int, float]], last: int, every: int, digits: int, *declared: str, first: int = 1
) -> list[tuple[str, str]]:
    """Rules that speak, and how gravely, of labels that count epochs of the lengths that hold from some steps on."""
    label, rows, each = 0.0, [], lengths[0][1]
    for step in range(1, last + 1):
        each = next(length for start, length in reversed(lengths) if step >= start)
        label += 1 / each
        if step == first or step % every == 0:
            rows.append((step, f"{label:.{digits}f}", falling_loss(step)))
    (folder / "log.csv").write_text(table(("step", "epoch", "loss"), rows))
    (run,) = discover([folder]).runs
    report = audit_run(run, merge(facts_from_options(declared), run.facts), select=("EPO", "RES", "LOG004"))
    return [(one.code, one.severity) for one in report.findings]


@pytest.mark.parametrize("digits", [3, 6])
@pytest.mark.parametrize("every", [10, 7])
@pytest.mark.parametrize("change", [2201, 2251, 2293])
@pytest.mark.parametrize(("before", "after"), [(200, 400), (150.5, 301), (310, 420)])
def test_a_batch_that_shrinks_is_told(
    tmp_path: Path, before: float, after: float, change: int, every: int, digits: int
) -> None:
    assert told(tmp_path, [(1, before), (change, after)], 4000, every, digits) == [("RES009", "warning")]


@pytest.mark.parametrize(
    ("lengths", "declared", "expected"),
    [
        pytest.param([(1, 400), (1701, 200)], (), [("RES009", "note")], id="a batch that grows, once"),
        pytest.param([(1, 400), (1301, 200), (2501, 100)], (), [("RES009", "note")], id="and again"),
        pytest.param([(1, 400), (1701, 200)], ("steps_per_epoch=400",), [("RES009", "error")], id="not as declared"),
        pytest.param(
            [(1, 200), (1201, 100)],
            ("dataset_size=1600", "batch_size=8", "batch_size_ramp=[[0, 8], [6, 16]]", "drop_last=true"),
            [],
            id="a batch that grows as declared",
        ),
        pytest.param(
            [(1, 200), (1201, 100)],
            ("dataset_size=1600", "batch_size=8", "batch_size_ramp=[[0, 8], [9, 16]]", "drop_last=true"),
            [("RES009", "error")],
            id="a batch that grows earlier than declared",
        ),
        pytest.param([(1, 200), (3801, 400)], (), [], id="no two laps of the new length"),
        pytest.param([(1, 200)], (), [], id="one length"),
        pytest.param([(1, 200.5)], (), [], id="a ratio"),
    ],
)
def test_other_changes(
    tmp_path: Path, lengths: list[tuple[int, float]], declared: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    found = told(tmp_path, lengths, 4000, 10, 4, *declared)
    assert [one for one in found if one[0] != "LOG008"] == expected


@pytest.mark.parametrize("digits", [2, 3, 5])
@pytest.mark.parametrize("each", [37, 100, 333.25, 1000 / 3])
def test_one_length_is_never_two(tmp_path: Path, each: float, digits: int) -> None:
    assert told(tmp_path, [(1, each)], 3000, 5, digits) == []
