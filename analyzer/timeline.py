"""Our interpretation of a run: the clocks that its log carries.

Each clock lives in its own module under ``analyzer.clocks`` and is a pure function of the timeline below it; they are
computed when first asked for. Order of dependence: roles, sessions, step axis, epoch clock, scheduler clocks, data
and wall clock, loss baseline. A clock may read those before it, never those after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from analyzer.model import Expectation, Row, Run, Series, View

if TYPE_CHECKING:
    from analyzer.clocks.epoch_clock import EpochClock
    from analyzer.clocks.global_step import StepAxis
    from analyzer.clocks.loss import LossBaseline
    from analyzer.clocks.scheduler import SchedulerClock
    from analyzer.clocks.session_map import Join, Session, SessionMap
    from analyzer.clocks.sessions import Account
    from analyzer.clocks.step_jumps import StepJump
    from analyzer.clocks.wall_time import WallClock
    from analyzer.clocks.writers import Simultaneous
    from analyzer.config.declared import Declared
    from analyzer.planning import Plan
    from analyzer.roles import Roles


@dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """Everything that rules may look at. No paths, no files.

    What was computed once stays with it, also when it is sent to another process or kept for the next audit: for this
    it is no ``msgspec.Struct``, of which only the fields would be sent.
    """

    run: Run
    declared: Declared
    role_overrides: Mapping[str, str] = field(default_factory=dict)  # role -> tag, from --role or [roles]
    expectations: tuple[Expectation, ...] = ()  # the project's own gates
    reference: Timeline | None = None  # a run whose clocks and loss this one has to keep to

    @cached_property
    def view(self) -> View:
        """The account that the clocks are read from: the one that tells most."""
        from analyzer.clocks.views import richest_view

        return richest_view(self.views, self.run.sources)

    @cached_property
    def writers(self) -> tuple[tuple[Simultaneous, ...], ...]:
        """Writers that wrote at the same time, one entry for each view of the run."""
        from analyzer.clocks.writers import simultaneous_writers

        return tuple(simultaneous_writers(view, self.run, self.devices) for view in self.run.views)

    @property
    def devices(self) -> int | None:
        """The declared number of processes, where no accumulation explains as many rows at each step."""
        devices = self.declared.get("world_size")
        told = isinstance(devices, int) and devices > 1 and devices != self.declared.get("grad_accumulation")
        return devices if told else None

    @cached_property
    def accounts(self) -> tuple[Account, ...]:
        """Every view of the run with its lives: one writer's rows of one run, and what else stands there."""
        from analyzer.clocks.sessions import account_of
        from analyzer.clocks.writers import without_other_writers

        pairs = zip(self.run.views, self.writers, strict=True)
        return tuple(
            account_of(without_other_writers(view, writers, self.run, self.devices), self.run)
            for view, writers in pairs
        )

    @property
    def views(self) -> tuple[View, ...]:
        """Every view of the run, of one writer's rows only where several wrote at once, and of one run's rows."""
        return tuple(account.view for account in self.accounts)

    @cached_property
    def roles(self) -> Roles:
        from analyzer.roles import assign_roles

        return assign_roles(self.view, self.run.sources, self.role_overrides)

    @cached_property
    def plan(self) -> Plan:
        from analyzer.planning import counts_completions, plan_of

        return plan_of(self.declared, completions=counts_completions(self.view.series))

    @cached_property
    def session_map(self) -> SessionMap:
        from analyzer.clocks.sessions import find_sessions

        return find_sessions(self)

    @property
    def sessions(self) -> tuple[Session, ...]:
        return self.session_map.sessions

    @property
    def joins(self) -> tuple[Join, ...]:
        return self.session_map.joins

    @cached_property
    def step_axis(self) -> StepAxis:
        from analyzer.clocks.global_step import read_step_axis

        return read_step_axis(self)

    @cached_property
    def epoch(self) -> EpochClock | None:
        from analyzer.clocks.epoch import read_epoch_clock

        return read_epoch_clock(self)

    @cached_property
    def schedulers(self) -> tuple[SchedulerClock, ...]:
        """One clock for each learning-rate series (parameter group) of the view; the main one first."""
        from analyzer.clocks.scheduler import read_scheduler_clocks

        return read_scheduler_clocks(self)

    @cached_property
    def wall(self) -> WallClock | None:
        from analyzer.clocks.wall_time import read_wall_clock

        return read_wall_clock(self)

    @cached_property
    def step_jumps(self) -> tuple[StepJump, ...]:
        """Long steps of the main training series, each with what the other clocks say of it."""
        from analyzer.clocks.step_jumps import find_step_jumps

        return find_step_jumps(self)

    @cached_property
    def loss(self) -> LossBaseline | None:
        from analyzer.clocks.loss import read_loss_baseline

        return read_loss_baseline(self)

    def row(self, series: Series, index: int, why: str = "") -> Row:
        """Point ``index`` of a series as an evidence row."""
        from analyzer.model import NO_STEP

        step = int(series.step[index])
        value = float(series.value[index])
        return Row(
            source=self.run.sources[int(series.source[index])].path,
            row=int(series.row[index]),
            tag=series.tag,
            step=None if step == NO_STEP else step,
            value=int(value) if value.is_integer() and abs(value) < 1e15 else value,
            why=why,
        )
