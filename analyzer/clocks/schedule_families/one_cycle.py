"""Up from a low start and down to nothing (torch OneCycleLR, optax, fastai)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.claim import Claim, first_number
from analyzer.clocks.schedule_families.conventions import Extras
from analyzer.clocks.schedules import Family, Schedule
from analyzer.model import Floats


def value(schedule: Schedule, p: Floats) -> Floats:
    """Up from ``warmup_start`` at 0 to the peak at ``warmup``, down to ``floor`` at ``total``."""
    up = np.clip(p / max(schedule.warmup, 1e-9), 0.0, 1.0)
    down = np.maximum((p - schedule.warmup) / max(schedule.total - schedule.warmup, 1e-9), 0.0)
    if schedule.clamp:
        down = np.minimum(down, 1.0)
    if schedule.shape == "cosine":
        up, down = 0.5 * (1 - np.cos(np.pi * up)), 0.5 * (1 - np.cos(np.pi * down))
    rising = schedule.warmup_start + (schedule.peak - schedule.warmup_start) * up
    falling = schedule.peak + (schedule.floor - schedule.peak) * down
    return np.where(p <= schedule.warmup, rising, falling)


def admitted(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    params = claim.params
    peak = first_number(params, "max_lr", "lr_max") or blank.peak
    share = first_number(params, "pct_start") or None
    div = first_number(params, "div_factor", "div") or 25.0
    final = first_number(params, "final_div_factor", "div_final")
    start = peak / div
    for end in (total,) if total is not None else extras.totals:
        for pct in (share,) if share else (0.3, 0.25):
            for shape in ("cosine", "linear"):
                for floor in (start / (final or 1e4), peak / (final or 1e5)):
                    one = replace(blank, peak=peak, warmup_start=start, floor=floor, shape=shape)
                    yield replace(one, warmup=pct * end - 1, total=end - 1, clamp=False)  # torch: goes on past its end
                    yield replace(one, warmup=math.floor(pct * end), total=end)  # optax
                    yield replace(one, warmup=pct * end, total=end)  # fastai


FAMILY = Family(
    name="one-cycle",
    spelled="cosine_onecycle linear_onecycle linear_onecycle_schedule OneCycleLR OneCycle fit_one_cycle "
    "cosine_onecycle_schedule",
    value=value,
    admitted=admitted,
    ends=True,
    covers_warmup=True,
)
