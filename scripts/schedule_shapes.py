"""Schedules of many frameworks as shares of their peak, written from their sources: what ``bench_schedules.py`` draws.

Every shape is a function of the scheduler's counter for a length ``total`` and a warmup ``width``, both in counts.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

import numpy as np
from msgspec import Struct

from analyzer.model import Floats

Curve = Callable[[Floats], Floats]


class Shape(Struct, frozen=True, kw_only=True):
    """One schedule: the names by which it may be told, whether it ends at its total, and whether it only falls."""

    told_as: tuple[str, ...]
    curve: Callable[[random.Random, int, int], Curve]
    ends: bool = False
    plain: bool = True  # no levels and no cycles: a jump in it is no part of it


def half_cosine(share: Floats) -> Floats:
    return 0.5 * (1 + np.cos(np.pi * np.clip(share, 0, 1)))


def rising_cosine(share: Floats) -> Floats:
    """Goes on past its end, as torch and transformers do."""
    return 0.5 * (1 + np.cos(np.pi * np.maximum(share, 0)))


def line(share: Floats) -> Floats:
    return 1 - np.clip(share, 0, 1)


def warmed(k: Floats, width: int, value: Floats, start: float = 0.0, ahead: int = 0, more: int = 0) -> Floats:
    share = np.minimum((k + ahead) / max(width + more, 1), 1)
    return np.where(k < width, start + (1 - start) * share, value)


def decay(shape: Curve, floor: float = 0.0) -> Callable[[random.Random, int, int], Curve]:
    """A warmup and one decay behind it."""
    return lambda _, total, width: lambda k: warmed(
        k, width, floor + (1 - floor) * shape((k - width) / max(total - width, 1))
    )


def times_warmup(shape: Curve, floor: float) -> Callable[[random.Random, int, int], Curve]:
    """A warmup that multiplies the decay, which runs from the first count on (mmcv, Ultralytics)."""
    return lambda _, total, width: lambda k: (
        np.where(k < width, 1 - (1 - k / max(width, 1)) * 0.999, 1) * (floor + (1 - floor) * shape(k / total))
    )


def stable(draw: random.Random, total: int, width: int) -> Curve:
    length, shape = max(8, int(total * draw.choice([0.1, 0.3]))), draw.choice([line, half_cosine])
    return lambda k: warmed(k, width, shape((k - (total - length)) / length))


def drops(draw: random.Random, total: int, width: int) -> Curve:
    marks, gamma = [int(total * part) for part in draw.choice([(0.5, 0.75), (0.3, 0.6, 0.8)])], draw.choice([0.1, 0.5])
    return lambda k: warmed(k, width, gamma ** np.searchsorted(marks, k, side="right"))


def stairs(draw: random.Random, total: int, width: int) -> Curve:
    size, gamma = max(2, int(total * draw.choice([0.1, 0.25]))), draw.choice([0.1, 0.5, 0.9])
    return lambda k: gamma ** (k // size)


def exponential(draw: random.Random, total: int, width: int) -> Curve:
    last = draw.choice([0.1, 0.01, 0.5])
    return lambda k: np.exp(math.log(last) * k / total)


def tri_stage(draw: random.Random, total: int, width: int) -> Curve:
    rise, hold = total // 10, 2 * total // 5
    speed = -math.log(0.05) / (total - rise - hold)
    return lambda k: np.where(k < rise, 0.01 + 0.99 * k / rise, np.exp(-speed * np.maximum(k - rise - hold, 0)))


def inverse_root(draw: random.Random, total: int, width: int) -> Curve:
    scale = max(width, 8)
    return lambda k: warmed(k, scale, np.sqrt(scale / np.maximum(k, 1)))


def noam(draw: random.Random, total: int, width: int) -> Curve:
    scale = max(width, 8)
    return lambda k: math.sqrt(scale) * np.minimum((k + 1.0) ** -0.5, (k + 1.0) * scale**-1.5)


def root_of_step(draw: random.Random, total: int, width: int) -> Curve:
    return lambda k: np.sqrt(total / 10 / np.maximum(k, total / 10))


def one_cycle(draw: random.Random, total: int, width: int) -> Curve:
    shape, top, end = draw.choice([line, half_cosine]), draw.choice([0.1, 0.3]) * total - 1, total - 1
    return lambda k: np.where(
        k <= top, 1 - (1 - 1 / 25) * shape(k / top), 4e-6 + (1 - 4e-6) * shape((k - top) / (end - top))
    )


def cosine_cycles(draw: random.Random, total: int, width: int) -> Curve:
    first = max(4, int(total * draw.choice([0.1, 0.2, 0.3])))
    return lambda k: rising_cosine(np.mod(k, first) / first)


def hard_restarts(draw: random.Random, total: int, width: int) -> Curve:
    cycles = draw.choice([2, 3, 4])

    def curve(k: Floats) -> Floats:
        share = (k - width) / max(total - width, 1)
        return warmed(k, width, np.where(share >= 1, 0, rising_cosine(np.mod(cycles * np.maximum(share, 0), 1))))

    return curve


def triangles(draw: random.Random, total: int, width: int) -> Curve:
    up, shrinks = max(4, int(total * draw.choice([0.05, 0.1]))), draw.choice([1.0, 2.0])

    def curve(k: Floats) -> Floats:
        cycle = np.floor(1 + k / (2 * up))
        return 0.1 + 0.9 * np.maximum(0, 1 - np.abs(k / up - 2 * cycle + 1)) / shrinks ** (cycle - 1)

    return curve


def deepspeed(draw: random.Random, total: int, width: int) -> Curve:
    rise = max(width, 4)
    return lambda k: np.where(k < 1, 0, np.where(k - 1 < rise, (k - 1) / rise, line((k - 1 - rise) / (total - rise))))


SHAPES: Mapping[str, Shape] = {
    "transformers linear": Shape(told_as=("linear",), curve=decay(line), ends=True),
    "transformers cosine": Shape(told_as=("cosine",), curve=decay(rising_cosine), ends=True),
    "transformers cosine, floor": Shape(told_as=("cosine",), curve=decay(rising_cosine, 0.1), ends=True),
    "transformers hard restarts": Shape(
        told_as=("restarts", "warm-restarts"), curve=hard_restarts, ends=True, plain=False
    ),
    "transformers inverse_sqrt": Shape(told_as=("inverse-sqrt",), curve=inverse_root),
    "warmup-stable-decay": Shape(told_as=("wsd",), curve=stable, ends=True),
    "constant with warmup": Shape(
        told_as=("constant",), curve=lambda _, t, w: lambda k: warmed(k, max(w, 8), np.ones_like(k)), plain=False
    ),
    "Noam (ESPnet, OpenNMT, Paddle)": Shape(told_as=("inverse-sqrt",), curve=noam),
    "T5 rsqrt": Shape(told_as=("inverse-sqrt",), curve=root_of_step),
    "torch CosineAnnealingLR": Shape(
        told_as=("cosine",), curve=lambda _, t, w: lambda k: rising_cosine(k / t), ends=True
    ),
    "torch OneCycleLR": Shape(told_as=("one-cycle", "linear"), curve=one_cycle, ends=True),
    "torch CosineAnnealingWarmRestarts": Shape(
        told_as=("warm-restarts", "restarts"), curve=cosine_cycles, plain=False
    ),
    "torch CyclicLR": Shape(told_as=("cyclic",), curve=triangles, plain=False),
    "torch StepLR, Keras staircase": Shape(told_as=("step", "exponential"), curve=stairs, plain=False),
    "MultiStepLR behind a warmup": Shape(told_as=("step",), curve=drops, plain=False),
    "exponential (torch, RWKV, Kaldi)": Shape(told_as=("exponential",), curve=exponential),
    "Keras InverseTimeDecay": Shape(told_as=("inverse-time",), curve=lambda _, t, w: lambda k: 1 / (1 + 10 * k / t)),
    "Caffe inv": Shape(told_as=("inverse-time",), curve=lambda _, t, w: lambda k: (1 + 3 * k / t) ** -0.75),
    "poly 0.9": Shape(told_as=("polynomial",), curve=lambda _, t, w: lambda k: line(k / t) ** 0.9, ends=True),
    "TensorFlow polynomial, end rate": Shape(
        told_as=("linear", "polynomial"), curve=lambda _, t, w: lambda k: 0.01 + 0.99 * line(k / t), ends=True
    ),
    "BERT (warmup over the decay)": Shape(
        told_as=("linear",), curve=lambda _, t, w: lambda k: np.where(k < w, k / max(w, 1), line(k / t)), ends=True
    ),
    "nanoGPT": Shape(
        told_as=("cosine",), ends=True,
        curve=lambda _, t, w: lambda k: warmed(k, w, 0.1 + 0.9 * half_cosine((k - w) / (t - w)), 0.0, 1, 1),
    ),
    "timm cosine, no prefix": Shape(
        told_as=("cosine",), curve=lambda _, t, w: lambda k: warmed(k, w, half_cosine(k / t), 1e-3), ends=True
    ),
    "MAE, DINO": Shape(told_as=("cosine",), curve=decay(half_cosine, 1e-3), ends=True),
    "mmcv cosine": Shape(told_as=("cosine",), curve=times_warmup(half_cosine, 0.01), ends=True),
    "Ultralytics linear": Shape(told_as=("linear",), curve=times_warmup(line, 0.01), ends=True),
    "fairseq tri-stage": Shape(told_as=("exponential",), curve=tri_stage),
    "DeepSpeed WarmupDecayLR": Shape(told_as=("linear",), curve=deepspeed, ends=True),
}  # fmt: skip
