"""docs/detection.md and its figure, from the results of bench_detection.py."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

from detection_limit import FOUND, share_found
from detection_results import Results, recall_at

COLOURS = {
    "analyzer (LOS001)": "#1b6ca8",
    "OLMo spike score": "#c8553d",
    "llm-foundry KillLossSpike": "#6a994e",
    "rolling z-score": "#8d6cab",
}


def draw(results: Results, path: Path) -> None:
    """Spikes found against healthy runs with an alarm, a line for each detector, a dot at its own threshold."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.2, 4.4), constrained_layout=True)
    for name, curve in results.curves.items():
        alarms = [100 * alarm for alarm, _ in curve]
        found = [100 * hit for _, hit in curve]
        wide = 2.4 if name.startswith("analyzer") else 1.4
        axes.step(alarms, found, where="post", color=COLOURS[name], linewidth=wide, label=name)
        alarm, hit = results.marks[name]
        axes.plot([max(100 * alarm, 0.05)], [100 * hit], "o", color=COLOURS[name], markersize=7)
    axes.set_xscale("symlog", linthresh=1.0)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_xticks([0, 0.5, 1, 2, 5, 10, 20, 50, 100], ["0", "0.5", "1", "2", "5", "10", "20", "50", "100"])
    axes.axvline(1.0, color="#999999", linewidth=0.8, linestyle=":")
    axes.set_xlabel("healthy runs with an alarm, %")
    axes.set_ylabel("spikes found, %")
    axes.set_title("Spikes of 6, 8 and 12 noise units over 1, 5 and 10 rows; dots: own thresholds", fontsize=9)
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    axes.grid(alpha=0.25)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def write_page(results: Results, options: argparse.Namespace, path: Path) -> None:
    """The page: what was run, the tables, the figure, and what it does not say."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_lines(results, options)) + "\n")


def _lines(results: Results, options: argparse.Namespace) -> list[str]:
    spikes = {title: sizes for title, sizes in results.recall.items() if title.startswith("spike") and "," not in title}
    lines = [
        "# How well faults in the loss are found",
        "",
        *_text(
            "Written by `scripts/bench_detection.py --write`; every number below comes from that run.",
            f"{options.runs} healthy runs of 50 to {options.longest} rows, {options.faulty} for each fault and size,",
            "seeded, with Gaussian, Student-t, log-normal and autocorrelated noise,",
            "went through the whole audit, all rules at once.",
        ),
        "",
        "## False alarms",
        "",
        *_text(
            "Healthy runs with at least one warning or error, and the share by rule, with Wilson's 95 % interval.",
            "The budget is one run in a hundred, all rules together.",
            "The noise of a healthy run is 0.3 to 30 % of its loss.",
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
            if "spike" not in title and "," not in title
            for size, tally in sizes.items()
        ),
        "",
        "A divergence is told from a factor of 1.3 on, overfitting from a rise of 15 %; below that they are silent.",
        "",
        "## Beside detectors that run inside training frameworks",
        "",
        *_text(
            "The same runs, each as it is and with one spike of 6, 8 or 12 noise units over 1, 5 or 10 rows.",
            "The known detectors look at the past only, as they must; an audit may look at what comes after.",
            "Their definitions are in `scripts/known_detectors.py`.",
        ),
        "",
        "| detector | healthy runs with an alarm | spikes found | found by `loss-spike` at that rate of alarms |",
        "|---|---|---|---|",
    ]
    ours = results.curves["analyzer (LOS001)"]
    for name, (alarm, hit) in results.marks.items():
        lines.append(f"| {name} | {100 * alarm:.1f} % | {100 * hit:.1f} % | {100 * recall_at(ours, alarm):.1f} % |")
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
    noises = sorted({title.split(", ")[1] for title in results.recall if title.startswith("spike") and ", " in title})
    lengths = [title for title in results.recall if title.startswith("spike") and "," not in title]
    heads = " | ".join(title.split(" of ")[1] for title in lengths)
    lines = [f"| noise | {heads} |", "|---|" + "---|" * len(lengths)]
    for noise in noises:
        cells = (results.recall[f"{title}, {noise}"][size].share for title in lengths)
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
