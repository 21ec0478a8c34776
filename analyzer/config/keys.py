"""The keys of declared facts, what each means and what it may be. The command line lists them in its help."""

from __future__ import annotations

import math

from analyzer.spelling import nearest, plain

KEYS: dict[str, str] = {
    "dataset_size": "training examples in one epoch",
    "batch_size": "examples per device and micro-batch",
    "grad_accumulation": "micro-batches per optimizer update",
    "world_size": "devices that see different data",
    "global_batch_size": "examples per optimizer update; instead of batch_size x world_size x grad_accumulation",
    "drop_last": "whether the last, smaller batch of an epoch is dropped",
    "epochs": "epochs to train",
    "max_steps": "optimizer updates to train",
    "steps_per_epoch": "optimizer updates in one epoch",
    "scheduler": "learning-rate schedule, as its framework spells it",
    "scheduler_interval": "what one scheduler step is: step or epoch",
    "scheduler_params": "a table of the schedule's parameters",
    "warmup_steps": "updates of warmup",
    "warmup_epochs": "epochs of warmup",
    "warmup_ratio": "warmup as a share of all updates",
    "base_lr": "peak learning rate",
    "min_lr": "floor of the learning rate",
    "logging_steps": "updates between two log rows",
    "accumulation_remainder": "what an epoch's last, incomplete accumulation window does: step, drop or carry",
    "early_stopping": "patience; a short run is then no fault",
    "batch_size_ramp": "[[from epoch or step, size], ...]",
    "sequence_length": "tokens in one example",
    "tokens_per_step": "tokens per optimizer update",
    "num_classes": "classes of a classifier",
}

COUNTS = (
    "dataset_size", "batch_size", "grad_accumulation", "world_size", "global_batch_size", "max_steps",
    "sequence_length", "num_classes",
)  # fmt: skip
POSITIVE = ("epochs", "steps_per_epoch", "logging_steps", "tokens_per_step")
AT_LEAST_ZERO = ("warmup_steps", "warmup_epochs", "min_lr", "base_lr")
CHOICES = {
    "scheduler_interval": ("step", "epoch"),
    "accumulation_remainder": ("step", "drop", "carry"),
}
OWN_SCHEDULES = ("custom", "LambdaLR", "MultiplicativeLR", "LearningRateScheduler")
"""Names that say that a schedule is the project's own, which nothing is compared with."""
BEYOND_STEPS = 2**63  # a step is written in 64 bits, with its sign
SLIP = 0.8  # of the letters agree: one left out, doubled or wrong, or two in the wrong order, in a word of six


def scheduler_names() -> tuple[str, ...]:
    """Schedules as frameworks spell them: the names that stand in the families, and those of a project's own."""
    from analyzer.clocks.schedules import families

    return (*(name for family in families().values() for name in family.spelled.split()), *OWN_SCHEDULES)


def _amount(value: object) -> float:
    """A number as a double: one beyond every step is infinite, so that products of those that pass are finite."""
    if not isinstance(value, (int, float)):
        return math.nan
    return float(value) if abs(value) < BEYOND_STEPS else math.inf if value > 0 else -math.inf


def why_not(key: str, value: object) -> str:
    """What is wrong with the value of a known key, and what it should be; empty when nothing is."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    amount = _amount(value)
    if key in COUNTS and not (number and amount > 0 and amount.is_integer()):
        return "expected a positive whole number"
    if key in POSITIVE and not (number and 0 < amount < math.inf):
        return "expected a positive number"
    if key in AT_LEAST_ZERO and not (number and 0 <= amount < math.inf):
        return "expected a number, 0 or more"
    if key == "warmup_steps" and not amount.is_integer():
        return "expected a whole number; a share of the run is warmup_ratio"
    if key == "warmup_ratio" and not (number and 0 <= amount <= 1):
        return "expected a share of the run, 0 to 1"
    if key == "drop_last" and not isinstance(value, bool):
        return "expected true or false"
    if key == "early_stopping" and not (isinstance(value, bool) or (number and 0 <= amount < math.inf)):
        return "expected a patience (a number), or true"
    if key == "scheduler_params" and not isinstance(value, dict):
        return "expected a table of the schedule's parameters"
    if key == "batch_size_ramp" and not _is_ramp(value):
        return "expected [[from epoch or step, size], ...]"
    if key in CHOICES and value not in CHOICES[key]:
        return f"expected one of {', '.join(CHOICES[key])}"
    if key == "scheduler":
        return _why_no_schedule(value)
    return ""


def _why_no_schedule(name: object) -> str:
    """A name near a known one is a slip of the pen; any other is a schedule of the project's own."""
    if not isinstance(name, str) or not name.strip():
        return "expected the name of a schedule"
    known = {plain(one) for one in scheduler_names()}
    slip = plain(name) not in known and nearest(plain(name), known, cutoff=SLIP) is not None
    return "no schedule of this name is known" if slip else ""


def _is_ramp(value: object) -> bool:
    if not isinstance(value, (list, tuple)) or not value:
        return False
    pairs = [pair for pair in value if isinstance(pair, (list, tuple)) and len(pair) == 2]
    numbers = [one for pair in pairs for one in pair if isinstance(one, (int, float)) and not isinstance(one, bool)]
    return len(pairs) == len(value) == len(numbers) / 2 and all(0 <= _amount(one) < math.inf for one in numbers)
