"""Whole factors between losses: to the validation's at every validation, of all losses at a resume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analyzer.auditing import audit_run
from analyzer.clocks.loss_factors import factor_at
from analyzer.config.declared import facts_from_options, merge
from analyzer.discovery import discover
from analyzer.model import Series

STEPS = np.arange(1, 601)
NOISE = np.random.default_rng(5).standard_normal((3, 600))
LOSS = (2 + 8 * np.exp(-STEPS / 150)) * (1 + 0.02 * NOISE[0])


def printed(folder: Path, factor: float, gap: float = 0.0) -> None:
    """Training at each step, a validation at every hundredth whose loss lies `gap` above by the end."""
    lines = []
    for step in STEPS.tolist():
        lines.append(f"step:{step}/600 train_loss:{factor * LOSS[step - 1]:.4f}")
        if step % 100 == 50:
            lines.append(f"step:{step}/600 val_loss:{(2 + 8 * np.exp(-step / 150)) * (1 + gap * step / 600):.4f}")
    (folder / "train.log").write_text("\n".join([*lines, ""]))


@pytest.mark.parametrize(
    ("factor", "gap", "declared", "words"),
    [
        (1 / 8, 0.0, ("grad_accumulation=8",), "1/8 of val_loss at each of 6 validations"),
        (4.0, 0.05, ("world_size=4",), "4 times val_loss"),
        (1 / 8, 0.0, (), ""),  # nobody says what it is divided by
        (1 / 8, 0.0, ("grad_accumulation=4",), ""),
        (1.0, 0.0, ("grad_accumulation=8",), ""),
        (1.0, 1.0, ("grad_accumulation=2",), ""),  # half the validation's at the end, not at the beginning
        (1 / 2, 0.6, ("grad_accumulation=2",), ""),
        (1.3, 0.0, ("world_size=2",), ""),  # dropout, augmentation
    ],
)
def test_a_loss_that_is_a_declared_share_of_the_validations(
    tmp_path: Path, factor: float, gap: float, declared: tuple[str, ...], words: str
) -> None:
    printed(tmp_path, factor, gap)
    (run,) = discover([tmp_path]).runs
    report = audit_run(run, merge(facts_from_options(declared), run.facts), select=("LOS004",))
    said = [one.message for one in report.findings if one.severity == "warning"]
    assert (words in said[0] and len(said) == 1) if words else not said


def losses(factors: tuple[float, ...], noise: float = 0.05, lasts: int = 600) -> list[Series]:
    """Losses that are multiplied from step 301 on, for so many steps."""
    found = []
    for which, factor in enumerate(factors):
        there = (STEPS > 300) & (301 + lasts > STEPS)
        value = (1 + which) * (1 + noise * NOISE[which]) * np.where(there, factor, 1.0)
        rows = np.arange(600)
        found.append(
            Series(tag=f"loss{which}", step=STEPS, value=value, wall_time=rows * 1.0, source=rows * 0, row=rows)
        )
    return found


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (losses((2.0, 2.0, 2.0)), (2, True)),
        (losses((0.25, 0.25)), (4, False)),
        (losses((1.0, 1.0)), None),
        (losses((2.0,)), None),  # a single one may have met its adversary's new state
        (losses((2.0, 1.0)), None),
        (losses((2.0, 3.0)), None),
        (losses((1.5, 1.5)), None),
        (losses((2.0, 2.0), noise=0.6), None),  # the noise is larger than the next whole number is far
        (losses((2.0, 2.0), lasts=15), None),  # they come back
        (losses((100.0, 100.0)), None),  # they broke
    ],
)
def test_all_losses_at_a_resume(series: list[Series], expected: tuple[int, bool] | None) -> None:
    assert factor_at(series, 300, 301) == expected
