"""Whole factors between losses: to the validation's at every validation, of all losses at a resume."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from analyzer.auditing import audit_run
from analyzer.clocks.loss_factors import common_jump, factor_at
from analyzer.config.declared import facts_from_options, merge
from analyzer.discovery import discover
from analyzer.model import Series

STEPS = np.arange(1, 601)
NOISE = np.random.default_rng(5).standard_normal((4, 600))
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


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (losses((4.0, 4.0, 4.0)), (300, 301)),
        (losses((0.5, 0.5, 0.5, 0.5)), (300, 301)),
        (losses((4.0, 4.0)), None),  # a sum and one of its parts
        (losses((4.0, 4.0, 1.0)), None),  # one player's
        (losses((4.0, 4.0, 0.25)), None),
        (losses((4.0, 4.0, 4.0), noise=0.6), None),
        (losses((1.0, 1.0, 1.0)), None),
    ],
)
def test_all_losses_from_one_row_to_the_next(series: list[Series], expected: tuple[int, int] | None) -> None:
    found = common_jump(series)
    assert (found if found is not None and factor_at(series, *found) else None) == expected


def test_a_factor_that_comes_gradually() -> None:
    ramp = np.interp(np.arange(600), [295, 305], [0.0, math.log(4)])
    series = [replace(one, value=one.value * np.exp(ramp)) for one in losses((1.0, 1.0, 1.0))]
    assert common_jump(series) is None


@pytest.mark.parametrize(
    ("factors", "told"),
    [((4.0, 4.0, 4.0, 4.0), True), ((4.0, 4.0, 1.0, 1.0), False), ((1.0, 1.0, 1.0, 1.0), False)],
)
def test_losses_of_two_players(tmp_path: Path, factors: tuple[float, ...], told: bool) -> None:
    names = ("G_GAN", "G_L1", "D_real", "D_fake")
    lines = [
        f"(epoch: {row // 20 + 1}, iters: {row % 20 * 100 + 100}, time: 0.110, data: 0.002) "
        + " ".join(f"{name}: {one.value[row]:.3f}" for name, one in zip(names, losses(factors), strict=True))
        for row in range(600)
    ]
    (tmp_path / "loss_log.txt").write_text("\n".join([*lines, ""]))
    (run,) = discover([tmp_path]).runs
    report = audit_run(run, merge((), run.facts), select=("LOS",))
    assert [one.code for one in report.findings if one.severity == "warning"] == (["LOS004"] if told else [])
