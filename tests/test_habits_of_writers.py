"""Habits of public training programs' logs: sound as they are, and the faults that look like them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import analyzer
from tests.clocks.made_runs import write_events


def _loss(share: float, at: int) -> float:
    return 3.0 * 0.5 ** (4 * share) + 0.02 * ((at * 37) % 11 - 5)


def _same_lines_for_both(batches: int, cadence: int = 10, epochs: int = 6) -> Iterator[str]:
    """Conv-TasNet's: one function prints the rows of the training and, behind its summary, of the validation."""
    for epoch in range(1, epochs + 1):
        for name, places in (("Train", batches), ("Valid", batches // 5)):
            loss = _loss(epoch / epochs, epoch)
            for at in range(0, places, cadence):
                one = loss + 0.01 * (at % 7)
                yield f"Epoch {epoch} | Iter {at + 1} | Average Loss {loss:.3f} | Current Loss {one:.6f} | 9.1 ms/batch"
            yield f"{name} Summary | End of Epoch {epoch} | Time 61.20s | {name} Loss {loss:.3f}"


def _micro_batches(parts: int, steps: int, drops: tuple[int, ...] = ()) -> Iterator[str]:
    """BiT's: a line for every micro-batch, a rate of two digits that rises by a line and falls by levels."""
    for step in range(steps):
        rate = 0.03 * min(1.0, step / 100) * 0.1 ** sum(step >= drop for drop in drops)
        for part in range(parts):
            place = f" ({part + 1}/{parts})" if parts > 1 else ""
            yield f"[step {step}{place}]: loss={_loss(step / steps, step + part):.5f} (lr={rate:.1e})"


def _in_thousands(step: int) -> str:
    return f"{step / 1000:.2f}K" if step >= 1000 else str(step)


def _rounded_steps(last: int, every: int) -> Iterator[str]:
    for step in range(every, last + 1, every):
        yield f"step {_in_thousands(step)} | loss {_loss(step / last, step):.3f} | lr {3e-4 * (1 - step / last):.2e}"


def _twelve_hours(first: int, rows: int, half: bool = True) -> Iterator[str]:
    """DrQA's: ``%I:%M:%S %p`` and a colon, a row a minute; without the half of the day the clock falls back."""
    for at in range(rows):
        hour, minute = divmod(first * 60 + at, 60)
        time = f"10/{28 + hour // 24:02d}/2021 {(hour - 1) % 12 + 1:02d}:{minute:02d}:19"
        part = (" PM" if hour % 24 >= 12 else " AM") if half else ""
        yield f"{time}{part}: [ train: Epoch = 0 | iter = {25 * at}/9000 | loss = {_loss(at / rows, at):.2f} ]"


def _objects(rate: Callable[[int], float], rows: int, between: dict[int, str] | None = None) -> Iterator[str]:
    """JSON lines; ``between``: what else stands in front of a row."""
    for step in range(rows):
        if between and step in between:
            yield between[step]
        yield json.dumps({"epoch": step // 43, "step": step, "lr": rate(step), "loss": _loss(step / rows, step)})


def _clipped(held: float) -> Callable[[int], float]:
    """minGPT's: a rise, and a cosine that is not let below a share of its height."""
    return lambda step: 6e-4 * min((step + 1) / 20, max(held, 0.5 + 0.5 * float(np.cos(np.pi * (step - 19) / 380))))


def _rise_into_a_decay(warmup: int, total: int = 500) -> Callable[[int], float]:
    """SlowFast's: a line from 0.01 to where the cosine, which runs from the first step on, has come by then."""

    def rate(step: int) -> float:
        fallen, met = (0.2 * (1 + float(np.cos(np.pi * at / total))) for at in (step, warmup))
        return round(fallen if step >= warmup else 0.01 + (met - 0.01) * step / warmup, 5)

    return rate


def _with_comments(rows: int) -> Iterator[str]:
    yield "epoch,batch,loss,acc"
    for at in range(rows):
        yield f"{at // 40},{at % 40},{_loss(at / rows, at):.4f},0.5"
        if at % 40 == 39:
            yield f"# epoch {at // 40} done, val loss {_loss(at / rows, at):.3f}"


def _over_tokens(rows: int) -> Iterator[str]:
    """A cosine over the tokens, of which a step takes twice as many from a quarter on."""
    tokens, total = 0, 2**15 * (2 * rows - rows // 4)
    for step in range(1, rows + 1):
        tokens += 2**15 * (1 if step <= rows // 4 else 2)
        rate = 6e-4 * min(50 * tokens / total, 0.5 + 0.5 * float(np.cos(np.pi * tokens / total)))
        yield json.dumps({"epoch": 0, "step": step, "tokens": tokens, "lr": rate, "loss": _loss(step / rows, step)})


def _restarts(step: int) -> float:
    return 0.05 * 0.5 * (1 + float(np.cos(np.pi * (step % 86) / 86)))


def _every_fifth(lines: Iterator[str]) -> Iterator[str]:
    yield from (line for at, line in enumerate(lines) if at % 5 == 0)


BOTH, MICRO, ROUNDED, OBJECTS = _same_lines_for_both, _micro_batches, _rounded_steps, _objects
BANNER = {0: "main.py --batch-size 2048", 120: "main.py --batch-size 2048"}
SGDR = {"scheduler": "CosineAnnealingWarmRestarts", "scheduler_interval": "epoch", "base_lr": 0.05,
        "scheduler_params": {"T_0": 2, "T_mult": 1}}  # fmt: skip
WARM = {"scheduler": "cosine", "base_lr": 0.4, "max_steps": 500}
LOGS: list[Any] = [
    pytest.param(BOTH(344), {"epochs": 6, "steps_per_epoch": 344}, set(), id="one function prints both"),
    pytest.param(BOTH(344), {"epochs": 6, "steps_per_epoch": 341}, set(), id="ends at the last place"),
    pytest.param(BOTH(344), {"steps_per_epoch": 500}, {"EPO002"}, id="and another length is declared"),
    pytest.param(MICRO(8, 150), {"max_steps": 150}, set(), id="steps of micro-batches"),
    pytest.param(MICRO(4, 150), {"max_steps": 150, "grad_accumulation": 4}, set(), id="accumulation declared"),
    pytest.param(MICRO(4, 150), {"max_steps": 100, "grad_accumulation": 4}, {"EPO004"}, id="longer than declared"),
    pytest.param(MICRO(1, 400, (127, 276, 360)), {}, set(), id="levels behind a rise of two digits"),
    pytest.param(MICRO(1, 400, (197, 310)), {"warmup_steps": 100, "base_lr": 0.03}, set(), id="a rise declared"),
    pytest.param(ROUNDED(3000, 50), {"max_steps": 3000, "base_lr": 3e-4}, set(), id="steps in thousands"),
    pytest.param(ROUNDED(1500, 50), {"max_steps": 1000}, {"EPO004"}, id="too many steps, in thousands"),
    pytest.param(_twelve_hours(22, 200), {}, set(), id="over midnight and one at night"),
    pytest.param(_twelve_hours(10, 200), {}, set(), id="over noon and one in the afternoon"),
    pytest.param(OBJECTS(lambda _: 0.1, 300, BANNER), {}, set(), id="the command above the objects of each life"),
    pytest.param(OBJECTS(lambda _: 0.1, 300, {120: '{"epoch": 2, "lo'}), {}, {"LOG002"}, id="a part of an object"),
    pytest.param(OBJECTS(_clipped(0.1), 400), {"base_lr": 6e-4}, set(), id="a cosine held at a tenth"),
    pytest.param(OBJECTS(_rise_into_a_decay(140), 500), {**WARM, "warmup_steps": 140}, set(), id="rises into a decay"),
    pytest.param(OBJECTS(_rise_into_a_decay(140), 500), {**WARM, "warmup_steps": 70}, {"SCH003"}, id="twice as long"),
    pytest.param(_with_comments(200), {"steps_per_epoch": 40, "epochs": 5}, set(), id="comments between the rows"),
    pytest.param(_over_tokens(400), {"scheduler": "cosine", "max_steps": 400}, set(), id="a schedule over tokens"),
    pytest.param(_every_fifth(OBJECTS(_restarts, 430)), SGDR, set(), id="restarts in epochs of unknown length"),
]


@pytest.mark.parametrize(("lines", "declared", "told"), LOGS)
def test_what_a_habit_is_told_as(
    lines: Iterator[str], declared: dict[str, Any], told: set[str], tmp_path: Path
) -> None:
    text = "".join(f"{line}\n" for line in lines)
    name = "train.jsonl" if '{"epoch"' in text else "train.csv" if text.startswith("epoch,") else "train.log"
    (tmp_path / name).write_text(text)
    (run,) = analyzer.read(tmp_path)
    (report,) = analyzer.audit(run, declared=declared).runs
    assert {one.code for one in report.findings if one.severity != "note"} == told


def test_an_axis_that_its_own_counter_names(tmp_path: Path) -> None:
    """Tianshou writes losses over the updates, rewards over the steps of play, and each counter over itself."""
    points = []
    for epoch in range(1, 21):
        for part in range(1, 5):
            update, played = 40 * (4 * (epoch - 1) + part), 500 * (4 * (epoch - 1) + part)
            wall = 60.0 * update
            points += [("update/loss", update, 50.0 / update, wall), ("train/reward", played, played / 9, wall)]
        points += [("save/env_step", played, played, wall), ("save/epoch", epoch, epoch, wall)]
    write_events(tmp_path / "log", points)
    (run,) = analyzer.read(tmp_path)
    (report,) = analyzer.audit(run, declared={"epochs": 20}).runs
    assert [one.code for one in report.findings if one.severity != "note"] == []


def _averaged_behind(step: int) -> float:
    """A cosine to zero over three quarters of the run, and the constant rate of stochastic weight averaging."""
    return 0.0025 * (1 + float(np.cos(np.pi * step / 225))) if step < 225 else 0.001


def _multiplied_inside(step: int) -> float:
    return (1.0 if step < 120 else 3.0) * _averaged_behind(min(step, 224))


@pytest.mark.parametrize(
    ("rate", "told"), [(_averaged_behind, set()), (_multiplied_inside, {"SCH006"})], ids=["behind its end", "inside"]
)
def test_a_schedule_that_is_left(rate: Callable[[int], float], told: set[str], tmp_path: Path) -> None:
    points = [("loss", step, _loss(step / 300, step), float(step)) for step in range(300)]
    write_events(tmp_path / "log", points + [("lr", step, rate(step), float(step)) for step in range(300)])
    (run,) = analyzer.read(tmp_path)
    (report,) = analyzer.audit(run).runs
    assert {one.code for one in report.findings if one.severity != "note"} == told


@pytest.mark.parametrize(("more", "told"), [(0, set()), (1, set()), (12, {"RES006"})])
def test_the_step_that_was_saved_is_trained_again(more: int, told: set[str], tmp_path: Path) -> None:
    for number, (first, last) in enumerate([(0, 260), (200, 500)]):
        steps = range(first, last, 20)
        points = [("loss", step, _loss(step / 500, step), step + 9e3 * number) for step in steps]
        rates = [1e-3 * 0.995 ** (step + more * number) for step in steps]
        points += [("lr", step, rate, step + 9e3 * number) for step, rate in zip(steps, rates, strict=True)]
        write_events(tmp_path / "log", points)
    (run,) = analyzer.read(tmp_path)
    declared = {"scheduler": "ExponentialLR", "scheduler_params": {"gamma": 0.995}, "base_lr": 1e-3}
    (report,) = analyzer.audit(run, declared={**declared, "scheduler_interval": "step"}).runs
    assert {one.code for one in report.findings if one.severity != "note"} == told


@pytest.mark.parametrize(
    ("milestones", "resumed", "again", "told"),
    [
        ((6, 9), None, 0, set()),
        ((4, 6), 5 * 58, 0, set()),  # the state came back
        ((4, 6), 5 * 58, 5 * 58 - 232, {"RES006"}),  # it was 58 steps older
        ((4, 6), 5 * 58, 5 * 58, {"RES006"}),  # it was a new one
    ],
)
def test_an_epoch_whose_length_nothing_tells(
    milestones: tuple[int, int], resumed: int | None, again: int, told: set[str], tmp_path: Path
) -> None:
    for number, (first, last) in enumerate([(0, 696)] if resumed is None else [(0, resumed), (resumed, 696)]):
        late = again if number else 0
        rates = [0.1 * 0.1 ** sum((step - late) // 58 >= drop for drop in milestones) for step in range(first, last)]
        points = [("loss", step, _loss(step / 696, step), step + 9e4 * number) for step in range(first, last)]
        points += [("lr", first + k, rate, first + k + 9e4 * number) for k, rate in enumerate(rates)]
        write_events(tmp_path / "log", points)
    (run,) = analyzer.read(tmp_path)
    declared = {"scheduler": "MultiStepLR", "scheduler_params": {"milestones": list(milestones), "gamma": 0.1}}
    (report,) = analyzer.audit(run, declared={**declared, "base_lr": 0.1, "scheduler_interval": "epoch"}).runs
    assert {one.code for one in report.findings if one.severity != "note"} == told


@pytest.mark.parametrize(("epochs", "told"), [(1, set()), (3, {"SCH003"})])
def test_a_warmup_in_epochs_of_a_length_that_is_known_about(epochs: int, told: set[str], tmp_path: Path) -> None:
    """A row every hundred steps of epochs of 216."""
    total, rise = 20 * 216, 216
    lines = []
    for step in range(0, total, 50):
        fallen = 0.5 + 0.5 * float(np.cos(np.pi * (step - rise) / (total - rise)))
        rate = 8 * (step / rise if step < rise else fallen)
        lines.append(json.dumps({"epoch": step // 216, "step": step, "lr": rate, "loss": _loss(step / total, step)}))
    (tmp_path / "stats.jsonl").write_text("\n".join(lines))
    (run,) = analyzer.read(tmp_path)
    (report,) = analyzer.audit(run, declared={"warmup_epochs": epochs, "base_lr": 8.0}).runs
    assert {one.code for one in report.findings if one.severity != "note"} == told


def test_steps_that_may_be_epochs(tmp_path: Path) -> None:
    declared = {"scheduler": "CosineAnnealingLR", "scheduler_params": {"T_max": 60}, "scheduler_interval": "epoch"}
    rates = [0.05 * (1 + float(np.cos(np.pi * epoch / 60))) for epoch in range(61)]
    points = [(tag, epoch, value, 60.0 * epoch) for epoch in range(1, 61)
              for tag, value in (("train/loss", _loss(epoch / 60, epoch)), ("train/lr", rates[epoch - 1]))]
    write_events(tmp_path / "log", points)
    (run,) = analyzer.read(tmp_path)
    (report,) = analyzer.audit(run, declared={**declared, "base_lr": 0.1}).runs
    assert [one.code for one in report.findings if one.severity != "note"] == []
