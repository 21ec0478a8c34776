"""One cause, one finding: a finding that follows from another becomes a line of it.

The table says which rule's finding explains which other's; a consequence is folded only where it lies at or behind the
place of its cause (or at the same join).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from analyzer.model import Finding

EXPLAINS: dict[str, tuple[str, ...]] = {
    # cause: consequences, as codes or prefixes of codes
    "LOG002": ("LOG001", "LOG004", "EPO004", "RES003", "PRF002"),
    "LOG001": ("LOG004", "EPO004"),
    "RES008": ("LOG003", "LOG004", "LOG005", "LOS", "GRD", "RES001", "RES002", "RES003", "EPO", "SCH", "PRF"),
    "LOS003": ("LOS001", "LOS002", "LOS004", "LOS005"),
    "RES009": ("EPO", "SCH001", "SCH003", "SCH005", "RES004", "RES005"),
}


def fold_consequences(findings: Sequence[Finding]) -> list[Finding]:
    """Findings with their consequences as lines, in the given order."""
    causes: dict[int, list[str]] = {}
    folded: set[int] = set()
    for index, cause in enumerate(findings):
        for other, effect in enumerate(findings):
            if other != index and other not in folded and index not in folded and _explains(cause, effect):
                folded.add(other)
                causes.setdefault(index, []).append(f"{effect.code} {effect.message}")
    return [
        replace(finding, consequences=(*finding.consequences, *causes.get(index, ())))
        for index, finding in enumerate(findings)
        if index not in folded
    ]


def _explains(cause: Finding, effect: Finding) -> bool:
    if cause.severity == "note" or not effect.code.startswith(EXPLAINS.get(cause.code, ())):
        return False
    if cause.join is not None and cause.join == effect.join:
        return True
    if cause.first_step is None or effect.first_step is None:
        return True
    last = effect.last_step if effect.last_step is not None else effect.first_step
    return last >= cause.first_step
