"""Rules that say what a test needs, so that tests of the commands do not hang on what real rules find."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from analyzer.model import Finding, Severity
from analyzer.rules import Rule, Unchecked
from analyzer.timeline import Timeline

CARD = """A loss above a limit.

What it checks
    Whether the loss is above 5.

Why it matters
    It should not be.

When it is silent
    Below.

What to do
    Look.
"""


def loss_above(limit: float, code: str, name: str, severity: Severity) -> Rule:
    def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
        loss = timeline.roles.first("loss")
        if loss is None:
            yield Unchecked(reason="no loss in the log")
            return
        for index in range(len(loss)):
            if loss.value[index] > limit:
                row = timeline.row(loss, index)
                yield Finding(
                    severity=severity,
                    message=f"loss is {row.value} at step {row.step}",
                    tag=loss.tag,
                    first_step=row.step,
                    evidence=(row,),
                )

    return Rule(
        code=code, name=name, severity=severity, check=check, help="look", sources=("nowhere",), documentation=CARD
    )


RULES = (
    loss_above(5, "LOS001", "loss-spike", "warning"),
    loss_above(100, "LOS002", "loss-divergence", "error"),
    loss_above(0.9, "LOS008", "plateau", "note"),
)


def install(monkeypatch: pytest.MonkeyPatch, rules: tuple[Rule, ...] = RULES) -> None:
    """Make these the whole catalogue."""
    fake: Callable[[], tuple[Rule, ...]] = lambda: rules  # noqa: E731
    for module in ("analyzer.auditing", "analyzer.checking", "analyzer.rules"):
        monkeypatch.setattr(f"{module}.catalogue", fake)


def log_text(spike: float = 7.0, rows: int = 60) -> str:
    """A CSV log whose loss falls from 0.8 and stands at ``spike`` in step 31."""
    lines = [f"{step},{spike if step == 31 else round(0.8 / (1 + step / 60), 4)}" for step in range(1, rows + 1)]
    return "\n".join(["step,loss", *lines]) + "\n"
