"""A log that grows: what is told of its beginning stays true to its end, whatever comes behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from analyzer.auditing import audit_run
from analyzer.config.declared import facts_from_options, merge
from analyzer.discovery import discover
from analyzer.reconstruction import reconstruct
from analyzer.timeline import Timeline
from tests.clocks.made_runs import Loop, write_events
from tests.clocks.schedule_runs import Fault, made_run

HEADS_FROM_1 = "".join(
    f"Epoch {epoch + 1}\n"
    + "".join(f"step {batch} loss {2 / (1 + epoch + batch / 60):.4f}\n" for batch in range(60))
    + f"epoch {epoch}: {{'accuracy': 0.{6 + epoch}, 'f1': 0.{7 + epoch}}}\n"
    for epoch in range(3)
)
SHARES = (0.01, 0.03, 0.06, 0.1, 0.17, 0.25, 0.4, 0.6, 0.8, 0.95, 1.0)
FEWEST = 4  # rows
WITHHELD: tuple[tuple[str, ...], ...] = ((), ("base_lr",), ("scheduler", "scheduler_params"))
TRUE_OF: dict[Fault, set[str]] = {
    "horizon": {"horizon", "rate", "floor", "overrun"},
    "rate": {"rate", "horizon", "warmup"},
    "warmup": {"warmup", "rate"},
    "jump": {"jump", "isolated"},
    "lag": {"lag", "skipped", "jump"},
    "frozen": {"frozen"},
    "restart": {"restart"},
    "doubled": {"restart"},
    "per-epoch": {"per-epoch", "lead"},  # of one epoch's end no other is known
}


def prefixes(timeline: Timeline) -> Iterator[tuple[float, Timeline]]:
    """The log as it stood after a share of its rows."""
    view = timeline.run.views[0]
    for share in SHARES:
        cut = {}
        for tag, series in view.series.items():
            rows = slice(0, int(share * len(series)))
            cut[tag] = replace(
                series, step=series.step[rows], value=series.value[rows], wall_time=series.wall_time[rows],
                source=series.source[rows], row=series.row[rows],
            )  # fmt: skip
        if min(len(series) for series in cut.values()) >= FEWEST:
            run = replace(timeline.run, views=(replace(view, series=cut),))
            yield share, reconstruct(run, timeline.declared, last="schedulers")


def loud(timeline: Timeline) -> list[tuple[str, str, str]]:
    assert not timeline.failed
    found = (deviation for clock in timeline.schedulers for deviation in clock.deviations)
    return [(one.kind, one.severity, one.what) for one in found if one.severity != "note"]


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("withheld", WITHHELD)
def test_no_beginning_of_a_healthy_log_has_a_finding(seed: int, withheld: tuple[str, ...]) -> None:
    made = made_run(seed)
    assert made is not None
    facts = {key: fact for key, fact in made.timeline.declared.facts.items() if key not in withheld}
    timeline = replace(made.timeline, declared=replace(made.timeline.declared, facts=facts))
    for share, part in prefixes(timeline):
        assert not loud(part), (share, made.recipe)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("fault", TRUE_OF)
def test_what_a_beginning_of_a_faulty_log_tells_is_true_of_the_whole(seed: int, fault: Fault) -> None:
    made = made_run(seed, fault)
    assert made is not None
    for share, part in prefixes(made.timeline):
        assert {kind for kind, _, _ in loud(part)} <= TRUE_OF[fault], (share, loud(part), made.recipe)


@pytest.mark.parametrize("share", SHARES[3:])
def test_validations_that_count_epochs_from_0_under_heads_from_1_are_no_fault(tmp_path: Path, share: float) -> None:
    (tmp_path / "train.log").write_text(HEADS_FROM_1[: int(share * len(HEADS_FROM_1))])
    facts = facts_from_options(["dataset_size=960", "batch_size=16", "epochs=3", "early_stopping=1"])
    for run in discover([tmp_path]).runs:
        found = audit_run(run, merge(facts), select=("EPO",)).findings
        assert not [(one.code, one.message) for one in found if one.severity != "note"]


@pytest.mark.parametrize("written", [(60, 60), (61, 60), (60, 62)])
def test_which_of_two_writers_is_the_other_one_does_not_change_while_both_write(
    tmp_path: Path, written: tuple[int, int]
) -> None:
    for number, rows in enumerate(written):
        write_events(tmp_path, Loop(seed=number).points(0, rows, begin=1.7e9 + 0.01 * number), pid=number)
    (run,) = discover([tmp_path]).runs
    (found,) = audit_run(run, merge(()), select=("RES008",)).findings
    assert found.evidence[0].source.endswith(".0.0")
