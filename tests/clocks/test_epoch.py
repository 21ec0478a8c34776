"""The epoch clock on small logs with known answers, and on simulated runs whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzer.auditing import audit_run
from analyzer.clocks.epoch_clock import EpochClock
from analyzer.config.declared import checked_fact, merge
from analyzer.discovery import discover
from analyzer.model import Finding
from analyzer.reconstruction import reconstruct
from tests.clocks.simulated_epochs import FAULTS, Simulated, faulty, healthy

RULES = ("EPO001", "EPO002", "EPO003", "EPO004", "EPO005", "EPO006", "CFG001", "LOG006", "RES004", "RES005", "RES009")


@pytest.fixture(autouse=True)
def rules_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYZER_DEBUG", "1")


def clock_of(folder: Path, text: str, **facts: Any) -> EpochClock | None:
    (folder / "log.csv").write_text(text)
    (run,) = discover([folder]).runs
    own = [checked_fact(key, value, "--declare") for key, value in facts.items()]
    return reconstruct(run, merge(own, run.facts)).epoch


def log(steps: range, label: Callable[[int], object]) -> str:
    rows = [f"{step},{label(step)},{0.5 + 2 / (1 + step / 20):.6f}" for step in steps]
    return "\n".join(["step,epoch,loss", *rows]) + "\n"


@pytest.mark.parametrize(
    ("text", "facts", "low", "high"),
    [
        pytest.param(log(range(1, 161), lambda s: (s - 1) // 40), {}, 40, 40, id="every step: exact"),
        pytest.param(log(range(160), lambda s: s // 40 + 1), {}, 40, 40, id="steps from 0, epochs from 1"),
        pytest.param(log(range(10, 91, 10), lambda s: (s - 1) // 43), {}, 40, 45, id="every ten steps: an interval"),
        pytest.param(log(range(1, 161), lambda s: s / 40), {}, 40, 40, id="fractions in full"),
        pytest.param(log(range(1, 161), lambda s: round(s / 40, 2)), {}, 40, 40, id="fractions of two decimals"),
        pytest.param(
            log(range(1, 97), lambda s: (s - 1) // 24 + min(((s - 1) % 24 + 1) * 3, 70) / 70),
            {},
            24,
            24,
            id="micro-batches: slope 70 / 3, laps of 24",
        ),
        pytest.param(
            log(range(1, 211), lambda s: sum(s > end for end in (60, 120, 150, 180, 195))),
            {
                "dataset_size": 960,
                "batch_size": 16,
                "epochs": 6,
                "drop_last": False,
                "batch_size_ramp": [[0, 16], [2, 32], [4, 64]],
            },
            15,
            60,
            id="a declared ramp",
        ),
    ],
)
def test_steps_per_epoch(text: str, facts: dict[str, Any], low: int, high: int, tmp_path: Path) -> None:
    clock = clock_of(tmp_path, text, **facts)
    assert clock is not None and not clock.breaks
    assert (clock.low, clock.high) == (low, high)


def test_alternating_laps_are_a_ratio(tmp_path: Path) -> None:
    clock = clock_of(tmp_path, log(range(1, 365), lambda s: (s - 1) * 2 // 91))
    assert clock is not None and not clock.breaks
    assert clock.low <= Fraction(91, 2) <= clock.high


@pytest.mark.parametrize(
    ("label", "kind", "step", "size"),
    [
        pytest.param(lambda s: s // 32, "origin", 32, -1, id="one early everywhere"),
        pytest.param(lambda s: max(0, (s - 2) // 32), "origin", 33, 1, id="one late everywhere"),
        pytest.param(lambda s: (s + 2) // 32, "origin", 30, -3, id="three early"),
        pytest.param(lambda s: (s - 1) // 32 + (s > 96), "skip", 97, -32, id="label 3 is skipped"),
        pytest.param(lambda s: (s - 1) // 32 - ((s - 1) // 32 == 4), "repeat", 129, 32, id="label 3 is given twice"),
        pytest.param(lambda s: (s - 1 - (s > 100)) // 32, "shift", 129, 1, id="a boundary late inside the run"),
        pytest.param(lambda s: (s - 1 - 20 * (s > 116)) // 32, "shift", 129, 20, id="an epoch that began again"),
        pytest.param(lambda s: (s - 1 + 12 * (s > 116)) // 32, "shift", 117, -12, id="an epoch cut short"),
        pytest.param(lambda s: 2 * ((s - 1) // 32), "skip", 33, 0, id="counted twice at every epoch's end"),
        pytest.param(lambda s: 1 + 3 * ((s - 1) // 32), "skip", 33, 0, id="counted three times"),
        pytest.param(
            lambda s: (s - 1) // 32 if s <= 128 else 4 + (s - 129) // 16,
            "skip",
            129,
            -128,
            id="labels that run ahead of the declared epochs",
        ),
    ],
)
def test_breaks_are_named_and_placed(
    label: Callable[[int], int], kind: str, step: int, size: int, tmp_path: Path
) -> None:
    clock = clock_of(tmp_path, log(range(1, 257), label), steps_per_epoch=32, epochs=8)
    assert clock is not None
    first = clock.breaks[0]
    assert (first.kind, first.step) == (kind, step)
    assert first.low <= size <= first.high


def test_another_batch_from_an_epochs_end_on_is_a_ramp(tmp_path: Path) -> None:
    clock = clock_of(tmp_path, log(range(1, 257), lambda s: (s - 1) // 32 if s <= 128 else 4 + (s - 129) // 16))
    assert clock is not None
    assert [(one.kind, one.step) for one in clock.breaks] == [("ramp", 129)] and clock.laps == ((1, 32), (129, 16))


RAMP = [[0, 16], [2, 32], [4, 64]]


@pytest.mark.parametrize(("epochs", "slip"), [(6, 0), (None, 0), (None, 1), (4, 0)])
def test_a_declared_ramp_is_followed_as_far_as_the_log_goes(tmp_path: Path, epochs: int | None, slip: int) -> None:
    ends = np.cumsum([60, 60, 30, 30, 15, 15])
    text = log(range(1, 211), lambda s: int(np.searchsorted(ends, s - 1 - slip * (s > 130), side="right")))
    planned = {"epochs": epochs} if epochs else {}
    clock = clock_of(tmp_path, text, dataset_size=960, batch_size=16, batch_size_ramp=RAMP, **planned)
    assert clock is not None
    assert (clock.laps == ((1, 60), (121, 30), (181, 15)) and not clock.breaks) is (not slip and epochs != 4)


def test_another_batch_from_inside_an_epoch_on(tmp_path: Path) -> None:
    def label(s: int) -> int:
        return (s - 1) // 32 if s <= 112 else 3 + (s - 105) // 16

    clock = clock_of(tmp_path, log(range(1, 257), label), steps_per_epoch=32)
    assert clock is not None
    assert [(one.kind, one.step) for one in clock.breaks] == [("geometry", 97)]  # the epoch of both lengths
    assert clock.laps == ((1, 32), (97, 16))


def test_a_single_label_bounds_the_epoch_from_below(tmp_path: Path) -> None:
    clock = clock_of(tmp_path, log(range(1, 51), lambda s: 0))
    assert clock is not None and clock.too_sparse and clock.low == 50


def test_rows_further_apart_than_half_an_epoch_decide_nothing(tmp_path: Path) -> None:
    clock = clock_of(tmp_path, log(range(50, 2001, 50), lambda s: (s - 1) // 47))
    assert clock is not None and clock.rows_apart and clock.too_sparse


def test_no_epoch_labels_no_clock_but_the_declared(tmp_path: Path) -> None:
    text = "\n".join(["step,loss", *(f"{step},{1 / step:.6f}" for step in range(1, 60))]) + "\n"
    clock = clock_of(tmp_path, text, steps_per_epoch=20)
    assert clock is not None and clock.source == "declared" and clock.low == 20


def findings_of(simulated: Simulated, folder: Path) -> list[Finding]:
    for name, text in simulated.files.items():
        (folder / name).write_text(text)
    own = [checked_fact(key, value, "--declare") for key, value in simulated.declared.items()]
    return [
        finding
        for run in discover([folder]).runs
        for finding in audit_run(run, merge(own, run.facts), select=RULES).findings
        if finding.severity != "note"
    ]


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_healthy_runs_are_silent(first: int, tmp_path: Path) -> None:
    for seed in range(first, first + 20):
        folder = tmp_path / str(seed)
        folder.mkdir()
        simulated = healthy(seed)
        found = findings_of(simulated, folder)
        assert not found, (seed, simulated.setup, [f"{f.code} {f.message}" for f in found])


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_planted_faults_are_found_and_placed(fault: str, tmp_path: Path) -> None:
    planted = [simulated for simulated in (faulty(seed, fault) for seed in range(24)) if simulated.visible]
    missed = []
    for number, simulated in enumerate(planted):
        folder = tmp_path / str(number)
        folder.mkdir()
        answers = [f for f in findings_of(simulated, folder) if f.code in simulated.expected]
        slack = 2 * simulated.setup.cadence + 2
        places = [p for f in answers for p in (f.first_step, *(row.step for row in f.evidence)) if p is not None]
        if not answers or (simulated.step is not None and all(abs(p - simulated.step) > slack for p in places)):
            missed.append(simulated.setup)
    assert len(planted) >= 8
    assert len(missed) <= len(planted) // 20, missed


def test_sparse_rows_of_a_change_inside_an_epoch_are_no_ramp(tmp_path: Path) -> None:
    def label(s: int) -> int:
        return (s - 1) // 34 if s <= 85 else 2 + (s - 77) // 17

    clock = clock_of(tmp_path, log(range(5, 206, 5), label), steps_per_epoch=34)
    assert clock is not None
    (only,) = clock.breaks
    assert only.kind == "geometry" and 65 <= only.step <= 95
    assert clock.low <= 34 <= clock.high and clock.laps[1][1] == 17


@pytest.mark.parametrize(
    ("names", "codes"),
    [(("main/loss", "epoch", "iteration", "elapsed_time"), []), (("loss", "epoch", "step", "passed"), ["EPO002"])],
    ids=["a writer whose labels count the epochs that are done", "any other"],
)
def test_labels_of_epochs_that_are_done(names: tuple[str, ...], codes: list[str], tmp_path: Path) -> None:
    rows = [
        dict(zip(names, (0.5 + 2 / (1 + step / 20), step // 50, step, 0.1 * step), strict=True))
        for step in range(10, 501, 10)
    ]
    (tmp_path / "log").write_text(json.dumps(rows))
    (run,) = discover([tmp_path]).runs
    own = [checked_fact(key, value, "--declare") for key, value in {"steps_per_epoch": 50, "epochs": 10}.items()]
    found = audit_run(run, merge(own, run.facts), select=RULES).findings
    assert [one.code for one in found if one.severity != "note"] == codes


def test_a_row_behind_the_last_printed_step_closes_no_epoch_there(tmp_path: Path) -> None:
    lines = []
    for epoch in range(5):
        for step in range(1, 460, 10):
            lines.append(f"Epoch: {epoch}: Step: {step}/460, loss={0.5 + 2 / (1 + 460 * epoch + step):.6f}")
        lines.append(f"Av Loss per epoch={0.5 + 1 / (1 + epoch):.6f}")
    (tmp_path / "train.log").write_text("\n".join(lines) + "\n")
    (run,) = discover([tmp_path]).runs
    own = [checked_fact(key, value, "--declare") for key, value in {"steps_per_epoch": 460, "epochs": 5}.items()]
    report = audit_run(run, merge(own, run.facts), select=RULES)
    assert not [one.code for one in report.findings if one.severity != "note"]
