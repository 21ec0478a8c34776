"""Which tag of a log plays which part: loss, learning rate, epoch, gradient norm, ...

Decided by the names that frameworks and people use; ``--role`` and ``[roles]`` correct a wrong guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from analyzer.model import Series, Source, View

Role = Literal[
    "loss",  # training loss, one value per logged step (or mean since the last log)
    "epoch_loss",  # training loss, mean of an epoch
    "validation_loss",
    "learning_rate",
    "epoch",
    "grad_norm",
    "samples",  # samples seen so far
    "tokens",  # tokens seen so far
    "batch_in_epoch",
    "elapsed",  # seconds since the start of the process
    "throughput",  # steps, samples or tokens per second
    "step",  # a second step counter, beside the one that became the axis
    "clip",  # gradient clipping threshold
]
ROLES: tuple[str, ...] = Role.__args__  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Roles:
    """The series of each role, the main one first, and why each was taken for it."""

    series: Mapping[str, tuple[Series, ...]]
    why: Mapping[str, str] = field(default_factory=dict)  # tag -> reason

    def first(self, role: str) -> Series | None:
        found = self.series.get(role, ())
        return found[0] if found else None

    def all(self, role: str) -> tuple[Series, ...]:
        return self.series.get(role, ())


_VALIDATION = r"(?:^|[/_. -])(?:val|valid|validation|eval|evaluation|test|dev|holdout|heldout)(?:[/_. -]|$|(?=loss))"
_PATTERNS: tuple[tuple[Role, str], ...] = (
    ("learning_rate", r"(?:^|[/_. -])(?:lr|learning[_ -]?rate|opt_learning_rate)(?:[/_. -]|$|\d|abs)|^lr[-/ ]"),
    ("grad_norm", r"grad(?:ient)?s?[/_. -]?(?:global[_ -]?)?norm|(?:^|[/_. -])gnorm$|total_norm$|l2_norm/grad/global$"),
    ("clip", r"max[_ -]?grad[_ -]?norm|grad[_ -]?clip"),
    ("tokens", r"(?:num_input_)?tokens[_ ]?(?:seen|consumed|processed)|consumed[_ ]tokens|(?:total|num)[_ ]tokens$"),
    ("samples", r"consumed[_ ](?:train[_ ])?samples|samples[_ ]?(?:seen|consumed|processed)|global_samples|(?:total|num)[_ ]samples$|^samples$"),
    ("batch_in_epoch", r"batch_in_epoch|^batch_idx$|(?:^|/)iter_in_epoch$|^batch$"),
    ("throughput", r"(?:steps|samples|tokens|iters?|it|examples)[/_ -]?(?:per|/)[/_ -]?s(?:ec(?:ond)?)?$|throughput|^fps$|time/fps"),
    ("elapsed", r"^(?:elapsed(?:[_ ]time)?|wall(?:[_ ]?(?:time|clock))?|time[_ ]elapsed|time/time_elapsed|elapsed_s|seconds)$"),
    ("epoch", r"^(?:(?:train|training|trainer|time|progress)[/_])?epochs?(?:_num|_idx|_float)?$"),
    ("step", r"^(?:trainer/)?(?:global[_ -]?step|step|steps|iteration|iter|num_updates|update|updates|n_iter|itr)s?$"),
)
_NOT_LEARNING_RATE = re.compile(r"lr_?(?:scale|decay|mult|warmup|step|scheduler)|min_lr|lr_min|base_lr|initial_lr|max_lr|weight", re.I)
_LOSS = re.compile(r"loss|(?:^|[/_ ])nll(?:[/_ ]|$)|cross[_ ]?entropy|(?:^|[/_])xent|(?:^|[/_])mse$|objective$", re.I)
_NOT_LOSS = re.compile(r"loss[_ -]?(?:scale|weight|coef|ratio|mask)|scaler|lossless|best[_ ]?loss", re.I)
_EPOCH_MEAN = re.compile(r"(?:^|[/_. -])epoch[_ -]|[_ -]epoch$|(?:avg|mean|average)[_ -]?(?:train[_ -]?)?loss|train[_ -]loss[_ -](?:avg|mean)", re.I)
_COMPILED = tuple((role, re.compile(pattern, re.I)) for role, pattern in _PATTERNS)
_VALIDATION_RE = re.compile(_VALIDATION, re.I)


def role_of_tag(tag: str) -> str | None:
    """The role that a tag's name suggests, or None."""
    name = re.sub(r" vs (?:samples|steps|tokens)$", "", tag.strip())
    for role, pattern in _COMPILED:
        if pattern.search(name):
            if role == "learning_rate" and _NOT_LEARNING_RATE.search(name):
                continue
            return role
    if _LOSS.search(name) and not _NOT_LOSS.search(name):
        if _VALIDATION_RE.search(name):
            return "validation_loss"
        return "epoch_loss" if _EPOCH_MEAN.search(name) else "loss"
    return None


def assign_roles(view: View, sources: Sequence[Source], overrides: Mapping[str, str] | None = None) -> Roles:
    """Give every series of a view its role; the main series of a role comes first."""
    chosen = {tag: role for role, tag in (overrides or {}).items()}
    series: dict[str, list[Series]] = {}
    why: dict[str, str] = {}
    for tag, one in view.series.items():
        role = chosen.get(tag) or role_of_tag(tag)
        if role is None or not len(one):
            continue
        series.setdefault(role, []).append(one)
        why[tag] = "chosen with --role or [roles]" if tag in chosen else "by its name"
    if "loss" not in series and "epoch_loss" in series:
        series["loss"] = series["epoch_loss"]
    for role, found in series.items():
        found.sort(key=lambda one: (chosen.get(one.tag) != role, *_preference(role, one)))
    return Roles(series={role: tuple(found) for role, found in series.items()}, why=why)


def _preference(role: str, series: Series) -> tuple[int, int, str]:
    """Sort key: the plain training loss before its parts, then the longest series, then the name."""
    name = series.tag.lower().rsplit("/", 1)[-1]
    plain = {
        "loss": ("loss", "train_loss", "total_loss", "train_loss_step", "loss_step", "total", "training_loss", "lm loss"),
        "learning_rate": ("lr", "learning_rate", "learning-rate"),
        "epoch": ("epoch",),
        "validation_loss": ("val_loss", "eval_loss", "loss", "validation_loss"),
    }.get(role, ())
    return (0 if name in plain else 1, -len(series), series.tag)
