"""Record learning rates from the real schedulers of several libraries, for fixtures/schedules/schedules.jsonl.

Needs its own environment, never the project's: ``pip install torch torchvision transformers timm optax keras jax``.
Every line of the output is one schedule: which library and version, the call, what a user would declare, what is true,
and the rate that each update used, from the first on. DeepSpeed, Megatron-LM and nanoGPT are written from their
formulas (the sources are named), as they cannot be run without their whole stack.

    python scripts/record_schedules.py fixtures/schedules/schedules.jsonl
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

STEPS = 200
PEAK = 0.01
WARMUP = 20


def entry(
    name: str, library: str, call: str, rates: list[float], declared: dict[str, Any], truth: dict[str, Any]
) -> dict[str, Any]:
    """One schedule: nine significant digits are what a float32 needs to be read back."""
    return {
        "name": name,
        "library": library,
        "call": call,
        "declared": declared,
        "truth": truth,
        "rates": [float(f"{rate:.9g}") for rate in rates],
    }


def torch_schedules() -> Iterator[dict[str, Any]]:
    import torch
    from torch.optim import lr_scheduler as s

    library = f"torch {torch.__version__.split('+')[0]}"

    def record(make: Callable[[Any], Any], steps: int = STEPS, peak: float = PEAK) -> list[float]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
        scheduler = make(optimizer)
        rates = []
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return rates

    base = {"base_lr": PEAK, "max_steps": STEPS, "scheduler_interval": "step"}
    yield entry(
        "torch-steplr",
        library,
        "StepLR(40, 0.5)",
        record(lambda o: s.StepLR(o, 40, 0.5)),
        {**base, "scheduler": "StepLR", "scheduler_params": {"step_size": 40, "gamma": 0.5}},
        {"family": "step", "step_size": 40, "gamma": 0.5},
    )
    yield entry(
        "torch-multisteplr",
        library,
        "MultiStepLR([60, 150], 0.1)",
        record(lambda o: s.MultiStepLR(o, [60, 150], 0.1)),
        {**base, "scheduler": "MultiStepLR", "scheduler_params": {"milestones": [60, 150], "gamma": 0.1}},
        {"family": "step", "gamma": 0.1, "milestones": [60, 150]},
    )
    yield entry(
        "torch-exponentiallr",
        library,
        "ExponentialLR(0.98)",
        record(lambda o: s.ExponentialLR(o, 0.98)),
        {**base, "scheduler": "ExponentialLR", "scheduler_params": {"gamma": 0.98}},
        {"family": "exponential"},
    )
    yield entry(
        "torch-cosine",
        library,
        "CosineAnnealingLR(200)",
        record(lambda o: s.CosineAnnealingLR(o, 200)),
        {**base, "scheduler": "CosineAnnealingLR"},
        {"family": "cosine", "total": 200},
    )
    yield entry(
        "torch-cosine-min",
        library,
        "CosineAnnealingLR(200, eta_min=0.001)",
        record(lambda o: s.CosineAnnealingLR(o, 200, eta_min=0.001)),
        {**base, "scheduler": "CosineAnnealingLR", "min_lr": 0.001},
        {"family": "cosine", "total": 200, "floor": 0.001},
    )
    yield entry(
        "torch-polynomial",
        library,
        "PolynomialLR(200, power=2)",
        record(lambda o: s.PolynomialLR(o, 200, power=2.0)),
        {**base, "scheduler": "PolynomialLR", "scheduler_params": {"power": 2.0}},
        {"family": "polynomial", "total": 200},
    )
    yield entry(
        "torch-polynomial-09",
        library,
        "PolynomialLR(200, power=0.9)",
        record(lambda o: s.PolynomialLR(o, 200, power=0.9)),
        {**base, "scheduler": "PolynomialLR", "scheduler_params": {"power": 0.9}},
        {"family": "polynomial", "total": 200},
    )
    yield entry(
        "torch-linearlr",
        library,
        "LinearLR(1.0, 0.1, 150)",
        record(lambda o: s.LinearLR(o, 1.0, 0.1, 150)),
        {**base, "scheduler": "linear", "min_lr": 0.001, "scheduler_params": {"total_iters": 150}},
        {"family": "linear", "total": 150, "floor": 0.001},
    )
    yield entry(
        "torch-warmup-only",
        library,
        "LinearLR(0.1, 1.0, 20)",
        record(lambda o: s.LinearLR(o, 0.1, 1.0, WARMUP)),
        {**base, "scheduler": "constant_with_warmup", "warmup_steps": WARMUP},
        {"family": "constant", "warmup": 20},
    )
    yield entry(
        "torch-warm-restarts",
        library,
        "CosineAnnealingWarmRestarts(50)",
        record(lambda o: s.CosineAnnealingWarmRestarts(o, 50)),
        {**base, "scheduler": "CosineAnnealingWarmRestarts", "scheduler_params": {"T_0": 50}},
        {"family": "warm-restarts", "step_size": 50},
    )
    yield entry(
        "torch-warm-restarts-mult",
        library,
        "CosineAnnealingWarmRestarts(25, T_mult=2, eta_min=0.0005)",
        record(lambda o: s.CosineAnnealingWarmRestarts(o, 25, T_mult=2, eta_min=0.0005)),
        {
            **base,
            "scheduler": "CosineAnnealingWarmRestarts",
            "min_lr": 0.0005,
            "scheduler_params": {"T_0": 25, "T_mult": 2},
        },
        {"family": "warm-restarts", "step_size": 25, "cycle_mult": 2},
    )
    yield entry(
        "torch-onecycle",
        library,
        "OneCycleLR(0.01, total_steps=200)",
        record(lambda o: s.OneCycleLR(o, PEAK, total_steps=STEPS), STEPS - 1),
        {**base, "scheduler": "OneCycleLR"},
        {"family": "one-cycle", "total": 199},
    )
    yield entry(
        "torch-onecycle-linear",
        library,
        "OneCycleLR(0.01, total_steps=200, anneal_strategy='linear')",
        record(lambda o: s.OneCycleLR(o, PEAK, total_steps=STEPS, anneal_strategy="linear"), STEPS - 1),
        {**base, "scheduler": "OneCycleLR"},
        {"family": "linear", "total": 199},
    )
    yield entry(
        "torch-cyclic",
        library,
        "CyclicLR(0.001, 0.01, step_size_up=25)",
        record(lambda o: s.CyclicLR(o, 0.001, PEAK, step_size_up=25, cycle_momentum=False)),
        {**base, "scheduler": "CyclicLR", "scheduler_params": {"base_lr": 0.001, "max_lr": PEAK, "step_size_up": 25}},
        {"family": "cyclic", "step_size": 25},
    )
    yield entry(
        "torch-sequential",
        library,
        "SequentialLR(LinearLR(0.01, 1, 20), CosineAnnealingLR(180), [20])",
        record(
            lambda o: s.SequentialLR(
                o, [s.LinearLR(o, 0.01, 1.0, WARMUP), s.CosineAnnealingLR(o, STEPS - WARMUP)], [WARMUP]
            )
        ),
        {**base, "scheduler": "cosine", "warmup_steps": WARMUP},
        {"family": "cosine", "warmup": 20, "total": 200},
    )
    yield entry(
        "torch-cosine-past-end",
        library,
        "CosineAnnealingLR(160), 200 steps",
        record(lambda o: s.CosineAnnealingLR(o, 160)),
        {**base, "scheduler": "CosineAnnealingLR", "scheduler_params": {"T_max": 160}},
        {"family": "cosine", "total": 160},
    )
    yield entry(
        "torch-lambda-rsqrt",
        library,
        "LambdaLR(min((k+1)/20, (20/(k+1))**0.5))",
        record(lambda o: s.LambdaLR(o, lambda k: min((k + 1) / WARMUP, (WARMUP / (k + 1)) ** 0.5))),
        {**base, "scheduler": "noam", "warmup_steps": WARMUP},
        {"family": "inverse-sqrt", "warmup": 20},
    )


def transformers_schedules() -> Iterator[dict[str, Any]]:
    import torch
    import transformers
    from transformers import get_scheduler

    library = f"transformers {transformers.__version__}"

    def record(name: str, warmup: int | None, **options: Any) -> list[float]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
        scheduler = get_scheduler(
            name,
            optimizer,
            num_warmup_steps=warmup,
            num_training_steps=STEPS,
            scheduler_specific_kwargs=options or None,
        )
        rates = []
        for _ in range(STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return rates

    def one(
        name: str, warmup: int, truth: dict[str, Any], declared: dict[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        facts = {"scheduler": name, "base_lr": PEAK, "max_steps": STEPS, "warmup_steps": warmup, **(declared or {})}
        suffix = "-" + "-".join(str(v) for v in options.values()) if options else ""
        extra = f", {options}" if options else ""
        call = f"get_scheduler({name!r}, num_warmup_steps={warmup}, num_training_steps={STEPS}{extra})"
        return entry(f"hf-{name}-{warmup}{suffix}", library, call, record(name, warmup, **options), facts, truth)

    for warmup in (0, WARMUP):
        wide = {"warmup": warmup} if warmup else {}
        yield one("linear", warmup, {"family": "linear", "total": 200, **wide})
        yield one("cosine", warmup, {"family": "cosine", "total": 200, **wide})
        yield one("inverse_sqrt", warmup, {"family": "inverse-sqrt", **wide})
        yield one(
            "polynomial",
            warmup,
            {"family": "polynomial", "total": 200, **wide},
            {"scheduler_params": {"power": 2.0, "lr_end": 1e-7}},
            power=2.0,
        )
        yield one(
            "cosine_with_restarts",
            warmup,
            {"family": "warm-restarts", **wide},
            {"scheduler_params": {"num_cycles": 3}},
            num_cycles=3,
        )
    yield one("constant_with_warmup", WARMUP, {"family": "constant", "warmup": 20})
    yield one(
        "cosine_with_min_lr",
        WARMUP,
        {"family": "cosine", "warmup": 20, "total": 200, "floor": 0.001},
        {"min_lr": 0.001},
        min_lr=0.001,
    )
    yield one(
        "cosine_warmup_with_min_lr",
        WARMUP,
        {"family": "cosine", "warmup": 20, "floor": 0.001},
        {"min_lr": 0.001},
        min_lr=0.001,
    )
    for shape in ("linear", "cosine", "1-sqrt"):
        yield one(
            "warmup_stable_decay",
            WARMUP,
            {"family": "wsd", "warmup": 20, "total": 200, "decay_steps": 50, "shape": shape},
            {"scheduler_params": {"num_decay_steps": 50, "decay_type": shape}},
            num_decay_steps=50,
            decay_type=shape,
        )


def timm_schedules() -> Iterator[dict[str, Any]]:
    import timm
    import torch
    from timm.scheduler import CosineLRScheduler, MultiStepLRScheduler, PolyLRScheduler, StepLRScheduler

    library = f"timm {timm.__version__}"

    def record(make: Callable[[Any], Any], epochs: int) -> list[float]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
        scheduler = make(optimizer)
        rates = []
        for epoch in range(epochs):
            rates.append(optimizer.param_groups[0]["lr"])
            scheduler.step(epoch + 1)
        return rates

    base = {"base_lr": PEAK, "epochs": 60, "scheduler_interval": "epoch"}
    yield entry(
        "timm-cosine",
        library,
        "CosineLRScheduler(t_initial=60, lr_min=1e-5, warmup_t=5, warmup_lr_init=1e-4)",
        record(lambda o: CosineLRScheduler(o, t_initial=60, lr_min=1e-5, warmup_t=5, warmup_lr_init=1e-4), 60),
        {
            **base,
            "scheduler": "timm.CosineLRScheduler",
            "warmup_epochs": 5,
            "scheduler_params": {"warmup_t": 5, "warmup_lr_init": 1e-4, "lr_min": 1e-5},
        },
        {"family": "cosine", "total": 60},
    )
    yield entry(
        "timm-cosine-prefix",
        library,
        "CosineLRScheduler(t_initial=55, lr_min=1e-5, warmup_t=5, warmup_lr_init=1e-4, warmup_prefix=True)",
        record(
            lambda o: CosineLRScheduler(
                o, t_initial=55, lr_min=1e-5, warmup_t=5, warmup_lr_init=1e-4, warmup_prefix=True
            ),
            60,
        ),
        {
            **base,
            "scheduler": "timm.CosineLRScheduler",
            "warmup_epochs": 5,
            "scheduler_params": {"warmup_t": 5, "warmup_lr_init": 1e-4, "lr_min": 1e-5, "warmup_prefix": True},
        },
        {"family": "cosine", "total": 60},
    )
    yield entry(
        "timm-poly",
        library,
        "PolyLRScheduler(t_initial=60, power=0.5)",
        record(lambda o: PolyLRScheduler(o, t_initial=60, power=0.5), 60),
        {**base, "scheduler": "timm.PolyLRScheduler", "scheduler_params": {"power": 0.5}},
        {"family": "polynomial", "total": 60},
    )
    yield entry(
        "timm-step",
        library,
        "StepLRScheduler(decay_t=20, decay_rate=0.1)",
        record(lambda o: StepLRScheduler(o, decay_t=20, decay_rate=0.1), 60),
        {**base, "scheduler": "timm.StepLRScheduler", "scheduler_params": {"decay_t": 20, "decay_rate": 0.1}},
        {"family": "step", "gamma": 0.1, "step_size": 20},
    )
    yield entry(
        "timm-multistep",
        library,
        "MultiStepLRScheduler(decay_t=[20, 40], decay_rate=0.1)",
        record(lambda o: MultiStepLRScheduler(o, decay_t=[20, 40], decay_rate=0.1), 60),
        {**base, "scheduler": "timm.MultiStepLRScheduler", "scheduler_params": {"milestones": [20, 40], "gamma": 0.1}},
        {"family": "step", "gamma": 0.1},
    )


def optax_schedules() -> Iterator[dict[str, Any]]:
    import optax

    library = f"optax {optax.__version__}"

    def record(schedule: Callable[[int], Any]) -> list[float]:
        return [float(schedule(k)) for k in range(STEPS)]

    base = {"base_lr": PEAK, "max_steps": STEPS}
    yield entry(
        "optax-cosine",
        library,
        "cosine_decay_schedule(0.01, 200, alpha=0.1)",
        record(optax.cosine_decay_schedule(PEAK, STEPS, alpha=0.1)),
        {**base, "scheduler": "cosine_decay_schedule", "min_lr": 0.001},
        {"family": "cosine", "total": 200, "floor": 0.001},
    )
    yield entry(
        "optax-warmup-cosine",
        library,
        "warmup_cosine_decay_schedule(0, 0.01, 20, 200)",
        record(optax.warmup_cosine_decay_schedule(0.0, PEAK, WARMUP, STEPS)),
        {**base, "scheduler": "warmup_cosine_decay_schedule", "warmup_steps": WARMUP},
        {"family": "cosine", "warmup": 20, "total": 200},
    )
    yield entry(
        "optax-exponential",
        library,
        "exponential_decay(0.01, 50, 0.5)",
        record(optax.exponential_decay(PEAK, 50, 0.5)),
        {**base, "scheduler": "ExponentialDecay", "scheduler_params": {"decay_steps": 50, "decay_rate": 0.5}},
        {"family": "exponential"},
    )
    yield entry(
        "optax-linear",
        library,
        "linear_schedule(0.01, 0.001, 160)",
        record(optax.linear_schedule(PEAK, 0.001, 160)),
        {**base, "scheduler": "linear", "min_lr": 0.001, "scheduler_params": {"total_steps": 160}},
        {"family": "linear", "total": 160, "floor": 0.001},
    )
    yield entry(
        "optax-polynomial",
        library,
        "polynomial_schedule(0.01, 0, 3, 200)",
        record(optax.polynomial_schedule(PEAK, 0.0, 3, STEPS)),
        {**base, "scheduler": "polynomial", "scheduler_params": {"power": 3.0}},
        {"family": "polynomial", "total": 200},
    )
    yield entry(
        "optax-piecewise",
        library,
        "piecewise_constant_schedule(0.01, {80: 0.3, 140: 0.3})",
        record(optax.piecewise_constant_schedule(PEAK, {80: 0.3, 140: 0.3})),
        {**base, "scheduler": "piecewise_constant", "scheduler_params": {"milestones": [80, 140], "gamma": 0.3}},
        {"family": "step", "gamma": 0.3, "milestones": [80, 140]},
    )
    yield entry(
        "optax-onecycle",
        library,
        "cosine_onecycle_schedule(200, 0.01)",
        record(optax.cosine_onecycle_schedule(STEPS, PEAK)),
        {**base, "scheduler": "cosine_onecycle_schedule"},
        {"family": "one-cycle", "total": 200},
    )
    cycles = [{"init_value": 0.0, "peak_value": PEAK, "decay_steps": 100, "warmup_steps": 10, "end_value": 0.0}] * 2
    yield entry(
        "optax-sgdr",
        library,
        "sgdr_schedule(2 cycles of 100, warmup 10)",
        record(optax.sgdr_schedule(cycles)),
        {**base},
        {"family": None},
    )


def keras_schedules() -> Iterator[dict[str, Any]]:
    import os

    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras
    from keras.optimizers import schedules as s

    library = f"keras {keras.__version__}"

    def record(schedule: Any) -> list[float]:
        return [float(schedule(k)) for k in range(STEPS)]

    base = {"base_lr": PEAK, "max_steps": STEPS}
    yield entry(
        "keras-exponential",
        library,
        "ExponentialDecay(0.01, 50, 0.5)",
        record(s.ExponentialDecay(PEAK, 50, 0.5)),
        {**base, "scheduler": "ExponentialDecay", "scheduler_params": {"decay_steps": 50, "decay_rate": 0.5}},
        {"family": "exponential"},
    )
    yield entry(
        "keras-exponential-stairs",
        library,
        "ExponentialDecay(0.01, 40, 0.5, staircase=True)",
        record(s.ExponentialDecay(PEAK, 40, 0.5, staircase=True)),
        {
            **base,
            "scheduler": "ExponentialDecay",
            "scheduler_params": {"decay_steps": 40, "decay_rate": 0.5, "staircase": True},
        },
        {"family": "step", "step_size": 40, "gamma": 0.5},
    )
    yield entry(
        "keras-inverse-time",
        library,
        "InverseTimeDecay(0.01, 50, 1.0)",
        record(s.InverseTimeDecay(PEAK, 50, 1.0)),
        {**base, "scheduler": "InverseTimeDecay", "scheduler_params": {"decay_steps": 50, "decay_rate": 1.0}},
        {"family": "inverse-time"},
    )
    yield entry(
        "keras-polynomial",
        library,
        "PolynomialDecay(0.01, 200, 0.0001, power=2)",
        record(s.PolynomialDecay(PEAK, STEPS, 0.0001, power=2.0)),
        {**base, "scheduler": "PolynomialDecay", "scheduler_params": {"power": 2.0, "end_learning_rate": 0.0001}},
        {"family": "polynomial"},
    )
    yield entry(
        "keras-cosine",
        library,
        "CosineDecay(0.01, 200)",
        record(s.CosineDecay(PEAK, STEPS)),
        {**base, "scheduler": "CosineDecay"},
        {"family": "cosine", "total": 200},
    )
    yield entry(
        "keras-cosine-warmup",
        library,
        "CosineDecay(0, 180, warmup_target=0.01, warmup_steps=20)",
        record(s.CosineDecay(0.0, STEPS - WARMUP, warmup_target=PEAK, warmup_steps=WARMUP)),
        {**base, "scheduler": "CosineDecay", "warmup_steps": WARMUP},
        {"family": "cosine", "warmup": 20, "total": 200},
    )
    yield entry(
        "keras-restarts",
        library,
        "CosineDecayRestarts(0.01, 40, t_mul=1.0)",
        record(s.CosineDecayRestarts(PEAK, 40, t_mul=1.0)),
        {**base, "scheduler": "CosineDecayRestarts", "scheduler_params": {"first_decay_steps": 40, "t_mul": 1.0}},
        {"family": "warm-restarts", "step_size": 40},
    )
    yield entry(
        "keras-piecewise",
        library,
        "PiecewiseConstantDecay([80, 140], [0.01, 0.001, 0.0001])",
        record(s.PiecewiseConstantDecay([80, 140], [PEAK, PEAK / 10, PEAK / 100])),
        {
            **base,
            "scheduler": "PiecewiseConstantDecay",
            "scheduler_params": {"boundaries": [80, 140], "values": [PEAK, PEAK / 10, PEAK / 100]},
        },
        {"family": "step", "gamma": 0.1},
    )


def formula_schedules() -> Iterator[dict[str, Any]]:
    deepspeed = "formula of deepspeed/runtime/lr_schedules.py"

    def log_warmup(k: int) -> float:
        b = k - 1
        return math.log(b + 1) / math.log(WARMUP) if b >= 0 else 0.0

    base = {"base_lr": PEAK, "max_steps": STEPS, "warmup_steps": WARMUP}
    yield entry(
        "deepspeed-warmuplr",
        deepspeed,
        "WarmupLR(0, 0.01, 20, 'log')",
        [PEAK * min(1.0, log_warmup(k)) if k - 1 < WARMUP else PEAK for k in range(STEPS)],
        {**base, "scheduler": "WarmupLR"},
        {"family": "constant"},
    )
    yield entry(
        "deepspeed-warmupdecaylr",
        deepspeed,
        "WarmupDecayLR(200, 0, 0.01, 20, 'linear')",
        [
            PEAK * (max(k - 1, 0) / WARMUP if k - 1 < WARMUP else (STEPS - (k - 1)) / (STEPS - WARMUP))
            for k in range(STEPS)
        ],
        {**base, "scheduler": "WarmupDecayLR"},
        {"family": "linear", "warmup": 20},
    )

    def nanogpt(k: int) -> float:
        if k < WARMUP:
            return PEAK * (k + 1) / (WARMUP + 1)
        return 0.001 + 0.5 * (1 + math.cos(math.pi * (k - WARMUP) / (STEPS - WARMUP))) * (PEAK - 0.001)

    yield entry(
        "nanogpt",
        "formula of nanoGPT train.py",
        "get_lr",
        [nanogpt(k) for k in range(STEPS)],
        {**base, "scheduler": "nanogpt_cosine", "min_lr": 0.001},
        {"family": "cosine", "floor": 0.001},
    )
    megatron = "formula of megatron/core/optimizer_param_scheduler.py"
    yield entry(
        "megatron-linear",
        megatron,
        "linear, min_lr 0.001",
        [
            PEAK * k / WARMUP if k <= WARMUP else 0.001 + (PEAK - 0.001) * (1 - (k - WARMUP) / (STEPS - WARMUP))
            for k in range(STEPS)
        ],
        {**base, "scheduler": "linear", "min_lr": 0.001},
        {"family": "linear", "warmup": 20, "total": 200, "floor": 0.001},
    )
    yield entry(
        "megatron-inverse-sqrt",
        megatron,
        "inverse-square-root",
        [PEAK * k / WARMUP if k <= WARMUP else PEAK * math.sqrt(WARMUP / k) for k in range(STEPS)],
        {**base, "scheduler": "inverse-square-root"},
        {"family": "inverse-sqrt", "warmup": 20},
    )


def main() -> None:
    target = Path(sys.argv[1])
    sources = (
        torch_schedules,
        transformers_schedules,
        timm_schedules,
        optax_schedules,
        keras_schedules,
        formula_schedules,
    )
    lines = [json.dumps(one) for source in sources for one in source()]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines) + "\n")
    print(f"{len(lines)} schedules, {target.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
