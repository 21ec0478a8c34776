"""The walk: events whose layouts vary, thousands at once, field by field.

A template holds for events that look alike. Where they do not (a summary of other tags at each step, thousands of
tags, numbers whose width changes) all events of a block are walked side by side: the first field of each, then the
second, and so on. Only what writers really write is walked, in the order in which they write it; events that hold
anything else are left to be read one by one.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from analyzer.distinct import distinct
from analyzer.readers.tfevents.checksum import Bytes
from analyzer.readers.tfevents.event import DECLARING_PLUGINS, SCALAR_PLUGINS, plugin_of
from analyzer.readers.tfevents.names import Names
from analyzer.readers.tfevents.scattered import messages_at, numbers_at, varints_at, widened
from analyzer.readers.tfevents.tags import Tags
from analyzer.readers.tfevents.tensors import one_number_each
from analyzer.readers.tfevents.wire import NotAnEvent

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# keys of fields: event.proto, summary.proto
WALL_TIME, STEP, SUMMARY = 0x09, 0x10, 0x2A
VALUE, TAG, SIMPLE_VALUE, TENSOR, METADATA = 0x0A, 0x0A, 0x15, 0x42, 0x4A
OTHER_KINDS = (0x1A, 0x22, 0x2A, 0x32)  # an old histogram, image, histogram, audio
DECLARATIONS = 4  # of one tag in one block that are read until one has been kept
ABREAST = 16  # events that still hold values, below which it is faster to go through them one by one

SCALARS, OTHERS, DECLARES, UNNAMED, UNREADABLE = range(5)  # what a plugin's tensors are


class Walked(Struct, frozen=True, kw_only=True, eq=False):
    """Points of the events that could be walked, in written order within each, and the events that could not."""

    event: Ints  # index into those given
    place: Ints
    tag: NDArray[np.int32]
    step: Ints
    wall: Floats
    value: Floats
    left: Ints


class Walk(Struct, kw_only=True):
    """What has been met on the way: tags and metadata by their bytes."""

    tags: Tags = field(default_factory=Tags)
    tag_names: Names = field(default_factory=Names)
    metadata: Names = field(default_factory=Names)
    numbers: list[int] = field(default_factory=list)  # by index into ``tag_names``; -1: no text
    plugins: list[str] = field(default_factory=list)  # by index into ``metadata``
    kinds: list[int] = field(default_factory=list)
    tag_kinds: Ints = field(default_factory=lambda: np.array([UNREADABLE]))
    counted: tuple[int, int] = (0, 0)  # tags and plugins when ``tag_kinds`` was made

    def read(self, data: Bytes, start: Ints, length: Ints) -> Walked:
        """Read the events ``data[start:start + length]``, whose checksums are right."""
        end = start + length
        wall, step, at, plain = _before_summary(data, start, end)
        event, begin, stop = _values(data, at, end, plain)
        points, value, tag = self._scalars(data, event, begin, stop, plain)
        points &= plain[event]
        event, value, tag = event[points], value[points], tag[points]
        return Walked(
            event=event,
            place=_places(event, len(start)),
            tag=tag.astype(np.int32),
            step=step[event],
            wall=wall[event],
            value=value,
            left=np.flatnonzero(~plain),
        )

    def _scalars(self, data: Bytes, event: Ints, at: Ints, stop: Ints, plain: Flags) -> tuple[Flags, Floats, Ints]:
        """Which of the values are points, their numbers and tags. Events with a value that is not understood are
        taken off ``plain``."""
        kind, tag, body, body_end, has_metadata, about, right = _fields_of_values(data, at, stop)
        plain[event[~right]] = False
        known = np.flatnonzero(right)
        name = np.full(len(at), -1)
        name[known] = self.tag_names.find(data, tag[0][known], (tag[1] - tag[0])[known])
        self.numbers += [self._number(one) for one in self.tag_names.known[len(self.numbers) :]]
        number = np.array([*self.numbers, -1])[name]
        own = np.full(len(at), -1)
        named = np.flatnonzero(right & has_metadata)
        if len(named):
            own[named] = self.metadata.find(data, about[named], (stop - about)[named])
            self._understand_metadata()
            self._name_plugins(number[named], own[named])
        what = np.array([*self.kinds, UNNAMED])[own]
        what[has_metadata & (own < 0)] = UNREADABLE
        unnamed = what == UNNAMED
        if unnamed.any():
            what[unnamed] = self._kinds_of_tags()[number[unnamed]]
        simple = kind == SIMPLE_VALUE
        left = (number < 0) | (what == UNREADABLE)
        declares = np.flatnonzero(~simple & (what == DECLARES))
        if len(declares):
            told = np.array([*(tag in self.tags.told for tag in self.tags.names), False])
            left[_first_of_each(declares[~told[number[declares]]], number)] = True
        value = np.zeros(len(at))
        some = np.flatnonzero(simple & right)
        value[some] = widened(numbers_at(data, body[some], "<f4"))
        some = np.flatnonzero((kind == TENSOR) & (what == SCALARS) & right)
        if len(some):
            value[some], understood, exact = one_number_each(data, body[some], body_end[some])
            left[some[~understood]] = True
            self.tags.exact.update(distinct(number[some[exact & understood]]).tolist())
        plain[event[left]] = False
        return right & ~left & (simple | ((kind == TENSOR) & (what == SCALARS))), value, number

    def _number(self, name: bytes) -> int:
        try:
            return self.tags.number(name.decode("utf-8"))
        except UnicodeDecodeError:
            return -1

    def _understand_metadata(self) -> None:
        for content in self.metadata.known[len(self.kinds) :]:
            try:
                plugin, _ = plugin_of(content, 0, len(content))
                self.plugins.append(plugin)
                self.kinds.append(UNNAMED if not plugin else _kind_of(plugin))
            except NotAnEvent:
                self.plugins.append("")
                self.kinds.append(UNREADABLE)

    def _name_plugins(self, number: Ints, own: Ints) -> None:
        """Remember which plugin each tag was first given."""
        nameless = np.array([*(tag not in self.tags.plugins for tag in self.tags.names), False])[number]
        new = np.flatnonzero(nameless & (own >= 0))
        for tag, index in zip(number[new].tolist(), own[new].tolist(), strict=True):
            if self.plugins[index]:
                self.tags.plugins.setdefault(self.tags.names[tag], self.plugins[index])

    def _kinds_of_tags(self) -> NDArray[np.int64]:
        """What each tag's tensors are by the plugin it was first given; of an unknown tag, unreadable."""
        plugins, names = self.tags.plugins, self.tags.names
        if (len(names), len(plugins)) != self.counted:
            self.counted = len(names), len(plugins)
            self.tag_kinds = np.array([*(_kind_of(plugins.get(tag, "")) for tag in names), UNREADABLE])
        return self.tag_kinds


def _kind_of(plugin: str) -> int:
    return SCALARS if plugin in SCALAR_PLUGINS else DECLARES if plugin in DECLARING_PLUGINS else OTHERS


def _first_of_each(values: Ints, number: Ints) -> Ints:
    """The first declarations of each tag: the first is kept, unless it is empty or too long."""
    by_tag = values[np.argsort(number[values], kind="stable")]
    tag = number[by_tag]
    few = np.ones(len(tag), dtype=bool)
    few[DECLARATIONS:] = tag[DECLARATIONS:] != tag[:-DECLARATIONS]
    return by_tag[few]


def _before_summary(data: Bytes, start: Ints, end: Ints) -> tuple[Floats, Ints, Ints, Flags]:
    """Wall time and step of each event, where the values of its summary begin, and whether there is nothing else."""
    timed = (data[start] == WALL_TIME) & (start < end)
    wall = np.where(timed, numbers_at(data, start + 1, "<f8"), 0.0)
    at = start + 9 * timed
    plain = at <= end
    at = np.minimum(at, end)
    stepped = (data[at] == STEP) & (at < end)
    step, width = varints_at(data, at + stepped)
    plain &= ~stepped | (width > 0)
    step[~stepped] = 0
    at = at + stepped * (1 + width)
    plain &= at <= end
    at = np.minimum(at, end)
    begin, stop = messages_at(data, np.minimum(at + 1, end))
    plain &= (at == end) | ((data[at] == SUMMARY) & (stop == end))
    return wall, step.view(np.int64), np.where(at < end, begin, end), plain


def _values(data: Bytes, at: Ints, end: Ints, plain: Flags) -> tuple[Ints, Ints, Ints]:
    """Event, begin and end of all values in written order. An event with anything else is taken off ``plain``."""
    found: list[tuple[Ints, Ints, Ints]] = []
    event = np.flatnonzero(plain & (at < end))
    at, end = at[event], end[event]
    while len(event) >= ABREAST or (len(event) and not found):
        begin, stop = messages_at(data, at + 1)
        right = (data[at] == VALUE) & (stop >= begin) & (stop <= end)
        if not right.all():
            plain[event[~right]] = False
            event, begin, stop, end = event[right], begin[right], stop[right], end[right]
        found.append((event, begin, stop))
        more = stop < end
        event, at, end = event[more], stop[more], end[more]
    for one, begin_of, end_of in zip(event.tolist(), at.tolist(), end.tolist(), strict=True):
        begins, stops = _values_of_one(data[begin_of:end_of].data)
        plain[one] &= bool(begins)
        begin, stop = np.array(begins, dtype=np.int64) + begin_of, np.array(stops, dtype=np.int64) + begin_of
        found.append((np.full(len(begins), one), begin, stop))
    if not found:
        return (np.zeros(0, dtype=np.int64),) * 3
    if len(found) == 1:
        return found[0]
    event, begin, stop = (np.concatenate(column) for column in zip(*found, strict=True))
    written = np.argsort(begin, kind="stable")
    return event[written], begin[written], stop[written]


def _values_of_one(data: memoryview) -> tuple[list[int], list[int]]:
    """Begins and ends of the values in the rest of one summary; none when it holds anything else."""
    begins: list[int] = []
    ends: list[int] = []
    at = 0
    try:
        while at < len(data):
            if data[at] != VALUE:
                return [], []
            size = data[at + 1]
            at += 2
            shift = 7
            while size >> shift:  # the last byte read had its mark set
                size += (data[at] - 1) << shift
                shift += 7
                at += 1
            begins.append(at)
            at += size
            ends.append(at)
    except IndexError:
        return [], []
    return (begins, ends) if at == len(data) else ([], [])


def _fields_of_values(
    data: Bytes, at: Ints, stop: Ints
) -> tuple[NDArray[np.uint8], tuple[Ints, Ints], Ints, Ints, Flags, Ints, Flags]:
    """Kind (0: none), tag and body of each value, whether metadata follow and where, and whether that is all."""
    begin, end = messages_at(data, np.minimum(at + 1, stop))
    right = (at < stop) & (data[at] == TAG) & (end >= begin) & (end <= stop)
    at = np.where(right, end, stop)
    kind = np.where(at < stop, data[at], np.uint8(0))
    simple = kind == SIMPLE_VALUE
    body, body_end = messages_at(data, np.minimum(at + 1, stop))
    body = np.where(simple, at + 1, body)
    body_end = np.where(simple, at + 5, body_end)
    bodied = simple | (kind == TENSOR)
    for other in OTHER_KINDS:
        bodied |= kind == other
    kind[~bodied] = 0
    at = np.where(bodied, body_end, at)
    right &= (at >= body) | ~bodied
    right &= at <= stop
    at = np.where(right, at, stop)
    about, about_end = messages_at(data, np.minimum(at + 1, stop))
    has_metadata = at < stop
    right &= ~has_metadata | ((data[at] == METADATA) & (about_end == stop))
    return kind, (begin, end), body, body_end, has_metadata, about, right


def _places(event: Ints, events: int) -> Ints:
    """Which of its event's points each is."""
    first = np.zeros(events + 1, dtype=np.int64)
    first[1:] = np.cumsum(np.bincount(event, minlength=events))
    places: Ints = np.arange(len(event)) - first[event]
    return places
