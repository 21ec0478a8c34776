"""The scheduler clock: real schedules are identified, healthy runs are silent, planted faults are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzer.clocks.schedules import Schedule
from tests.clocks.schedule_runs import Fault, made_run, timeline_of

RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "fixtures" / "schedules" / "schedules.jsonl").read_text().splitlines()
]
# What the values alone cannot tell: a slow curve with an open scale is also another; two cycles with a warmup each.
NOT_FROM_VALUES = {"hf-inverse_sqrt-0", "optax-sgdr"}
LINE_TO_ZERO_OR_FLOOR = {"megatron-linear"}  # the run ends before the floor is met: both describe it
ENDS_BEFORE_THE_RUN = {"torch-cosine-past-end"}


def recorded(one: dict[str, Any], declared: dict[str, Any]) -> Any:
    rates = np.array(one["rates"])
    axis = "epoch" if one["library"].startswith("timm") else "step"
    first = 0 if axis == "epoch" else 1
    timeline = timeline_of(np.arange(first, first + len(rates)), rates, declared, digits=9, axis=axis)  # type: ignore[arg-type]
    return timeline.schedulers[0]


def test_there_are_forty_schedules_or_more() -> None:
    assert len(RECORDED) >= 40


@pytest.mark.parametrize("one", [r for r in RECORDED if r["declared"].get("scheduler")], ids=lambda one: one["name"])
def test_a_real_schedule_is_what_it_declares(one: dict[str, Any]) -> None:
    clock = recorded(one, one["declared"])
    assert clock.family != "unknown"
    assert clock.explained == 1.0
    loud = [(d.kind, d.what) for d in clock.deviations if d.severity != "note"]
    if one["name"] in ENDS_BEFORE_THE_RUN:
        assert [kind for kind, _ in loud] == ["overrun"]
    else:
        assert not loud


@pytest.mark.parametrize("one", [r for r in RECORDED if r["name"] not in NOT_FROM_VALUES], ids=lambda one: one["name"])
def test_a_real_schedule_is_identified_from_its_values(one: dict[str, Any]) -> None:
    clock = recorded(one, {})
    truth = one["truth"]
    assert clock.family == truth["family"]
    assert not [d for d in clock.deviations if d.severity == "error"]
    shift = 0 if one["library"].startswith("timm") else 1  # steps are counted from 1, counters from 0
    if one["name"] in LINE_TO_ZERO_OR_FLOOR:
        return
    if "total" in truth:
        assert clock.total_steps is not None
        assert clock.total_steps[0] - shift == pytest.approx(truth["total"], abs=1.01)
    if "warmup" in truth:
        assert clock.warmup_steps is not None
        assert clock.warmup_steps[0] - shift == pytest.approx(truth["warmup"], abs=1.01)
    if "floor" in truth:
        assert clock.min_lr == pytest.approx(truth["floor"], rel=1e-3)
    for name in ("gamma", "step_size", "cycle_mult", "decay_steps"):
        if name in truth:
            assert clock.parameters[name] == pytest.approx(
                truth[name], rel=1e-3, abs=1.01 if name == "decay_steps" else 1e-6
            )
    if "milestones" in truth:
        assert [m - shift for m in clock.parameters["milestones"]] == truth["milestones"]


@pytest.mark.parametrize("seed", range(120))
def test_a_healthy_run_is_silent(seed: int) -> None:
    made = made_run(seed)
    assert made is not None
    clock = made.timeline.schedulers[0]
    loud = [(d.kind, d.step, d.what) for d in clock.deviations if d.severity != "note"]
    assert not loud, made.recipe


NAMED_AS: dict[Fault, set[str]] = {
    "horizon": {"horizon", "rate"},  # without a warmup the two are one
    "rate": {"rate", "horizon"},
    "warmup": {"warmup"},
    "jump": {"jump"},
    "lag": {"lag", "jump"},  # back by more than calls can explain
    "frozen": {"frozen"},
    "restart": {"restart"},
    "doubled": {"restart"},
    "per-epoch": {"per-epoch"},
}


@pytest.mark.parametrize("fault", NAMED_AS)
def test_most_planted_faults_are_named(fault: Fault) -> None:
    wrong, silent = [], []
    for seed in range(30):
        made = made_run(seed, fault)
        assert made is not None
        clock = made.timeline.schedulers[0]
        loud = [d for d in clock.deviations if d.severity != "note"]
        if not loud:
            silent.append(seed)
        elif loud[0].kind not in NAMED_AS[fault]:
            wrong.append((seed, loud[0].kind, loud[0].what, made.recipe))
    assert len(wrong) <= 1, wrong
    assert len(silent) <= 3, silent


def test_the_first_wrong_row_and_its_right_value_are_the_evidence() -> None:
    step = np.arange(1, 201)
    schedule = Schedule(family="cosine", peak=1e-3, warmup=20, total=400)
    declared = {"scheduler": "cosine", "warmup_steps": 20, "max_steps": 200, "base_lr": 1e-3}
    deviation = timeline_of(step, schedule(step - 1.0), declared).schedulers[0].deviations[0]
    assert deviation.kind == "horizon"
    assert 20 <= deviation.step <= 25
    right = Schedule(family="cosine", peak=1e-3, warmup=20, total=200)(np.array([deviation.step - 1.0]))[0]
    assert float(deviation.evidence[0].why.removeprefix("should be ")) == pytest.approx(right, rel=1e-4)


def test_two_cycles_of_a_schedule_nobody_declared_are_not_a_fault() -> None:
    one = next(r for r in RECORDED if r["name"] == "optax-sgdr")
    assert {(d.kind, d.severity) for d in recorded(one, {}).deviations} == {("restart", "note")}


def test_a_million_rows_and_a_drift_per_epoch_are_found_by_columns() -> None:
    step = np.arange(1, 200_001)
    epoch = (step - 1) // 5000
    declared = {"scheduler": "linear", "max_steps": 200_000, "base_lr": 1e-3}
    rate = Schedule(family="linear", peak=1e-3, total=200_000)(step - 1.0 + epoch)
    clock = timeline_of(step, rate, declared, epoch=epoch.astype(np.float64)).schedulers[0]
    assert [d.kind for d in clock.deviations] == ["per-epoch"]


def _line(p: np.ndarray, total: float = 400, warmup: float = 20) -> np.ndarray:
    return Schedule(family="linear", peak=1e-3, warmup=warmup, total=total)(p)


def _waits(seed: int, count: int) -> np.ndarray:
    """The counter of 400 updates of which some were skipped, at scattered places."""
    skipped = np.zeros(400)
    skipped[np.random.default_rng(seed).choice(np.arange(5, 390), count, replace=False)] = 1
    return np.arange(400) - np.concatenate([[0], np.cumsum(skipped)[:-1]])


def _one_cycle(total: float, count: int = 200) -> np.ndarray:
    shape = Schedule(family="one-cycle", peak=0.1, warmup=0.3 * total - 1, total=total - 1, warmup_start=0.004,
                     floor=0.004 / 1e4, shape="cosine")  # fmt: skip
    return shape(np.arange(float(count)))


STEPS = np.arange(1, 401)
LINEAR: dict[str, Any] = {"scheduler": "linear", "max_steps": 400, "base_lr": 1e-3, "warmup_steps": 20}
FLOOR: dict[str, Any] = {**LINEAR, "scheduler": "cosine", "min_lr": 1e-4}
DROPS: dict[str, Any] = {"scheduler": "StepLR", "scheduler_interval": "epoch", "base_lr": 0.1, "epochs": 60}
CYCLE: dict[str, Any] = {"scheduler": "OneCycleLR", "base_lr": 0.1, "max_steps": 200, "grad_accumulation": 2}
PLATEAU: dict[str, Any] = {"scheduler": "ReduceLROnPlateau", "base_lr": 0.1, "epochs": 60}
SAMPLES: dict[str, Any] = {"scheduler": "linear", "base_lr": 1e-3, "max_steps": 400, "warmup_steps": 0}
LEVELS: dict[str, Any] = {
    "scheduler": "WarmupMultiStepLR", "scheduler_interval": "step", "base_lr": 1e-3, "max_steps": 4000,
    "warmup_steps": 200,
    "scheduler_params": {"milestones": [2400, 3200], "gamma": 0.1},
}  # fmt: skip


def _cosine(floor: float) -> np.ndarray:
    return Schedule(family="cosine", peak=1e-3, warmup=20, total=400, floor=floor)(np.arange(400.0))


def _drops(each: float, size: float) -> np.ndarray:
    return 0.1 * 0.1 ** np.floor(np.arange(60) * each / size)


def _plateau(*levels: float) -> np.ndarray:
    return np.repeat(levels, 60 // len(levels))


@pytest.mark.parametrize(
    ("rates", "declared", "kinds", "shape"),
    [
        pytest.param(_line(_waits(1, 9)), LINEAR, {"skipped"}, {}, id="waits on both sides of the peak"),
        pytest.param(_line(_waits(2, 14)), LINEAR, {"skipped"}, {}, id="more of them"),
        pytest.param(_line(np.arange(400.0)), LINEAR, set(), {}, id="no waits"),
        pytest.param(_line(np.arange(400.0), total=460), LINEAR, {"horizon"}, {}, id="a longer decay is no waits"),
        pytest.param(_cosine(0.0), FLOOR, {"floor"}, {}, id="the declared floor is ignored"),
        pytest.param(_cosine(1e-4), FLOOR, set(), {}, id="the declared floor is met"),
        pytest.param(_drops(2, 12), {**DROPS, "scheduler_params": {"step_size": 12, "gamma": 0.1}}, {"rate"},
                     {"axis": "epoch", "digits": 1}, id="stepped twice an epoch, down nine decades"),
        pytest.param(_drops(1, 12), {**DROPS, "scheduler_params": {"step_size": 12, "gamma": 0.1}}, set(),
                     {"axis": "epoch", "digits": 1}, id="stepped once an epoch"),
        pytest.param(_one_cycle(400), CYCLE, {"horizon"}, {}, id="one cycle sized in micro-batches"),
        pytest.param(_one_cycle(200), CYCLE, set(), {}, id="one cycle of the planned length"),
        pytest.param(_plateau(0.1, 0.01, 0.001, 0.1), PLATEAU, {"restart"}, {"axis": "epoch", "cut": 45},
                     id="a plateau schedule forgotten at a resume"),
        pytest.param(_plateau(0.1, 0.01, 0.001, 1e-4), PLATEAU, set(), {"axis": "epoch", "cut": 45},
                     id="a plateau schedule that drops at a resume"),
        pytest.param(np.concatenate([_line(np.arange(250.0)), _line(np.arange(150.0), total=150)]),
                     LINEAR, {"restart"}, {}, id="a schedule rebuilt over what is left"),
        pytest.param(1e-3 * np.minimum(1, np.arange(400) / 70), LEVELS, {"warmup"}, {},
                     id="the first level behind a shorter warmup"),
        pytest.param(1e-3 * np.minimum(1, np.arange(400) / 200), LEVELS, set(), {}, id="the first level"),
        pytest.param(1e-3 * np.minimum(1, np.arange(3000) / 50), LEVELS, {"family"}, {}, id="a level that never ends"),
        pytest.param(np.array([0.0144737, 0.0263158]), {**LEVELS, "base_lr": 0.05}, set(), {},
                     id="two rows beside a schedule that no row follows"),
        pytest.param(_line(np.arange(44) // 5, warmup=100), {**LINEAR, "warmup_steps": 100, "grad_accumulation": 5},
                     set(), {}, id="a few windows: steps may be updates, or their batches"),
    ],
)  # fmt: skip
def test_what_ran_against_what_was_declared(
    rates: np.ndarray, declared: dict[str, Any], kinds: set[str], shape: dict[str, Any]
) -> None:
    first = 0 if shape.get("axis") == "epoch" else 1
    timeline = timeline_of(np.arange(first, first + len(rates)), rates, declared, **{"digits": 9, **shape})
    (clock,) = timeline.schedulers
    assert {d.kind for d in clock.deviations if d.severity != "note" or d.kind == "skipped"} == kinds


@pytest.mark.parametrize(("behind", "kinds"), [(2, set()), (4, set()), (12, {"restart"})])
def test_a_stair_that_has_not_ended_is_no_standstill(behind: int, kinds: set[str]) -> None:
    step = np.array([*range(9), *range(8, 8 + behind)])  # the resume's label is one too low
    stairs = np.array([0] * 4 + [1] * 5 + [2] * behind)
    declared = {
        "scheduler": "ExponentialDecay", "base_lr": 0.1, "epochs": 26, "dataset_size": 320, "batch_size": 16,
        "scheduler_params": {"decay_steps": 100, "decay_rate": 0.5, "staircase": True},
    }  # fmt: skip
    (clock,) = timeline_of(step, 0.1 * 0.5**stairs, declared, axis="epoch", cut=9).schedulers
    assert {one.kind for one in clock.deviations if one.severity != "note"} == kinds


SPARSE: dict[str, Any] = {"scheduler": "linear", "max_steps": 400, "base_lr": 1e-3, "warmup_steps": 30}
COSINE = {**SPARSE, "scheduler": "cosine"}
POLYNOMIAL = {**SPARSE, "scheduler": "polynomial"}
NO_WARMUP = {name: value for name, value in SPARSE.items() if name != "warmup_steps"}


def _shaped(family: str = "linear", warmup: float = 30, total: float = 400, **more: Any) -> np.ndarray:
    return Schedule(family=family, peak=1e-3, warmup=warmup, total=total, **more)(np.arange(400.0))


@pytest.mark.parametrize(
    ("rates", "declared", "kinds"),
    [
        pytest.param(_shaped(warmup=15), SPARSE, {"warmup"}, id="one row inside a shorter warmup"),
        pytest.param(_shaped(warmup=60), SPARSE, {"warmup"}, id="a longer one"),
        pytest.param(_shaped("cosine", warmup=15), COSINE, {"warmup"}, id="a cosine behind it"),
        pytest.param(_shaped(total=392), SPARSE, {"horizon"}, id="an end before the last row's"),
        pytest.param(_shaped(total=500), SPARSE, {"horizon"}, id="a longer decay"),
        pytest.param(_shaped(), SPARSE, set(), id="as declared"),
        pytest.param(_shaped(warmup_form="(p+1)/W"), SPARSE, set(), id="a warmup that begins at one share"),
        pytest.param(_shaped(warmup_start=1e-4), SPARSE, set(), id="a warmup that begins above zero"),
        pytest.param(_shaped(span="T"), SPARSE, set(), id="a total that excludes the warmup"),
        pytest.param(_shaped(), NO_WARMUP, set(), id="a warmup that nobody declared"),
        pytest.param(_shaped(floor=1.3e-5), SPARSE, set(), id="a floor that nobody declared"),
        pytest.param(_shaped("polynomial"), POLYNOMIAL, set(), id="a power of one is a line"),
    ],
)
@pytest.mark.parametrize("counted_from", [0, 1])
def test_one_row_in_ten(rates: np.ndarray, declared: dict[str, Any], kinds: set[str], counted_from: int) -> None:
    step = np.arange(counted_from, counted_from + 400)
    kept = step % 10 == 0
    (clock,) = timeline_of(step[kept], rates[kept], declared, digits=9).schedulers
    assert {d.kind for d in clock.deviations if d.severity != "note"} == kinds


def test_waits_are_found_among_many_rows() -> None:
    count = 20_000
    skipped = np.zeros(count)
    skipped[np.random.default_rng(3).choice(np.arange(20, count), 200, replace=False)] = 1
    counter = np.arange(count) - np.concatenate([[0], np.cumsum(skipped)[:-1]])
    declared = {"scheduler": "cosine", "max_steps": count, "base_lr": 1e-3, "warmup_steps": 500}
    rate = Schedule(family="cosine", peak=1e-3, warmup=500, total=count)(counter)
    (clock,) = timeline_of(np.arange(1, count + 1), rate, declared).schedulers
    assert [d.kind for d in clock.deviations] == ["skipped"]
    assert clock.deviations[0].numbers["skipped"] == pytest.approx(200, abs=4)


# A metric that improves for ten epochs and then stands still, with two better ones on the way.
METRIC = np.repeat([2.0, 1.5, 1.1, 0.9, 1.0, 0.8, 0.95], [3, 3, 10, 5, 13, 1, 25])
METRIC = np.round(METRIC * (1 + 0.01 * np.random.default_rng(1).normal(size=60)), 7)


def _torch_plateau(patience: int) -> np.ndarray:
    """Rates before each epoch, as torch's ReduceLROnPlateau sets them."""
    rate, best, bad, rates = 0.1, np.inf, 0, []
    for value in METRIC:
        rates.append(rate)
        best, bad = (value, 0) if value < best * (1 - 1e-4) else (best, bad + 1)
        if bad > patience:
            rate, bad = rate * 0.5, 0
    return np.array(rates)


@pytest.mark.parametrize(
    ("rates", "params"),
    [
        pytest.param(_torch_plateau(4), {"patience": 4, "factor": 0.5}, id="as declared"),
        pytest.param(_torch_plateau(4), {}, id="no patience declared"),
        pytest.param(_torch_plateau(3), {"patience": 4, "factor": 0.5}, id="Keras counts one call less"),
    ],
)
def test_a_plateau_schedule_is_run_again_on_its_metric(rates: np.ndarray, params: dict[str, Any]) -> None:
    declared = {"scheduler": "ReduceLROnPlateau", "scheduler_interval": "epoch", "base_lr": 0.1, "epochs": 60,
                "scheduler_params": params}  # fmt: skip
    timeline = timeline_of(np.arange(60), rates, declared, digits=9, axis="epoch", cut=40, metric=METRIC)
    (clock,) = timeline.schedulers
    assert (clock.family, clock.deviations) == ("plateau", ())
    patience = (4, 5) if params.get("patience") != 4 or rates[16] != rates[15] else (3, 4, 5)
    assert set(clock.parameters["bad_calls"]) & set(patience)  # type: ignore[arg-type]


def _three_phases(count: int, straight: bool) -> np.ndarray:
    """OneCycleLR(0.01, count, three_phase=True), as torch's formula has it."""
    ends, levels = (0.3 * count - 1, 0.6 * count - 2, count - 1), (4e-4, 0.01, 4e-4, 4e-8)
    step = np.arange(count, dtype=np.float64)
    phase = np.searchsorted(ends[:2], step)
    starts, lengths = np.array([0, *ends[:2]])[phase], np.diff([0, *ends])[phase]
    done = (step - starts) / lengths
    done = done if straight else 0.5 * (1 - np.cos(np.pi * done))
    return np.array(levels)[phase] * (1 - done) + np.array(levels)[phase + 1] * done


@pytest.mark.parametrize("straight", [False, True])
@pytest.mark.parametrize("declared", [{}, {"scheduler": "OneCycleLR", "base_lr": 0.01, "max_steps": 200}])
def test_three_phases_are_one_cycle(straight: bool, declared: dict[str, Any]) -> None:
    (clock,) = timeline_of(np.arange(1, 201), _three_phases(200, straight), declared, digits=9).schedulers
    assert (clock.family, clock.parameters["phases"], clock.deviations) == ("one-cycle", 3.0, ())
    assert clock.total_steps is not None
    assert clock.total_steps[1] == 200


@pytest.mark.parametrize("shrink", [1.0, 0.5])
def test_teeth_that_halve_are_cycles(shrink: float) -> None:
    teeth = Schedule(family="cyclic", peak=0.01, floor=0.001, step_size=25, timescale=25, gamma=shrink)
    (clock,) = timeline_of(np.arange(1, 301), teeth(np.arange(300.0)), {}, digits=9).schedulers
    assert clock.family == "cyclic"
    assert clock.parameters["step_size"] == pytest.approx(25)
    assert clock.parameters.get("gamma", 1.0) == shrink


ON_A_METRIC = ("a plateau schedule after 5 evaluations without improvement of val_loss",)


@pytest.mark.parametrize(
    ("rates", "declared", "metric", "aliases"),
    [
        pytest.param(_shaped(warmup=0, total=101)[:60], {**LINEAR, "max_steps": 202, "warmup_steps": 0}, None,
                     ("stepped once per update, built for 101 steps",), id="twice over T, or once over half of it"),
        pytest.param(_shaped(warmup=20, total=210)[:60], {}, None, ("linear to a floor of 0.0007947 at 60",),
                     id="a line that has not ended"),
        pytest.param(_shaped(warmup=20, total=60)[:60], {}, None, (), id="a line that has ended"),
        pytest.param(_torch_plateau(4), {}, METRIC, ON_A_METRIC, id="drops on a metric"),
        pytest.param(_drops(1, 12), {}, METRIC, (), id="drops that no metric explains"),
    ],
)  # fmt: skip
def test_what_a_log_cannot_tell_apart_is_told(
    rates: np.ndarray, declared: dict[str, Any], metric: np.ndarray | None, aliases: tuple[str, ...]
) -> None:
    (clock,) = timeline_of(np.arange(1, 61), rates, declared, digits=9, metric=metric).schedulers
    assert clock.aliases == aliases


@pytest.mark.parametrize(
    ("skipped_at", "declared", "severities"),
    [
        pytest.param([60], True, ["warning"], id="one update, declared: a missed call looks the same"),
        pytest.param([60], False, ["note"], id="one update, undeclared"),
        pytest.param([50, 100], True, ["note"], id="two updates that chance puts at the ends of epochs"),
        pytest.param([33, 61, 94], True, ["note"], id="three updates"),
    ],
)
def test_updates_that_were_skipped_are_no_proof_of_a_fault(
    skipped_at: list[int], declared: bool, severities: list[str]
) -> None:
    update = np.arange(400)
    counter = update - np.searchsorted(skipped_at, update, side="right")
    schedule = Schedule(family="cosine", peak=1e-3, warmup=20, total=400)
    facts = {"scheduler": "cosine", "warmup_steps": 20, "max_steps": 400, "base_lr": 1e-3, "steps_per_epoch": 10}
    clock = timeline_of(
        update + 1, schedule(counter.astype(np.float64)), facts if declared else {}, digits=9,
        epoch=(update // 10).astype(np.float64),
    ).schedulers[0]  # fmt: skip
    assert [one.severity for one in clock.deviations] == severities


@pytest.mark.parametrize("height", [1e-3, 0.3, 7e-6])
@pytest.mark.parametrize("every", [1, 7, 10])
@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_a_height_that_nobody_declares_is_read_off_the_rows(height: float, every: int, floor: float) -> None:
    step = np.arange(every, 401, every)
    schedule = Schedule(family="cosine", peak=height, floor=floor * height, warmup=32, total=400)
    declared = {"scheduler": "cosine", "warmup_steps": 32, "max_steps": 400, "min_lr": floor * height}
    for share in (0.2, 0.5, 1.0):
        rows = step[: int(share * len(step))]
        clock = timeline_of(rows, schedule(rows - 1.0), declared, digits=5).schedulers[0]
        assert clock.family == "cosine"
        assert clock.peak_lr == pytest.approx(height, rel=1e-4)
        assert not [one for one in clock.deviations if one.severity != "note"]


@pytest.mark.parametrize(
    ("places", "kinds"),
    [
        pytest.param([100, 200, 300], [], id="as declared"),
        pytest.param([100, 200], ["family"], id="the last drop never came"),
        pytest.param([50, 100, 150, 200, 250, 300, 350], ["rate"], id="twice as often"),
        pytest.param([100, 230, 300], ["family"], id="one is late"),
    ],
)
def test_every_declared_drop_is_looked_for(places: list[int], kinds: list[str]) -> None:
    step = np.arange(400)
    declared = {
        "scheduler": "StepLR", "scheduler_interval": "step", "base_lr": 0.1, "max_steps": 400,
        "scheduler_params": {"step_size": 100, "gamma": 0.5},
    }  # fmt: skip
    rate = 0.1 * 0.5 ** np.searchsorted(places, step, side="right")
    clock = timeline_of(step, rate, declared, digits=6).schedulers[0]
    assert [one.kind for one in clock.deviations if one.severity != "note"] == kinds


PLACES = [100.0, 200.0, 300.0]
KERAS: dict[str, Any] = {"scheduler": "ExponentialDecay", "base_lr": 0.1, "epochs": 30}


def _levels(places: list[float], count: int = 400, gamma: float = 0.5) -> np.ndarray:
    return 0.1 * gamma ** np.searchsorted(places, np.arange(count), side="right")


@pytest.mark.parametrize(
    ("rates", "declared", "axis", "kinds"),
    [
        pytest.param(_levels(PLACES), {"milestones": [4, 8, 12]}, "step", [], id="epochs of 25 steps"),
        pytest.param(_levels(PLACES), {"milestones": [4, 8, 12, 15]}, "step", ["family"], id="the fourth never came"),
        pytest.param(_levels(PLACES), {"milestones": [4, 8, 10]}, "step", ["family"], id="no size fits all three"),
        pytest.param(_levels(PLACES), {"step_size": 4}, "step", [], id="one size, in epochs of 25 steps"),
        pytest.param(_levels(PLACES), {"step_size": 50}, "step", ["rate"], id="half as often is no other unit"),
        pytest.param(_levels(PLACES), {"step_size": 100}, "step", [], id="in steps, as declared"),
        pytest.param(_levels([4, 9, 14, 19, 24], 30), {"step_size": 100}, "epoch", [], id="steps in a log of epochs"),
        pytest.param(_levels([4, 9, 19, 24], 30), {"step_size": 100}, "epoch", ["family"], id="one drop is left out"),
    ],
)
def test_a_unit_that_nobody_declares_is_one_size_for_all_drops(
    rates: np.ndarray, declared: dict[str, Any], axis: Any, kinds: list[str]
) -> None:
    name = "MultiStepLR" if "milestones" in declared else "StepLR"
    facts = {"scheduler": name, "base_lr": 0.1, "scheduler_params": {**declared, "gamma": 0.5}}
    clock = timeline_of(np.arange(len(rates)), rates, facts, digits=6, axis=axis).schedulers[0]
    assert [one.kind for one in clock.deviations if one.severity != "note"] == kinds


@pytest.mark.parametrize(
    ("rates", "family", "params", "kinds"),
    [
        pytest.param(0.1 * 0.8 ** ((25 * np.arange(8) + 24) / 50), "ExponentialDecay",
                     {"decay_steps": 50, "decay_rate": 0.8}, [], id="an exponential decay by steps"),
        pytest.param(0.03 / (1 + 0.01 * (375 * np.arange(30) + 374)), "InverseTimeDecay",
                     {"decay_steps": 1, "decay_rate": 0.01}, [], id="the first row stands an epoch below the peak"),
        pytest.param(0.01 / (1 + 0.01 * (20 * np.arange(30))), "InverseTimeDecay",
                     {"decay_steps": 1, "decay_rate": 0.01}, ["peak"], id="another peak"),
    ],
)  # fmt: skip
def test_steps_in_a_log_of_epochs(rates: np.ndarray, family: str, params: dict[str, Any], kinds: list[str]) -> None:
    facts = {"scheduler": family, "base_lr": 0.1 if family == "ExponentialDecay" else 0.03, "scheduler_params": params}
    clock = timeline_of(np.arange(len(rates)), rates, facts, axis="epoch").schedulers[0]
    assert [one.kind for one in clock.deviations if one.severity != "note"] == kinds


@pytest.mark.parametrize("cycles", [2, 3, 4, 7])
@pytest.mark.parametrize("declared", [{}, {"max_steps": 400}])
def test_cycles_that_fill_the_run_end_with_it(cycles: int, declared: dict[str, Any]) -> None:
    whole = Schedule(family="restarts", peak=5e-5, total=400, cycles=cycles)
    clock = timeline_of(np.arange(1, 401), whole(np.arange(1.0, 401.0)), declared).schedulers[0]
    assert clock.family == "warm-restarts" and not clock.deviations
    assert clock.parameters["step_size"] == pytest.approx(400 / cycles)


@pytest.mark.parametrize("last", [300, 375, 399])
@pytest.mark.parametrize("declared", [{}, {"base_lr": 0.1}])
def test_the_length_of_one_cycle_is_read_off_its_fall(last: int, declared: dict[str, Any]) -> None:
    facts, rates = {"scheduler": "OneCycleLR", **declared}, _one_cycle(400, last)[::5]
    clock = timeline_of(np.arange(0, last, 5), rates, facts).schedulers[0]
    assert clock.family == "one-cycle" and not clock.deviations
    assert clock.total_steps == (399, 399)


@pytest.mark.parametrize("until", [0.35, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("warmup", [0.0, 40.0, 41.5])
@pytest.mark.parametrize(
    ("floor", "first"), [(1e-6, 0), (0.0, 1), (3.3e-5, 0)], ids=["floor", "to zero, from 1", "an odd floor"]
)
def test_a_cosine_that_was_cut_is_read_by_its_beginning(until: float, warmup: float, floor: float, first: int) -> None:
    step = np.arange(first, int(600 * until), 5)
    done = (step - first - warmup) / (600 - warmup)
    decay = floor + (3e-4 - floor) * 0.5 * (1 + np.cos(np.pi * np.clip(done, 0, 1)))
    rate = np.where(done < 0, 3e-4 * (step - first) / max(warmup, 1), decay)
    clock = timeline_of(step, rate, {}, digits=9).schedulers[0]
    assert clock.family == "cosine" and not clock.deviations
    assert clock.total_steps is not None
    assert clock.total_steps[0] == pytest.approx(600 + first, abs=1.01)


def _any_rise(total: int, *, shape: float = 2.0, warmup: int = 60, lag: int = 0, seen: int = 600) -> np.ndarray:
    """A warmup by a power that no table has, then a cosine; ``lag``: from step 300 on the counter stands that long."""
    step = np.arange(seen, dtype=float)
    count = np.where(step < 300, step, np.maximum(step - lag, 300))
    rise = 1e-3 * ((count + 1) / warmup) ** shape
    decay = 1e-3 * 0.5 * (1 + np.cos(np.pi * np.clip((count - warmup) / (total - warmup), 0, 1)))
    return np.minimum(rise, decay)


RISEN: dict[str, Any] = {"scheduler": "cosine", "base_lr": 1e-3, "max_steps": 600}


@pytest.mark.parametrize(
    ("rates", "facts", "kinds"),
    [
        pytest.param(_any_rise(600), RISEN, [], id="as declared"),
        pytest.param(_any_rise(600, shape=3.3), RISEN, [], id="another power"),
        pytest.param(_any_rise(600, shape=0.4), {}, [], id="nothing declared"),
        pytest.param(_any_rise(600, seen=400), RISEN, [], id="cut"),
        pytest.param(_any_rise(1200), RISEN, ["horizon"], id="built for twice the steps"),
        pytest.param(_any_rise(400), RISEN, ["horizon"], id="built for fewer"),
    ],
)
def test_a_schedule_behind_a_warmup_of_any_form(rates: np.ndarray, facts: dict[str, Any], kinds: list[str]) -> None:
    clock = timeline_of(np.arange(len(rates)), rates, facts, digits=9).schedulers[0]
    assert [one.kind for one in clock.deviations if one.severity != "note"] == kinds
    assert clock.family == "cosine"


@pytest.mark.parametrize(
    ("moved", "kind"),
    [(1, "lead"), (-1, "lag"), (2, "lead"), (-3, "lag"), (120, "jump"), (-80, "jump")],
    ids=["called twice", "one call missed", "three calls", "three back", "far ahead", "gone back"],
)
def test_a_counter_that_no_calls_can_move_has_jumped(moved: int, kind: str) -> None:
    step = np.arange(400)
    rates = Schedule(family="cosine", peak=1e-3, total=600)((step + moved * (step >= 200)).astype(float))
    clock = timeline_of(step, rates, {"scheduler": "cosine", "base_lr": 1e-3, "max_steps": 600}).schedulers[0]
    assert [(one.kind, one.step) for one in clock.deviations if one.severity != "note"] == [(kind, 200)]


@pytest.mark.parametrize(
    ("facts", "last", "kinds"),
    [({"scheduler": "linear", "max_steps": 100}, 200, ["overrun"]), ({}, 200, ["overrun"]), ({}, 100, [])],
    ids=["past the declared end", "nothing declared", "to its end"],
)
def test_a_rate_below_zero_has_gone_past_its_end(facts: dict[str, Any], last: int, kinds: list[str]) -> None:
    step = np.arange(last)
    clock = timeline_of(step, 1e-4 * (1 - step / 100), {"base_lr": 1e-4, **facts}, digits=9).schedulers[0]
    loud = [(one.kind, one.step) for one in clock.deviations if one.severity != "note"]
    assert loud == [(kind, 101) for kind in kinds]


@pytest.mark.parametrize("back", [None, 1e-3, 5e-4], ids=["goes on", "to its first value", "to another"])
def test_many_levels_are_left_where_they_are_left(back: float | None) -> None:
    step = np.arange(0, 16_001, 20)
    rate = 1e-3 * 0.9 ** (step // 500)
    if back is not None:
        rate[step >= 8000] = back
    clock = timeline_of(step, rate, {"max_steps": 16_000, "base_lr": 1e-3}).schedulers[0]
    loud = [(one.kind, one.step) for one in clock.deviations if one.severity != "note"]
    assert loud == ([] if back is None else [("jump", 8000)])
