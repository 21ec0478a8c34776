"""One cause, one finding: a finding that follows from another becomes a line of it.

A finding says that one clock is broken; clocks hang on one another (rows, then steps, then epochs, then the length of
the run, then the schedule, then the loss). A finding explains another when

- the other's clock hangs on its clock,
- the other rests on the same rows or the same break, or is about the whole of what lies behind it, and
- it is at least as sure: a warning never buries an error, a note explains nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from analyzer.model import Finding

SURENESS = ("note", "warning", "error")

CLOCK: dict[str, str] = {
    "RES008": "writers",
    "LOG001": "rows", "LOG002": "rows", "LOG003": "rows", "LOG004": "gaps",
    "LOG005": "wall", "PRF": "pace",
    "LOG006": "axis",
    "RES001": "steps", "RES003": "jump", "RES002": "replay",
    "RES009": "batch", "EPO002": "epoch length", "EPO006": "fractions",
    "RES004": "data",
    "RES005": "restored labels", "EPO001": "labels", "EPO003": "labels", "EPO005": "labels",
    "EPO004": "run length", "EPO007": "epoch means",
    "RES006": "restored schedule", "SCH001": "horizon", "SCH005": "horizon", "SCH": "schedule",
    "RES007": "join loss", "LOS002": "divergence", "LOS003": "not finite", "LOS": "loss", "GRD": "loss",
}  # fmt: skip
"""Which clock a finding says is broken, by its code or the first letters of it."""

_IN_EPOCHS = ("labels", "fractions", "run length", "horizon", "epoch means")
_IN_STEPS = ("batch", "epoch length", *_IN_EPOCHS, "restored labels", "restored schedule", "schedule", "replay")
HANGS_ON: dict[str, tuple[str, ...]] = {
    # a clock: those that hang on it
    "writers": ("rows", "gaps", "steps", "jump", *_IN_STEPS, "axis", "wall", "pace", "divergence", "loss"),
    "rows": ("rows", "gaps", "jump", "replay", "pace", "epoch length", "labels", "run length"),
    "gaps": ("rows", "replay", "pace", "epoch length", "labels", "run length"),
    "wall": ("pace",),
    "axis": ("rows", "gaps", "steps", "jump", "data", *(one for one in _IN_STEPS if one != "epoch means")),
    "steps": ("rows", "gaps", *_IN_STEPS, "join loss"),
    "jump": ("rows", "gaps", "data", "pace", *_IN_STEPS),
    "batch": ("data", "restored labels", "epoch length", "schedule", "join loss", "pace", *_IN_EPOCHS),
    "schedule": ("pace",),
    "epoch length": ("run length", "horizon", "schedule"),
    "data": ("steps", "replay", "epoch length", "pace", *_IN_EPOCHS),
    "restored labels": ("jump", "replay", "pace", "restored schedule", *_IN_EPOCHS),
    "labels": ("run length", "pace", "schedule"),
    "run length": ("horizon",),
    "restored schedule": ("run length", "horizon", "pace"),
    "join loss": ("replay", "pace"),
    "divergence": ("not finite",),
    "not finite": ("loss",),
}
OF_ITS_PLACE: dict[str, tuple[str, ...]] = {
    "schedule": ("pace",),
    "restored schedule": ("pace",),
    "restored labels": ("pace", "restored schedule"),
    "labels": ("pace", "schedule"),
    "data": ("pace",),
    "jump": ("pace",),
    "batch": ("join loss", "pace"),
    "join loss": ("pace",),
}
"""A process that began again paused there, and has a loss of its own there: what lies further on has other causes."""
OF_THE_WHOLE_RUN = ("EPO002", "EPO003", "EPO004", "EPO006", "SCH001", "SCH002", "SCH003", "SCH005")
"""They compare the run from its beginning to its end: a break anywhere in it moves them."""
LOCAL = ("rows", "gaps", "join loss")
"""What is broken there is not displaced behind it."""


def fold_consequences(findings: Sequence[Finding]) -> list[Finding]:
    """Findings with their consequences as lines; what follows from a consequence goes to the root as well."""
    root = [_root(index, findings) for index in range(len(findings))]
    lines: dict[int, list[str]] = {}
    for index, cause in enumerate(root):
        if cause != index:
            effect = findings[index]
            lines.setdefault(cause, []).extend((f"{effect.code} {effect.message}", *effect.consequences))
    return [
        replace(finding, consequences=(*finding.consequences, *lines.get(index, ())))
        for index, finding in enumerate(findings)
        if root[index] == index
    ]


def _root(index: int, findings: Sequence[Finding]) -> int:
    """The finding at the end of the chain of causes; of findings that explain one another the first stands."""
    seen = [index]
    while True:
        here = findings[seen[-1]]
        causes = (other for other, cause in enumerate(findings) if other != seen[-1] and _explains(cause, here))
        cause = next(causes, None)
        if cause is None:
            return seen[-1]
        if cause in seen:
            return min(seen[seen.index(cause) :])
        seen.append(cause)


def _explains(cause: Finding, effect: Finding) -> bool:
    if cause.severity == "note" or SURENESS.index(cause.severity) < SURENESS.index(effect.severity):
        return False
    clock, hanging = _clock(cause), _clock(effect)
    if cause.code == effect.code or hanging not in HANGS_ON.get(clock, ()):
        return False
    if clock == "axis" and effect.tag is not None and effect.tag not in cause.numbers.get("tags", (effect.tag,)):
        return False  # the axis of some tags is another: the others stand where they are
    if clock == "labels" and hanging == "schedule" and effect.tag not in {row.tag for row in cause.evidence}:
        return False  # labels explain a rate that proves them wrong, and no other
    if _same_break(cause, effect):
        return True
    return hanging not in OF_ITS_PLACE.get(clock, ("join loss",)) and _behind(cause, effect, local=clock in LOCAL)


def _clock(finding: Finding) -> str:
    return CLOCK.get(finding.code) or CLOCK.get(finding.code[:3], "")


def _same_break(cause: Finding, effect: Finding) -> bool:
    if cause.join is not None and cause.join == effect.join:
        return True
    rows = {(row.source, row.row) for row in cause.evidence}
    return any((row.source, row.row) in rows for row in effect.evidence)


def _behind(cause: Finding, effect: Finding, *, local: bool) -> bool:
    """Whether the effect lies where the cause has moved its clock: in the rows that are damaged, or all behind them."""
    if cause.first_step is None or effect.first_step is None:
        return True
    if effect.code in OF_THE_WHOLE_RUN:
        return (effect.last_step or effect.first_step) >= cause.first_step
    if effect.first_step < cause.first_step:
        return False
    if not local:
        return True
    steps = [row.step for row in cause.evidence if row.step is not None]
    return effect.first_step <= max([*steps, cause.first_step, cause.last_step or cause.first_step])
