"""Figures without a counter: ``train_losses = [0.69, 0.65, ...]``, a number a line in ``train_loss.txt``, or lines
that name a loss and nothing that counts (``g_loss: 0.78, d_loss: 0.71``).

They count by their place, of which nobody says what it counts: their rows prove nothing about steps or epochs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from analyzer.readers.stdout.general import without_logger
from analyzer.readers.stdout.patterns import NUMBER, Entry, number_of
from analyzer.readers.stdout.stamps import STAMP, behind_the_stamp
from analyzer.readers.stdout.values import values_of
from analyzer.roles import role_of_tag

FEWEST = 8  # figures of a list; fewer are a shape, or one row's losses
LONGEST_LINE = 1_000_000  # characters
LONGEST_PRINT = 1_000  # characters of a line of figures
FEWEST_LINES = 12  # with the same figures; fewer are results of several evaluations
_LOSS = re.compile(r"loss|cost|nll", re.I)
_NAMED = re.compile(r"\s{0,8}(?P<name>[A-Za-z][\w ./-]{0,60}?)['\"]?\s{0,3}[:=]\s{0,3}(?=\[)")
_LIST = re.compile(r"\[([\d\s.,eE+naif-]{16,}+)\]?,?\s*+$")
# {'accuracy': [(1, 0.1), ...]}, losses_distributed [(0, 2.3), ...]: places and values, also over several lines
_PAIRS = re.compile(
    rf"(?:'(?P<quoted>[\w ./-]{{1,60}})':\s?|(?P<bare>[A-Za-z]\w{{1,60}})\s?[:=]?\s?)\[(?=\()"
    rf"|\((?P<at>\d{{1,15}}), (?P<number>{NUMBER})\)|(?P<end>\])"
)
_OF_ROUNDS = re.compile(r"\brounds?\b|\bfit_round\b|\bfl\b", re.I)
_SEPARATORS = re.compile(r"[\s,]+")
_LOSSES = ("loss", "validation_loss", "epoch_loss")


def lists_of(lines: Sequence[str], file_name: str) -> Iterator[tuple[int, str, Entry]]:
    """Line number, "list" and the figures at a place of the lists that are losses by their name, or by the file's."""
    stem = PurePath(file_name).name.split(".")[0]
    of_file = stem if role_of_tag(stem) in _LOSSES else ""
    found: dict[str, tuple[int, list[float]]] = {}
    for row, line in enumerate(lines, start=1):
        if "[" in line and len(line) <= LONGEST_LINE and (listed := _LIST.search(line)):
            named = _NAMED.match(line)
            name = named["name"].strip() if named else of_file if line.lstrip()[:1] == "[" else ""
            figures = [number_of(one) for one in _SEPARATORS.split(listed[1].strip(" ,\n")) if one]
            if name and role_of_tag(name) is not None and len(figures) >= FEWEST and None not in figures:
                found[name] = row, [float(one) for one in figures if one is not None]
    if not found and of_file:
        yield from _a_number_a_line(lines, of_file)
        return
    if any(role_of_tag(name) in _LOSSES for name in found):
        for at in range(max(len(figures) for _, figures in found.values())):
            told = {name: figures[at] for name, (_, figures) in found.items() if at < len(figures)}
            yield next(row for name, (row, _) in found.items() if name in told), "list", dict(told)
        return
    yield from _pairs_by_place(lines) or _lines_of_losses(lines)


def _pairs_by_place(lines: Sequence[str]) -> list[tuple[int, str, Entry]]:
    """The lists of places and values, an entry a place, where one of them is a loss; federated rounds are called so."""
    told: dict[int, Entry] = {}
    first: dict[int, int] = {}
    name = ""
    for row, line in enumerate(lines, start=1):
        if ("[(" not in line and not name) or len(line) > LONGEST_LINE:
            continue
        for found in _PAIRS.finditer(line):
            if found["at"] is None:
                name = found["quoted"] or found["bare"] or ""
            elif name and found["number"] is not None:
                told.setdefault(int(found["at"]), {}).setdefault(name, float(found["number"]))
                first.setdefault(int(found["at"]), row)
    if not any(role_of_tag(name) in _LOSSES for entry in told.values() for name in entry):
        return []
    counter = "round" if any(_OF_ROUNDS.search(line) for line in lines) else "step"
    return [(first[at], "list", {counter: at, **told[at]}) for at in sorted(told)]


def _lines_of_losses(lines: Sequence[str]) -> Iterator[tuple[int, str, Entry]]:
    """The lines that name the same figures, one of them a loss, where there are many."""
    told: dict[frozenset[str], list[tuple[int, Entry]]] = {}
    for row, line in enumerate(lines, start=1):
        if len(line) <= LONGEST_PRINT and _LOSS.search(line):
            text = behind_the_stamp(line, begun) if (begun := STAMP.match(line)) else line
            values = values_of(without_logger(text))
            if any(role_of_tag(name) in _LOSSES for name in values):
                told.setdefault(frozenset(values), []).append((row, dict(values)))
    rows = [one for names, same in told.items() if len(same) >= FEWEST_LINES and _varies(names, same) for one in same]
    yield from ((row, "list", values) for row, values in sorted(rows, key=lambda one: one[0]))


def _varies(names: frozenset[str], rows: Sequence[tuple[int, Entry]]) -> bool:
    """Whether the figures that are called a loss are no whole numbers, nor the same time and again."""
    losses = {values[name] for name in names if role_of_tag(name) in _LOSSES for _, values in rows}
    return 2 * len(losses) >= len(rows) and not all(float(one).is_integer() for one in losses)


def _a_number_a_line(lines: Sequence[str], name: str) -> Iterator[tuple[int, str, Entry]]:
    figures = [(row, number_of(line.strip())) for row, line in enumerate(lines, start=1) if line.strip()]
    if len(figures) >= FEWEST and all(figure is not None for _, figure in figures[1:]):
        for row, figure in figures:  # the first may be a headline
            if figure is not None:
                yield row, "list", {name: float(figure)}
