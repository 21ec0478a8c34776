"""How numbers, places and reconstructed clocks are put into words, the same in every output."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from analyzer.model import Finding, Row, Run, RunReport, Skipped
from analyzer.renderers.escaping import visible
from analyzer.spelling import counted

UNBOUNDED = 1e15  # what a clock calls its upper end when nothing bounds it is far beyond any count in a log
LARGEST_ACCUMULATION = 4_096  # batches of an update, by which a ratio is divided; more divide the bound of a decimal


def number(value: Any) -> str:
    """A number as a log writes it: the fewest digits that read back as the same float32 or float64."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, Fraction) and value.denominator > LARGEST_ACCUMULATION:
        value = float(f"{float(value):.6g}")
    if isinstance(value, Fraction):
        return str(value.numerator) if value.denominator == 1 else f"{value.numerator}/{value.denominator}"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if not isinstance(value, (float, np.floating)):
        return visible(value)
    value = float(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if abs(value) < 3e38 and float(np.float32(value)) == value:
        return str(np.float32(value))
    return repr(value)


def rounded(value: Any, digits: int = 6) -> str:
    """A derived number, to as many digits as are worth reading; a count in full, never as 1e+06."""
    if isinstance(value, (int, str, Fraction)) or value is None:
        return number(value)
    value = float(value)
    if math.isfinite(value) and abs(value) >= 10 ** (digits - 1):
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def interval(low: Any, high: Any) -> str:
    if high is None or high > UNBOUNDED:
        return f"at least {rounded(low)}"
    return rounded(low) if low == high else f"{rounded(low)} to {rounded(high)}"


def whole(low: float, high: float) -> tuple[float, float]:
    """Bounds of a count, whose value is a whole number: 622.5 to 623.5 is 623."""
    if not math.isfinite(high) or math.ceil(low) > math.floor(high):
        return low, high
    return math.ceil(low), math.floor(high)


def duration(seconds: float) -> str:
    """12 s, 3 min 20 s, 5 h 02 min, 2 d 4 h."""
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def main_row(finding: Finding) -> Row | None:
    """The evidence row that a finding is shown at: damage, which has no step, else where it begins, else the first."""
    shown = [row for step in (None, finding.first_step) for row in finding.evidence if row.step == step]
    return next(iter((*shown, *finding.evidence)), None)


def logged(row: Row) -> str:
    """``loss = 0.25``, or what is said of a row that holds no value."""
    return f"{visible(row.tag)} = {number(row.value)}" if row.tag else number(row.value)


def place_of(run: Run, row: Row) -> str:
    """Where an evidence row is found: ``file:line`` for text, the record or entry number otherwise."""
    source = next((one for one in run.sources if one.path == row.source), None)
    path = visible(row.source)
    if source is None or source.line_numbers:
        return f"{path}:{row.row}"
    return f"{path} {source.a_row} {row.row}"


def steps_of(finding: Finding) -> str:
    """``step 12``, ``steps 12 to 40`` or nothing."""
    if finding.first_step is None:
        return ""
    if finding.last_step is None or finding.last_step == finding.first_step:
        return f"step {finding.first_step}"
    return f"steps {finding.first_step} to {finding.last_step}"


def reconstruction(timeline: Any) -> list[tuple[str, str]]:
    """What the clocks of a run were found to be: (clock, in words), each with its certainty."""
    lines = [("steps", _steps(timeline))]
    if len(timeline.sessions) > 1:
        lines.append(("sessions", _sessions(timeline)))
    if timeline.epoch is not None:
        lines.append(("epochs", _epochs(timeline.epoch)))
    last_step = max((session.last_step for session in timeline.sessions), default=0)
    lines += [("schedule", _schedule(clock, last_step)) for clock in timeline.schedulers[:3]]
    if len(timeline.schedulers) > 3:
        lines.append(("schedule", f"and of {len(timeline.schedulers) - 3} further learning rates"))
    if timeline.wall is not None:
        wall = timeline.wall
        pace = f", {rounded(wall.seconds_per_step, 3)} s a step" if math.isfinite(wall.seconds_per_step) else ""
        lasted = duration(wall.last - wall.first) if wall.last >= wall.first else "unknown, it runs backwards"
        lines.append(("time", f"{lasted}{pace}"))
    return lines


def _steps(timeline: Any) -> str:
    sessions, axis = timeline.sessions, timeline.step_axis
    first = min((session.first_step for session in sessions), default=0)
    last = max((session.last_step for session in sessions), default=0)
    every = f", logged every {axis.cadence}" if axis.cadence > 1 else ""
    ending = "es" if axis.unit == "micro-batch" else "s"
    unit = "" if axis.unit in ("update", "unknown") else f", counted in {axis.unit}{ending}"
    return f"{first} to {last}{every}{unit}"


def _sessions(timeline: Any) -> str:
    spans = [f"{session.first_step}..{session.last_step}" for session in timeline.sessions]
    shown = ", ".join(spans[:4]) + (f", and {len(spans) - 4} more" if len(spans) > 4 else "")
    return f"{len(spans)} ({shown})"


def _epochs(epoch: Any) -> str:
    if epoch.too_sparse and epoch.low < 1:
        steps, certainty = "the log has too few rows to tell the steps of one", "read"
    else:
        steps = f"{interval(epoch.low, epoch.high)} steps per epoch"
        certainty = "exact" if epoch.exact else "too few rows to tell more" if epoch.too_sparse else "as an interval"
    base = "" if epoch.base is None else f", the first is {epoch.base}"
    breaks = f"; broken at {counted(len(epoch.breaks), 'place')}" if epoch.breaks else ""
    return f"{steps} ({certainty}, from {epoch.source}){base}{breaks}"


def _schedule(clock: Any, last_step: int) -> str:
    top = "highest logged" if clock.family == "unknown" else "peak"
    parts = [] if clock.family == "constant" else [f"{top} {rounded(clock.peak_lr)}"]
    if clock.family == "constant":
        parts.append(rounded(clock.peak_lr))
    unit = " epochs" if clock.unit == "epoch" else ""
    if clock.family == "constant" and _only_rises(clock, last_step):
        return (
            f"unknown ({visible(clock.series.tag)}): still in its warmup at the last row, at {rounded(clock.peak_lr)}"
        )
    if clock.warmup_steps is not None and clock.warmup_steps[1] > 0:
        parts.append(f"warmup {interval(*whole(*clock.warmup_steps))}{unit}")
    if clock.total_steps is not None and math.isfinite(clock.total_steps[0]):
        parts.append(f"horizon {interval(*whole(*clock.total_steps))}{unit}")
    if clock.min_lr:
        parts.append(f"floor {rounded(clock.min_lr)}")
    if clock.rate != 1:
        parts.append(f"{rounded(clock.rate)} scheduler steps an update")
    if clock.family == "exponential" and "slope" in clock.parameters:
        parts.append(f"gamma {rounded(math.exp(clock.parameters['slope']))}")
    parts += _shape(clock.parameters)
    if clock.explained and clock.explained < 1:
        parts.append(f"{100 * clock.explained:.3g} % of the rows")
    also = f"; or {visible(clock.aliases[0])}" if clock.aliases else ""
    return f"{clock.family} ({visible(clock.series.tag)}): {', '.join(parts)}{also}"


def _shape(parameters: Mapping[str, Any]) -> list[str]:
    """What makes the curve of a family besides peak, warmup, horizon and floor: ``gamma 0.1, step_size 30``."""
    covered = {"slope", "intercept", *(("milestones",) if "step_size" in parameters else ())}
    return [f"{visible(key)} {parameter(value)}" for key, value in parameters.items() if key not in covered]


def parameter(value: Any) -> str:
    """A parameter of a schedule, of a list its first few values."""
    if isinstance(value, (tuple, list)):
        shown = ", ".join(parameter(one) for one in value[:6])
        return f"({shown}{', ...' if len(value) > 6 else ''})"
    return visible(rounded(value))


def _only_rises(clock: Any, last_step: int) -> bool:
    """Whether the log ends with the warmup: what follows is not told."""
    return clock.warmup_steps is not None and clock.unit == "step" and clock.warmup_steps[1] + 1 >= last_step


def contradicted(one: RunReport) -> Iterator[str]:
    """Declared facts that the log excludes, in words: ``epochs = 7 (args.json): contradicted, see EPO004``."""
    for key, fact in one.timeline.declared.facts.items():
        said = one.declared.get(key)
        if said is not None and said.status == "contradicted":
            file, colon, place = fact.found_in.partition(": ")
            where = visible(os.path.basename(file) + colon + place)
            yield f"{visible(key)} = {visible(fact.value)} ({where}): contradicted, {visible(said.reason)}"


def files_of(timeline: Any) -> str:
    """The sources of a run in one line, the one that the clocks are read from first."""
    run = timeline.run
    first = run.sources[timeline.view.sources[0]]
    kind = f"{first.format}, {first.framework}" if first.framework else first.format
    more = f" and {len(run.sources) - 1} more" if len(run.sources) > 1 else ""
    return f"{visible(first.path)} ({visible(kind)}){more}"


def grouped_reasons(skipped: Iterable[Skipped]) -> list[tuple[str, list[str]]]:
    """Reasons why rules did not run, each with the codes of those rules."""
    groups: dict[str, list[str]] = {}
    for skip in skipped:
        codes = groups.setdefault(visible(skip.reason), [])
        if skip.code not in codes:
            codes.append(skip.code)
    return sorted(groups.items(), key=lambda group: group[1])


def totals(runs: Iterable[RunReport]) -> str:
    """``2 errors, 1 warning and 3 notes in 4 runs``."""
    runs = list(runs)
    counts = {
        word: sum(f.severity == word for one in runs for f in one.findings) for word in ("error", "warning", "note")
    }
    parts = [counted(count, word) for word, count in counts.items() if count]
    said = " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]])) if parts else "nothing found"
    return f"{said} in {counted(len(runs), 'run')}"
