"""What a run declares inside its event file: hyperparameters, argument texts, tables."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

from analyzer.config.sidecars import facts_from_mapping
from analyzer.model import Fact
from analyzer.readers.tfevents.event import Text
from analyzer.readers.tfevents.wire import NotAnEvent, fields
from analyzer.written_numbers import loads_json

LONGEST_VALUE = 400  # characters of a text that can be an argument's value; longer ones are prose or samples
SUFFIX = "/text_summary"  # torch and tensorboardX add it to the tag of a text


def facts_of(texts: Iterable[Text], file_name: str) -> tuple[Fact, ...]:
    """The declared facts of a file, each under the project's key where there is one."""
    facts: list[Fact] = []
    single: dict[str, Any] = {}
    for text in texts:
        tag = text.tag.removesuffix(SUFFIX)
        if text.plugin == "hparams":
            facts.extend(facts_from_mapping(hyperparameters(text.content), f"{file_name}: hparams"))
            continue
        content = text.content.decode("utf-8", errors="replace").strip()
        table = mapping_in(content)
        if table:
            facts.extend(facts_from_mapping(table, f"{file_name}: text {tag}"))
        elif content and len(content) <= LONGEST_VALUE and "\n" not in content:
            single.setdefault(tag, _scalar(content))
    facts.extend(facts_from_mapping(single, f"{file_name}: text"))
    return tuple(facts)


def hyperparameters(content: bytes) -> dict[str, Any]:
    """The hyperparameters of a session (tensorboard/plugins/hparams/plugin_data.proto: SessionStartInfo.hparams)."""
    found: dict[str, Any] = {}
    try:
        for number, wire, begin, end in fields(content, 0, len(content)):
            if number != 3 or wire != 2:  # session_start_info
                continue
            for inner, inner_wire, at, stop in fields(content, begin, end):
                if inner == 1 and inner_wire == 2:  # one entry of the map
                    key, value = _entry(content, at, stop)
                    found[key] = value
    except (NotAnEvent, UnicodeDecodeError):
        return found
    return found


def mapping_in(content: str) -> dict[str, Any]:
    """A table of names and values written as JSON, YAML-like JSON in a code block, or a markdown table."""
    body = content.removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    if body.startswith("{"):
        try:
            found = loads_json(body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
    rows = [line.strip().strip("|").split("|") for line in content.splitlines() if line.strip().startswith("|")]
    if len(rows) < 3 or not set("".join(rows[1])) <= set("-: "):
        return {}
    return {row[0].strip(): _scalar("|".join(row[1:]).strip()) for row in rows[2:] if len(row) > 1 and row[0].strip()}


def _entry(content: bytes, at: int, end: int) -> tuple[str, Any]:
    key, value = "", None
    for number, wire, begin, stop in fields(content, at, end):
        if number == 1 and wire == 2:
            key = content[begin:stop].decode("utf-8")
        elif number == 2 and wire == 2:
            value = _struct_value(content, begin, stop)
    return key, value


def _struct_value(content: bytes, at: int, end: int) -> Any:
    """A google.protobuf.Value: null 1, number 2, string 3, bool 4; tables and lists are left out."""
    for number, wire, begin, stop in fields(content, at, end):
        if number == 2 and wire == 1:
            value = struct.unpack_from("<d", content, begin)[0]
            return int(value) if value.is_integer() and abs(value) < 2**53 else value
        if number == 3 and wire == 2:
            return _scalar(content[begin:stop].decode("utf-8"))
        if number == 4 and wire == 0:
            return bool(content[begin])
    return None


def _scalar(text: str) -> Any:
    """A number, a truth value or None as Python or JSON writes it; anything else is itself."""
    words: Mapping[str, Any] = {"True": True, "False": False, "None": None, "true": True, "false": False, "null": None}
    if text in words:
        return words[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
