"""The training loss rises and does not come back.

What it checks
    Whether the loss leaves its lowest level and stays above it to the end, by a factor of at least 1.3. The levels
    are those between changes that one scan over all rows and windows finds and chance does not explain, with the
    run's own noise and its serial correlation; and the rise is twice as large as any before. In reinforcement learning
    a loss that rises to twice all that came before it, to the end, where returns lose half of what had been gained.

Why it matters
    Everything after the onset is lost compute, and the last checkpoint is not the best.

When it is silent
    Losses that are not positive (policy gradients, likelihoods of densities), losses of players whose returns do not
    fall, rises that return, changes at a resume
    (loss-jump-at-resume) and clean factors (loss-scale-jump). Where the validation of the loss does not rise,
    and the two come together, it is a note: a curriculum that ends with what is validated.

What to do
    Restart from a checkpoint before the onset with a lower learning rate, longer warmup or tighter clipping.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.loss_baseline import Divergence, LossBaseline
from analyzer.clocks.loss_factors import validations_of
from analyzer.clocks.play_collapse import Collapse, collapse_of
from analyzer.model import Finding, Series
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss, wobble
from analyzer.rules.judged_loss import chance, company, judged_loss, spoken
from analyzer.timeline import Timeline

FEWEST_VALIDATIONS = 4  # before the rise and behind it, or chance orders them


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    loss = judged_loss(timeline)
    if isinstance(loss, Unchecked):
        collapse = collapse_of(timeline)
        yield loss if collapse is None else _of_a_player(timeline, collapse)
        return
    found = loss.events.divergence
    if found is None:
        return
    step = loss.step(found.onset)
    message = (
        f"{spoken(loss)} leaves its lowest level of about {found.lowest:.4g} at step {step}"
        f" and ends near {found.final:.4g}, {found.final / found.lowest:.3g} times as high"
        f" ({abs(found.units):.0f} standard errors, {chance(found.p_value)})"
    )
    message += company(timeline, loss, found.onset, found.onset + max(1, len(loss.rows) // 50))
    better = _validated(timeline, loss, found)
    if better is not None:
        message += f"; {better.tag} does not rise, and the two come together: the training became as hard as that"
    yield Finding(
        severity="warning" if better is None else "note",
        message=message,
        tag=loss.series.tag,
        first_step=step,
        last_step=loss.step(len(loss.rows) - 1),
        numbers={"lowest": found.lowest, "final": found.final, "ratio": round(found.final / found.lowest, 3)},
        evidence=(
            timeline.row(loss.series, int(loss.rows[found.lowest_row]), "at its lowest level"),
            timeline.row(loss.series, int(loss.rows[found.onset]), "leaves it for good"),
            timeline.row(loss.series, int(loss.rows[-1]), "the end"),
        ),
    )


def _validated(timeline: Timeline, loss: LossBaseline, found: Divergence) -> Series | None:
    """The validation of a loss, where it does not rise and the loss rises towards it."""
    lowest, onset = loss.step(found.lowest_row), loss.step(found.onset)
    for validation in validations_of(timeline.view, loss.series):
        before = validation.value[(validation.step <= onset) & (validation.step >= lowest)]
        behind = validation.value[validation.step > onset]
        if min(len(before), len(behind)) < FEWEST_VALIDATIONS or validation.value.min() <= 0:
            continue
        late = behind[-max(FEWEST_VALIDATIONS, len(behind) // 2) :]
        gaps = [abs(np.log(level / np.median(one))) for level, one in ((found.lowest, before), (found.final, late))]
        if np.median(late) <= np.median(before) and late.max() <= before.max() and gaps[1] < gaps[0]:
            return validation
    return None


def _of_a_player(timeline: Timeline, found: Collapse) -> Finding:
    step = int(found.loss.step[found.onset])
    return Finding(
        severity="warning",
        message=f"{found.loss.tag} rises from about {found.before:.4g} to {found.after:.4g} from step {step} on, above "
        f"all that came before, and {found.returns.tag} falls from {found.best:.4g} to {found.final:.4g}: neither "
        "comes back",
        tag=found.loss.tag,
        first_step=step,
        last_step=int(found.loss.step[-1]),
        numbers={"lowest": found.before, "final": found.after, "ratio": round(found.after / found.before, 3)},
        evidence=(
            timeline.row(found.loss, found.onset, "leaves its level for good"),
            timeline.row(found.loss, len(found.loss) - 1, "the end"),
            timeline.row(found.returns, found.last, "what is earned at the end"),
        ),
    )


def _log(onset: int, slope: float) -> list[tuple[int, float]]:
    return [(s, round(falling_loss(s) + 0.02 * wobble(s) + max(0, s - onset) * slope, 6)) for s in range(1, 401)]


def _curriculum(meets: float) -> list[tuple[int, float, float]]:
    """Training that is helped less and less, up to so many times the level of a validation that is never helped."""
    rows = []
    for s in range(1, 401):
        validation = falling_loss(s) + 1.5 + 0.02 * wobble(s)
        helped = 0.5 if s < 250 else min(meets, 0.5 + (s - 250) * (meets - 0.5) / 75)
        rows.append((s, round(helped * validation + 0.02 * wobble(s + 7), 6), round(validation, 6)))
    return rows


RULE = Rule(
    code="LOS002",
    name="loss-divergence",
    severity="warning",
    check=check,
    help="restart from a checkpoint before the onset with a lower learning rate, longer warmup or tighter clipping",
    sources=(
        "https://github.com/marin-community/marin/issues/2830",
        "https://github.com/Paper99/SRFBN_CVPR19/issues/2",
    ),
    bad=(
        Example(title="rises from step 250", files=csv_log(("step", "loss"), lambda: _log(250, 0.03))),
        Example(
            title="rises far above its validation",
            files=csv_log(("step", "train_loss", "val_loss"), lambda: _curriculum(4.0)),
        ),
    ),
    good=(
        Example(title="falls", files=csv_log(("step", "loss"), lambda: _log(1000, 0.0)), why="it never rises"),
        Example(
            title="rises to its validation",
            files=csv_log(("step", "train_loss", "val_loss"), lambda: _curriculum(1.0)),
            why="scheduled sampling ends with what is validated",
        ),
        Example(
            title="a level that creeps up by a tenth",
            files=csv_log(("step", "loss"), lambda: _log(250, 0.0005)),
            why="a tenth is what another mixture of data costs",
        ),
    ),
)
