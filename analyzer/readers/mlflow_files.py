"""MLflow's file store: ``mlruns/<experiment>/<run>/metrics/<key>``, one line a value.

A line is ``timestamp value`` (early versions), ``timestamp value step``, or the same with a data set's name and digest;
timestamps are milliseconds. MLflow's own reader takes the step of a line of five fields for 0; here it is read.
A run is read as a whole, from its ``meta.yaml``. Nothing is ever overwritten in a store: what a resume logged twice is
there twice, in written order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.config.sidecars import facts_from_mapping
from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Fact, Floats, Ints, Problem, Series, Source
from analyzer.readers import Reader, Reading
from analyzer.regular_files import text_of

LINE = re.compile(r"^(-?\d+) (\S+)(?: (-?\d+)(?: \S.*)?)?$")
LARGEST_FILE = 1_000_000  # bytes of a parameter or tag; MLflow allows 6,000 characters


class MetricPoints(Struct, frozen=True, kw_only=True, eq=False):
    """The values of one metric, in written order. ``wall_time`` in seconds since 1970."""

    tag: str
    step: Ints
    value: Floats
    wall_time: Floats


def read(path: Path) -> Reading:
    """Read a run from its ``meta.yaml``: all metrics, the parameters as declared facts."""
    run = path.parent
    metrics = run / "metrics"
    problems: list[Problem] = []
    points: list[MetricPoints] = []
    files = sorted(file for file in metrics.rglob("*") if file.is_file()) if metrics.is_dir() else []
    for file in files:
        tag = file.relative_to(metrics).as_posix()
        try:
            found, odd = parse(text_of(file, errors="replace"), tag, str(file))
        except OSError as error:
            problems.append(Problem(source=str(file), kind="row", message=f"{error.strerror or error}: not read"))
            continue
        problems += odd
        points.append(found)
    source = Source(path=str(metrics if files else path), format="mlflow-files", framework=_framework(run))
    if not any(len(one.step) for one in points):
        problems.append(Problem(source=str(path), kind="unreadable", message="an MLflow run that logged no metrics"))
    points, stepped = with_ordinals(points)
    source = replace(_counted(source, points), step_axis="step" if stepped else "row")
    return Reading(source=source, series=series_of(points), problems=tuple(problems), facts=_params(run))


def parse(text: str, tag: str, name: str) -> tuple[MetricPoints, list[Problem]]:
    """The lines of one metric file; a last line without its end is incomplete and left out."""
    lines = text.split("\n")
    problems = []
    cut = lines.pop()
    if cut:
        message = f"the last line ends inside a value ({cut[:40]!r}): left out"
        problems.append(Problem(source=name, kind="truncated", message=message, row=len(lines) + 1))
    steps: list[int] = []
    values: list[float] = []
    walls: list[float] = []
    for number, line in enumerate(lines, start=1):
        match = LINE.match(line)
        try:
            if match is None:
                raise ValueError
            value = float(match[2])
        except ValueError:
            if line.strip():
                message = f"no timestamp, value and step: {line[:40]!r}"
                problems.append(Problem(source=name, kind="row", message=message, row=number))
            continue
        steps.append(int(match[3]) if match[3] is not None and abs(int(match[3])) < 2**63 else NO_STEP)
        values.append(value)
        walls.append(int(match[1]) / 1000.0)
    return MetricPoints(
        tag=tag,
        step=np.array(steps, dtype=np.int64),
        value=np.array(values, dtype=np.float64),
        wall_time=np.array(walls, dtype=np.float64),
    ), problems


def series_of(points: Sequence[MetricPoints]) -> tuple[Series, ...]:
    """Series whose rows count the calls that logged something: values of one millisecond came from one call.

    The files of a run share no line numbers, and a place in the run must mean the same in all of them.
    """
    moments = [np.maximum.accumulate(one.wall_time) if len(one.wall_time) else one.wall_time for one in points]
    calls = distinct(np.concatenate(moments)) if moments else np.empty(0)
    return tuple(
        Series(
            tag=one.tag,
            step=one.step,
            value=one.value,
            wall_time=one.wall_time,
            source=np.zeros(len(one.step), dtype=np.int32),
            row=np.searchsorted(calls, moment).astype(np.int64),
        )
        for one, moment in zip(points, moments, strict=True)
        if len(one.step)
    )


def with_ordinals(points: Sequence[MetricPoints]) -> tuple[list[MetricPoints], bool]:
    """Without a step MLflow stores 0 for every value: then a value's step is its place in its series, from 1.

    Returns:
        The points, and whether their steps are those that the caller passed.
    """
    repeats = any(len(one.step) > 1 for one in points)
    if not repeats or any(((one.step != 0) & (one.step != NO_STEP)).any() for one in points):
        return list(points), True
    return [replace(one, step=np.arange(1, len(one.step) + 1, dtype=np.int64)) for one in points], False


def _counted(source: Source, points: Sequence[MetricPoints]) -> Source:
    starts = [float(one.wall_time[0]) for one in points if len(one.wall_time)]
    return replace(source, start_time=min(starts, default=None), records=sum(len(one.step) for one in points))


def _params(run: Path) -> tuple[Fact, ...]:
    folder = run / "params"
    if not folder.is_dir():
        return ()
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    found = {file.relative_to(folder).as_posix(): _short_text(file) for file in files}
    return facts_from_mapping(found, "MLflow params")


def _framework(run: Path) -> str | None:
    return _short_text(run / "tags" / "mlflow.autologging") or None


def _short_text(file: Path) -> str:
    try:
        return text_of(file, most=LARGEST_FILE, errors="replace").strip() if file.is_file() else ""
    except OSError:
        return ""


def _files_of_run(path: Path) -> list[Path]:
    return [file for part in ("metrics", "params", "tags") for file in sorted((path.parent / part).rglob("*"))]


def _recognises(path: Path, head: bytes) -> bool:
    """An experiment has a ``meta.yaml`` of its own; one that names a run is a run's, whatever else it tells."""
    return path.name == "meta.yaml" and (b"run_id:" in head or b"run_uuid:" in head)


READER = Reader(
    name="mlflow-files",
    title="MLflow file store",
    recognises=_recognises,
    read=read,
    also_reads=_files_of_run,
    recognised_by="`meta.yaml` of a run, beside `metrics/` and `params/`",
    step="what the caller passed as step; the place in the series where nobody passed any",
    epoch="a metric of its own",
    learning_rate="as logged",
    priority=20,
)
