"""What bench_detection.py finds out and detection_page.py shows."""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

LEVELS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002)  # of p-values


@dataclass
class Tally:
    """Hits out of trials, with the interval that they allow."""

    hits: int = 0
    of: int = 0

    def add(self, hit: bool) -> None:
        self.hits += bool(hit)
        self.of += 1

    def take(self, other: Tally) -> None:
        self.hits += other.hits
        self.of += other.of

    @property
    def share(self) -> float:
        return self.hits / self.of if self.of else math.nan

    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval."""
        z, n, p = 1.96, max(self.of, 1), self.share if self.of else 0.0
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{100 * self.share:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def _tallies() -> dict[str, Tally]:
    return collections.defaultdict(Tally)


@dataclass
class Results:
    """Everything that the page shows."""

    healthy: Tally = field(default_factory=Tally)
    by_rule: dict[str, Tally] = field(default_factory=_tallies)
    by_kind: dict[str, Tally] = field(default_factory=_tallies)
    recall: dict[str, dict[str, Tally]] = field(default_factory=partial(collections.defaultdict, _tallies))
    p_values: dict[str, list[float]] = field(default_factory=partial(collections.defaultdict, list))  # by noise
    curves: dict[str, dict[str, list[tuple[float, float]]]] = field(
        default_factory=partial(collections.defaultdict, dict)
    )  # subject, detector: (false alarms, recall)
    marks: dict[str, dict[str, tuple[float, float]]] = field(
        default_factory=partial(collections.defaultdict, dict)
    )  # at the detector's own threshold
    alarms: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def take(self, other: Results) -> None:
        """Add what another process found out of other parts."""
        self.healthy.take(other.healthy)
        for mine, theirs in ((self.by_rule, other.by_rule), (self.by_kind, other.by_kind)):
            for name, tally in theirs.items():
                mine[name].take(tally)
        for title, sizes in other.recall.items():
            for size, tally in sizes.items():
                self.recall[title][size].take(tally)
        for name in ("p_values", "curves", "marks"):
            getattr(self, name).update(getattr(other, name))
        self.alarms += other.alarms


def recall_at(curve: Sequence[tuple[float, float]], alarms: float) -> float:
    """Best recall of a detector at no more than so many false alarms."""
    return max((hit for alarm, hit in curve if alarm <= alarms + 1e-12), default=0.0)
