"""Run and declaration -> timeline: every clock once, in the order in which one rests on another."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from analyzer.clocks.epoch import read_epoch_clock
from analyzer.clocks.global_step import read_step_axis
from analyzer.clocks.loss_events import read_loss
from analyzer.clocks.scheduler import read_scheduler_clocks
from analyzer.clocks.session_map import LivesOfView
from analyzer.clocks.sessions import account_of, find_sessions
from analyzer.clocks.step_jumps import find_step_jumps
from analyzer.clocks.views import richest_view
from analyzer.clocks.wall_time import read_wall_clock
from analyzer.clocks.writers import simultaneous_writers, without_other_writers
from analyzer.config.declared import Declared
from analyzer.model import Expectation, Run
from analyzer.planning import Plan, counts_completions, plan_of
from analyzer.roles import Roles, assign_roles
from analyzer.timeline import Timeline


def reconstruct(
    run: Run,
    declared: Declared,
    *,
    role_overrides: Mapping[str, str] | None = None,
    expectations: tuple[Expectation, ...] = (),
    reference: Timeline | None = None,
    last: str = "loss",
) -> Timeline:
    """Every clock that the log carries. One that fails inside is named in ``Timeline.failed`` and costs only itself.

    Args:
        last: the last clock that is wanted, a name of ``CLOCKS``; those behind it stay unknown.
    """
    timeline = Timeline(
        run=run,
        declared=declared,
        role_overrides=role_overrides or {},
        expectations=expectations,
        reference=reference,
        accounts=tuple(LivesOfView(view=view, whole=view, joins=()) for view in run.views),
    )
    for clock, read in CLOCKS.items():
        try:
            timeline = replace(timeline, **{clock: read(timeline)})
        except Exception as error:
            if os.environ.get("ANALYZER_DEBUG"):
                raise
            timeline = replace(timeline, failed={**timeline.failed, clock: f"{type(error).__name__}: {error}"})
        if clock == last:
            break
    return timeline


def _accounts(timeline: Timeline) -> tuple[LivesOfView, ...]:
    run, devices = timeline.run, timeline.devices
    pairs = zip(run.views, timeline.writers, strict=True)
    return tuple(account_of(without_other_writers(view, writers, run, devices), run) for view, writers in pairs)


def _roles(timeline: Timeline) -> Roles:
    return assign_roles(timeline.view, timeline.run.sources, timeline.role_overrides)


def _plan(timeline: Timeline) -> Plan:
    return plan_of(timeline.declared, completions=counts_completions(timeline.view.series))


CLOCKS: Mapping[str, Callable[[Timeline], Any]] = {
    "writers": lambda timeline: tuple(
        simultaneous_writers(view, timeline.run, timeline.devices) for view in timeline.run.views
    ),
    "accounts": _accounts,
    "view": lambda timeline: richest_view(timeline.views, timeline.run.sources),
    "roles": _roles,
    "plan": _plan,
    "session_map": find_sessions,
    "step_axis": read_step_axis,
    "epoch": read_epoch_clock,
    "schedulers": read_scheduler_clocks,
    "wall": read_wall_clock,
    "step_jumps": find_step_jumps,
    "loss": read_loss,
}
"""Field of the timeline -> what reads it from the fields before it."""
