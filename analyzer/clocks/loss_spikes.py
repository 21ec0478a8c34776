"""Transient peaks of a curve: rows that stand above what lies before *and* after them.

Blocks of many lengths find one row of twenty noise units and fifty rows of three. Their height is judged on the raw
loss (in logs a spike of 19 noise units over 30 % noise is one of 6) in units of its own local scale, against the run's
own tail. A peak has two edges in the curve itself: descent, staircase and divergence have one or none.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.clocks.extreme_tail import Tail
from analyzer.clocks.loss_blocks import Blocks, all_blocks
from analyzer.clocks.loss_edges import Edges, edges
from analyzer.distinct import distinct
from analyzer.model import Floats, Ints

LONGER = 1.6  # blocks so much longer than a cluster hold mostly other rows
POOLED_BLOCKS = 60  # so many values know their own tail
MOST_SPIKES = 12  # clusters looked at one by one; a run with more is not one with spikes
MOST_PLACES = 40  # looked at for clusters

ROW_UNITS, BLOCK_UNITS = 4.0, 5.5  # noise units of a row, of a block; below them the tail is not asked
LEAST_PEAK = 3.0  # noise units of the highest row: without such a row it is the data that changed for a while
ROW_TESTS, BLOCK_TESTS = 1.0, 4.0  # a false spike may come from each of so many looks: blocks of all lengths are about
# as many as four independent ones
P_VALUE = 1e-2  # chance that the run's own tail reaches so far anywhere in the run: docs/detection.md has what it gives


class Spike(Struct, frozen=True, kw_only=True):
    """Rows [first, last] of the curve stand ``height`` above ``level``; ``units`` noise units of blocks of
    ``length``."""

    first: int
    last: int
    peak: int
    level: float
    height: float  # of the peak row over the level
    units: float  # excess of the best block over its local scale
    row_units: float  # height of the peak row over the scale of single rows
    p_value: float
    length: int


class Cluster(Struct, frozen=True, kw_only=True):
    """Rows [first, last] that stand out, with the block that shows it best: its index and that of its scan."""

    first: int
    last: int
    scan: int
    block: int
    p_value: float = 1.0


def find_spikes(
    value: Floats,
    *,
    floor: float = 0.0,
    judged_from: int = 0,
    noise_units: float = ROW_UNITS,
    p_value: float = P_VALUE,
) -> list[Spike]:
    """Transient peaks of a curve, shape (n,) and finite, in order of rows.

    Args:
        floor: smallest scale, in the unit of the curve: the precision of the numbers.
        judged_from: rows before this (the burn-in) lend their scale, but no spike may begin there.
    """
    scans = all_blocks(value, floor)
    if not scans:
        return []
    has_edges = Edges(value, scans[0])
    clusters = _clusters(value, scans, has_edges, judged_from, noise_units)
    judge = Judge(scans, has_edges, judged_from)
    single = [judge.judged(cluster, [cluster]) for cluster in clusters]
    # Generalised ESD (Rosner 1983): the largest group whose least sure member is still beyond the tail of the rest.
    ordered = sorted(single, key=lambda cluster: cluster.p_value)
    judged = [judge.judged(cluster, ordered[: index + 1]) for index, cluster in enumerate(ordered)]
    kept = max((index + 1 for index, cluster in enumerate(judged) if cluster.p_value < p_value), default=0)
    spikes = [_spike(value, scans, cluster) for cluster in judged[:kept]]
    return sorted((spike for spike in spikes if spike.row_units >= LEAST_PEAK), key=lambda spike: spike.first)


def _clusters(
    value: Floats, scans: list[Blocks], has_edges: Edges, judged_from: int, noise_units: float
) -> list[Cluster]:
    """Peaks of so many noise units, each once: the highest block's, then the highest of what is left."""
    table = [
        (index, block, one.units[block], one.start[block], one.start[block] + one.length)
        for index, one in enumerate(scans)
        for block in [np.flatnonzero((one.units >= noise_units) & (one.start >= judged_from))]
    ]
    which = np.concatenate([np.full(len(block), index) for index, block, *_ in table])
    block, units, start, stop = (np.concatenate([row[k] for row in table]) for k in range(1, 5))
    still = np.ones(len(units), dtype=np.bool_)
    found: list[Cluster] = []
    for _ in range(MOST_PLACES):
        if not still.any() or len(found) == MOST_SPIKES:
            break
        best = int(np.where(still, units, -np.inf).argmax())
        one, at = scans[int(which[best])], int(block[best])
        first, last = edges(value, one, at)
        taken = _touching(start, stop, first, last)
        known = any(first <= other.last and other.first <= last for other in found)
        if not known and first >= judged_from and has_edges.around(first, last, one):
            still &= ~taken
            found.append(Cluster(first=first, last=last, scan=int(which[best]), block=at))
        else:
            still &= ~(taken & (which == which[best]))  # a block of another length may have better edges
        still[best] = False
    return found


def _touching(start: Ints, stop: Ints, first: int, last: int) -> NDArray[np.bool_]:
    """Blocks within the length of a cluster from it."""
    reach = last - first + 1
    return np.asarray((stop > first - reach) & (start <= last + reach))


class Judge:
    """What chance has to say about clusters of one curve; the tails that it needs are fitted when asked for."""

    def __init__(self, scans: list[Blocks], has_edges: Edges, judged_from: int) -> None:
        self.scans, self.has_edges = scans, has_edges
        self.opening = [int(np.searchsorted(one.start, judged_from)) for one in scans]
        self.tails: dict[int, tuple[Tail, list[int]]] = {}

    def judged(self, cluster: Cluster, events: list[Cluster]) -> Cluster:
        """The cluster with the block that chance explains least, and that chance; ``events`` are in no tail."""
        best = cluster
        for which, block in self._blocks_within(cluster):
            one = self.scans[which]
            if not self.has_edges.around(cluster.first, cluster.last, one):
                continue
            tail, parts = self._tail(which)
            units = float(one.units[block]) / self.has_edges.noisier(cluster.first, cluster.last)
            without = self._indices(parts, events)
            chance = tail.chance_of_maximum(units, of=len(one.start), without=without)
            p_value = chance * (ROW_TESTS if one.length == 1 else BLOCK_TESTS)
            if p_value < best.p_value:
                best = Cluster(first=cluster.first, last=cluster.last, scan=which, block=block, p_value=p_value)
        return best

    def _blocks_within(self, cluster: Cluster) -> list[tuple[int, int]]:
        """The highest block of each length that lies half within the cluster."""
        found: dict[int, tuple[float, int, int]] = {}
        for which, one in enumerate(self.scans):
            if one.length > LONGER * (cluster.last - cluster.first + 1) + 1:
                continue
            low = max(self.opening[which], int(np.searchsorted(one.start, cluster.first - one.length // 2)))
            high = int(np.searchsorted(one.start, cluster.last - (one.length - 1) // 2, side="right"))
            if high <= low:
                continue
            block = low + int(one.units[low:high].argmax())
            units = float(one.units[block])
            enough = ROW_UNITS if one.length == 1 else BLOCK_UNITS
            if units >= enough and units > found.get(one.length, (0.0,))[0]:
                found[one.length] = units, which, block
        return [(which, block) for _, which, block in found.values()]

    def _tail(self, which: int) -> tuple[Tail, list[int]]:
        """The tail of a scan and the scans that it is made of.

        Few long blocks do not know theirs: shorter ones lend their values, which go farther if they differ.
        """
        if which not in self.tails:
            parts = [which]
            while sum(len(self.scans[k].start) - self.opening[k] for k in parts) < POOLED_BLOCKS and parts[-1] > 0:
                parts.append(parts[-1] - 1)
            length = self.scans[which].length
            units = np.concatenate([self.scans[k].units[self.opening[k] :] for k in parts])
            self.tails[which] = Tail(units, order=order_of(length), wild=length == 1), parts
        return self.tails[which]

    def _indices(self, parts: list[int], events: list[Cluster]) -> Ints:
        """Where in a tail's values the blocks stand that touch an event."""
        found: list[Ints] = []
        before = 0
        for which in parts:
            one, opening = self.scans[which], self.opening[which]
            for event in events:
                reach = event.last - event.first + 1
                low = int(np.searchsorted(one.start, event.first - reach - one.length, side="right"))
                high = int(np.searchsorted(one.start, event.last + reach, side="right"))
                if high > max(low, opening):
                    found.append(np.arange(max(low, opening), high) - opening + before)
            before += len(one.start) - opening
        return distinct(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def order_of(length: int) -> float:
    """Rows that must go far for the median of a block to do so; at most four, as neighbours may go together."""
    return 1.0 if length <= 2 else float(min((length + 1) // 2, 4))


def _spike(value: Floats, scans: list[Blocks], cluster: Cluster) -> Spike:
    one, rows = scans[cluster.scan], scans[0]
    first, last = cluster.first, cluster.last
    peak = first + int(value[first : last + 1].argmax())
    level = float(one.level[cluster.block])
    near = int(np.clip(peak - rows.start[0], 0, len(rows.start) - 1))
    return Spike(
        first=first,
        last=last,
        peak=peak,
        level=level,
        height=float(value[peak] - level),
        units=float(one.units[cluster.block]),
        row_units=float((value[peak] - level) / rows.scale[near]),
        p_value=cluster.p_value,
        length=one.length,
    )
