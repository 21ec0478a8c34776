"""One cause, one finding: a finding that follows from another becomes a line of it.

The table says which rule's finding explains which other's; a consequence is folded only where it lies at or behind the
place of its cause (or at the same join).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from analyzer.model import Finding

EXPLAINS: dict[str, tuple[str, ...]] = {
    # cause: consequences, as codes or prefixes of codes
    "LOG002": ("LOG001", "LOG004", "EPO004", "RES003", "PRF002"),
    "LOG001": ("LOG004", "EPO004", "RES003"),
    "LOG003": ("EPO002", "EPO004", "EPO005", "RES002"),
    "LOG004": ("EPO001", "EPO004", "EPO005", "RES003"),
    # Every clock that hangs on a lost counter is wrong with it.
    "RES001": (
        "EPO", "SCH001", "SCH003", "SCH004", "SCH005", "SCH006",
        "RES002", "RES005", "RES006", "RES007", "RES009", "LOG003",
    ),
    "RES003": (
        "EPO", "SCH001", "SCH003", "SCH004", "SCH005", "SCH006",
        "RES004", "RES005", "RES006", "RES009", "LOG004",
    ),
    "RES006": ("EPO004",),
    "RES007": ("RES002",),
    "RES008": ("LOG003", "LOG004", "LOG005", "LOS", "GRD", "RES001", "RES002", "RES003", "EPO", "SCH", "PRF"),
    "LOG005": ("PRF",),
    "LOS002": ("LOS003",),
    "LOS003": ("LOS001", "LOS002", "LOS004", "LOS005"),
    "RES009": ("EPO", "SCH001", "SCH003", "SCH005", "RES004", "RES005"),
    # Where the data go, the labels, the run's end and a schedule in epochs go too.
    "RES004": ("EPO", "RES001", "RES002", "SCH001", "SCH005"),
    "RES005": ("EPO", "RES002", "RES003", "SCH001", "SCH005"),
    "LOG006": ("EPO", "RES001", "RES002", "RES003", "RES004", "RES005", "RES009", "LOG003", "LOG004", "SCH"),
    # Another number of steps is another length of the run and another horizon.
    "EPO002": ("EPO004", "SCH001", "SCH003", "SCH005"),
    "EPO004": ("SCH001", "SCH005"),
    "EPO005": ("EPO004", "SCH005"),
}


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
    if cause.severity == "note" or not effect.code.startswith(EXPLAINS.get(cause.code, ())):
        return False
    if cause.join is not None and cause.join == effect.join:
        return True
    if cause.first_step is None or effect.first_step is None:
        return True
    last = effect.last_step if effect.last_step is not None else effect.first_step
    return last >= cause.first_step
