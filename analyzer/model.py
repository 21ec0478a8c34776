"""The nouns of an audit, without behaviour.

``Run`` is a witness statement: what was logged, in written order, nothing sorted, dropped or repaired.
``Timeline`` (``analyzer.timeline``) is our interpretation of it. ``Finding`` is a contradiction with the rows
that prove it. Everything here is frozen; arrays are made read-only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from msgspec import Struct, field
from msgspec.structs import asdict
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NO_STEP = int(np.iinfo(np.int64).min)
"""Step of a row that was logged without one."""

Severity = Literal["error", "warning", "note"]

GRAVE: Mapping[str, tuple[Severity, ...]] = {
    "error": ("error",),
    "warning": ("error", "warning"),
    "note": ("error", "warning", "note"),
    "never": (),
}
"""What ``--fail-on`` says -> the severities that fail."""

ProblemKind = Literal[
    "truncated",  # the file ends inside a record or row: normal while a run lives or was killed
    "corrupt",  # a checksum fails, bytes were overwritten or inserted
    "row",  # one row that cannot be read as what its neighbours are
    "unreadable",  # nothing can be read from this file
    "not-read",  # a file that is recognised and left alone on purpose (pickle)
    "left-alone",  # a file that could be a log by its name and is none by its content
]


Unit = Literal[
    "update",  # of the optimizer
    "micro-batch",
    "place",  # in an epoch whose length is known to a cadence only
    "sample",
    "token",
    "environment step",
    "epoch",
    "episode",  # of an environment
    "evaluation",
    "call",  # of the logger
    "row",  # of the file
    "redraw",  # of a progress bar
    "unknown",
]


class Axis(Struct, frozen=True, kw_only=True):
    """What a counter counts. Counts of two axes are compared in updates only, and only where both sizes are known."""

    unit: Unit
    column: str | None = None  # that it was read from; None: the format has a step of its own
    per_update: float | None = None  # how many of the unit one update is; None: not known
    why: str = ""

    def updates(self, count: float) -> float | None:
        """A count of this axis in optimizer updates; None where its size is not known."""
        return count / self.per_update if self.per_update else None


class Source(Struct, frozen=True, kw_only=True):
    """One file (or database table) that a logger wrote."""

    path: str
    format: str  # name of the reader: "tfevents", "csv", "trainer-state", ...
    framework: str | None = None  # "pytorch-lightning", "transformers", "keras", ... where the file shows it
    view: str = ""  # sources of one logger's account of the run share a view; "" is the run's only view
    start_time: float | None = None  # seconds since 1970 at which the writer started, where the file says so
    host: str | None = None
    pid: int | None = None
    records: int = 0  # records or rows read
    a_row: str = "row"  # what one of them is called where no line of a text is meant
    step_column: str | None = None  # which column became `Series.step` (None: the format has a step of its own)
    # what `Series.step` counts: "step" updates, "batch" those of the loader, "place" those in epochs whose length no
    # line tells, "redraw" the states of a progress bar
    step_axis: Literal[
        "step", "batch", "micro-batch", "place", "samples", "tokens", "environment", "epoch", "episode", "row", "call",
        "redraw",
    ] = "step"  # fmt: skip
    places: int | None = None  # of one epoch, by which steps were made of labels and places
    sampled: bool = False  # a down-sampled export
    unfinished: bool = False  # a state saved on the way: the run may have gone on behind it
    alone: bool = False  # a run of its own wherever it lies, unless its numbers say otherwise
    line_numbers: bool = False  # `Series.row` is a line number of a text file that an editor can open
    why: str = ""  # why discovery gave it to its run, in words for people


class Series(Struct, frozen=True, kw_only=True, eq=False):
    """All points of one tag in one view, as parallel arrays in written order (sources in order of their start).

    ``row`` is the 1-based line number in a text file, the 0-based record number in an event file, the 0-based
    index of the entry in a JSON list.
    """

    tag: str
    step: Ints
    value: Floats
    wall_time: Floats  # seconds since 1970, NaN where unknown
    source: NDArray[np.int32]  # index into Run.sources
    row: Ints
    written_as: Literal["float32", "decimal"] = "decimal"  # how values were stored: decides their precision

    def __post_init__(self) -> None:
        for array in (self.step, self.value, self.wall_time, self.source, self.row):
            if len(array) != len(self.step):
                raise ValueError(f"series {self.tag!r}: arrays of different lengths")
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.step)

    def __repr__(self) -> str:
        return f"Series({self.tag!r}, {len(self)} points)"


class Problem(Struct, frozen=True, kw_only=True):
    """Something in a source that could not be read as it should; never an exception, never silence."""

    source: str
    kind: ProblemKind
    message: str  # one line: what is wrong and what it costs
    row: int | None = None
    offset: int | None = None  # bytes
    length: int | None = None  # bytes lost


class Marker(Struct, frozen=True, kw_only=True):
    """A place where the log itself says that a life of the process begins."""

    source: int  # index into Run.sources
    row: int  # the first row after the mark
    kind: Literal["file-start", "header-repeated", "resume-told", "session-start"]
    step: int | None = None  # step of a SessionLog START event (a purge marker)
    wall_time: float | None = None


class Fact(Struct, frozen=True, kw_only=True):
    """One declared fact and where it was found."""

    key: str
    value: Any
    found_in: str  # "--declare", "analyzer.toml", "hparams.yaml: optimizer.lr", ...


class FactStatus(Struct, frozen=True, kw_only=True):
    """What the log says of a declared fact, and by which numbers or for which reason."""

    status: Literal["confirmed", "contradicted", "untested"]
    reason: str


class Expectation(Struct, frozen=True, kw_only=True):
    """A project's own gate on a metric: one ``[[expect]]`` of the configuration."""

    tag: str
    at: Literal["end", "best", "step", "epoch"] = "end"
    place: float | None = None  # the step or epoch, for those two
    minimum: float | None = None
    maximum: float | None = None
    run: str = "*"  # glob on the run's name
    found_in: str = ""


class View(Struct, frozen=True, kw_only=True):
    """One logger's account of a run: a CSV file with its continuations, or all event files of a folder."""

    name: str
    sources: tuple[int, ...]
    series: Mapping[str, Series]


class Run(Struct, frozen=True, kw_only=True):
    """What was logged: every view of one training run, as written."""

    name: str
    sources: tuple[Source, ...]
    views: tuple[View, ...]
    markers: tuple[Marker, ...] = ()
    problems: tuple[Problem, ...] = ()
    facts: tuple[Fact, ...] = ()  # found in the log itself or in files beside it, strongest first
    notes: tuple[str, ...] = ()  # how discovery came to join or separate sources

    def to_frame(self) -> Any:
        """The long table as a pandas DataFrame: view, tag, step, value, wall_time, source, row, in written order."""
        import pandas as pd

        paths = np.array([source.path for source in self.sources], dtype=object)
        columns = ["view", "tag", "step", "value", "wall_time", "source", "row"]
        parts = []
        for view in self.views:
            for tag, one in view.series.items():
                stepless = one.step == NO_STEP
                step = pd.Series(np.where(stepless, 0, one.step), dtype="Int64").mask(stepless)
                cells = (view.name, tag, step, one.value, one.wall_time, paths[one.source], one.row)
                parts.append(pd.DataFrame(dict(zip(columns, cells, strict=True))))
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


class Row(Struct, frozen=True, kw_only=True):
    """An evidence row: one logged number and where a reader finds it."""

    source: str
    row: int
    tag: str
    step: int | None
    value: float | int | str
    why: str = ""  # a word or two: "first row of epoch 3", "should be 0.00125"


class Finding(Struct, frozen=True, kw_only=True):
    """A contradiction, or an observation, with its proof.

    A rule yields findings without ``code``, ``name`` and ``help``; the audit fills them in from the rule.
    """

    severity: Severity
    message: str  # numbers and a place; each number can be found in the log
    tag: str | None = None
    first_step: int | None = None
    last_step: int | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[Row, ...] = ()
    help: str = ""  # what to do; the rule's own help when empty
    consequences: tuple[str, ...] = ()  # what follows from the same cause
    join: int | None = None  # index of the join in Timeline.joins that this finding is about
    code: str = ""
    name: str = ""

    def to_frame(self) -> Any:
        """The evidence as a pandas DataFrame: source, row, tag, step, value, why."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.evidence], columns=Row.__struct_fields__)


class Skipped(Struct, frozen=True, kw_only=True):
    """A rule that could not run, and what would let it run."""

    code: str
    reason: str
    accident: bool = False  # an error inside the program: another audit may go well


class RunReport(Struct, frozen=True, kw_only=True):
    """The audit of one run. ``timeline`` is the reconstruction that the findings speak about."""

    run: Run
    timeline: Any  # analyzer.timeline.Timeline; not imported here: arrows point one way
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    passed: tuple[str, ...] = ()  # codes of rules that ran and found nothing
    silenced: tuple[Finding, ...] = ()  # known findings, by configuration or baseline
    declared: Mapping[str, FactStatus] = field(default_factory=dict)  # declared key -> what the log says of it
    configured_in: tuple[str, ...] = ()  # configuration files that hold for the run, the nearest first


class Report(Struct, frozen=True, kw_only=True):
    """The audit of everything that was asked for. ``analyzer.report`` adds what Python code does with it."""

    runs: tuple[RunReport, ...]
    unreadable: tuple[Problem, ...] = ()
    left_alone: tuple[Problem, ...] = ()  # files that were looked at and are no logs, each with the reason
    version: str = ""
    notes: tuple[str, ...] = ()  # about the audit itself: a silence that silences nothing any more

    @property
    def passed(self) -> bool:
        """Whether something was audited and no error or warning was found."""
        return bool(self.runs) and not any(f.severity != "note" for one in self.runs for f in one.findings)

    def __repr__(self) -> str:
        return f"Report({len(self.runs)} runs, {sum(len(one.findings) for one in self.runs)} findings)"
