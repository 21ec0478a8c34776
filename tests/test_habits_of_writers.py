"""Habits of public training programs' logs: sound as they are, and the faults that look like them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import analyzer


def _loss(share: float, at: int) -> float:
    return 3.0 * 0.5 ** (4 * share) + 0.02 * ((at * 37) % 11 - 5)


def _same_lines_for_both(batches: int, cadence: int = 10, epochs: int = 6) -> Iterator[str]:
    """Conv-TasNet's: one function prints the rows of the training and, behind its summary, of the validation."""
    for epoch in range(1, epochs + 1):
        for name, places in (("Train", batches), ("Valid", batches // 5)):
            loss = _loss(epoch / epochs, epoch)
            for at in range(0, places, cadence):
                one = loss + 0.01 * (at % 7)
                yield f"Epoch {epoch} | Iter {at + 1} | Average Loss {loss:.3f} | Current Loss {one:.6f} | 9.1 ms/batch"
            yield f"{name} Summary | End of Epoch {epoch} | Time 61.20s | {name} Loss {loss:.3f}"


def _micro_batches(parts: int, steps: int, drops: tuple[int, ...] = ()) -> Iterator[str]:
    """BiT's: a line for every micro-batch, a rate of two digits that rises by a line and falls by levels."""
    for step in range(steps):
        rate = 0.03 * min(1.0, step / 100) * 0.1 ** sum(step >= drop for drop in drops)
        for part in range(parts):
            place = f" ({part + 1}/{parts})" if parts > 1 else ""
            yield f"[step {step}{place}]: loss={_loss(step / steps, step + part):.5f} (lr={rate:.1e})"


BOTH, MICRO = _same_lines_for_both, _micro_batches
LOGS: list[Any] = [
    pytest.param(BOTH(344), {"epochs": 6, "steps_per_epoch": 344}, set(), id="one function prints both"),
    pytest.param(BOTH(344), {"epochs": 6, "steps_per_epoch": 341}, set(), id="ends at the last place"),
    pytest.param(BOTH(344), {"steps_per_epoch": 500}, {"EPO002"}, id="and another length is declared"),
    pytest.param(MICRO(8, 150), {"max_steps": 150}, set(), id="steps of micro-batches"),
    pytest.param(MICRO(4, 150), {"max_steps": 150, "grad_accumulation": 4}, set(), id="accumulation declared"),
    pytest.param(MICRO(4, 150), {"max_steps": 100, "grad_accumulation": 4}, {"EPO004"}, id="longer than declared"),
    pytest.param(MICRO(1, 400, (127, 276, 360)), {}, set(), id="levels behind a rise of two digits"),
    pytest.param(MICRO(1, 400, (197, 310)), {"warmup_steps": 100, "base_lr": 0.03}, set(), id="a rise declared"),
]


@pytest.mark.parametrize(("lines", "declared", "told"), LOGS)
def test_what_a_habit_is_told_as(
    lines: Iterator[str], declared: dict[str, Any], told: set[str], tmp_path: Path
) -> None:
    (tmp_path / "train.log").write_text("".join(f"{line}\n" for line in lines))
    (run,) = analyzer.read(tmp_path)
    (report,) = analyzer.audit(run, declared=declared).runs
    assert {one.code for one in report.findings if one.severity != "note"} == told
