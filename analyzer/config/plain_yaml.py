"""YAML as plain dictionaries, lists and scalars, in time and memory that the size of the text bounds.

The events of the parser are put together here, not by PyYAML's loaders: those follow nesting by recursion, copy merged
mappings again and again, and let aliases stand for more values than any machine holds. Tags are ignored: nothing is
constructed but what a scalar spells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from msgspec import Struct, field

from analyzer.written_numbers import MOST_DIGITS

MOST_BYTES = 1_000_000  # of YAML; the longest configuration of any framework met so far has 60 KB
MOST_BYTES_WITHOUT_LIBYAML = 100_000  # PyYAML's own parser takes ten seconds for a megabyte
MOST_VALUES = 200_000  # with what aliases and merge keys stand for
DEEPEST = 200  # levels

# decimals, and the exponents that YAML 1.1 takes for text
_FRACTION = re.compile(r"[-+]?(?:(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)[eE][-+]?[0-9]++|[0-9]++\.[0-9]++)")


class TooMuch(ValueError):
    """A text that says more than any configuration does, by the bound that it passes."""


class _Open(Struct):
    """A list or mapping of which more is to come, and how many values it stands for so far."""

    value: dict[Any, Any] | list[Any]
    anchor: str | None
    values: int = 1
    key: Any = None
    has_key: bool = False
    merged: list[Mapping[Any, Any]] = field(default_factory=list)


def load_yaml(text: str, *, most_bytes: int = MOST_BYTES, most_values: int = MOST_VALUES) -> Any:
    """The first document of a YAML text; None where there is none.

    Args:
        most_bytes, most_values: that the text may have, and that its aliases may make of it.

    Raises:
        TooMuch: it is longer, nested deeper or unfolds to more values than a configuration is.
        yaml.YAMLError: it is not valid.
    """
    import yaml

    with_libyaml = yaml.__with_libyaml__
    most = most_bytes if with_libyaml else MOST_BYTES_WITHOUT_LIBYAML
    if len(text) > most:
        raise TooMuch(f"more than {most:,} bytes")
    anchors: dict[str, tuple[Any, int]] = {}
    open_ones: list[_Open] = []
    unfolded = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader if with_libyaml else yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise yaml.YAMLError(f"alias {event.anchor!r} of what is not there, or not complete")
            value, values = anchors[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            value, values = _scalar(event.value, plain=event.implicit[0], tag=event.tag), 1
            if event.anchor:
                anchors[event.anchor] = value, values
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            if len(open_ones) >= DEEPEST:
                raise TooMuch(f"more than {DEEPEST} levels deep")
            open_ones.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else [], event.anchor))
            continue
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            done = open_ones.pop()
            value, values = _closed(done), done.values
            if done.anchor:
                anchors[done.anchor] = value, values
        elif isinstance(event, yaml.DocumentEndEvent):
            return None
        else:
            continue
        if not open_ones:
            return value
        unfolded = _put(open_ones[-1], value, values, unfolded, most_values)
    return None


def _put(holder: _Open, value: Any, values: int, unfolded: int, most: int) -> int:
    """Put a value into what holds it; how many values the text stands for so far."""
    if isinstance(holder.value, list):
        holder.value.append(value)
    elif not holder.has_key:
        holder.key, holder.has_key = _key(value), True
        return unfolded
    else:
        if holder.key == "<<" and isinstance(value, dict | list):
            holder.merged += [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]
        else:
            holder.value[holder.key] = value
        holder.has_key = False
    holder.values += values
    if max(holder.values, unfolded + 1) > most:
        raise TooMuch(f"more than {most:,} values, with those that its aliases stand for")
    return unfolded + 1


def _closed(done: _Open) -> Any:
    """A list or mapping with what is merged into it: its own entries win, and of those merged the first."""
    if isinstance(done.value, dict):
        for mapping in done.merged:
            for key, value in mapping.items():
                done.value.setdefault(key, value)
    return done.value


def _key(value: Any) -> Any:
    if isinstance(value, dict | list):
        import yaml

        raise yaml.YAMLError("a key that is no scalar")
    return value


def _scalar(text: str, *, plain: bool, tag: str | None) -> Any:
    """What a scalar spells. YAML 1.1 takes 1e-4 for text; frameworks write it and mean a number."""
    if (not plain and tag in (None, "!", "tag:yaml.org,2002:str")) or len(text) > MOST_DIGITS:
        return text
    if _FRACTION.fullmatch(text):
        return float(text)
    loader = _scalars()
    found = loader.spells(text)
    return text if found is None else found[0]


@cache
def _scalars() -> Any:
    """PyYAML's own table of what plain scalars mean."""
    import yaml

    class Scalars(yaml.SafeLoader):
        def spells(self, text: str) -> tuple[Any] | None:
            node = yaml.ScalarNode(self.resolve(yaml.ScalarNode, text, (True, False)), text)
            if node.tag == "tag:yaml.org,2002:str" or node.tag not in self.yaml_constructors:
                return None
            try:
                return (self.yaml_constructors[node.tag](self, node),)
            except (ValueError, yaml.YAMLError):  # 2024-02-30 is a text
                return None

    return Scalars("")
