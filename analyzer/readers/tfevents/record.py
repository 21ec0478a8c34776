"""The record layer: where records begin and end in a block of bytes, and where reading goes on behind damage.

A record is the length of its data (u64), the masked CRC of these 8 bytes, the data, and the masked CRC of the data
(tensorflow/core/lib/io/record_writer.cc). Heads must link: each record ends where the next begins. What lies inside
another record's data is not a head. Behind damage reading goes on at the first head that leads to something.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal

import numpy as np
from msgspec import Struct, field

from analyzer.readers.tfevents.checksum import Bytes, checksums_fit
from analyzer.readers.tfevents.damage import ZERO_TAIL, Damage, described
from analyzer.readers.tfevents.heads import FRAME, HEAD, Heads, Ints, all_heads, lengths_at, short_heads


class Framed(Struct, frozen=True, kw_only=True, eq=False):
    """The whole records of a block: ``data[start:start + length]`` is what each holds.

    ``consumed`` bytes need not be seen again; ``wanted`` is the size of a block that would hold the next record
    (0: any more bytes will do). ``lost`` says that no record begins at ``consumed``: the damage goes on.
    """

    start: Ints
    length: Ints
    damage: tuple[Damage, ...]
    consumed: int
    wanted: int = 0
    lost: bool = False


def frame(
    data: Bytes,
    size: int,
    *,
    final: bool,
    lost: bool = False,
    distrusted: Collection[int] = frozenset(),
    proven: Callable[[int, int], bool] = lambda start, length: False,
) -> Framed:
    """Find the records in ``data[:size]``, which begins at a record, or within damage when ``lost``.

    ``final``: nothing follows. ``distrusted``: places of heads that are not to be believed. ``proven`` looks whether
    the checksum of data that go on behind the block is right. ``data`` must be longer than ``size`` by ``PADDING``.
    """
    heads = Heads(data, size, distrusted, final=final)
    found = _Found()
    at = wanted = 0
    lost_from, search_from = (0, -1) if lost else (-1, -1)
    while at < size:
        if lost_from < 0:
            start, length = heads.chain(at)
            if len(start):
                # only the last can be cut; and it is not believed before it is seen what follows
                whole = int(np.searchsorted(start + length, size - FRAME - (0 if final else HEAD), side="right"))
                found.take(start[:whole], length[:whole])
                if whole == len(start):
                    at = int(start[-1] + length[-1]) + FRAME
                    continue
                at, wanted = int(start[whole]), int(length[whole]) + FRAME + (0 if final else HEAD)
                behind = heads.after(at, linked=True) if final or wanted > size else -1
                if behind >= 0 and (final or not proven(at + HEAD, int(length[whole]))):
                    found.lose(at, behind, "corrupt", "its length cannot be right: another record begins inside it")
                    at, wanted = behind, 0
                    continue
                if final:
                    found.lose(at, size, "truncated", f"the file ends inside it: {size - at:,} of its {wanted:,} bytes")
                    at = size
                break
            if size - at < HEAD and not final:
                break
            lost_from = search_from = found.give_back(data, at)
        behind = heads.after(search_from)
        if behind < 0:
            if final:
                _tail(found, data, lost_from, size)
                lost_from, at = -1, size
            break
        found.lose(lost_from, behind, "corrupt", described(data, lost_from, behind))
        at, lost_from = behind, -1
    if lost_from >= 0:
        at = max(lost_from, size - HEAD)
        if at > lost_from:
            found.lose(lost_from, at, "corrupt", described(data, lost_from, at))
    return Framed(
        start=_joined(found.starts),
        length=_joined(found.lengths),
        damage=tuple(found.damage),
        consumed=at,
        wanted=wanted,
        lost=lost_from >= 0,
    )


def hollow_records(data: Bytes, start: Ints, length: Ints) -> bool:
    """Whether one of these records holds others that link up to its end: a wrong length has swallowed them."""
    if not len(start):
        return False
    ends = start + length + 4
    begin, end = int(start[0]), int(ends[-1])
    if int(length.sum()) < (end - begin) // 2:  # they lie far apart: look into each
        inside = np.concatenate([short_heads(data, a, b) for a, b in zip(start.tolist(), ends.tolist(), strict=True)])
    else:
        inside = short_heads(data, begin, end)
    around = np.searchsorted(start, inside, side="right") - 1
    return bool((inside + FRAME + lengths_at(data, inside) == ends[around]).any())


def hollow_heads(data: Bytes, size: int) -> set[int]:
    """All heads of a block whose record has a wrong checksum, and holds another that ends where it does."""
    place, length = all_heads(data, 0, size)
    whole = place + length + FRAME <= size
    place, length = place[whole], length[whole]
    order = np.lexsort((place, place + length))
    end = (place + length)[order]
    outer = order[:-1][end[1:] == end[:-1]]
    wrong = ~checksums_fit(data, place[outer] + HEAD, length[outer])
    return set(place[outer][wrong].tolist())


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


class _Found(Struct):
    """What the walk has found so far."""

    starts: list[Ints] = field(default_factory=list)
    lengths: list[Ints] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    count: int = 0

    def take(self, start: Ints, length: Ints) -> None:
        if len(start):
            self.starts.append(start + HEAD)
            self.lengths.append(length)
            self.count += len(start)

    def lose(self, begin: int, end: int, kind: Literal["truncated", "corrupt"], what: str) -> None:
        self.damage.append(Damage(record=self.count, start=begin, end=end, kind=kind, what=what))

    def give_back(self, data: Bytes, at: int) -> int:
        """No record begins at ``at``. If the one before has a wrong checksum too, its length was wrong: lose it."""
        if not self.starts or not len(self.starts[-1]):
            return at
        start, length = int(self.starts[-1][-1]), int(self.lengths[-1][-1])
        if start + length + 4 != at or checksums_fit(data, np.array([start]), np.array([length]))[0]:
            return at
        self.starts[-1], self.lengths[-1] = self.starts[-1][:-1], self.lengths[-1][:-1]
        self.count -= 1
        return start - HEAD


def _tail(found: _Found, data: Bytes, begin: int, end: int) -> None:
    """Name the bytes behind the last record of a file."""
    if not data[begin:end].any():
        found.lose(begin, end, "corrupt", ZERO_TAIL)
    elif end - begin < HEAD:
        found.lose(begin, end, "truncated", f"the file ends inside its header: {end - begin} of {HEAD} bytes")
    else:
        found.lose(begin, end, "corrupt", described(data, begin, end))
