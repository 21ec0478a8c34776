"""What some programs print that no list of pairs is: figures in parts of a line, in phases, or without names."""

from __future__ import annotations

import re

from analyzer.readers.stdout.patterns import ASSIGNED, QUOTED, Entry, pairs_of
from analyzer.roles import role_of_tag

_ROUNDED_RATE = re.compile(r"\boptim\d{1,3}_lr\d{1,3}=\d{1,9}\.\d{3}(?![\de])")
_ESPNET_PART = re.compile(r"\[(\w{1,20})\] ([^\[]++)")


def espnet_batches(found: re.Match[str], line: str) -> Entry | None:
    """The means of some batches. From 0.001 on espnet2/train/reporter.py writes three decimals: too few for a rate."""
    phase = "" if found["phase"] == "train" else f"{found['phase']}/"
    values = pairs_of(ASSIGNED, _ROUNDED_RATE.sub("", line[found.end() :]), {})
    return {**{name: int(found[name]) for name in ("epoch", "batch")}, **{phase + k: v for k, v in values.items()}}


def espnet_results(found: re.Match[str], line: str) -> Entry | None:
    """``3epoch results: [train] loss=1.0, ..., [valid] loss=1.2``: the means of an epoch, which a rate has none of."""
    entry: Entry = {"epoch": int(found["epoch"])}
    for part, said in _ESPNET_PART.findall(line, found.end()):
        values = pairs_of(ASSIGNED, said, {})
        entry |= {f"{part}/{name}": value for name, value in values.items() if role_of_tag(name) != "learning_rate"}
    if "train/loss" in entry:
        entry["train/epoch_loss"] = entry.pop("train/loss")
    return entry if len(entry) > 1 else None


def of_megatron(values: Entry) -> Entry:
    """Figures of a validation as Megatron's event files call them: ``lm loss value`` is ``lm loss validation``."""
    return {_validated(name): value for name, value in values.items()}


def _validated(name: str) -> str:
    plain = name.removesuffix(" value")
    return plain.replace("PPL", "validation ppl") if " PPL" in plain else f"{plain} validation"


_VITS = ("loss/d/total", "loss/g/gen", "loss/g/fm", "loss/g/mel", "loss/g/dur", "loss/g/kl")  # tags of its summaries


def vits(found: re.Match[str], line: str) -> Entry | None:
    """The losses, the step and the rate in one list without names, below ``Train Epoch: 3 [12%]``."""
    losses = map(float, found["losses"].rstrip(", ").split(","))
    return {"step": int(found["step"]), **dict(zip(_VITS, losses, strict=True)), "lr": float(found["rate"])}


def flower(found: re.Match[str], line: str) -> Entry:
    """``fit progress: (3, 0.52, {'accuracy': 0.81}, 74.2)``."""
    return {"round": int(found["round"]), "loss": float(found["loss"]), **pairs_of(QUOTED, line[found.end() :], {})}
