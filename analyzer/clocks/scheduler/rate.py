"""The declared schedule stepped k times per update, or in the other unit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.declared_schedule import Claim
from analyzer.clocks.declared_shapes import Candidate, candidates
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.scheduler import Deviation, SchedulerClock
from analyzer.clocks.scheduler.aliases import other_rate
from analyzer.clocks.scheduler.known import (
    OFFSETS,
    Known,
    axes_for,
    best_reference,
    clock_of,
    counted_laps,
    distinct_inner_values,
    evidence_against,
    extras_of,
    matches,
    peaks_of,
)
from analyzer.distinct import distinct

if TYPE_CHECKING:
    from analyzer.timeline import Timeline

COMMON_SPANS = ("T-W", "T", "whole", "T-W-1")  # tried when the scheduler runs at another rate
COMMON_FORMS = ("p/W", "(p+1)/W", "log")
FEWEST_DISTINCT = 4  # values neither floor nor peak, without which a rate is not claimed


def named_rates(claim: Claim) -> list[tuple[float, str]]:
    """Factors by which a scheduler is commonly stepped too often or too seldom, and their cause."""
    world, accumulation = claim.world, claim.accumulation
    found: list[tuple[float, str]] = []
    if world > 1:
        found += [
            (world, f"once per process ({world} processes)"),
            (1 / world, f"sized for {world} processes, stepped once"),
        ]
    if accumulation > 1:
        found += [
            (accumulation, f"per micro-batch ({accumulation} per update)"),
            (1 / accumulation, f"sized in micro-batches ({accumulation} per update), stepped once per update"),
        ]
    if world > 1 and accumulation > 1:
        both = world * accumulation
        found += [
            (both, f"per micro-batch and process ({both} per update)"),
            (1 / both, f"sized for {both} steps per update"),
        ]
    found += [
        (2.0, "twice per update"),
        (0.5, "every second update"),
        (4.0, "four times per update"),
        (0.25, "every fourth update"),
    ]
    found += [
        (8.0, "eight times per update"),
        (3.0, "three times per update"),
        (0.125, "every eighth update"),
        (1 / 3, "every third update"),
    ]
    return list({round(rate, 9): (rate, why) for rate, why in reversed(found)}.values())[::-1]


def at_another_rate(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool
) -> SchedulerClock | None:
    """The declared schedule, stepped k times per update or in the other unit."""
    if claim.family in (None, "plateau", "constant") and not (claim.family == "constant" and claim.warmup_declared):
        return None
    drops = np.count_nonzero(np.abs(np.diff(rows.rate)) > 2 * rows.tolerance[1:])
    if distinct_inner_values(rows) < FEWEST_DISTINCT and not (claim.family == "step" and drops >= 2):
        return None
    extras = extras_of(sample)
    extras = replace(extras, furthest=extras.furthest * max(rate for rate, _ in named_rates(claim)))
    peak = peaks_of(claim, rows, main)[0]
    both = list(candidates(claim, peak, extras)) + (
        list(candidates(replace(claim, unit=None), peak, extras)) if claim.unit else []
    )
    both = [one for one in both if one.schedule.span in COMMON_SPANS and one.schedule.warmup_form in COMMON_FORMS]
    few = sample.rows(distinct(np.linspace(0, len(sample) - 1, 12).astype(np.int64)))
    for known, why in _other_rates(claim, sample, both):
        if matches(known, few).all() and matches(known, sample).all() and matches(known, rows).all():
            reference = _once_per_update(known, rows) or best_reference(claim, sample, main)
            first, evidence = evidence_against(timeline, rows, reference)
            other_unit = known.unit != ("epoch" if known.axis == "epoch" else "step")
            k = known.rate
            what = f"the scheduler is {why}" if why.startswith("sized") else f"the scheduler is stepped {why}"
            also = other_rate(known.schedule, k) if not other_unit else None
            what += f", or {also}: without a warmup the two are one" if also else ""
            deviation = Deviation(
                kind="rate",
                step=int(rows.step[first]),
                last_step=int(rows.step[-1]),
                size=k,
                what=what,
                numbers={"rate": k, "cause": why} if not other_unit else {"cause": why},
                evidence=evidence,
            )
            return clock_of(rows, known, deviations=(deviation,))
    return None


def _once_per_update(known: Known, rows: Observed) -> Known | None:
    """The same schedule at one step per update, or per epoch where it counts those."""
    plain = known.unit if known.axis in ("step", "epoch") else known.axis
    return replace(known, axis=plain, rate=1.0, stepped=False) if plain in rows.axes else None


def _other_rates(claim: Claim, rows: Observed, both: list[Candidate]) -> Iterator[tuple[Known, str]]:
    declared_unit = claim.unit
    for candidate in both:
        open_unit = declared_unit is None and claim.family in ("step", "exponential")
        if (
            candidate.unit == "step"
            and "epoch" in rows.axes
            and declared_unit != "epoch"
            and "step" in rows.axes
            and not open_unit
        ):
            for offset in OFFSETS:
                yield (
                    Known(schedule=candidate.schedule, axis="epoch", unit="step", offset=offset),
                    "once per epoch, though it is declared in steps",
                )
        if candidate.unit == "epoch" and "step" in rows.axes and declared_unit != "step":
            for offset in OFFSETS:
                yield (
                    Known(schedule=candidate.schedule, axis="step", unit="epoch", offset=offset),
                    "once per update, though it is declared in epochs",
                )
    for rate, why in named_rates(claim):
        for candidate in both:
            if candidate.unit == "epoch" and rate > 1 and "epoch" in rows.axes and declared_unit != "step":
                for offset in (0,) if "epoch" in counted_laps(rows) else OFFSETS:
                    yield (
                        Known(schedule=candidate.schedule, axis="epoch", unit="epoch", rate=rate, offset=offset),
                        why.replace("per update", "per epoch"),
                    )
            if candidate.unit != "step" or (declared_unit is not None and declared_unit != "step"):
                continue
            for axis in axes_for("step", rows):
                for offset in OFFSETS:
                    yield Known(schedule=candidate.schedule, axis=axis, unit="step", rate=rate, offset=offset), why
                if rate < 1:
                    for offset in range(-1, min(round(1 / rate), 9)):
                        yield (
                            Known(
                                schedule=candidate.schedule,
                                axis=axis,
                                unit="step",
                                rate=rate,
                                offset=offset,
                                stepped=True,
                            ),
                            why,
                        )
