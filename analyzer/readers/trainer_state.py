"""``trainer_state.json`` of the Hugging Face Trainer: its ``log_history``, and what the state declares.

A file that was cut anywhere still gives the complete entries of its history.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from analyzer.model import Fact, Floats, Ints, Problem, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.columns import Column, Dialect
from analyzer.readers.columns.entries import columns_of_entries
from analyzer.readers.columns.reading import interpret
from analyzer.readers.correcting import Correction
from analyzer.readers.json_objects import table_of_list
from analyzer.readers.text_file import decode, plain_head, plain_suffix, unpack, unreadable, why_not_text
from analyzer.regular_files import content_of
from analyzer.written_numbers import JSON_DECODER, loads_json

HISTORY = re.compile(r'"log_history"\s*:\s*\[')
_HISTORY_BYTES = re.compile(HISTORY.pattern.encode())
DIALECT = Dialect(framework="transformers", step_columns=("step",), counts="step")
_BETWEEN = re.compile(r"[\s,]*")
# What the state says, under the name that a declaration has for it; the rest is kept under its own name.
_FACTS = {"max_steps": "max_steps"}
_KEPT = (
    "global_step",
    "train_batch_size",
    "epoch",
    "num_train_epochs",
    "eval_steps",
    "save_steps",
    "best_metric",
    "best_global_step",
    "num_input_tokens_seen",
    "total_flos",
    "is_hyper_param_search",
)


def parse(data: bytes, name: str) -> Reading:
    """The bytes of a state file as a reading; rows are 0-based indices of the entries."""
    unpacked = unpack(data, name)
    reason = why_not_text(unpacked.data)
    if reason:
        return unreadable(name, "trainer-state", reason, unpacked.problems)
    plain = _plain_history(unpacked.data)
    if plain is not None:
        return _reading(name, plain, unpacked.problems)
    problems = list(unpacked.problems)
    try:
        state = loads_json(decode(unpacked.data))
        entries = state["log_history"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        text = decode(unpacked.data)
        state, entries = salvage(text)
        problems.append(_what_was_salvaged(name, text, entries, error))
    if not isinstance(entries, list) or not isinstance(state, dict):
        return unreadable(name, "trainer-state", "log_history is no list of entries", problems)
    odd = [index for index, entry in enumerate(entries) if not isinstance(entry, dict)]
    if odd:
        message = f"{len(odd)} entries of log_history are no objects, first {str(entries[odd[0]])[:40]!r}: left out"
        problems.append(Problem(source=name, kind="row", message=message, row=odd[0]))
    kept = entries if not odd else [entry for entry in entries if isinstance(entry, dict)]
    if not kept:
        reason = (
            "log_history has no entries: nothing was logged" if not problems else "no complete entry in log_history"
        )
        return unreadable(name, "trainer-state", reason, problems)
    rows = np.delete(np.arange(len(entries)), odd)
    return _reading(name, _History(state=state, columns=columns_of_entries(kept), rows=rows), problems)


class _History(Struct, frozen=True, kw_only=True, eq=False):
    """What a state file holds."""

    state: Mapping[str, Any]
    columns: list[Column]
    rows: Ints  # index of each entry


def _reading(name: str, history: _History, problems: Sequence[Problem]) -> Reading:
    return interpret(
        history.columns,
        history.rows,
        dialect=DIALECT,
        problems=problems,
        source=Source(path=name, format="trainer-state", a_row="entry"),
        facts=facts_of(history, name),
        judge=False,
    )


def _plain_history(data: bytes) -> _History | None:
    """A history in pieces; None where the file is not valid, or its history not plain: then it is read as a whole."""
    found = _HISTORY_BYTES.search(data)
    if not found:
        return None
    try:
        count, columns, end = table_of_list(data, found.end())
        rest = data[: found.end()] + data[end:]
        state = loads_json(rest.decode())  # whose numbers are kept as they are written
    except (ValueError, RecursionError):
        return None
    # the list was that of the state itself when the state without its entries has an empty one, and no other
    if not isinstance(state, dict) or state.get("log_history") != [] or rest.count(b'"log_history"') != 1:
        return None
    return _History(state=state, columns=columns, rows=np.arange(count)) if count else None


def salvage(text: str) -> tuple[dict[str, Any], list[Any]]:
    """The complete entries of a history that does not parse as a whole, and the complete fields before it."""
    found = HISTORY.search(text)
    if not found:
        return {}, []
    entries: list[Any] = []
    at = found.end()
    while True:
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
        if text[at : at + 1] != "{":
            break
        try:
            entry, at = JSON_DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        entries.append(entry)
    return _fields_of(text[: found.start()]), entries


def _fields_of(head: str) -> dict[str, Any]:
    """The fields before the history, each completely written."""
    at = head.rstrip().rstrip(",")
    try:
        fields = loads_json(at + "}")
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _what_was_salvaged(name: str, text: str, entries: Sequence[Any], error: Exception) -> Problem:
    at = getattr(error, "pos", len(text))
    cut = not text.rstrip().endswith("}") or at >= len(text.rstrip())
    kind = "the file ends inside" if cut else f"not valid JSON near line {text.count(chr(10), 0, at) + 1}, in"
    message = f"{kind} log_history: {len(entries)} complete entries read, what follows is lost"
    return Problem(source=name, kind="truncated" if cut else "corrupt", message=message, row=len(entries) or None)


def facts_of(history: _History, name: str) -> list[Fact]:
    """What the state declares, judged by the entries of its history.

    ``num_train_epochs`` is a declaration only when it agrees with ``max_steps`` and the log's own epochs: with a
    ``max_steps`` given by the user the Trainer computes it, rounded up. ``logging_steps`` keeps its default where rows
    are written once an epoch, and is then none.
    """
    state = history.state
    file_name = Path(name).name
    keys = {**_FACTS, **{key: key for key in _KEPT}}
    facts = [
        Fact(key=key, value=state[field], found_in=f"{file_name}: {field}")
        for field, key in keys.items()
        if isinstance(state.get(field), int | float) and not isinstance(state.get(field), bool)
    ]
    step, epoch = _of_entries(history, "step"), _of_entries(history, "epoch")
    every = state.get("logging_steps")
    of_loss = step[_with_key(history, "loss")]
    of_loss = of_loss[np.isfinite(of_loss)]
    if isinstance(every, int | float) and every >= 1 and len(of_loss) and not (of_loss[1:-1] % every).any():
        facts.append(Fact(key="logging_steps", value=every, found_in=f"{file_name}: logging_steps"))
    epochs, max_steps = state.get("num_train_epochs"), state.get("max_steps")
    if isinstance(epochs, int) and isinstance(max_steps, int) and epochs > 0 and max_steps > 0:
        told = ~np.isnan(step) & ~np.isnan(epoch)
        last = float(step[told].max(initial=-np.inf))
        label = float(epoch[told & (step == last)].max(initial=0.0))
        # updates per epoch by the last label; labels were once rounded to two decimals
        if label > 0 and abs(last / label * epochs - max_steps) <= max(1.0, 0.005 / label * max_steps + epochs):
            facts.append(Fact(key="epochs", value=epochs, found_in=f"{file_name}: num_train_epochs"))
    return facts


def _of_entries(history: _History, name: str) -> Floats:
    """The numbers of a column by entry, shape (entries,), NaN where an entry has none."""
    value = np.full(len(history.rows), np.nan)
    for column in history.columns:
        if column.name == name:
            value[column.positions(len(value))] = column.value
    return value


def _with_key(history: _History, name: str) -> Ints:
    """Which entries hold a number or a text under a name, in rising order."""
    places = [np.empty(0, dtype=np.int64)]
    for column in history.columns:
        if column.name == name:
            places += [column.positions(len(history.rows)), np.asarray(column.text_at, dtype=np.int64)]
    return np.sort(np.concatenate(places))


def read(path: Path) -> Reading:
    """Read one state file from disk."""
    return parse(content_of(path), str(path))


def recognises(path: Path, head: bytes) -> bool:
    """A JSON file with a ``log_history``; the key stands behind the few fields that sort before it."""
    if plain_suffix(path) not in (".json", "") or plain_head(head).lstrip()[:1] != b"{":
        return False
    if path.name.startswith("trainer_state"):
        return True
    return b'"log_history"' in plain_head(head)


def rewritten(correction: Correction, content: bytes) -> bytes:
    """The state with entries of its history cut and steps shifted."""
    state = json.loads(content)
    entries = []
    for number, entry in enumerate(state["log_history"]):
        if number in correction.cut:
            continue
        if number in correction.shift:
            entry["step"] += correction.shift[number]
        entries.append(entry)
    state["log_history"] = entries
    state["global_step"] = max(
        (entry["step"] for entry in entries if "step" in entry), default=state.get("global_step")
    )
    return (json.dumps(state, indent=2) + "\n").encode()


READER = Reader(
    name="trainer-state",
    title="trainer_state.json of the Hugging Face Trainer",
    recognises=recognises,
    read=read,
    parse=parse,
    recognised_by="`trainer_state*.json`, or `log_history` near the start of a JSON file (also `.gz`, `.zst`)",
    step="optimizer updates, from 1; evaluation and the final row share the step of the last update",
    epoch="a fraction in micro-batches: epoch index + (batch + 1) / batches; two decimals up to 4.38",
    learning_rate="from 4.51 the rate that the update used, before that the next one's",
    rewrite=rewritten,
    joined="states",
    priority=10,
)
