"""Runs in memory whose learning rate is a known schedule: healthy, or with one fault planted. Seeded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from analyzer.clocks.schedules import Schedule
from analyzer.config.declared import checked_fact, merge
from analyzer.model import Floats, Ints, Marker, Run, Series, Source, View
from analyzer.reconstruction import reconstruct
from analyzer.timeline import Timeline

Fault = Literal["horizon", "rate", "warmup", "restart", "doubled", "jump", "lag", "per-epoch", "frozen"]
NAMES = {
    "constant": "constant_with_warmup",
    "linear": "linear",
    "cosine": "cosine",
    "polynomial": "polynomial",
    "exponential": "ExponentialLR",
    "inverse-sqrt": "inverse_sqrt",
    "step": "StepLR",
    "wsd": "warmup_stable_decay",
    "warm-restarts": "CosineAnnealingWarmRestarts",
}


def timeline_of(
    step: Ints, rate: Floats, declared: Mapping[str, Any], *, digits: int | None = None, cut: int | None = None,
    epoch: Floats | None = None, axis: Literal["step", "epoch", "batch"] = "step", metric: Floats | None = None,
) -> Timeline:  # fmt: skip
    """A run with a learning rate and a harmless loss.

    Args:
        digits: significant digits that were printed; None: a float32, as in an event file.
        cut: first row of a second life of the process, in a file of its own.
        axis: what the log's step counts.
        metric: a validation loss, one value for each row.
    """
    count = len(rate)
    if digits is None:
        rate = rate.astype(np.float32).astype(np.float64)
    else:
        rate = np.array([float(f"{value:.{digits - 1}e}") for value in rate])
    source, wall, row = np.zeros(count, dtype=np.int32), 1000.0 + np.arange(count), np.arange(count)
    files = [Source(path="first", format="made", start_time=999.0, host="node", pid=1, step_axis=axis)]
    markers: list[Marker] = []
    if cut is not None:
        source[cut:], wall[cut:], row[cut:] = 1, wall[cut:] + 600, row[cut:] - cut
        files.append(replace(files[0], path="second", start_time=float(wall[cut]) - 1, pid=2))
        markers.append(Marker(source=1, row=0, kind="file-start", wall_time=float(wall[cut]) - 1))

    def series(tag: str, value: Floats) -> Series:
        return Series(
            tag=tag,
            step=step.astype(np.int64),
            value=value.astype(np.float64),
            wall_time=wall.copy(),
            source=source.copy(),
            row=row.astype(np.int64), written_as="float32" if digits is None else "decimal",
        )  # fmt: skip

    told = {"lr": series("lr", rate), "loss": series("loss", 0.5 + 2 / (1 + step / 20))}
    if epoch is not None:
        told["epoch"] = series("epoch", epoch)
    if metric is not None:
        told["val_loss"] = series("val_loss", metric)
    view = View(name="", sources=tuple(range(len(files))), series=told)
    run = Run(name="made", sources=tuple(files), views=(view,), markers=tuple(markers))
    return reconstruct(run, merge([checked_fact(key, value, "test") for key, value in declared.items()]))


class Made(Struct, frozen=True, kw_only=True):
    """A run and how it was made."""

    timeline: Timeline
    recipe: Mapping[str, Any] = field(default_factory=dict)


def healthy_schedule(random: np.random.Generator, family: str, total: int) -> tuple[Schedule, dict[str, Any]]:
    """A schedule in one of the usual conventions, and its declaration."""
    peak = float(f"{10.0 ** random.integers(-5, 0) * random.choice([1, 2, 3, 5, 1.5]):.6g}")
    width = 0 if random.random() < 0.35 else int(max(4, random.uniform(0.02, 0.15) * total))
    floor = 0.0 if random.random() < 0.6 else float(f"{peak * random.choice([0.1, 0.01]):.6g}")
    form = str(random.choice(["p/W", "p/W", "(p+1)/W", "(p+1)/(W+1)"]))
    declared: dict[str, Any] = {"scheduler": NAMES[family], "base_lr": peak, "max_steps": total}
    if width:
        declared["warmup_steps"] = width
    schedule = Schedule(family=family, peak=peak, floor=floor, warmup=width, warmup_form=form, total=total)  # type: ignore[arg-type]
    if floor:
        declared["min_lr"] = floor
    if family == "cosine":
        schedule = replace(schedule, span=str(random.choice(["T-W", "T-W, ahead"])))  # type: ignore[arg-type]
    if family == "polynomial":
        schedule, declared["scheduler_params"] = replace(schedule, power=2.0), {"power": 2.0}
    if family in ("exponential", "inverse-sqrt", "step", "constant"):
        declared.pop("min_lr", None)
        schedule = replace(schedule, floor=0.0)
    if family == "exponential":
        gamma = float(f"{0.01 ** (1 / total):.9g}")
        schedule, declared["scheduler_params"] = replace(schedule, gamma=gamma), {"gamma": gamma}
    if family == "inverse-sqrt":
        schedule = replace(schedule, timescale=width or 10_000)
    if family == "step":
        size = max(5, total // 4)
        schedule, declared["scheduler_params"] = replace(schedule, step_size=size), {"step_size": size, "gamma": 0.1}
    if family in ("exponential", "step"):
        declared["scheduler_interval"] = "step"
    if family == "wsd":
        length = max(5, total // 5)
        schedule, declared["scheduler_params"] = replace(schedule, decay_steps=length), {"num_decay_steps": length}
    if family == "warm-restarts":
        size = max(5, total // 3)
        schedule = replace(schedule, warmup=0, step_size=size, gamma=1.0)
        declared.pop("warmup_steps", None)
        declared |= {"min_lr": floor, "scheduler_params": {"T_0": size}}
    return schedule, declared


def made_run(seed: int, fault: Fault | None = None) -> Made | None:
    """A run of 100 to 20,000 updates; None where the draw is too short to show anything."""
    random = np.random.default_rng(seed)
    total = int(np.exp(random.uniform(np.log(100), np.log(20_000))))
    family = str(random.choice(["linear", "cosine"] if fault else list(NAMES)))
    schedule, declared = healthy_schedule(random, family, total)
    if fault in ("rate", "warmup") and schedule.warmup < 12:
        width = max(12, total // 10)
        schedule, declared = replace(schedule, warmup=width), {**declared, "warmup_steps": width}
    base, ahead = int(random.integers(0, 2)), int(random.integers(0, 2))
    update = np.arange(total)
    counter = (update + ahead).astype(np.float64)
    rate, cut, epoch = schedule(counter), None, None
    middle = int(total * random.uniform(0.3, 0.7))
    late = update >= middle
    if fault == "horizon":
        rate = replace(schedule, total=round(total * random.choice([0.5, 0.9, 1.5, 2.0])))(counter)
    elif fault == "rate":
        rate = schedule(counter * random.choice([2, 4, 0.5]))
    elif fault == "warmup":
        rate = replace(schedule, warmup=round(schedule.warmup * random.choice([0.5, 2.0])))(counter)
    elif fault == "jump":
        rate = rate * np.where(late, random.choice([0.1, 0.5, 2.0]), 1.0)
    elif fault == "lag":
        rate = schedule(counter - random.choice([2, 5]) * late)
    elif fault == "frozen":
        rate = schedule(np.minimum(counter, counter[middle]))
    elif fault in ("restart", "doubled"):
        cut, rate = middle, schedule(counter + (middle if fault == "doubled" else -middle) * late)
    elif fault == "per-epoch":
        length = max(10, total // 6)
        epoch = (update // length).astype(np.float64)
        rate = schedule(counter + epoch)
        declared = {**declared, "steps_per_epoch": length, "epochs": total / length}
    elif random.random() < 0.3:
        cut = middle
    every = 1 if total < 400 else int(random.choice([1, 5, 10]))
    kept = (update + base) % every == 0
    digits = random.choice([0, 5, 9])
    recipe = {
        "family": family,
        "total": total,
        "warmup": schedule.warmup,
        "every": every,
        "digits": digits,
        "declared": declared,
    }
    first_of_second = None if cut is None else int(kept[:cut].sum())
    timeline = timeline_of(
        (update + base)[kept], rate[kept], declared, digits=int(digits) or None, cut=first_of_second,
        epoch=None if epoch is None else epoch[kept],
    )  # fmt: skip
    return Made(timeline=timeline, recipe=recipe)
