"""One cause, one finding: what is folded into what, and what stays."""

from __future__ import annotations

import pytest

from analyzer.attribution import CLOCK, HANGS_ON, fold_consequences
from analyzer.model import Finding, Row
from analyzer.rules import catalogue


def finding(
    code: str,
    first: int | None = 10,
    last: int | None = None,
    severity: str = "error",
    join: int | None = None,
    rows: tuple[int, ...] = (),
    tag: str | None = None,
    tags: tuple[str, ...] = (),
) -> Finding:
    return Finding(
        severity=severity,  # type: ignore[arg-type]
        message=f"{code} at {first}",
        first_step=first,
        last_step=last,
        tag=tag,
        numbers={"tags": list(tags)} if tags else {},
        code=code,
        join=join,
        evidence=tuple(Row(source="log.csv", row=row, tag="loss", step=row, value=1.0) for row in rows),
    )


@pytest.mark.parametrize(
    ("said", "left"),
    [
        # what hangs on a broken clock, at the same break or behind it
        pytest.param([finding("LOG002", 10, 14), finding("LOG004", 12)], ["LOG002"], id="a gap in what is damaged"),
        pytest.param([finding("LOG004", 12), finding("LOG002", 10, 14)], ["LOG002"], id="whatever the order"),
        pytest.param([finding("LOG002", 10, 14), finding("EPO004", 500)], ["LOG002"], id="and the run is short"),
        pytest.param([finding("RES008", None), finding("LOS001", 40)], ["RES008"], id="no place: everywhere"),
        pytest.param([finding("RES009", 100, join=0), finding("SCH001", 5, join=0)], ["RES009"], id="at one join"),
        pytest.param([finding("RES004", 100), finding("EPO001", 140)], ["RES004"], id="labels behind lost data"),
        pytest.param([finding("RES003", 100), finding("SCH005", 1, 900)], ["RES003"], id="an overrun around the jump"),
        pytest.param([finding("EPO002", 10, rows=(10, 20)), finding("RES004", 5, rows=(20,))], ["RES004"],
                     id="a length measured over the same rows"),
        pytest.param([finding("RES005", 100, join=0), finding("RES006", 100, join=0)], ["RES005"],
                     id="labels and scheduler were not restored together"),
        pytest.param([finding("LOG006", 10, tags=("loss",)), finding("EPO001", 20, tag="loss")], ["LOG006"],
                     id="a tag on another axis"),
        pytest.param([finding("LOG004", 12), finding("RES003", 10, join=0, rows=(10, 12))], ["RES003"],
                     id="rows that a resume left out"),
        pytest.param([finding("EPO005", 100, rows=(9, 10)), finding("PRF002", 90, severity="warning", rows=(9, 10))],
                     ["EPO005"], id="a process that began again paused there"),
        # what stays
        pytest.param([finding("EPO005", 100, rows=(9, 10)), finding("PRF002", 300, severity="warning", rows=(30,))],
                     ["EPO005", "PRF002"], id="a pause further on"),
        pytest.param([finding("LOG006", 10, tags=("loss",)), finding("SCH004", 20, tag="lr")], ["LOG006", "SCH004"],
                     id="the other tags stand where they are"),
        pytest.param([finding("LOG006", 10, tags=("loss",)), finding("EPO007", 20, tag="loss")], ["LOG006", "EPO007"],
                     id="a mean is held against its rows, whatever its axis"),
        pytest.param([finding("RES005", 100), finding("RES006", 400)], ["RES005", "RES006"], id="another resume"),
        pytest.param([finding("LOG002", 50), finding("LOG004", 12)], ["LOG002", "LOG004"], id="not the gap before it"),
        pytest.param([finding("LOG002", 10, 14), finding("LOG004", 300)], ["LOG002", "LOG004"], id="nor one behind"),
        pytest.param([finding("RES004", 100), finding("EPO001", 60)], ["RES004", "EPO001"], id="labels before them"),
        pytest.param([finding("LOS003", severity="note"), finding("LOS001", 12)], ["LOS003", "LOS001"],
                     id="a note explains nothing"),
        pytest.param([finding("LOG006", 10, severity="warning"), finding("EPO004", 90)], ["LOG006", "EPO004"],
                     id="a warning buries no error"),
        pytest.param([finding("RES003", severity="warning"), finding("RES004", 10)], ["RES003", "RES004"],
                     id="a guess never buries a proof, at the same place either"),
        pytest.param([finding("EPO001"), finding("SCH001")], ["EPO001", "SCH001"], id="unrelated clocks"),
        pytest.param([finding("LOG003", 10, 30), finding("LOS001", 12, severity="warning")], ["LOG003", "LOS001"],
                     id="doubled rows make no spike"),
        pytest.param([finding("RES008", 10, join=0), finding("RES008", 40, join=1)], ["RES008", "RES008"],
                     id="one rule at two places"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_fold(said: list[Finding], left: list[str]) -> None:
    assert [one.code for one in fold_consequences(said)] == left


def test_consequences_of_consequences_reach_the_root() -> None:
    chain = [finding("RES008", 1), finding("LOS002", 5), finding("LOS003", 7)]
    (root,) = fold_consequences(chain)
    assert root.code == "RES008"
    assert [line.split()[0] for line in root.consequences] == ["LOS002", "LOS003"]


def test_nothing_is_lost() -> None:
    chain = [finding("LOG002", 1, 8), finding("LOG001", 5), finding("LOG004", 7), finding("EPO004", 9)]
    (root,) = fold_consequences(chain)
    assert len(root.consequences) == 3


def test_every_rule_of_a_clock_has_one() -> None:
    of_no_clock = ("CFG", "EXP", "LOG007", "LOG008")
    for rule in catalogue():
        assert rule.code in CLOCK or rule.code[:3] in CLOCK or rule.code.startswith(of_no_clock), rule.code
    assert set(HANGS_ON) | {name for names in HANGS_ON.values() for name in names} <= set(CLOCK.values())
