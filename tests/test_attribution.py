"""One cause, one finding: what is folded into what, and what stays."""

from __future__ import annotations

import pytest

from analyzer.attribution import fold_consequences
from analyzer.model import Finding


def finding(
    code: str, first: int | None = 10, last: int | None = None, severity: str = "error", join: int | None = None
) -> Finding:
    return Finding(
        severity=severity,  # type: ignore[arg-type]
        message=f"{code} at {first}",
        first_step=first,
        last_step=last,
        code=code,
        join=join,
    )


@pytest.mark.parametrize(
    ("said", "left"),
    [
        pytest.param(
            [finding("LOG002", 10), finding("LOG004", 12)], ["LOG002"], id="a corrupt record explains the gap behind it"
        ),
        pytest.param([finding("LOG004", 12), finding("LOG002", 10)], ["LOG002"], id="whatever the order"),
        pytest.param([finding("LOG002", 50), finding("LOG004", 12)], ["LOG002", "LOG004"], id="not the gap before it"),
        pytest.param(
            [finding("RES008", None), finding("LOS001", 40)],
            ["RES008"],
            id="a cause without a place explains everywhere",
        ),
        pytest.param([finding("RES009", 100, join=0), finding("SCH001", 5, join=0)], ["RES009"], id="at one join"),
        pytest.param(
            [finding("LOS003", 10, severity="note"), finding("LOS001", 12)],
            ["LOS003", "LOS001"],
            id="a note explains nothing",
        ),
        pytest.param(
            [finding("EPO001", 10), finding("SCH001", 10)], ["EPO001", "SCH001"], id="unrelated findings stay"
        ),
        pytest.param([], [], id="nothing"),
    ],
)
def test_fold(said: list[Finding], left: list[str]) -> None:
    assert [one.code for one in fold_consequences(said)] == left


def test_consequences_of_consequences_reach_the_root() -> None:
    chain = [finding("RES008", 1), finding("LOS003", 5), finding("LOS001", 7)]
    (root,) = fold_consequences(chain)
    assert root.code == "RES008"
    assert [line.split()[0] for line in root.consequences] == ["LOS003", "LOS001"]


def test_nothing_is_lost() -> None:
    chain = [finding("LOG002", 1), finding("LOG001", 5), finding("LOG004", 7), finding("EPO004", 9)]
    (root,) = fold_consequences(chain)
    assert len(root.consequences) == 3
