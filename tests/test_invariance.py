"""A truth-preserving change of a log changes no verdict: nothing new on sound examples, nothing lost on faulty ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from analyzer.rules import Example, catalogue
from scripts.invariance import verdict
from tests.truth_preserving import CHANGES, Change, table_of

EVERY = 4  # of the examples that are one table; the script goes over labelled logs as a whole


def examples(*, sound: bool) -> Iterator[tuple[str, Example]]:
    for rule in catalogue():
        if rule.code.startswith("EXP"):
            continue  # a gate on the value at one step needs that step
        for example in rule.good if sound else rule.bad:
            yield rule.name, example


def tables(*, sound: bool) -> list[tuple[str, dict[str, bytes], dict[str, object]]]:
    found = []
    for name, example in examples(sound=sound):
        files = {path: data.encode() if isinstance(data, str) else data for path, data in example.files().items()}
        if table_of(files) is not None:
            found.append((name, files, dict(example.declared)))
    return found[::EVERY]


SOUND = tables(sound=True)
FAULTY = tables(sound=False)


def test_there_are_examples_of_both() -> None:
    assert len(SOUND) >= 10 and len(FAULTY) >= 5


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_nothing_appears_on_sound_logs(change: Change) -> None:
    new = {}
    for name, files, facts in SOUND:
        made = change.make(files, facts)
        if made is not None:
            before = {rule for _, rule in verdict(files, facts)}
            after = {rule for _, rule in verdict(*made)} - before - change.may_add
            if after:
                new[name] = after
    assert not new


@pytest.mark.parametrize(
    "change", [change for change in CHANGES if not change.may_lose], ids=lambda change: change.name
)
def test_what_was_found_stays_found(change: Change) -> None:
    lost = {}
    for name, files, facts in FAULTY:
        made = change.make(files, facts)
        if made is not None:
            gone = {rule for _, rule in verdict(files, facts)} - {rule for _, rule in verdict(*made)}
            if gone:
                lost[name] = gone
    assert not lost
