"""Our interpretation of a run: the clocks that its log carries. Pure data; ``analyzer.reconstruction`` fills it in."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from analyzer.clocks.epoch_clock import EpochClock
from analyzer.clocks.loss_baseline import LossBaseline
from analyzer.clocks.rows import evidence_row
from analyzer.clocks.scheduler_clock import SchedulerClock
from analyzer.clocks.session_map import Join, LivesOfView, Session, SessionMap, Simultaneous
from analyzer.clocks.step_axis import StepAxis, StepJump
from analyzer.clocks.wall_clock import WallClock
from analyzer.config.declared import Declared
from analyzer.model import Expectation, Row, Run, Series, View
from analyzer.planning import Plan
from analyzer.roles import Roles


class Timeline(Struct, frozen=True, kw_only=True, eq=False):
    """Everything that rules may look at. No paths, no files.

    A clock that was not asked for, that the log does not carry or that failed says that nothing is known.
    """

    run: Run
    declared: Declared
    role_overrides: Mapping[str, str] = field(default_factory=dict)  # role -> tag, from --role or [roles]
    expectations: tuple[Expectation, ...] = ()  # the project's own gates
    reference: Timeline | None = None  # a run whose clocks and loss this one has to keep to

    writers: tuple[tuple[Simultaneous, ...], ...] = ()  # that wrote at the same time, an entry for each view of the run
    accounts: tuple[LivesOfView, ...] = ()  # every view: one writer's rows of one run, and what else is there
    view: View = View(name="", sources=(), series={})  # that the clocks are read from: the one that tells most
    roles: Roles = Roles(series={})
    plan: Plan = Plan()
    session_map: SessionMap = SessionMap(sessions=())
    step_axis: StepAxis = StepAxis(unit="unknown")
    epoch: EpochClock | None = None
    schedulers: tuple[SchedulerClock, ...] = ()  # one for each learning-rate series (parameter group); the main first
    wall: WallClock | None = None
    step_jumps: tuple[StepJump, ...] = ()  # long steps of the main training series, with what the other clocks say
    loss: LossBaseline | None = None
    failed: Mapping[str, str] = field(default_factory=dict)  # clock -> the error inside it, on one line

    @property
    def devices(self) -> int | None:
        """The declared number of processes, where no accumulation explains as many rows at each step."""
        devices = self.declared.get("world_size")
        told = isinstance(devices, int) and devices > 1 and devices != self.declared.get("grad_accumulation")
        return devices if told else None

    @property
    def views(self) -> tuple[View, ...]:
        """Every view of the run, of one writer's rows only where several wrote at once, and of one run's rows."""
        return tuple(account.view for account in self.accounts)

    @property
    def training(self) -> tuple[Series, ...]:
        """The series of the training rows in the view that the clocks are read from, the main one first."""
        return next((account.training for account in self.accounts if account.view is self.view), ())

    @property
    def sessions(self) -> tuple[Session, ...]:
        return self.session_map.sessions

    @property
    def joins(self) -> tuple[Join, ...]:
        return self.session_map.joins

    def row(self, series: Series, index: int, why: str = "") -> Row:
        """Point ``index`` of a series as an evidence row."""
        return evidence_row(self.run.sources, series, index, why)
