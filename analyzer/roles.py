"""Which tag of a log plays which part: loss, learning rate, epoch, gradient norm, ...

Decided by the names that frameworks and people use; ``--role`` and ``[roles]`` correct a wrong guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from msgspec import Struct, field

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
SHORT_ROLES = {"lr": "learning_rate", "val_loss": "validation_loss"}  # as people type them


class Roles(Struct, frozen=True, kw_only=True):
    """The series of each role, the main one first, and why each was taken for it."""

    series: Mapping[str, tuple[Series, ...]]
    why: Mapping[str, str] = field(default_factory=dict)  # tag -> reason

    def first(self, role: str) -> Series | None:
        found = self.series.get(role, ())
        return found[0] if found else None

    def all(self, role: str) -> tuple[Series, ...]:
        return self.series.get(role, ())


_VALIDATION = (
    r"(?:^|[/_. -])(?:val?|valid|validation|eval|evaluation|test|dev|holdout|heldout|predict|cv)"
    r"(?:[/_. -]|$|(?=loss|deviance))"
)
_FOLDER = r"(?:(?!e?val|test|dev|[^/]*loss)[^/]+/)?"  # in a folder of losses nothing is a counter
# Tried in this order; the first that fits decides.
_PATTERNS: tuple[tuple[Role, str], ...] = (
    (
        "learning_rate",
        r"(?:^|[/_. -])(?:[a-z]{0,2}lr|lrate|learn(?:ing)?[_ -]?rate|opt_learning_rate)(?:[/_. \[-]|$|\d|abs)|^lr[-/ ]",
    ),
    (
        "clip",
        r"max[_ -]?grad[_ -]?norm|grad(?:ient)?(?:[_ -]?norm)?[_ -]?clip|clip[_ -]?grad"
        r"|^clip(?:ping)?(?:_?(?:value|norm))?$",
    ),
    (
        "grad_norm",
        r"grad(?:ient)?s?[/_. -]?(?:global[_ -]?|[\d.]+_)?norm|(?:^|[/_. -])gnorm$|total_norm$|l2_norm/grad/global$"
        r"|^norm$",
    ),
    (
        "tokens",
        r"tokens?[_ -]?(?:seen|consumed|processed)|consumed[_ -](?:train[_ -])?tokens|(?:total|num|n)[_ ]tokens$"
        r"|^(?:train/|time/)?tokens?$",
    ),
    (
        "samples",
        r"consumed[_ -](?:train[_ -])?samples|(?:samples|examples|images|imgs)[_ -]?(?:seen|consumed|processed)"
        r"|(?:seen|processed)[_ -](?:samples|examples|images|imgs)$|^n(?:um)?_(?:seen|processed)$"
        r"|global_samples|(?<![a-z])(?:total|num|n)[_ ](?:samples|examples|images)$|^total_exs$|^samples vs steps$"
        r"|^records$|^(?:train/|time/)?(?:samples?|images)$",
    ),
    (
        "throughput",
        r"(?:step|sample|token|iter|it|example|image|batch|update|word)(?:e?s)?[/_ -]?(?:per|/)[/_ -]?s(?:ec(?:ond)?)?"
        r"(?:$|_per)|throughput|^fps$|time/fps|^(?:wps|ups|tps)$",
    ),
    ("batch_in_epoch", r"batch_in_epoch|^batch(?:_idx|_index)?$|(?:^|/)iter_in_epoch$|^inner_iter$"),
    (
        "elapsed",
        r"^(?:(?:learner|trainer)[_/])?"
        r"(?:elapsed(?:[_ ]time)?|wall(?:[_ ]?(?:time|clock))?|time[_ ]elapsed|time/time_elapsed|elapsed_s|seconds"
        r"|_runtime|total[_ ]time)$",
    ),
    (
        "epoch",
        rf"^{_FOLDER}(?:(?:train|training|trainer|time|progress)[/_.])?(?:(?:current|data)[_ ])?epochs?"
        r"(?:_num|_idx|_float)?$",
    ),
    (
        "step",
        rf"^{_FOLDER}(?:global[_ -]?step|gstep|train(?:ing)?_step|current_step|step|steps|iteration|iter"
        r"|num_updates|update|n_iter|itr|n_updates)s?$",
    ),
)
# nanochat's lrm, llama.cpp's sched, big_vision's global_schedule: the rate as a share of a peak that no line tells
_SHARE_OF_A_RATE = re.compile(r"^(?:.*/)?(?:lrm|sched|lr_(?:multiplier|factor)|global_schedule)$", re.I)
_NOT_LEARNING_RATE = re.compile(
    r"lr_?(?:scale|decay|mult|warmup|step|scheduler|ratio)|(?:^|[/_ -])(?:min|max|base|initial|init|target)_?lr"
    r"|lr_(?:min|max)|weight|momentum|betas?|[_ =-](?:\d*\.\d+|\d+(?:\.\d+)?e-\d+)$",  # a rate in a run's name
    re.I,
)
_BOUND_OF_RATES = re.compile(r"(?:^|[/_. -])(?:lr[_-](?:min|max)|(?:min|max)[_-]lr)(?:$|/)", re.I)
_LOSS = re.compile(
    r"loss|(?:^|[/_ ])nll(?:[/_ ]|$)|^(?:(?:train(?:ing)?|val(?:id(?:ation)?)?|test)[/_ ])?cost$|cross[_ -]?entropy"
    r"|ce-mean-words|(?:^|[/_])xent|(?:^|[/_])mse$|objective$|(?:^|[/_ ])ce$|deviance$"
    r"|^(?:gen|dis)_update/",  # of imaginaire: a folder for each player's losses
    re.I,
)
_NOT_LOSS = re.compile(
    r"loss(?:es)?[_ -]?(?:scale|scaling|weight|coef|ratio|mask|count|smooth|fn|type|name|tokens?|samples?)"
    r"|loss(?:es)?[_ -]?rates?(?![a-z])"
    r"|scaler|lossless|loss(?:es)?/[^/]*(?:variance|frac(?:tion)?|accuracy|_kl|_values?)$"
    r"|loss(?:es)?[/_ .-](?:max(?:imum)?|min(?:imum)?|std(?:ev)?|stddev)$"  # of a batch of losses, beside their mean
    r"|(?:^|[/_ .-])(?:best|lowest)(?:[/_ .-]|loss)|(?:time|memory|wd)[_ -]cost",
    re.I,
)
# the loss of programs that call it an error, where nothing in the log is called a loss
_ERROR = re.compile(
    r"^(?:(?:train(?:ing)?|current|mean|average)[ _])?(?:err(?:or)?|r?mse|mae|mean[ _]squared[ _]error)"
    r"(?: (?:for|of) .{1,60})?$",
    re.I,
)
# what is minimised under a name of its own; a bound that is written to be maximised rises, or lies below zero
_MINIMISED = re.compile(
    r"^(?:(?:train(?:ing)?|mean|average|avg)[/_ .])?"
    r"(?:n?elbo|neg(?:ative)?[_ ]elbo|bpd|bpc|bits?[_/ ]?(?:per[_/ ]?)?(?:dim|char)|perplexity|ppl)$",
    re.I,
)
OF_A_MEAN = 1e-3  # by which a mean of printed parts may differ from the printed mean: both are rounded
_EPOCH_MEAN = re.compile(
    r"(?:^|[/_. -])epoch[_ -]|[_ -]epoch(?:$|/)|(?:avg|mean|average)[_ -]?(?:train[_ -]?)?loss"
    r"|train[_ -]loss[_ -](?:avg|mean)",
    re.I,
)
_COMPILED = tuple((role, re.compile(pattern, re.I)) for role, pattern in _PATTERNS)
_VALIDATION_RE = re.compile(_VALIDATION, re.I)
OF_A_DAY = "wall clock"  # of printed times of day, which no process starts anew
MEASURED = frozenset({"elapsed", "throughput"})
"""Roles of a duration or a speed."""
_IN_A_UNIT = re.compile(r" in \S{1,25}$")  # what a reader adds to the name of a number that a unit follows
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_OTHER_AXIS = re.compile(r" vs (?:samples|steps|tokens)$")

# The plain names of a role's main series, without folder, in lower case with underscores.
_PLAIN: Mapping[str, frozenset[str]] = {
    role: frozenset(names.split())
    for role, names in {
        "loss": "loss train_loss total_loss totalloss loss_total train_loss_total train_loss_step loss_step step_loss "
        "batch_loss total training_loss lm_loss loss/train loss/training loss/current loss/train_step crossentropyloss",
        "learning_rate": "lr learning_rate",
        "epoch": "epoch",
        "validation_loss": "val_loss eval_loss loss validation_loss loss/val loss/validation valid_loss",
        "grad_norm": "grad_norm gnorm total_grad_norm",
    }.items()
}


@lru_cache(maxsize=1 << 16)
def role_of_tag(tag: str) -> str | None:
    """The role that a tag's name suggests, or None."""
    name = tag.strip() if tag.strip() == "samples vs steps" else _OTHER_AXIS.sub("", tag.strip())
    if _IN_A_UNIT.search(name):
        return None
    for role, pattern in _COMPILED:
        if pattern.search(name):
            if role == "learning_rate" and (_NOT_LEARNING_RATE.search(name) or _VALIDATION_RE.search(name)):
                continue
            return role
    if is_share_of_a_rate(name):
        return "learning_rate"
    if _LOSS.search(name) and not _NOT_LOSS.search(name):
        if _VALIDATION_RE.search(_CAMEL.sub("_", name)):
            return "validation_loss"
        return "epoch_loss" if _EPOCH_MEAN.search(name) else "loss"
    return None


def is_share_of_a_rate(tag: str) -> bool:
    """Whether a tag is a learning rate divided by its peak: no declared peak or floor can be held against it."""
    return _SHARE_OF_A_RATE.search(tag) is not None


def assign_roles(view: View, sources: Sequence[Source], overrides: Mapping[str, str] | None = None) -> Roles:
    """Give every series of a view its role; the main series of a role comes first.

    Megatron writes each tag twice, the second time ``... vs samples`` over another axis: the twin plays no part.
    """
    chosen = {tag: role for role, tag in (overrides or {}).items()}
    series: dict[str, list[Series]] = {}
    why: dict[str, str] = {}
    for tag, one in view.series.items():
        twin = _OTHER_AXIS.sub("", tag)
        role = chosen.get(tag) or (role_of_tag(tag) if twin == tag or twin not in view.series else None)
        if role is None or not len(one) or (tag not in chosen and not _may_play(role, one)):
            continue
        series.setdefault(role, []).append(one)
        why[tag] = "chosen with --role or [roles]" if tag in chosen else "by its name"
    if "loss" not in series and "epoch_loss" in series:
        series["loss"] = series["epoch_loss"]
    if not {"loss", "validation_loss"} & series.keys():
        free = [one for tag, one in view.series.items() if tag not in why and len(one)]
        errors = [one for one in free if is_an_error(one.tag)] or [one for one in free if _is_minimised(one)]
        if errors:
            series["loss"] = errors
            why |= {one.tag: "what is minimised, where nothing is called a loss" for one in errors}
    if "learning_rate" not in series:
        moving = [one for tag, one in view.series.items() if tag not in why and is_a_bound_of_rates(tag) and moves(one)]
        if moving:
            series["learning_rate"] = moving
            why |= {one.tag: "the lowest or highest of several rates, where no other is logged" for one in moving}
    for role, found in series.items():
        found.sort(key=lambda one: (chosen.get(one.tag) != role, *preference(role, one)))
    if "loss" not in chosen.values():
        _means_of_rows(series)
        _means_of_epochs(series)
    return Roles(series={role: tuple(found) for role, found in series.items()}, why=why)


def is_an_error(tag: str) -> bool:
    """Whether a tag is called an error, as some programs call their loss."""
    return _ERROR.match(tag.strip()) is not None


def _is_minimised(series: Series) -> bool:
    """Whether a series is a bound, a perplexity or bits of a dimension that lies above zero and comes down."""
    value = series.value[np.isfinite(series.value)]
    if not _MINIMISED.match(series.tag.strip()) or len(value) < 2:
        return False
    quarter = max(1, len(value) // 4)
    return bool(value.min() > 0 and np.median(value[-quarter:]) <= np.median(value[:quarter]))


def is_a_bound_of_rates(tag: str) -> bool:
    """Whether a tag is called ``lr_min`` or ``lr_max``: a setting, or the bounds of the rates of several groups."""
    return _BOUND_OF_RATES.search(tag) is not None


def moves(series: Series) -> bool:
    """Whether a series has another value after its first rows: a setting has one throughout."""
    value = series.value[np.isfinite(series.value)]
    return len(value) > 1 and bool(np.any(value != value[0]))


def _means_of_rows(series: dict[str, list[Series]]) -> None:
    """Take ``average loss`` for the loss where losses of longer names beside it are its parts.

    They are called as it is (``average pos_loss``), or it is their mean in every row.
    """
    parts = series.get("loss", [])
    if len(parts) < 2 or any(preference("loss", one)[0] == 0 for one in parts):
        return
    for one in series.get("epoch_loss", []):
        called = one.tag.lower().removesuffix("loss")
        named = [part for part in parts if called and part.tag.lower().startswith(called) and len(part) <= len(one)]
        alike = [part for part in parts if np.array_equal(part.step, one.step)]
        mean = len(alike) > 1 and np.allclose(
            np.mean([part.value for part in alike], axis=0), one.value, rtol=OF_A_MEAN
        )
        if (one.tag.lower().endswith("loss") and len(named) > 1) or mean:
            series["loss"] = [one, *parts]
            series["epoch_loss"] = [other for other in series["epoch_loss"] if other is not one]
            return


def _means_of_epochs(series: dict[str, list[Series]]) -> None:
    """Take the loss of the rows for the loss where the one of the plainer name counts epochs beside it."""
    losses = series.get("loss", [])
    while len(losses) > 1 and any(counts_epochs_beside(losses[0], other) for other in losses[1:]):
        series["epoch_loss"] = [losses.pop(0), *series.get("epoch_loss", [])]


def counts_epochs_beside(one: Series, other: Series) -> bool:
    """Whether a series has a row for each number of its axis and another several rows for each, over as many steps."""
    times = len(other) / max(len(one), 1)
    ahead = int(other.step.max()) / max(int(one.step.max()), 1)
    return len(one) > 1 and times >= 2 and ahead >= times / 2 and bool(np.all(np.diff(one.step) == 1))


def _may_play(role: str, series: Series) -> bool:
    """Whether the values are those of a role: a step is whole, which fairseq's ``update`` is not; what counts all
    samples or tokens goes up, where those of a batch stay the same."""
    values = series.value[np.isfinite(series.value)]
    if role == "step":
        return bool(np.all(values == np.floor(values)))
    return role not in ("samples", "tokens") or len(values) < 2 or moves(series)


def preference(role: str, series: Series) -> tuple[int, int, str]:
    """Sort key: the plain training loss before its parts, then the longest series, then the name."""
    path = re.sub(r"[ -]", "_", series.tag.lower())
    plain = _PLAIN.get(role, frozenset())
    names = (path.rsplit("/", 1)[-1], "/".join(path.split("/")[-2:]))
    return (0 if any(name in plain for name in names) else 1, -len(series), series.tag)
