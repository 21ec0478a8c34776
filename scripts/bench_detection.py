"""How well faults in the loss are found, and how often a healthy run raises an alarm.

    python scripts/bench_detection.py [--runs 2000] [--quick] [--write]

Thousands of seeded runs (``simulate_runs.py``) go through the whole audit, all rules at once. Healthy ones give the
false-alarm rate of every rule, with a 95 % interval, and how often their p-values are below a level; faulty ones the
share that is found, by size. Then the spike detector and the scan of levels are compared with known ones on the same
runs. ``--write`` makes docs/detection.md and its figure; ``--only cost`` tells what judging a loss costs by its rows.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))

import known_detectors
import simulate_runs as simulate
from detection_page import draw, write_page
from detection_results import LEVELS, Results, recall_at
from simulate_runs import SimulatedRun

from analyzer.checking import audit_run
from analyzer.clocks.loss import burn_in_of
from analyzer.clocks.loss_events import P_LEVEL, read_loss
from analyzer.clocks.loss_joins import P_JOIN, level_at
from analyzer.clocks.loss_scan import Scan
from analyzer.clocks.loss_spikes import P_VALUE, find_spikes
from analyzer.config.declared import merge
from analyzer.model import Run, Series, Source, View
from analyzer.reconstruction import reconstruct

SMOOTH = ("exponential", "power law", "cosine", "flat")  # shapes without a step of their own
DOCS = Path(__file__).parent.parent / "docs"
FIGURE = DOCS / "img" / "spike_detectors.png"
PAGE = DOCS / "detection.md"
Floats = NDArray[np.float64]


def logged_run(run: SimulatedRun) -> Run:
    """The simulated run as a reader would hand it on: a table with a column each, validation at epoch ends."""
    columns = {
        "loss": (run.step, run.loss),
        "epoch": (run.step, run.epoch.astype(np.float64)),
        "lr": (run.step, run.learning_rate),
        "grad_norm": (run.step, run.grad_norm),
        "val_loss": (run.validation_step, run.validation_loss),
    }
    if run.shape == "returns":
        columns["rollout/ep_rew_mean"] = (run.step, -run.loss)
    if run.shape == "adversarial":
        columns["loss_D"] = (run.step, 1 / run.loss)
    series = {tag: _series(tag, step, value) for tag, (step, value) in columns.items() if len(step)}
    source = Source(path="log.csv", format="csv", records=len(run.step), line_numbers=True)
    return Run(name="simulated", sources=(source,), views=(View(name="", sources=(0,), series=series),))


def _series(tag: str, step: NDArray[np.int64], value: Floats) -> Series:
    n = len(step)
    return Series(
        tag=tag,
        step=np.array(step, dtype=np.int64),
        value=np.array(value, dtype=np.float64),
        wall_time=np.full(n, np.nan),
        source=np.zeros(n, dtype=np.int32),
        row=np.array(step, dtype=np.int64) + 1,
    )


def codes_of(run: SimulatedRun, *, notes: bool = False) -> list[tuple[str, int | None, int | None, str]]:
    """Warnings and errors of the whole audit, and its notes if asked: code, first and last step, message."""
    report = audit_run(logged_run(run), merge(()))
    return [(f.code, f.first_step, f.last_step, f.message) for f in report.findings if notes or f.severity != "note"]


FLAT: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "white": lambda rng, n: rng.standard_normal(n),
    "Student t, 3 degrees of freedom": lambda rng, n: rng.standard_t(3.0, n),
    "log-normal, 60 %": lambda rng, n: (np.exp(0.6 * rng.standard_normal(n)) - 1) / 0.6,
    "autoregression of 0.5": lambda rng, n: simulate.autoregressive(rng.standard_normal(n), 0.5),
    "autoregression of 0.97": lambda rng, n: simulate.autoregressive(0.24 * rng.standard_normal(n), 0.97),
    "real residuals, resampled": lambda rng, n: simulate.unit_noise(rng, "real", n),
    "white and an autoregression of 0.99": lambda rng, n: (
        rng.standard_normal(n) + 0.3 * simulate.autoregressive(0.14 * rng.standard_normal(n), 0.99)
    ),
    "white and a random walk of 0.3 units": lambda rng, n: rng.standard_normal(n) + 0.3 * _walk(rng, n),
    "white and a random walk of 1 unit": lambda rng, n: rng.standard_normal(n) + _walk(rng, n),
    "white and a random walk of 3 units": lambda rng, n: rng.standard_normal(n) + 3 * _walk(rng, n),
}


def _walk(rng: np.random.Generator, n: int) -> Floats:
    """A random walk that is one unit away at the end of the run."""
    return np.asarray(np.cumsum(rng.standard_normal(n)) / np.sqrt(n))


def chances_of_a_change(results: Results, runs: int, first: int) -> None:
    """P-values of the scan of levels on sound noise without a descent: the smallest at which it would tell a change."""
    for noise, make in FLAT.items():
        for seed in range(runs):
            rng = np.random.default_rng(4_000_000 + first + seed)
            scan = Scan(0.05 * make(rng, int(np.exp(rng.uniform(np.log(200), np.log(6000))))), floor=1e-3)
            scan.changes(P_LEVEL)
            results.p_values[noise].append(scan.least)


def audit_healthy(results: Results, seeds: range, longest: int) -> None:
    for seed in seeds:
        rng = np.random.default_rng(seed)
        n = int(np.exp(rng.uniform(np.log(50), np.log(longest))))
        run = simulate.healthy_run(rng, n=n)
        found = codes_of(run)
        results.healthy.add(bool(found))
        kinds = (run.noise, run.shape, run.logged, f"{10 ** int(math.log10(n))} rows and more")
        for kind in kinds:
            results.by_kind[kind].add(bool(found))
        for code in {code for code, *_ in found}:
            results.by_rule[code].hits += 1
        for code, first, _, message in found:
            results.alarms.append(f"seed {seed} {run.noise} {run.shape} {run.logged} n={n}: {code} @{first} {message}")


Plant = Callable[[SimulatedRun, np.random.Generator], SimulatedRun]


class Fault(NamedTuple):
    """Title, size, rules that should speak, how to plant it, and whether a note is an answer."""

    title: str
    size: str
    codes: str
    plant: Plant
    note: bool = False


def faults() -> Iterable[Fault]:
    for length in (1, 5, 10, 30, 100):
        for height in (3.0, 4.0, 6.0, 8.0, 12.0, 20.0):
            title = f"spike of {length} row{'s' if length > 1 else ''}"
            plant = partial(simulate.with_spike, height=height, length=length)
            yield Fault(title, f"{height:g}", "LOS001 LOS004", plant)
    for factor in (1.2, 1.5, 2.0, 4.0):
        plant = partial(simulate.with_divergence, factor=factor)
        yield Fault("divergence", f"x {factor:g}", "LOS002 LOS004", plant, note=True)
    for k in (2.0, 3.0, 4.0, 8.0):
        for factor, words in ((k, f"x {k:g}"), (1 / k, f"/ {k:g}")):
            plant = partial(simulate.with_scale_jump, factor=factor)
            yield Fault("factor", words, "LOS004 LOS002", plant)
            yield Fault("factor or step told", words, "LOS004 LOS002", plant, note=True)
    for down in (False, True):
        for errors in (4.0, 6.0, 8.0, 12.0):
            title = f"lasting shift {'down' if down else 'up'}, standard errors"
            plant = partial(simulate.with_shift, errors=errors, down=down)
            yield Fault(title, f"{errors:g}", "LOS002 LOS004", plant, note=True)
    for rise in (0.1, 0.2, 0.5):
        plant = partial(simulate.with_overfitting, rise=rise)
        yield Fault("overfitting", f"+{100 * rise:.0f} %", "LOS006", plant)


def audit_faulty(results: Results, which: range, runs: int, rows: tuple[int, int], first: int) -> None:
    every = list(faults())
    for title, size, codes, plant, note in (every[index] for index in which):
        for seed in range(runs):
            rng = np.random.default_rng(1_000_000 + first + seed)
            n = int(np.exp(rng.uniform(np.log(rows[0]), np.log(rows[1]))))
            noise = simulate.NOISES[seed % len(simulate.NOISES)]
            run = plant(simulate.healthy_run(rng, n=n, noise=noise, shape=_smooth(rng), logged="every step"), rng)
            told = codes_of(run, notes=note)
            hit = any(code in codes and _near(run, begins, ends) for code, begins, ends, _ in told)
            results.recall[title][size].add(hit)
            results.recall[f"{title}; {noise}"][size].add(hit)


def join_recall(results: Results, runs: int, first: int) -> None:
    """A level that differs at a join, 200 rows on either side: as the rule's own statistic at a known row."""
    for errors in (0.0, 3.0, 4.0, 6.0):
        for seed in range(4 * runs):
            rng = np.random.default_rng(3_000_000 + first + seed)
            noise = simulate.unit_noise(rng, simulate.NOISES[seed % len(simulate.NOISES)], 400)
            noise[200:] += errors * np.sqrt(2 / 200)
            told = level_at(Scan(0.05 * noise, floor=1e-3), 200, 0, 400)
            hit = told is not None and told.p_value <= P_JOIN
            results.recall["level at a join, 200 rows on either side, standard errors"][f"{errors:g}"].add(hit)
        for seed in range(runs):
            rng = np.random.default_rng(3_500_000 + first + seed)
            noise = simulate.unit_noise(rng, simulate.NOISES[seed % len(simulate.NOISES)], 400)
            noise[200:] += errors
            told = level_at(Scan(0.05 * noise, floor=1e-3), 200, 0, 400)
            hit = told is not None and told.p_value <= P_JOIN
            results.recall["level at a join, 200 rows on either side, noise units"][f"{errors:g}"].add(hit)


def _smooth(rng: np.random.Generator) -> str:
    return str(rng.choice(SMOOTH))


def _near(run: SimulatedRun, first: int | None, last: int | None) -> bool:
    if run.fault == "overfitting" or run.fault_row is None or first is None:
        return True
    n = len(run.loss)
    slack = max(3, n // 20 if run.fault == "divergence" else n // 100, int(run.truth.get("length", 0)))
    place = int(run.step[run.fault_row])
    return first - slack <= place <= max(first, last or first) + slack


def compare_detectors(results: Results, runs: int, rows: tuple[int, int], first: int) -> None:
    """Share of faulty runs found against share of healthy runs with an alarm, at every threshold of every detector."""
    for subject, detectors in (("spikes", DETECTORS), ("levels", LEVEL_DETECTORS)):
        scores: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in detectors}
        for seed in range(runs):
            rng = np.random.default_rng(2_000_000 + first + seed)
            longest = min(rows[1], 3000) if subject == "levels" else rows[1]
            n = int(np.exp(rng.uniform(np.log(rows[0]), np.log(longest))))
            noise = simulate.NOISES[seed % len(simulate.NOISES)]
            healthy = simulate.healthy_run(rng, n=n, noise=noise, shape=_smooth(rng), logged="every step")
            length = int(rng.choice((1, 5, 10)))
            if subject == "spikes":
                faulty = simulate.with_spike(healthy, rng, height=float(rng.choice((6.0, 8.0, 12.0))), length=length)
            elif seed % 2:
                length = int(rng.choice((30, 100)))
                faulty = simulate.with_spike(healthy, rng, height=3.0, length=length)
            else:
                length, faulty = 30, simulate.with_shift(healthy, rng, errors=12.0)
            row = int(faulty.fault_row or 0)
            for name, (score, _) in detectors.items():
                scores[name][0].append(float(score(healthy.loss)[n // 8 :].max()))
                near = slice(max(0, row - length // 2 - 2), row + length + 6)
                scores[name][1].append(float(score(faulty.loss)[near].max()))
        for name, (alarms, hits) in scores.items():
            a, h = np.array(alarms), np.array(hits)
            thresholds = np.unique(np.concatenate([a, h]))[::-1]
            curve = [(float(np.mean(a >= t)), float(np.mean(h >= t))) for t in thresholds.tolist()]
            results.curves[subject][name] = curve
            own = detectors[name][1]
            results.marks[subject][name] = (float(np.mean(a >= own)), float(np.mean(h >= own)))


def our_score(loss: Floats) -> Floats:
    """Minus the logarithm of the spike's p-value, on the rows of the spike; 0 elsewhere."""
    score = np.zeros(len(loss))
    floor = 1e-3 * float(np.median(loss))
    for spike in find_spikes(loss, judged_from=burn_in_of(loss), floor=floor, p_value=1.1, noise_units=3.0):
        score[spike.first : spike.last + 1] = np.maximum(
            score[spike.first : spike.last + 1], -math.log10(max(spike.p_value, 1e-30)) + 1e-9 * spike.units
        )
    return score


def our_level_score(loss: Floats) -> Floats:
    """Minus the logarithm of the chance of a rise of level, at its row; 0 elsewhere: a loss falls by itself."""
    score = np.zeros(len(loss))
    scan = Scan(np.log(loss), first=burn_in_of(loss), floor=1e-3)
    for change in scan.changes(0.1):
        if change.rise < 0:
            continue
        score[change.row] = max(score[change.row], -math.log10(max(change.p_value, 1e-300)))
    return score


DETECTORS: dict[str, tuple[Callable[[Floats], Floats], float]] = {
    "analyzer (LOS001)": (our_score, -math.log10(P_VALUE)),
    "OLMo spike score": (known_detectors.olmo_spike_score, known_detectors.OLMO_THRESHOLD),
    "llm-foundry KillLossSpike": (known_detectors.kill_loss_spike, known_detectors.KILL_RATIO),
    "rolling z-score": (known_detectors.rolling_z_score, known_detectors.ROLLING_THRESHOLD),
}
LEVEL_DETECTORS: dict[str, tuple[Callable[[Floats], Floats], float]] = {
    "analyzer (levels)": (our_level_score, -math.log10(P_LEVEL)),
    "PELT": (known_detectors.pelt, known_detectors.PELT_THRESHOLD),
    "Bayesian online change points": (known_detectors.bayesian_online, known_detectors.BOCPD_THRESHOLD),
    "OLMo spike score": (known_detectors.olmo_spike_score, known_detectors.OLMO_THRESHOLD),
    "llm-foundry KillLossSpike": (known_detectors.kill_loss_spike, known_detectors.KILL_RATIO),
    "rolling z-score": (known_detectors.rolling_z_score, known_detectors.ROLLING_THRESHOLD),
}


def cost_of_rows(repeats: int = 5) -> Iterable[str]:
    """Least processor time that judging one loss takes, by rows, over all kinds of noise."""
    for rows in (10_000, 100_000, 1_000_000):
        least = []
        for seed, noise in enumerate(simulate.NOISES):
            run = simulate.healthy_run(np.random.default_rng(seed), n=rows, noise=noise, shape="power law")
            timeline = reconstruct(logged_run(run), merge(()))
            times = []
            for _ in range(repeats):
                started = time.process_time()
                read_loss(timeline)
                times.append(time.process_time() - started)
            least.append(min(times))
        yield f"{rows:9d} rows: {min(least):.3f} to {max(least):.3f} s"


def run_part(options: argparse.Namespace, part: tuple[str, range]) -> Results:
    """One part of the benchmark: healthy runs of these seeds, or faults of these numbers."""
    results, (name, which) = Results(), part
    if name == "healthy":
        audit_healthy(results, range(which.start + options.seed, which.stop + options.seed), options.longest)
    elif name == "faulty":
        audit_faulty(results, which, options.faulty, options.rows, options.seed)
    elif name == "detectors":
        compare_detectors(results, options.faulty * 5, options.rows, options.seed)
    else:
        join_recall(results, options.faulty, options.seed)
        chances_of_a_change(results, max(options.runs // 10, 20), options.seed)
    return results


def parts_of(options: argparse.Namespace) -> list[tuple[str, range]]:
    """The work in pieces, so that as many processes as there are cores end together."""
    count, step = len(list(faults())), max(50, options.runs // 40)
    parts = [("detectors", range(1)), ("chances", range(1))]
    parts += [("faulty", range(k, min(k + 4, count))) for k in range(0, count, 4)]
    parts += [("healthy", range(k, min(k + step, options.runs))) for k in range(0, options.runs, step)]
    return [part for part in parts if options.only in (None, part[0])]


def told(results: Results) -> list[str]:
    """What is printed of the results."""
    lines = [f"healthy runs with an alarm: {results.healthy}"]
    lines += [f"  {code} {tally}" for code, tally in sorted(results.by_rule.items())]
    lines += [f"    {kind:22s} {tally}  of {tally.of}" for kind, tally in results.by_kind.items()]
    lines += results.alarms[:40]
    for noise, values in results.p_values.items():
        shares = " ".join(f"{np.mean(np.array(values) < q):.4f}" for q in LEVELS)
        lines.append(f"p-values {noise:36s} {shares}")
    for title, sizes in results.recall.items():
        lines.append(f"{title:40s} " + "  ".join(f"{size}: {100 * tally.share:.0f} %" for size, tally in sizes.items()))
    for subject, marks in results.marks.items():
        first = next(iter(marks))
        for name, (alarm, hit) in marks.items():
            ours = recall_at(results.curves[subject][first], alarm)
            at_one = recall_at(results.curves[subject][name], 0.01)
            lines.append(
                f"{subject} {name:30s} alarms {100 * alarm:5.1f} %  found {100 * hit:5.1f} %"
                f"  (ours then {100 * ours:5.1f} %)  at 1 % of alarms {100 * at_one:5.1f} %"
            )
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000, help="healthy runs (default 2000)")
    parser.add_argument("--faulty", type=int, default=200, help="runs for each fault and size (default 200)")
    parser.add_argument("--longest", type=int, default=200_000, help="rows of the longest healthy run")
    parser.add_argument("--seed", type=int, default=0, help="first seed: others than those that thresholds were set on")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, runs of at most 5000 rows")
    parser.add_argument("--only", choices=("healthy", "faulty", "detectors", "chances", "cost"), help="one part")
    parser.add_argument("--write", action="store_true", help="write docs/detection.md and its figure")
    options = parser.parse_args()
    if options.only == "cost":
        for line in cost_of_rows():
            print(line, flush=True)
        return 0
    if options.quick:
        options.runs, options.faulty, options.longest = options.runs // 10, options.faulty // 10, 5000
    options.rows = (300, 3000 if options.quick else 20_000)  # of faulty runs
    results, started = Results(), time.monotonic()
    parts = parts_of(options)
    with ProcessPoolExecutor(options.jobs) as pool:
        for found in pool.map(partial(run_part, options), parts):
            results.take(found)
    for tally in results.by_rule.values():
        tally.of = results.healthy.of
    print("\n".join(told(results)))
    results.seconds = time.monotonic() - started
    print(f"{results.seconds:.0f} s")
    if options.write:
        draw(results, FIGURE)
        write_page(results, options, PAGE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
