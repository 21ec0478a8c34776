"""How well schedules that nobody declares are named, and what breaks in them is found: docs/schedules.md.

    python scripts/bench_schedules.py [--runs 400] [--seed 1] [--write]

Seeded CSV logs go through the whole audit. A fault is planted in the scheduler's counter, or in what the loop makes of
its rate; only the length of the run is declared, or nothing. A fault counts as found when a rule of the schedule or of
resumes tells it as a warning or an error; any warning or error on a sound log is an alarm.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from schedule_shapes import SHAPES

import analyzer
from analyzer.model import Floats, Ints

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "schedules.md"
FORMATS = ("3g", "4g", "6g", "3e", "4e", "6e", ".17g", ".17g")
FEWEST_ROWS = 10
CLEAR = 0.03  # of the rate: what moves no row by so much is no fault that a log shows
FAULTS = {
    "jump": "multiplied from one step on",
    "stretch": "multiplied for a stretch",
    "isolated": "one to three rows are off",
    "frozen": "stands still from one step on",
    "restarted": "starts again at a resume",
    "started again": "starts again, no resume in the log",
    "lost": "goes on some steps too early at a resume",
    "doubled": "its position doubles at a resume",
    "rebuilt": "another length from a resume on",
    "warmed again": "the warmup runs again at a resume",
    "short": "built for a part of the run's length",
    "long": "built for a multiple of the run's length",
    "every epoch": "one more at every epoch's end",
}
AT_A_RESUME = ("restarted", "lost", "doubled", "rebuilt", "warmed again")
OF_LENGTH = ("short", "long")


class Made(Struct, frozen=True, kw_only=True):
    """One log and how it was made."""

    shape: str
    fault: str | None
    text: str
    declared: dict[str, Any]


def made(seed: int) -> Made | None:
    """One log; None where the draw shows nothing."""
    draw, noise = random.Random(seed), np.random.default_rng(seed)
    fault = None if draw.random() < 0.5 else draw.choice(list(FAULTS))
    names = [name for name, shape in SHAPES.items() if _may_have(fault, name)]
    name = draw.choice(names)
    per_epoch, epochs = draw.choice([40, 97, 150, 313, 500]), draw.choice([3, 5, 8, 12, 20])
    count = per_epoch * epochs
    width = max(draw.choice([0, count // 20, count // 10]), count // 10 if fault == "warmed again" else 0)
    k, place = np.arange(count, dtype=np.float64), int(count * draw.uniform(0.3, 0.75)) // 10 * 10
    drawn = draw.getstate()
    right = SHAPES[name].curve(draw, count, width)
    draw.setstate(drawn)
    length = int(count * {"short": draw.choice([0.25, 0.5, 0.7]), "long": draw.choice([1.5, 2, 4])}.get(fault or "", 1))
    draw.setstate(drawn)
    curve = SHAPES[name].curve(draw, length, width)
    counter, lap = k.copy(), k // per_epoch
    counter[place:] -= {"restarted": place, "started again": place, "lost": min(250, place // 2)}.get(fault or "", 0)
    counter[place:] += place if fault == "doubled" else 0
    counter += lap if fault == "every epoch" else 0
    counter = np.minimum(counter, place) if fault == "frozen" else counter
    share = np.asarray(curve(counter), dtype=np.float64)
    if fault == "rebuilt":
        draw.setstate(drawn)
        share[place:] = np.asarray(SHAPES[name].curve(draw, draw.choice([3, 4, 6]) * count // 2, width)(k))[place:]
    if fault == "warmed again":
        share[place:] *= np.minimum(1.0, (k[place:] - place + 1) / width)
    if fault in ("jump", "stretch"):
        last = count if fault == "jump" else place + max(30, int(count * draw.choice([0.03, 0.08])))
        share[place:last] *= draw.choice([0.1, 0.5, 2, 5, 10])
    rows = _logged(draw, count, per_epoch)
    if fault == "isolated":
        off = noise.choice(rows[len(rows) // 4 : -5], draw.choice([1, 2, 3]), replace=False)
        share[off] *= draw.choice([0.1, 2, 10])
    moved = np.abs(share - right(k))[rows] > CLEAR * np.maximum(np.abs(right(k)[rows]), 1e-3)
    if len(rows) < FEWEST_ROWS or (fault not in (None, "isolated", "every epoch") and moved.sum() < 5):
        return None
    resumed = place if fault in AT_A_RESUME or (fault is None and draw.random() < 0.2) else None
    known = fault in OF_LENGTH or draw.random() < 0.5
    declared = {draw.choice(["max_steps", "epochs"]): 0} if known else {}
    declared = {key: count if key == "max_steps" else epochs for key in declared}
    text = _table(draw, noise, rows, lap, share, resumed)
    return Made(shape=name, fault=fault, text=text, declared=declared)


def _may_have(fault: str | None, name: str) -> bool:
    shape = SHAPES[name]
    if fault is None or fault in ("restarted", "started again"):
        return fault is None or shape.plain or "MultiStep" in name
    return shape.plain and (shape.ends or fault not in (*OF_LENGTH, "rebuilt", "frozen"))


def _logged(draw: random.Random, count: int, per_epoch: int) -> Ints:
    every = draw.choice([1, 1, 5, 10, 20])
    while count / every < 40 and every > 1:
        every = {20: 10, 10: 5, 5: 1}[every]
    return np.arange(every - 1, count, every)


def _table(
    draw: random.Random, noise: np.random.Generator, rows: Ints, lap: Floats, share: Floats, resumed: int | None
) -> str:
    shown, peak, base = draw.choice(FORMATS), draw.choice([1e-3, 3e-4, 5e-5, 0.1, 6e-4]), draw.choice([0, 1])
    with_epoch = draw.random() < 0.7
    head = "step,epoch,loss,lr" if with_epoch else "step,loss,lr"
    lines = [head]
    for row in rows.tolist():
        if resumed is not None and row >= resumed:
            lines, resumed = [*lines, head], None
        loss = (2.5 * (1 + row / 60) ** -0.5 + 0.4) * np.exp(0.05 * noise.normal())
        label = f"{int(lap[row])}," if with_epoch else ""
        lines.append(f"{row + base},{label}{loss:.4f},{peak * share[row]:{shown}}")
    return "\n".join(lines) + "\n"


def judged(one: Made, folder: Path) -> tuple[str, bool, bool]:
    """Family that is told, whether a rule of schedules or resumes fires, and whether any does."""
    (folder / "log.csv").write_text(one.text)
    (run,) = analyzer.read(folder / "log.csv")
    report = analyzer.audit(run, declared=one.declared)
    (audited,) = report.runs
    told = [finding for finding in audited.findings if finding.severity != "note"]
    schedule = [finding for finding in told if finding.code.startswith(("SCH", "RES"))]
    clocks = audited.timeline.schedulers if audited.timeline is not None else ()
    return clocks[0].family if clocks else "none", bool(schedule), bool(told)


def page(runs: int, seed: int) -> str:
    """The tables, by shape and by fault."""
    shapes: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    faults: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    done, number = 0, seed * 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        while done < runs:
            number += 1
            one = made(number)
            if one is None:
                continue
            done += 1
            family, found, any_told = judged(one, Path(folder))
            row = shapes[one.shape]
            if one.fault is None:
                row[0], row[1], row[2] = row[0] + 1, row[1] + (family in SHAPES[one.shape].told_as), row[2] + any_told
            else:
                row[3], row[4] = row[3] + 1, row[4] + found
                faults[one.fault] = [faults[one.fault][0] + 1, faults[one.fault][1] + found]
    total = [sum(row[k] for row in shapes.values()) for k in range(5)]
    columns = ("schedule", "sound", "named right", "alarm", "faulty", "found")
    lines = [HEAD.format(runs=runs, seed=seed), f"| {' | '.join(columns)} |", "|---" + "|---:" * 5 + "|"]
    for name, row in [*sorted(shapes.items()), ("**all**", total)]:
        lines.append(f"| {name} | {row[0]} | {row[1]} | {row[2]} | {row[3]} | {row[4]} |")
    lines += ["", "| fault | runs | found |", "|---|---:|---:|"]
    lines += [f"| {FAULTS[name]} | {n} | {found} |" for name, (n, found) in sorted(faults.items())]
    return "\n".join(lines) + "\n"


HEAD = """# How well schedules are read

Written by `python scripts/bench_schedules.py --runs {runs} --seed {seed} --write`; every number below comes from that
run. Seeded CSV logs of schedules as many frameworks write them, in three to seventeen digits, every 1 to 20 steps, one
in five sound ones with a resume; nothing is declared but, in half of them, the run's length. Named right: `analyzer
timeline` gives the family. Found: a rule of schedules or resumes tells the planted fault as a warning or an error.
Alarm: any warning or error, of any rule, on a sound log.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write docs/schedules.md")
    options = parser.parse_args()
    text = page(options.runs, options.seed)
    if options.write:
        PAGE.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
