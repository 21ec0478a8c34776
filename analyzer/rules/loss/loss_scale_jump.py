"""The logged loss is multiplied by an integer from one step on.

What it checks
    Whether the loss jumps within two rows by a factor that is an integer or one over an integer within its error,
    keeps the factor to the end or to where it goes as sharply, and keeps its relative noise: what is multiplied keeps
    it, what is trained differently does not. Also whether two accounts of the run log the loss with an integer
    between them in every row, whether the loss is a declared number of times the validation's at each validation, and
    where no curve can be judged (an adversary) whether all losses are multiplied by one number at a resume or from one
    row to the next. Other sharp steps that stay, up or down, are told as a note.

Why it matters
    The number is a sum where a mean was meant (or the other way round): a division by the accumulation steps, the
    devices or the logging interval is missing. If the gradient is scaled with it, so is the learning rate.

When it is silent
    When the learning rate moves at the same row, or a column of tokens or lengths by another factor (other data), when
    the change comes gradually or a rise is taken back, when a fall lies where an epoch begins and samples are seen
    again, and when the noise is too large to tell the factor.

What to do
    Compare what the code divides by before and after this step: gradient accumulation, world size, logging interval.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.epoch_means import (
    constant_factor,
    declared_factors,
    named_by_declaration,
    one_measure,
    same_rows,
)
from analyzer.clocks.loss_baseline import LevelShift, LossBaseline
from analyzer.clocks.loss_events import join_near
from analyzer.clocks.loss_factors import (
    beside_validations,
    common_jump,
    factor_at,
    factor_of,
    losses_of_players,
    validations_of,
)
from analyzer.model import NO_STEP, Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss, wobble
from analyzer.rules.judged_loss import chance, company, judged_loss, spoken
from analyzer.timeline import Timeline

MOVED = 0.1  # of the rate from one row to the next: schedules that are followed row by row move less
MOST_SHIFTS = 2  # told by themselves; a curve with more goes up and down with its data


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    yield from _in_two_accounts(timeline)
    yield from _beside_the_validation(timeline)
    loss = judged_loss(timeline)
    if isinstance(loss, Unchecked):
        yield from list(_of_all_losses(timeline)) or (loss,)
        return
    if loss.events.scale is not None:
        yield _factor(timeline, loss, loss.events.scale)
    for shift in loss.events.shifts[:MOST_SHIFTS]:
        yield _shift(timeline, loss, shift)


def _in_two_accounts(timeline: Timeline) -> Iterator[Finding]:
    """The training loss of one account is a whole number of times that of another, in every row."""
    for one in timeline.roles.all("loss")[:1]:
        for view in timeline.views:
            others = (other for tag, other in view.series.items() if one_measure(tag, one.tag))
            for other in others if view.name != timeline.view.name else ():
                groups = same_rows(one, other)
                factor = constant_factor(groups) if groups else None
                if groups is None or factor is None:
                    continue
                key = named_by_declaration(factor.size, timeline.declared)
                first, theirs = int(groups.at[0]), int(groups.inside[0, 0])
                yield Finding(
                    severity="warning",
                    message=f"{one.tag} of {timeline.view.name} is {factor.words} that of {view.name} in all"
                    f" {len(groups.at)} rows{f'; {factor.size} is the declared {key}' if key else ''}",
                    tag=one.tag,
                    first_step=int(one.step[first]),
                    last_step=int(one.step[groups.at[-1]]),
                    numbers={"factor": factor.times / factor.over},
                    evidence=(
                        timeline.row(one, first, f"in {timeline.view.name}"),
                        timeline.row(other, theirs, f"in {view.name}"),
                    ),
                )
                return


def _beside_the_validation(timeline: Timeline) -> Iterator[Finding]:
    """The training loss is a declared number of times the validation's, or one over it, at every validation."""
    sizes = list(declared_factors(timeline.declared))
    main = timeline.roles.first("loss") if sizes else None
    for validation in validations_of(timeline.view, main) if main is not None else ():
        beside = beside_validations(main, validation) if main is not None else None
        found = factor_of(beside, sizes) if beside is not None else None
        if main is None or beside is None or found is None:
            continue
        key, size, larger = found
        places = (0, len(beside.rows) - 1)
        yield Finding(
            severity="warning",
            message=f"{main.tag} is {f'{size} times' if larger else f'1/{size} of'} {validation.tag} at each of"
            f" {len(beside.rows)} validations from step {validation.step[beside.validations[0]]} on"
            f" ({beside.ratio.min():.4g} to {beside.ratio.max():.4g} times); {size} is the declared {key}",
            tag=main.tag,
            first_step=int(main.step[0]),
            last_step=int(main.step[-1]),
            numbers={"factor": float(size) if larger else 1 / size},
            evidence=tuple(
                row
                for at in places
                for row in (
                    timeline.row(main, int(beside.rows[at]), "training"),
                    timeline.row(validation, int(beside.validations[at]), "validation"),
                )
            ),
        )
        return


def _of_all_losses(timeline: Timeline) -> Iterator[Finding]:
    """Where no curve can be judged: all training losses are multiplied by one whole number at a resume, or in one row
    that is no change of the learning rate."""
    named = timeline.roles.all("loss") or losses_of_players(timeline.view)
    losses = [one for one in named if len(one) and one.step[0] != NO_STEP]
    places: list[tuple[int, int, int | None]] = [
        (join.last_step_before, join.first_step_after, join.index) for join in timeline.joins if not join.overlap
    ]
    anywhere = common_jump(losses) if not timeline.joins else None
    if anywhere is not None and not _rate_moves(timeline, *anywhere):
        places.append((*anywhere, None))
    for before, behind, join in places if losses else ():
        found = factor_at(losses, before, behind)
        if found is None:
            continue
        whole, up = found
        main = losses[0]
        last, first = int(np.flatnonzero(main.step <= before)[-1]), int(np.flatnonzero(main.step >= behind)[0])
        words = f"{whole}" if up else f"1/{whole}"
        yield Finding(
            severity="warning",
            message=f"all {len(losses)} training losses ({main.tag}, ...) are multiplied by about {words} from step"
            f" {behind} on{'' if join is None else ', where the run was resumed'}",
            tag=main.tag,
            first_step=behind,
            last_step=int(main.step[-1]),
            numbers={"factor": float(whole) if up else 1 / whole},
            evidence=(timeline.row(main, last, "the last row before"), timeline.row(main, first, f"times {words}")),
            join=join,
        )
        return


def _rate_moves(timeline: Timeline, before: int, behind: int) -> bool:
    """Whether a learning rate is another one behind two steps than before them, by more than a schedule's slope."""
    for rate in timeline.roles.all("learning_rate"):
        old, new = rate.value[rate.step <= before][-1:], rate.value[rate.step >= behind][:1]
        if len(old) and len(new) and abs(new[0] - old[0]) > MOVED * abs(old[0]):
            return True
    return False


def _factor(timeline: Timeline, loss: LossBaseline, shift: LevelShift) -> Finding:
    step, last = loss.step(shift.row), loss.step(shift.last)
    words = f"1/{shift.factor}" if shift.down else f"{shift.factor}"
    message = (
        f"{spoken(loss)} is multiplied by about {words} from step {step} {'on' if shift.lasting else f'to {last}'}"
        f" (measured {shift.ratio:.3g} +- {shift.ratio * shift.error:.2g}, {chance(shift.p_value)};"
        " the relative noise stays the same)"
    )
    evidence = [
        timeline.row(loss.series, int(loss.rows[shift.row - 1]), "the last row before"),
        timeline.row(loss.series, int(loss.rows[shift.row]), f"times {words} from here"),
    ]
    if not shift.lasting:
        evidence.append(timeline.row(loss.series, int(loss.rows[shift.last + 1]), "back at its scale"))
    return Finding(
        severity="warning",
        message=message + company(timeline, loss, shift.row, shift.row),
        tag=loss.series.tag,
        first_step=step,
        last_step=last,
        numbers={"factor": 1 / shift.factor if shift.down else shift.factor, "ratio": round(shift.ratio, 4)},
        evidence=tuple(evidence),
        join=join_near(loss, shift.row),
    )


def _shift(timeline: Timeline, loss: LossBaseline, shift: LevelShift) -> Finding:
    step = loss.step(shift.row)
    return Finding(
        severity="note",
        message=(
            f"{spoken(loss)} steps to {shift.ratio:.3g} times its level at step {step} and stays there"
            f" ({abs(shift.units):.0f} standard errors, {chance(shift.p_value)}): other data, another model state or"
            f" another way to compute it{company(timeline, loss, shift.row, shift.row)}"
        ),
        tag=loss.series.tag,
        first_step=step,
        last_step=loss.step(len(loss.rows) - 1),
        numbers={"ratio": round(shift.ratio, 4), "p_value": float(f"{shift.p_value:.2g}")},
        evidence=(
            timeline.row(loss.series, int(loss.rows[shift.row - 1]), "the last row before"),
            timeline.row(loss.series, int(loss.rows[shift.row]), "the first behind"),
        ),
        join=join_near(loss, shift.row),
    )


def _noise(step: int) -> float:
    return 1 + 0.05 * wobble(step)


def _log(factor: float, at: int, lasts: int = 10_000) -> list[tuple[int, float]]:
    return [
        (s, round(falling_loss(s) * _noise(s) * (factor if at <= s < at + lasts else 1.0), 6)) for s in range(1, 401)
    ]


RULE = Rule(
    code="LOS004",
    name="loss-scale-jump",
    severity="warning",
    check=check,
    help="compare what the code divides the loss by before and after: accumulation steps, devices, logging interval",
    sources=(
        "https://github.com/huggingface/transformers/pull/38872",
        "https://github.com/deepspeedai/DeepSpeed/issues/1107",
    ),
    bad=(
        Example(title="four times from step 250", files=csv_log(("step", "loss"), lambda: _log(4.0, 250))),
        Example(title="a quarter from step 250", files=csv_log(("step", "loss"), lambda: _log(0.25, 250))),
        Example(title="twice for 60 steps", files=csv_log(("step", "loss"), lambda: _log(2.0, 250, 60))),
    ),
    good=(
        Example(
            title="no jump", files=csv_log(("step", "loss"), lambda: _log(1.0, 250)), why="the level is continuous"
        ),
        Example(
            title="a level that creeps up",
            files=csv_log(("step", "loss"), lambda: [(s, (1 + s / 2000) * _noise(s)) for s in range(1, 401)]),
            why="it comes gradually",
        ),
        Example(
            title="a loss that falls fast",
            files=csv_log(("step", "loss"), lambda: [(s, round(3 * 0.98**s * _noise(s), 6)) for s in range(1, 401)]),
            why="no row is a step",
        ),
    ),
)
