"""Long JSON read piece by piece gives what it gives read as a whole."""

# ruff: noqa: E501  (documents read better in one piece)

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.readers import Reading, json_lines, json_objects, json_pieces, json_table, trainer_state

ENTRIES: list[Any] = [
    entry
    for step in range(1, 40)
    for entry in (
        {"step": step, "loss": 2.0 / step, "note": "}, {" if step % 9 == 0 else "fine"},
        *([{"step": step, "eval_loss": 1.5, "inner": {"a": step, "b": [step]}}] if step % 5 == 0 else []),
        *([{"step": step, "loss": float("nan"), "flag": True, "big": 10**30}] if step % 11 == 0 else []),
    )
]
STATE = {"global_step": 39, "log_history": ENTRIES, "logging_steps": 1, "stateful": {"x": [{"y": 1}, {"y": 2}]}}
STATES = {
    "as the Trainer writes it": json.dumps(STATE, indent=2, sort_keys=True),
    "in one line": json.dumps(STATE),
    "a list inside an entry": json.dumps({"log_history": [*ENTRIES, {"step": 40, "loss": 1, "x": [{"a": 1}, {"a": 2}]}]}),
    "another history inside": json.dumps({"a": {"log_history": [{"step": 7}]}, "log_history": ENTRIES}),
    "another history behind": json.dumps({"log_history": ENTRIES, "z": {"log_history": []}}),
    "the last of two counts": json.dumps(STATE)[:-1] + ', "log_history": [{"step": 3, "loss": 2}]}',
    "no object among entries": json.dumps({"log_history": [*ENTRIES, 7, *ENTRIES]}),
    "cut": json.dumps(STATE, indent=2)[:-300],
    "garbage inside": json.dumps(STATE).replace("1.5", "1.5.5", 1),
    "a form feed between": json.dumps(STATE).replace("}, {", "}\f, {", 1),
    "infinity beyond a float": json.dumps(STATE).replace("1.5", "1e999"),
    "one entry": json.dumps({"log_history": [{"step": 1, "loss": 2.0}]}),
    "no entries": json.dumps({"log_history": []}),
    "text beyond ASCII": json.dumps({"log_history": [*ENTRIES, {"step": 40, "x": "\ud800é"}]}, ensure_ascii=True),
}  # fmt: skip
LINES = {
    "plain": "".join(json.dumps(entry) + "\n" for entry in ENTRIES),
    "windows line ends": "".join(json.dumps(entry) + "\r\n" for entry in ENTRIES),
    "no last line end": "\n".join(json.dumps(entry) for entry in ENTRIES),
    "byte order mark": "\ufeff" + "".join(json.dumps(entry) + "\n" for entry in ENTRIES),
    "blank lines": "\n\n".join(json.dumps(entry) for entry in ENTRIES),
    "two in a line": "\n".join([*map(json.dumps, ENTRIES), '{"step": 40}, {"step": 41}', '{"a": [{"b": 1}', '{"c": 2}]}']),
    "cut": "".join(json.dumps(entry) + "\n" for entry in ENTRIES)[:-5],
    "no object": "".join(json.dumps(entry) + "\n" for entry in [*ENTRIES, 7, *ENTRIES]),
    "NUL bytes": "".join(json.dumps(entry) + "\n" for entry in ENTRIES) + "\0\0\n",
}  # fmt: skip

DOCUMENTS = {
    "a list": json.dumps(ENTRIES),
    "a list, indented": "\n " + json.dumps(ENTRIES, indent=1) + "\n",
    "a byte order mark": "\ufeff" + json.dumps(ENTRIES),
    "no object among entries": json.dumps([*ENTRIES, 7, *ENTRIES]),
    "cut": json.dumps(ENTRIES)[:-300],
    "garbage inside": json.dumps(ENTRIES).replace("1.5", "1.5.5", 1),
    "garbage behind": json.dumps(ENTRIES) + " x ]",
    "two lists": json.dumps(ENTRIES) + json.dumps(ENTRIES),
    "a download of TensorBoard": json.dumps([[1.7e9 + step, step, 2.0 / step] for step in range(1, 40)]),
    "a list under a key": json.dumps({"history": ENTRIES}),
    "no entries": "[]",
}


def same(one: Reading, other: Reading) -> None:
    assert (one.source, one.problems, one.facts) == (other.source, other.problems, other.facts)
    assert [series.tag for series in one.series] == [series.tag for series in other.series]
    for a, b in zip(one.series, other.series, strict=True):
        assert (a.step.tolist(), a.row.tolist()) == (b.step.tolist(), b.row.tolist())
        np.testing.assert_array_equal(a.value, b.value)


def in_pieces(reader: Any, data: bytes, size: int, monkeypatch: pytest.MonkeyPatch) -> Reading:
    with monkeypatch.context() as patch:
        patch.setattr(json_pieces, "_PIECE", size)
        reading: Reading = reader.parse(data, "log")
    return reading


def by_the_standard_library(reader: Any, data: bytes, monkeypatch: pytest.MonkeyPatch) -> Reading:
    """Read as a whole, every object a dictionary."""

    def refuses(self: json_objects.Objects, piece: bytes) -> None:
        raise ValueError("for the careful path")

    with monkeypatch.context() as patch:
        patch.setattr(json_pieces, "_PIECE", len(data))
        patch.setattr(json_objects.Objects, "of_list", refuses)
        patch.setattr(json_objects.Objects, "of_lines", refuses)
        reading: Reading = reader.parse(data, "log")
    return reading


@pytest.mark.parametrize("size", [1, 300, 1 << 20])
@pytest.mark.parametrize("name", STATES)
def test_states(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = STATES[name].encode()
    same(in_pieces(trainer_state, data, size, monkeypatch), by_the_standard_library(trainer_state, data, monkeypatch))


@pytest.mark.parametrize("size", [1, 300, 1 << 20])
@pytest.mark.parametrize("name", LINES)
def test_lines(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = LINES[name].encode()
    same(in_pieces(json_lines, data, size, monkeypatch), by_the_standard_library(json_lines, data, monkeypatch))


@pytest.mark.parametrize("size", [1, 300, 1 << 20])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = DOCUMENTS[name].encode()
    same(in_pieces(json_table, data, size, monkeypatch), by_the_standard_library(json_table, data, monkeypatch))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["step", "loss", "epoch", "x", "y"]),
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.lists(st.integers()),
            max_size=4,
        ),
        max_size=12,
    ),
    st.text(max_size=4),
    st.integers(0, 300),
    st.sampled_from([1, 30, 1000]),
)
def test_any_entries_and_any_damage(
    monkeypatch: pytest.MonkeyPatch, entries: list[Any], damage: str, at: int, size: int
) -> None:
    state = json.dumps({"log_history": entries, "max_steps": 3})
    state = state[:at] + damage + state[at:]
    same(in_pieces(trainer_state, state.encode(), size, monkeypatch), by_the_standard_library(trainer_state, state.encode(), monkeypatch))
    lines = "\n".join(map(json.dumps, entries))
    lines = lines[:at] + damage + lines[at:]
    same(in_pieces(json_lines, lines.encode(), size, monkeypatch), by_the_standard_library(json_lines, lines.encode(), monkeypatch))
