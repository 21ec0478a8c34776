"""What a log says of each declared fact: confirmed, contradicted, or not testable by this log and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from analyzer.clocks.epoch_clock import EpochClock
from analyzer.clocks.rate_within_epochs import within_epochs
from analyzer.clocks.run_end import RunEnd, steps_ahead, updates_done
from analyzer.clocks.scheduler_clock import SchedulerClock
from analyzer.config.declared import Declared
from analyzer.model import NO_STEP, Axis, FactStatus, Finding, Series
from analyzer.planning import Plan
from analyzer.timeline import Timeline

SIZES = ("dataset_size", "batch_size", "grad_accumulation", "world_size", "global_batch_size", "steps_per_epoch")
HABITS = ("drop_last", "accumulation_remainder")
LENGTHS = ("epochs", "max_steps")
OF_THE_RATE = ("scheduler", "scheduler_params", "base_lr", "min_lr", "warmup_steps", "warmup_ratio", "warmup_epochs")
SAME = 1e-3
"""Relative: a rate, or a count per update, that is the declared one as people print it."""
TOLD_BY: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((*SIZES, *HABITS), ("EPO002", "CFG001")),
    **dict.fromkeys(LENGTHS, ("EPO004", "CFG001")),
    **dict.fromkeys(("warmup_steps", "warmup_epochs", "warmup_ratio"), ("SCH003", "CFG001")),
    **dict.fromkeys(("scheduler", "scheduler_params", "min_lr"), ("SCH007", "SCH008")),
    "base_lr": ("SCH008",),
    "scheduler_interval": ("SCH002",),
    "batch_size_ramp": ("RES009", "EPO002"),
}
"""Rules whose finding, if it is no note, contradicts a key."""
USED_BY: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((*OF_THE_RATE, "scheduler_interval"), ("SCH", "RES006")),
    **dict.fromkeys((*SIZES, *HABITS), ("EPO", "RES", "SCH")),
    **dict.fromkeys(LENGTHS, ("EPO", "SCH")),
}
"""Rules that rest on a key where it is declared."""
OF_THE_COURSE = ("scheduler", "scheduler_interval")  # what a finding about the rate says is no longer so
NO_RULE = "nothing in this log depends on it"


def facts_status(timeline: Timeline, findings: Collection[Finding]) -> dict[str, FactStatus]:
    """The status of every declared key, in the order of the keys; findings are those of the audit."""
    said = {finding.code for finding in findings if finding.severity != "note"}
    named = {key for finding in findings if finding.code == "CFG001" for key in finding.numbers}
    asked = set(OF_THE_RATE)
    tested = {
        **_sizes(timeline.declared, timeline.plan, timeline.step_axis, timeline.epoch),
        **_lengths(timeline.declared, timeline.plan, updates_done(timeline, ahead=steps_ahead(timeline))),
        **(
            _rates(timeline.declared, next(iter(timeline.schedulers), None))
            if asked & timeline.declared.facts.keys()
            else {}
        ),
        **_interval_of_scheduler(timeline),
        **_cadence(timeline.declared, timeline.step_axis, timeline.step_axis.cadence),
        **_per_update(timeline.declared, timeline.plan, timeline.step_axis, timeline.roles.first("tokens")),
    }
    status = {}
    for key in timeline.declared.facts:
        told = [code for code in TOLD_BY.get(key, ()) if code in said and (code != "CFG001" or key in named)]
        if told and not (key == "base_lr" and key in tested and tested[key].status == "confirmed"):
            status[key] = FactStatus(status="contradicted", reason=f"see {', '.join(told)}")
        else:
            status[key] = _beside(tested.get(key) or _untested(NO_RULE), key, findings)
    return status


def _beside(status: FactStatus, key: str, findings: Collection[Finding]) -> FactStatus:
    """A status beside the findings that rest on the key."""
    grave = [one for one in findings if one.severity != "note" and one.code.startswith(USED_BY.get(key, ("-",)))]
    if not grave or status.status == "contradicted":
        return status
    codes = ", ".join(dict.fromkeys(one.code for one in grave))
    if status.status == "untested":
        return _untested(f"used by {codes}") if status.reason == NO_RULE else status
    first = min(one.first_step or 0 for one in grave)
    beside = f"not from step {first} on, see {codes}" if key in OF_THE_COURSE else f"used by {codes}"
    return _confirmed(f"{status.reason}; {beside}")


def _confirmed(reason: str) -> FactStatus:
    return FactStatus(status="confirmed", reason=reason)


def _contradicted(reason: str) -> FactStatus:
    return FactStatus(status="contradicted", reason=reason)


def _interval(clock: EpochClock) -> str:
    return (
        f"{float(clock.low):g}"
        if clock.exact or clock.high is None
        else f"{float(clock.low):g} to {float(clock.high):g}"
    )


def _untested(reason: str) -> FactStatus:
    return FactStatus(status="untested", reason=reason)


def _sizes(declared: Declared, plan: Plan, axis: Axis, clock: EpochClock | None) -> dict[str, FactStatus]:
    """The facts that make the steps per epoch, together."""
    keys = [key for key in (*SIZES, *HABITS) if key in declared]
    if not plan.steps_per_epoch:
        return dict.fromkeys(keys, _untested("alone they give no number of steps per epoch"))
    if axis.per_update is None:
        return dict.fromkeys(keys, _untested(f"this log counts {axis.unit}s"))
    if clock is None or clock.labels is None or clock.high is None or clock.high >= 2 * clock.low:
        return dict.fromkeys(keys, _untested("the log does not show how long an epoch is"))
    admitted = [
        r for r in plan.readings if r.steps_per_epoch and clock.admits(float(r.steps_per_epoch) * axis.per_update)
    ]
    if not admitted:
        complete = {"steps_per_epoch", "global_batch_size"} & declared.facts.keys()
        if not complete and not {"grad_accumulation", "world_size"} <= declared.facts.keys():
            return dict.fromkeys(keys, _untested("devices or an accumulation that nobody declared may explain the log"))
        given = " or ".join(f"{float(U):g}" for U in plan.steps_per_epoch)
        return dict.fromkeys(keys, _contradicted(f"{_interval(clock)} steps per epoch, where they give {given}"))
    reason = f"{_interval(clock)} steps per epoch"
    found = dict.fromkeys(keys, _confirmed(reason))
    if len(plan.steps_per_epoch) == 1:  # every habit would give it
        found.update(
            dict.fromkeys((key for key in HABITS if key in declared), _untested("it makes no difference here"))
        )
    return found


def _lengths(declared: Declared, plan: Plan, done: RunEnd | None) -> dict[str, FactStatus]:
    keys = [key for key in LENGTHS if key in declared]
    if done is None or done.high is None:
        return dict.fromkeys(keys, _untested("the log does not count updates"))
    if not plan.total_steps:
        return dict.fromkeys(keys, _untested("they give no number of updates; declare steps_per_epoch"))
    if any(done.holds(total) for total in plan.total_steps):
        return dict.fromkeys(keys, _confirmed(f"the log ends at step {done.last_step}"))
    if done.low > max(plan.total_steps) + 1:
        return dict.fromkeys(keys, _contradicted(f"the log goes on to step {done.last_step}"))
    return dict.fromkeys(keys, _untested(f"the log ends at step {done.last_step}; a run may be cut or stopped early"))


def _rates(declared: Declared, clock: SchedulerClock | None) -> dict[str, FactStatus]:
    """Family, peak and warmup, where the schedule was identified."""
    if clock is None:
        return dict.fromkeys((key for key in OF_THE_RATE if key in declared), _untested("no learning rate in the log"))
    found = {}
    if clock.family == "unknown":
        reason = "the learning rate follows no schedule known here"
        found = dict.fromkeys((key for key in OF_THE_RATE if key in declared), _untested(reason))
    elif clock.explained == 1.0 and "scheduler" in declared:
        found["scheduler"] = _confirmed(f"every learning rate is the {clock.family} schedule's")
    peak = declared.get("base_lr")
    if peak is not None and abs(clock.peak_lr - peak) <= SAME * peak:
        found["base_lr"] = _confirmed(f"the peak is {clock.peak_lr:g}")
    steps, measured = declared.get("warmup_steps"), clock.warmup_steps if clock.family != "unknown" else None
    if steps is not None and measured is not None and measured[0] - 1 <= steps <= measured[1] + 1:
        found["warmup_steps"] = _confirmed(f"the warmup has {measured[0]:g} to {measured[1]:g} steps")
    return found


def _interval_of_scheduler(timeline: Timeline) -> dict[str, FactStatus]:
    """Whether the rate changes inside epochs, which tells what one scheduler step is."""
    wanted = timeline.declared.get("scheduler_interval")
    if wanted is None or not timeline.schedulers:
        return {"scheduler_interval": _untested("no learning rate in the log")} if wanted is not None else {}
    found = within_epochs(timeline, timeline.schedulers[0].series)
    if found is None:
        return {"scheduler_interval": _untested("the log has no epochs to hold the rate against")}
    if not found.pairs:
        return {"scheduler_interval": _untested("one learning rate an epoch: what happens inside it is not logged")}
    if found.mostly:
        return {"scheduler_interval": (_confirmed if wanted == "step" else _contradicted)(found.in_words)}
    if not len(found.changes) and wanted == "epoch" and found.moves:
        return {"scheduler_interval": _confirmed("the rate changes only where an epoch ends")}
    why = f"{found.in_words}: too few to tell" if len(found.changes) else "the rate stays the same in an epoch"
    return {"scheduler_interval": _untested(why)}


def _cadence(declared: Declared, axis: Axis, cadence: int) -> dict[str, FactStatus]:
    every = declared.get("logging_steps")
    if every is None or axis.unit != "update":
        return {}
    if cadence == every:
        return {"logging_steps": _confirmed(f"a row every {cadence} steps")}
    return {"logging_steps": _untested(f"rows stand every {cadence} steps; other calls may write them")}


def _per_update(declared: Declared, plan: Plan, axis: Axis, tokens: Series | None) -> dict[str, FactStatus]:
    """Tokens of an update, where the log counts both."""
    expected = plan.tokens_per_update
    keys = [key for key in ("tokens_per_step", "sequence_length") if key in declared]
    if not keys or expected is None or tokens is None or axis.unit != "update":
        return {}
    usable = (tokens.step != NO_STEP) & np.isfinite(tokens.value)
    rise, run = np.diff(tokens.value[usable]), np.diff(tokens.step[usable])
    forward = (rise > 0) & (run > 0)
    if not forward.any():
        return {}
    measured = float(np.median(rise[forward] / run[forward]))
    if abs(measured - expected) <= SAME * expected:
        return dict.fromkeys(keys, _confirmed(f"{measured:g} tokens an update"))
    return dict.fromkeys(keys, _contradicted(f"the log counts {measured:g} tokens an update"))
