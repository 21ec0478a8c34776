"""The loss, gradient and epoch-mean rules on small logs: what must be said, and what must not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer.auditing import audit_run
from analyzer.config.declared import facts_from_options, merge
from analyzer.discovery import discover
from analyzer.model import Finding
from analyzer.rules.examples import table

RULES = ("LOS", "GRD", "RES007", "EPO007")
Column = Callable[[int], object]


@pytest.fixture(autouse=True)
def rules_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYZER_DEBUG", "1")


def findings(folder: Path, text: str, *declared: str) -> list[Finding]:
    (folder / "log.csv").write_text(text)
    (run,) = discover([folder]).runs
    return list(audit_run(run, merge(facts_from_options(declared), run.facts), select=RULES).findings)


def loud(folder: Path, text: str, *declared: str) -> list[str]:
    return [f.code for f in findings(folder, text, *declared) if f.severity != "note"]


def log(n: int, **columns: Column) -> str:
    return table(("step", *columns), [(s, *(column(s) for column in columns.values())) for s in range(1, n + 1)])


NOISE = np.random.default_rng(7).standard_normal(5000)


def healthy(step: int) -> float:
    return round((0.6 + 3.0 * float(np.exp(-step / 40))) * (1 + 0.05 * float(NOISE[step])), 6)


def test_one_spike_is_one_finding_with_its_rows(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, log(500, loss=lambda s: healthy(s) + (2.0 if 300 <= s < 304 else 0.0)))
    assert (found.code, found.first_step, found.last_step) == ("LOS001", 300, 303)
    assert found.evidence[0].step == 299 and found.evidence[-1].step == 304


def test_the_fall_behind_a_spike_is_no_step(tmp_path: Path) -> None:
    text = log(4000, loss=lambda s: round(healthy(s) + (3.0 if 600 <= s < 603 else 0.0), 6))
    assert [finding.code for finding in findings(tmp_path, text)] == ["LOS001"]


def test_two_spikes_are_one_finding(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, log(500, loss=lambda s: healthy(s) + (2.0 if s in (250, 251, 400, 401) else 0.0)))
    assert found.code == "LOS001" and found.numbers["spikes"] == 2


def test_a_spike_names_what_moved_with_it(tmp_path: Path) -> None:
    text = log(
        500,
        loss=lambda s: healthy(s) + (2.0 if 300 <= s < 304 else 0.0),
        grad_norm=lambda s: 9.0 if 300 <= s < 304 else round(1 + 0.1 * abs(float(NOISE[-s])), 4),
    )
    (found,) = findings(tmp_path, text)
    assert "gradient norm is" in found.message


@pytest.mark.parametrize(
    ("title", "loss", "code"),
    [
        ("rises for good", lambda s: healthy(s) * (1 + 0.01 * max(0, s - 300)), "LOS002"),
        ("NaN to the end", lambda s: healthy(s) if s < 400 else "nan", "LOS003"),
        ("times four", lambda s: healthy(s) * (4 if s >= 300 else 1), "LOS004"),
        ("zero to the end", lambda s: healthy(s) if s < 400 else 0.0, "LOS005"),
    ],
)
def test_lasting_faults_have_one_name(tmp_path: Path, title: str, loss: Column, code: str) -> None:
    assert loud(tmp_path, log(500, loss=loss)) == [code]


def test_a_learning_rate_jump_makes_it_a_divergence(tmp_path: Path) -> None:
    text = log(500, loss=lambda s: healthy(s) * (4 if s >= 300 else 1), lr=lambda s: 0.1 if s >= 300 else 0.001)
    (found,) = [f for f in findings(tmp_path, text) if f.severity != "note"]
    assert found.code == "LOS002" and "learning rate jumps" in found.message


@pytest.mark.parametrize(
    ("title", "columns"),
    [
        ("healthy", {"loss": healthy}),
        ("negative loss", {"loss": lambda s: round(float(NOISE[s]), 4)}),
        ("a factor of a tenth", {"loss": lambda s: healthy(s) * (1.1 if s >= 300 else 1)}),
        ("a reward beside it", {"loss": lambda s: healthy(s) * (3 if s % 97 < 5 else 1), "rollout/ep_rew_mean": float}),
        ("skipped updates", {"loss": healthy, "grad_norm": lambda s: "inf" if s % 200 == 50 else s % 3 + 1}),
        ("loss that reaches zero", {"loss": lambda s: max(0.0, round(3 * 0.9**s, 4))}),
    ],
)
def test_silence(tmp_path: Path, title: str, columns: dict[str, Column]) -> None:
    assert loud(tmp_path, log(500, **columns)) == []


def two_sessions(second: Callable[[int], float], resumed_at: int = 251, died_at: int = 250) -> str:
    first = [(s, healthy(s)) for s in range(1, died_at + 1)]
    return table(("step", "loss"), first) + table(("step", "loss"), [(s, second(s)) for s in range(resumed_at, 501)])


def test_fresh_weights_at_a_join(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, two_sessions(lambda s: healthy(s - 250)))
    assert (found.code, found.first_step, found.join) == ("RES007", 251, 0)


@pytest.mark.parametrize("rows", [5, 12, 60])
def test_fresh_weights_behind_a_few_rows_of_descent(tmp_path: Path, rows: int) -> None:
    def falls(row: int) -> float:
        return round(0.3 + 9.0 * 0.6**row, 5)

    again = table(("step", "loss"), [(s, falls(s - rows)) for s in range(rows, 2 * rows)])
    told = findings(tmp_path, table(("step", "loss"), [(s, falls(s)) for s in range(rows)]) + again)
    assert [(f.code, f.first_step) for f in told] == [("RES007", rows)]


@pytest.mark.parametrize(("off", "told"), [(0.02, True), (0.0015, True), (0.0001, False)])
def test_one_row_of_an_exact_replay(tmp_path: Path, off: float, told: bool) -> None:
    """Rows are written with four decimals: one unit of the last may fall either way."""
    later = two_sessions(lambda s: round(healthy(s), 4) + (off if s == 203 else 0.0), resumed_at=201)
    rows = [f"{line.split(',')[0]},{float(line.split(',')[1]):.4f}" for line in later.splitlines() if line[0] != "s"]
    found = findings(tmp_path, "\n".join(["step,loss", *rows[:250], "step,loss", *rows[250:], ""]))
    assert [f.first_step for f in found if f.code == "RES007"] == ([201] if told else [])


def test_a_clean_resume_is_silent(tmp_path: Path) -> None:
    assert loud(tmp_path, two_sessions(healthy)) == []


def test_an_exact_replay_is_silent(tmp_path: Path) -> None:
    assert loud(tmp_path, two_sessions(healthy, resumed_at=201)) == []


def test_an_offset_on_replayed_steps(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, two_sessions(lambda s: round(1.3 * healthy(s), 6), resumed_at=201))
    assert found.code == "RES007" and "same steps" in found.message
    assert {row.why for row in found.evidence} == {"first session", "same step, second session"}


def test_a_first_mean_divided_by_all_steps(tmp_path: Path) -> None:
    rows = [(s, round(healthy(s) * (20 / s if s == 1020 else 1), 4)) for s in range(20, 2001, 20)]
    (found,) = findings(tmp_path, table(("step", "loss"), rows))
    assert (found.code, found.first_step, found.join) == ("RES007", 1020, None)


def windows(share: float) -> str:
    """Epochs of 13 updates; the last of each holds 6 of 8 micro-batches."""
    rows = [(s, s / 13, round((1 + 0.02 * float(NOISE[s])) * (share if s % 13 == 0 else 1), 5)) for s in range(1, 79)]
    return table(("step", "epoch", "loss"), rows)


GEOMETRY = ("dataset_size=204", "batch_size=2", "grad_accumulation=8")


def test_a_last_window_divided_by_a_full_one(tmp_path: Path) -> None:
    (found,) = [f for f in findings(tmp_path, windows(0.75), *GEOMETRY) if f.severity != "note"]
    assert (found.code, found.first_step) == ("EPO007", 13)
    assert found.numbers["expected"] == 0.75


def test_a_last_window_divided_by_its_own_number(tmp_path: Path) -> None:
    assert loud(tmp_path, windows(1.0), *GEOMETRY) == []


def epochs_of(batches: int, divisor: float, weights: tuple[float, ...] = ()) -> str:
    """Four epochs of batch rows, and after each the weighted sum of its losses over the divisor."""
    rows: list[tuple[object, ...]] = []
    for epoch in range(4):
        steps = range(epoch * batches + 1, (epoch + 1) * batches + 1)
        rows += [(s, epoch, healthy(s), None) for s in steps]
        mean = sum(w * healthy(s) for w, s in zip(weights or (1.0,) * batches, steps, strict=True)) / divisor
        rows.append((steps[-1], epoch, None, f"{mean:.9g}"))
    return table(("step", "epoch", "loss", "epoch_loss"), rows)


SIZES = ("dataset_size=310", "batch_size=32")


@pytest.mark.parametrize(
    ("text", "declared", "words"),
    [
        (epochs_of(10, 9), (), "10 batches divided by 9"),
        (epochs_of(10, 11), (), "10 batches divided by 11"),
        (epochs_of(10, 10), SIZES, "the mean over 10 batches"),
        (epochs_of(10, 310), SIZES, "divided by the 310 samples"),
        (epochs_of(10, 320, (32.0,) * 9 + (22.0,)), SIZES, "divided by the 320 that 10 full batches hold"),
        (epochs_of(9, 310 / 32), (*SIZES, "drop_last=true"), "310/32"),
        (epochs_of(10, 10), (), ""),
        (epochs_of(10, 310, (32.0,) * 9 + (22.0,)), SIZES, ""),
        (epochs_of(9, 9), (*SIZES, "drop_last=true"), ""),
    ],
)
def test_epoch_means(tmp_path: Path, text: str, declared: tuple[str, ...], words: str) -> None:
    told = [f.message for f in findings(tmp_path, text, *declared) if f.code == "EPO007"]
    assert len(told) == bool(words) and all(words in message for message in told)


def odd_row(phase: int, ratio: float) -> str:
    rows = [(s, s // 50, round(healthy(s + 300) * (ratio if s % 50 == phase else 1), 6)) for s in range(500)]
    return table(("step", "epoch", "loss"), rows)


@pytest.mark.parametrize(("name", "height", "turns", "told"), [
    pytest.param("train_robust_loss", 0.6, True, True, id="an objective of its own, with its training loss"),
    pytest.param("train_robust_loss", 0.6, False, False, id="the training loss does not fall on"),
    pytest.param("train_robust_loss", -0.4, True, False, id="below the main one: it may be a part of it"),
    pytest.param("train_other_loss", 0.6, True, False, id="no training loss of its name"),
])
def test_a_second_validation_loss_that_turns(
    tmp_path: Path, name: str, height: float, turns: bool, told: bool
) -> None:
    def second(epoch: int) -> float:
        return round(0.8 + height + 0.7 * 0.8**epoch + 0.02 * max(0, epoch - 20) + 0.004 * float(NOISE[epoch]), 4)

    columns: dict[str, Column] = {
        "train_loss": lambda s: round(0.5 + 0.9 * 0.9**s, 4),
        name: lambda s: round(0.9 + 0.9 * 0.95 ** (s if turns else min(s, 15)), 4),
        "test_loss": lambda s: round(0.8 + 0.7 * 0.9**s + 0.004 * float(NOISE[s]), 4),
        "test_robust_loss": second,
    }
    assert ("LOS006" in loud(tmp_path, log(60, **columns))) is told


@pytest.mark.parametrize(("turn", "told"), [(0.008, True), (0.0, False)])
def test_a_validation_loss_below_zero_turns(tmp_path: Path, turn: float, told: bool) -> None:
    def validation(epoch: int) -> float:
        return round(-0.8 + 0.7 * 0.8**epoch + turn * max(0, epoch - 20) + 0.004 * float(NOISE[epoch]), 4)

    text = log(60, loss=lambda s: round(-0.9 + 0.9 * 0.9**s, 4), val_loss=validation)
    assert ("LOS006" in loud(tmp_path, text)) is told


@pytest.mark.parametrize(
    ("phase", "ratio", "told"), [(49, 1.4, True), (0, 1.4, True), (49, 1.0, False), (0, 1.08, False), (20, 1.4, False)]
)
def test_a_row_that_stands_apart_in_every_epoch(tmp_path: Path, phase: int, ratio: float, told: bool) -> None:
    assert ("EPO007" in loud(tmp_path, odd_row(phase, ratio))) is told


@pytest.mark.parametrize(
    ("title", "columns", "said"),
    [
        ("one evaluation", {"loss": healthy, "val_loss": lambda s: "nan" if s == 30 else 1.0}, "warning LOS003"),
        ("NaN from the first row", {"loss": lambda s: "nan"}, "error LOS003"),
        ("NaN norm from the first row", {"loss": healthy, "grad_norm": lambda s: "nan"}, "warning GRD001"),
        ("zero from the first row", {"loss": lambda s: 0.0}, "warning LOS005"),
        ("zero and NaN norm", {"loss": lambda s: 0.0, "grad_norm": lambda s: "nan"}, "error LOS005"),
        ("zero beside a reward", {"loss": lambda s: 0.0, "reward": float}, ""),
        ("a quarter", {"loss": lambda s: healthy(s) / (4 if s >= 300 else 1)}, "warning LOS004"),
        ("a quarter ten rows behind an epoch's start",
         {"loss": lambda s: healthy(s) / (4 if s >= 300 else 1), "epoch": lambda s: s // 58}, "warning LOS004"),
        ("twice, and back over forty rows",
         {"loss": lambda s: healthy(s) * (1 + 1.2 * 0.93 ** (s - 300) if s >= 300 else 1)}, "warning LOS001"),
        ("twice, where rows hold more than twice the tokens",
         {"loss": lambda s: healthy(s) * (2.1 if s >= 300 else 1),
          "num_tokens": lambda s: (700 if s >= 300 else 300) + s % 7}, ""),
        ("twice, as many tokens as it is",
         {"loss": lambda s: healthy(s) * (2 if s >= 300 else 1), "num_tokens": lambda s: 600 if s >= 300 else 300},
         "warning LOS004"),
        ("twice, and the tokens elsewhere",
         {"loss": lambda s: healthy(s) * (2 if s >= 300 else 1), "num_tokens": lambda s: 700 if s >= 400 else 300},
         "warning LOS004"),
        ("twice, and tokens that the run has seen",
         {"loss": lambda s: healthy(s) * (2 if s >= 300 else 1), "tokens": lambda s: 300 * s}, "warning LOS004"),
        ("a quarter, and the validation goes its way",
         {"loss": lambda s: healthy(s) / (4 if s >= 300 else 1), "val_loss": lambda s: 1.1 * healthy(s + 7)},
         "warning LOS004"),
        ("a third, and the validation falls by a fifth",
         {"loss": lambda s: healthy(s) / (3 if s >= 300 else 1),
          "val_loss": lambda s: healthy(s + 7) * (0.8 if s >= 300 else 1.1)}, ""),
        ("a hundredth, and the validation goes its way",
         {"loss": lambda s: healthy(s) / (131 if s >= 300 else 1), "val_loss": lambda s: 1.1 * healthy(s + 7)},
         "warning LOS004"),
        ("a quarter from an epoch's start on, as at none before, and the validation goes its way",
         {"loss": lambda s: healthy(s) / (4 if s >= 300 else 1), "epoch": lambda s: s // 60,
          "val_loss": lambda s: 1.1 * healthy(s + 7)}, "warning LOS004"),
        ("a quarter from an epoch's start on, and nothing was validated",
         {"loss": lambda s: healthy(s) / (4 if s >= 300 else 1), "epoch": lambda s: s // 60}, ""),
        ("half from an epoch's start on, as at those before",
         {"loss": lambda s: healthy(s) / 1.6 ** (s // 60), "epoch": lambda s: s // 60,
          "val_loss": lambda s: 1.1 * healthy(s + 7)}, ""),
        ("a hundredth, and nothing was validated", {"loss": lambda s: healthy(s) / (131 if s >= 300 else 1)},
         "note LOS004"),
        ("three times for a while", {"loss": lambda s: healthy(s) * (3 if 200 <= s < 260 else 1)}, "warning LOS004"),
        ("a tenth more from one row on", {"loss": lambda s: healthy(s) * (1.2 if s >= 300 else 1)}, "note LOS004"),
        ("a raised stretch", {"loss": lambda s: healthy(s) * (1.2 if 250 <= s < 310 else 1)}, "warning LOS001"),
        ("an overflow", {"loss": lambda s: healthy(s) * 2.0 ** max(0, s - 480)}, "warning LOS002"),
    ],
)
def test_one_name_and_severity(tmp_path: Path, title: str, columns: dict[str, Column], said: str) -> None:
    told = [f"{f.severity} {f.code}" for f in findings(tmp_path, log(500, **columns))]
    assert [words for words in told if words not in ("note LOS007", "note LOS008")] == ([said] if said else [])


def test_boundaries_whose_rows_lie_unevenly_are_no_warning_of_numpy(tmp_path: Path) -> None:
    """A first lap of few rows: as many rows as a later boundary has around it do not lie before its own."""
    rows = [(s, (s - 1) // 100, round(2.0 * 0.7 ** ((s - 1) // 100) + 0.001 * (s % 7), 6)) for s in range(1, 601)]
    kept = [row for row in rows if row[0] >= 95]
    findings(tmp_path, table(("step", "epoch", "loss"), kept), "steps_per_epoch=100")
