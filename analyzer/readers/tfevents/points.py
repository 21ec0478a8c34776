"""Points of records: as they are found in groups, and in the order in which they were written."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Points(Struct, frozen=True, kw_only=True, eq=False):
    """Scalars of one block in written order. ``record`` is the index of the record in the block."""

    tag: NDArray[np.int32]
    step: Ints
    value: Floats
    wall_time: Floats
    record: NDArray[np.int32]


class Part(Struct, frozen=True, kw_only=True, eq=False):
    """Points of some records. ``place`` says which of its record's points each is, 0 where records hold one."""

    record: Ints
    tag: NDArray[np.int32]
    step: Ints
    wall: Floats
    value: Floats
    place: Ints | int = 0


def in_written_order(parts: list[Part], records: int) -> Points:
    """All points of a block, by record, and as they follow one another within it."""
    if len(parts) == 1:
        part = parts[0]
        return Points(
            tag=part.tag, step=part.step, value=part.value, wall_time=part.wall, record=part.record.astype(np.int32)
        )
    first = np.zeros(records + 1, dtype=np.int64)
    for part in parts:
        first[1:] += np.bincount(part.record, minlength=records)
    first = np.cumsum(first)
    total = int(first[-1])
    tag, record = np.empty(total, dtype=np.int32), np.empty(total, dtype=np.int32)
    step, value, wall = np.empty(total, dtype=np.int64), np.empty(total), np.empty(total)
    for part in parts:
        slot = first[part.record] + part.place
        tag[slot], record[slot], step[slot] = part.tag, part.record, part.step
        value[slot], wall[slot] = part.value, part.wall
    return Points(tag=tag, step=step, value=value, wall_time=wall, record=record)
