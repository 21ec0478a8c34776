"""The arithmetic of a declaration as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from analyzer.renderers import Look
from analyzer.renderers.escaping import visible
from analyzer.renderers.json_report import plain
from analyzer.renderers.lines import labelled, paint, wrap
from analyzer.renderers.wording import rounded

NUMBERS = ("batches_per_epoch", "steps_per_epoch", "total_steps", "warmup_steps")
HEADINGS = ("batches/epoch", "steps/epoch", "steps in all", "warmup")


def as_json(declared: Any, plan: Any) -> str:
    """``{"declared": ..., "readings": [{"convention", "batches_per_epoch", ...}]}``."""
    readings = [{"convention": one.convention, **{key: getattr(one, key) for key in NUMBERS}} for one in plan.readings]
    facts = {key: fact.value for key, fact in declared.facts.items()}
    return json.dumps(plain({"declared": facts, "readings": readings}), indent=1, allow_nan=False) + "\n"


def as_text(declared: Any, plan: Any, look: Look) -> str:
    return "\n".join(_lines(declared, plan, look)) + "\n"


def _lines(declared: Any, plan: Any, look: Look) -> Iterator[str]:
    facts = ", ".join(f"{key} {visible(plain(fact.value))}" for key, fact in declared.facts.items())
    yield from labelled("declared", facts, look)
    for label, value in (
        ("samples per update", plan.samples_per_update),
        ("tokens per update", plan.tokens_per_update),
    ):
        if value:
            yield from labelled(label, rounded(value), look, indent=24)
    yield ""
    shown = [column for column in range(4) if any(getattr(one, NUMBERS[column]) is not None for one in plan.readings)]
    rows = [[HEADINGS[column] for column in shown]]
    rows += [[_cell(getattr(one, NUMBERS[column])) for column in shown] for one in plan.readings]
    widths = [max(len(row[i]) for row in rows) for i in range(len(shown))]
    for index, row in enumerate(rows):
        numbers = "  ".join(cell.rjust(size) for cell, size in zip(row, widths, strict=True))
        if index == 0:
            yield paint(f"{numbers}  when", "title", look)
        else:
            yield from labelled_numbers(
                numbers, visible(plan.readings[index - 1].convention) or "exactly divisible", look
            )
    count = len(plan.readings)
    yield ""
    yield (
        "one reading: every convention gives these numbers"
        if count == 1
        else f"{count} readings; a log must fit one of them as a whole"
    )


def labelled_numbers(numbers: str, text: str, look: Look) -> Iterator[str]:
    beside = look.width - len(numbers) - 2
    if beside < 24:
        yield numbers
        yield from (f"    {line}" for line in wrap(text, look.width - 4))
        return
    first, *rest = wrap(text, beside)
    yield f"{numbers}  {first}"
    yield from (" " * (len(numbers) + 2) + line for line in rest)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) or value.denominator == 1 else f"{float(value):.6g}"
