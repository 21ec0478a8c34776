"""docs/detection.md and its figure, from the results of bench_detection.py."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import Any

from detection_limit import FOUND, share_found, share_of_shifts_found
from detection_results import LEVELS, Results, recall_at

from analyzer.clocks.loss_events import P_LEVEL

SHIFTS = (4.0, 6.0, 8.0, 12.0)  # standard errors
COLOURS = {
    "analyzer (LOS001)": "#1b6ca8",
    "analyzer (levels)": "#1b6ca8",
    "PELT": "#b08900",
    "Bayesian online change points": "#444444",
    "OLMo spike score": "#c8553d",
    "llm-foundry KillLossSpike": "#6a994e",
    "rolling z-score": "#8d6cab",
}


def draw(results: Results, path: Path) -> None:
    """Spikes found against healthy runs with an alarm, a line for each detector, a dot at its own threshold."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(11, 4.4), constrained_layout=True)
    titles = {
        "spikes": "Spikes of 6, 8 and 12 noise units over 1, 5 and 10 rows",
        "levels": "Stretches of 3 units over 30 and 100 rows, shifts of 12 errors",
    }
    for axes, (subject, curves) in zip(panels, results.curves.items(), strict=False):
        for name, curve in curves.items():
            alarms = [100 * alarm for alarm, _ in curve]
            found = [100 * hit for _, hit in curve]
            wide = 2.4 if name.startswith("analyzer") else 1.4
            axes.step(alarms, found, where="post", color=COLOURS[name], linewidth=wide, label=name)
            alarm, hit = results.marks[subject][name]
            axes.plot([max(100 * alarm, 0.05)], [100 * hit], "o", color=COLOURS[name], markersize=7)
        axes.set_xscale("symlog", linthresh=1.0)
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 100)
        axes.set_xticks([0, 0.5, 1, 2, 5, 10, 20, 50, 100], ["0", "0.5", "1", "2", "5", "10", "20", "50", "100"])
        axes.axvline(1.0, color="#999999", linewidth=0.8, linestyle=":")
        axes.set_xlabel("healthy runs with an alarm, %")
        axes.set_ylabel("found, %")
        axes.set_title(f"{titles[subject]}; dots: own thresholds", fontsize=9)
        axes.legend(loc="upper left", frameon=False, fontsize=8)
        axes.grid(alpha=0.25)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def write_page(results: Results, options: argparse.Namespace, path: Path) -> None:
    """The page: what was run, the tables, the figure, and what it does not say."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_lines(results, options)) + "\n")


def _lines(results: Results, options: argparse.Namespace) -> list[str]:
    spikes = {title: sizes for title, sizes in results.recall.items() if title.startswith("spike") and ";" not in title}
    lines = [
        "# How well faults in the loss are found",
        "",
        *_text(
            "Written by `scripts/bench_detection.py --write`; every number below comes from that run.",
            f"{results.healthy.of} healthy runs of 50 to {options.longest} rows, {options.faulty} for each fault and",
            f"size, seeds from {options.seed} on, with Gaussian, Student-t, log-normal, autocorrelated and real noise,",
            "went through the whole audit, all rules at once.",
        ),
        "",
        "## False alarms",
        "",
        *_text(
            "Healthy runs with at least one warning or error, and the share by rule, with Wilson's 95 % interval.",
            "The budget is eight runs in a thousand, all rules together (`loss_events.py` says how it is divided).",
            "The noise of a healthy run is 0.3 to 30 % of its loss; that called real is resampled, in blocks, from",
            "five public runs (`fixtures/loss_curves`). Notes are no alarms.",
        ),
        "",
        "| rule | healthy runs with an alarm |",
        "|---|---|",
        f"| **all rules together** | **{results.healthy}** |",
        *(f"| {code} | {tally} |" for code, tally in sorted(results.by_rule.items())),
        "",
        "| kind of healthy run | runs | with an alarm |",
        "|---|---|---|",
        *(f"| {kind} | {tally.of} | {tally} |" for kind, tally in sorted(results.by_kind.items())),
        "",
        "## P-values",
        "",
        *_text(
            "How often the p-value of the scan of levels is below a level on noise of 200 to 6000 rows without a",
            "descent: to be as often as the level says, or less, where the run must leave room for noise that it is",
            "too short to rule out. On a descent of little noise falls are found more often than that; a fall is told",
            "only where it is sharp, and as a warning only where it is a factor. Heavy tails (Student t, log-normal",
            "of 60 %) and the residuals of real curves, resampled in blocks that each have a level of their own, make",
            "small p-values more often than they say.",
        ),
        "",
        "| noise | runs | " + " | ".join(f"{100 * level:g} %" for level in LEVELS) + " |",
        "|---|---|" + "---|" * len(LEVELS),
        *(
            f"| {noise} | {len(values)} | "
            + " | ".join(f"{100 * sum(p < level for p in values) / len(values):.1f} %" for level in LEVELS)
            + " |"
            for noise, values in sorted(results.p_values.items())
        ),
        "",
        "## Spikes found",
        "",
        *_text(
            "Height in noise units: standard deviations of the noise of single rows at that place.",
            "One row of six units is provable where the run's own noise is Gaussian. It cannot be told from the tail",
            "of heavy-tailed noise, whatever the method: such runs have rows like it by themselves.",
            "Five such rows can.",
        ),
        "",
        *_recall_table(spikes),
        "",
        "By noise, at six units:",
        "",
        *_noise_table(results, "6"),
        "",
        *_text(
            "The best possible detector of one row, which knows the family of the noise and its parameters and is",
            "wrong in one healthy run of a hundred (`scripts/detection_limit.py`), finds this share of single rows,",
            f"{_at_most(options, 6):.0f} % of those of six units over the four kinds of noise.",
            "`loss-spike` has to learn the noise from the run.",
        ),
        "",
        *_limit_table(options, list(next(iter(spikes.values())))),
        "",
        "## Other faults found",
        "",
        "| fault | size | found |",
        "|---|---|---|",
        *(
            f"| {title} | {size} | {tally} |"
            for title, sizes in results.recall.items()
            if "spike" not in title and ";" not in title
            for size, tally in sizes.items()
        ),
        "",
        *_text(
            "A divergence is told from a factor of 1.3 on, overfitting from a rise of 15 %. Steps and shifts that are",
            "neither are notes, and count as found here where the line says so. Standard errors are those of",
            "independent rows, in all noises, correlated ones too. A fall that begins with an epoch is what samples",
            "seen again or another augmentation do, and is told as nothing else, whatever its factor: of those planted",
            "anywhere some of the inverses lie there.",
        ),
        "",
        *_text(
            "How many lasting shifts can be found at all (`scripts/detection_limit.py`): by whoever knows the law of",
            f"the noise and only has to look for the place, with an alarm in {100 * P_LEVEL:g} % of sound runs.",
            "Nobody finds a shift of four errors in nine of ten runs, and hardly one where the loss may descend.",
            "Ours has to learn the noise, does not know how the loss descends, and leaves room for a level that",
            "wanders: of shifts of eight and twelve errors it finds fewer than there are to be found.",
        ),
        "",
        "| what is known of the run | 4 errors | 6 errors | 8 errors | 12 errors |",
        "|---|---|---|---|---|",
        f"| white noise, no descent | {_shifts()} |",
        f"| white noise, a straight descent | {_shifts(descends=True)} |",
        f"| autoregression of 0.5, no descent | {_shifts(correlation=0.5)} |",
        f"| autoregression of 0.8, no descent | {_shifts(correlation=0.8)} |",
        f"| autoregression of 0.8, a straight descent | {_shifts(correlation=0.8, descends=True)} |",
        "",
        "## Beside detectors that run inside training frameworks",
        "",
        *_text(
            "The same runs, each as it is and with one spike of 6, 8 or 12 noise units over 1, 5 or 10 rows, or with a",
            "stretch of three units over 30 or 100 rows or a lasting shift of twelve standard errors. Detectors inside",
            "frameworks look at the past only, as they must; an audit may look at what comes after. PELT and Bayesian",
            "online change points are no spike detectors, and compared on levels. Their definitions are in",
            "`scripts/known_detectors.py`.",
        ),
    ]
    for subject, marks in results.marks.items():
        own = next(iter(marks))
        lines += [
            "",
            f"| detector of {subject} | healthy runs with an alarm | found | found by {own} at that rate of alarms"
            " | found at 1 % of alarms |",
            "|---|---|---|---|---|",
        ]
        for name, (alarm, hit) in marks.items():
            ours = recall_at(results.curves[subject][own], alarm)
            at_one = recall_at(results.curves[subject][name], 0.01)
            lines.append(
                f"| {name} | {100 * alarm:.1f} % | {100 * hit:.1f} % | {100 * ours:.1f} % | {100 * at_one:.1f} % |"
            )
    lines += [
        "",
        "![Spikes found against false alarms](img/spike_detectors.png)",
        "",
        "## What this does not say",
        "",
        *_text(
            "Simulated noise is tamer than that of real runs, and its truth is ours.",
            "`docs/real-logs.md` has what was said about real logs.",
        ),
    ]
    return lines


def _shifts(**known: Any) -> str:
    return " | ".join(f"{100 * share_of_shifts_found(errors, P_LEVEL, **known):.0f} %" for errors in SHIFTS)



def _text(*sentences: str) -> list[str]:
    return textwrap.wrap(" ".join(sentences), 118, break_on_hyphens=False)


def _recall_table(spikes: dict) -> list[str]:  # type: ignore[type-arg]
    sizes = list(next(iter(spikes.values())))
    lines = ["| rows | " + " | ".join(f"{size} units" for size in sizes) + " |", "|---|" + "---|" * len(sizes)]
    for title, row in spikes.items():
        rows = title.split(" of ")[1].split()[0]
        lines.append(f"| {rows} | " + " | ".join(f"{100 * row[size].share:.0f} %" for size in sizes) + " |")
    return lines


def _noise_table(results: Results, size: str) -> list[str]:
    noises = sorted({title.split("; ")[1] for title in results.recall if title.startswith("spike") and "; " in title})
    lengths = [title for title in results.recall if title.startswith("spike") and ";" not in title]
    heads = " | ".join(title.split(" of ")[1] for title in lengths)
    lines = [f"| noise | {heads} |", "|---|" + "---|" * len(lengths)]
    for noise in noises:
        cells = (results.recall[f"{title}; {noise}"][size].share for title in lengths)
        lines.append(f"| {noise} | " + " | ".join(f"{100 * share:.0f} %" for share in cells) + " |")
    return lines


def _limit_table(options: argparse.Namespace, sizes: list[str]) -> list[str]:
    lines = ["| noise | " + " | ".join(f"{size} units" for size in sizes) + " |", "|---|" + "---|" * len(sizes)]
    for noise in sorted(FOUND):
        shares = (100 * share_found(noise, float(size), options.rows) for size in sizes)
        lines.append(f"| {noise} | " + " | ".join(f"{share:.0f} %" for share in shares) + " |")
    return lines


def _at_most(options: argparse.Namespace, height: float) -> float:
    return 100 * sum(share_found(noise, height, options.rows) for noise in FOUND) / len(FOUND)
