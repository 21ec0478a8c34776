"""Small reports built by hand: one that looks like life, and one in which every name is hostile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from analyzer.config.declared import merge
from analyzer.model import Fact, Finding, Problem, Report, Row, Run, RunReport, Series, Skipped, Source, View
from analyzer.reconstruction import reconstruct

HOSTILE = (
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;http://evil\x07link",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "]]><x>",
    "::set-output name=a::b",
    "##[error]boo",
    "a\n::error::b",
    "a\r\nb",
    "`${IFS}`|`",
    "| a | b |",
    "@everyone [x](javascript:alert(1)) ![i](http://evil)",
    "50%0A::warning::x",
    "\u202egnp.exe",
    "nul\x00byte",
    "lone\udc80surrogate",
    "\ufffe\uffff",
    "a,b:c=d",
    "&amp;\"'",
    "{{ 7*7 }} {% x %}",
    "=cmd|'/c calc'!A1",
    "$x^2$ #12",
)


def series(tag: str, values: Sequence[float], first_step: int = 1) -> Series:
    count = len(values)
    return Series(
        tag=tag,
        step=np.arange(first_step, first_step + count, dtype=np.int64),
        value=np.array(values, dtype=np.float64),
        wall_time=np.full(count, np.nan),
        source=np.zeros(count, dtype=np.int32),
        row=np.arange(2, count + 2, dtype=np.int64),
    )


def run_of(tags: Sequence[Series], *, name: str = "runs/a", path: str = "runs/a/metrics.csv", text: bool = True) -> Run:
    source = Source(path=path, format="csv" if text else "tfevents", records=len(tags[0]), line_numbers=text)
    return Run(name=name, sources=(source,), views=(View(name="", sources=(0,), series={s.tag: s for s in tags}),))


def report_of(*runs: RunReport, unreadable: tuple[Problem, ...] = (), notes: tuple[str, ...] = ()) -> Report:
    return Report(runs=runs, unreadable=unreadable, notes=notes, version="1.2.3")


def audited(run: Run, *findings: Finding, **others: object) -> RunReport:
    timeline = reconstruct(run, merge(), last="step_axis")  # what the later clocks say is not under test
    return RunReport(run=run, timeline=timeline, findings=findings, **{"skipped": (), "passed": ("LOG003",), **others})  # type: ignore[arg-type]


def spike(run: Run, tag: str = "loss", **changes: object) -> Finding:
    one = next(view.series[tag] for view in run.views if tag in view.series)
    rows = tuple(
        Row(
            source=run.sources[0].path,
            row=int(one.row[i]),
            tag=tag,
            step=int(one.step[i]),
            value=float(one.value[i]),
            why=why,
        )
        for i, why in ((29, ""), (30, "ten times its neighbours"), (31, ""))
    )
    fields = {
        "severity": "warning",
        "message": "loss jumps from 0.7 to 7 at step 31 and is back at step 32",
        "tag": tag,
        "first_step": 31,
        "last_step": 31,
        "evidence": rows,
        "help": "look at the batch of step 31",
        "consequences": ("GRD001 the gradient norm is 40 at step 31",),
        "code": "LOS001",
        "name": "loss-spike",
        "numbers": {"ratio": 10.0},
    }
    return Finding(**{**fields, **changes})  # type: ignore[arg-type]


def falling(count: int = 60) -> list[float]:
    values = [round(1 / (1 + step / 60), 4) for step in range(count)]
    values[30] = 7.0
    return values


def lifelike(*, text: bool = True) -> Report:
    """A run with a spike, and a clean one; a file that could not be read."""
    path = "runs/a/metrics.csv" if text else "runs/a/events.out.tfevents.1.h"
    run = run_of([series("loss", falling())], path=path, text=text)
    clean = run_of([series("loss", [1.0, 0.5, 0.25])], name="runs/b", path="runs/b/metrics.csv")
    gone = Problem(source="runs/c", kind="unreadable", message="no such file or folder; check the path")
    skip = Skipped(code="EPO001", reason="no epochs in the log")
    return report_of(audited(run, spike(run), skipped=(skip,)), audited(clean), unreadable=(gone,))


def hostile(name: str) -> Report:
    """Every text that can come from a log is ``name``."""
    run = run_of([series(name, falling())], name=name, path=name)
    row = Row(source=name, row=32, tag=name, step=31, value=name, why=name)
    finding = spike(
        run, tag=name, message=name, help=name, consequences=(name,), evidence=(row, row), numbers={name: name}
    )
    note = spike(run, tag=name, message=name, severity="note", evidence=(row,), code="LOG008", name="cadence")
    problem = Problem(source=name, kind="unreadable", message=name)
    timeline_facts = (Fact(key=name, value=name, found_in=name),)
    one = audited(run, finding, note, skipped=(Skipped(code="EPO001", reason=name),), silenced=(note,))
    one = replace(one, timeline=replace(one.timeline, declared=merge(timeline_facts)))
    return report_of(one, unreadable=(problem,), notes=(name,))
