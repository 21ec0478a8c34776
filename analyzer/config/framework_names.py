"""Names of frameworks' arguments, translated into declared facts.

Only a name whose meaning is certain becomes one of our keys; anything else is kept under its own name, where no rule
looks. A wrong fact makes false alarms, a missing one only leaves a check undone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from analyzer.config.declared import KEYS, scalar
from analyzer.config.dialects import dialect_of, is_unset
from analyzer.model import Fact

MOST_ENTRIES = 5_000
DEEPEST = 12
MOST = 1e18  # larger numbers, infinity and NaN are no counts or rates
# Names with one meaning wherever they stand. Sources: transformers TrainingArguments, accelerate and diffusers example
# scripts, Lightning Trainer, Megatron-LM arguments, DeepSpeed configuration, nanoGPT, timm, Composer.
CERTAIN: dict[str, str] = {
    "per_device_train_batch_size": "batch_size", "per_gpu_train_batch_size": "batch_size",
    "train_micro_batch_size_per_gpu": "batch_size", "micro_batch_size": "batch_size",
    "device_train_microbatch_size": "batch_size",
    "gradient_accumulation_steps": "grad_accumulation", "accumulate_grad_batches": "grad_accumulation",
    "grad_accumulation_steps": "grad_accumulation", "grad_accum_steps": "grad_accumulation",
    "grad_accumulation": "grad_accumulation", "gradient_accumulation": "grad_accumulation",
    "accumulative_counts": "grad_accumulation",
    "global_batch_size": "global_batch_size", "global_train_batch_size": "global_batch_size",
    "total_train_batch_size": "global_batch_size",
    "num_train_epochs": "epochs", "max_epochs": "epochs", "num_epochs": "epochs", "n_epochs": "epochs",
    "epochs": "epochs", "total_epochs": "epochs", "nb_epochs": "epochs", "train_epochs": "epochs",
    "max_steps": "max_steps", "max_iters": "max_steps", "train_iters": "max_steps", "max_train_steps": "max_steps",
    "num_iterations": "max_steps", "total_training_steps": "max_steps", "num_training_steps": "max_steps",
    "lr_scheduler_type": "scheduler", "lr_scheduler": "scheduler", "scheduler": "scheduler", "sched": "scheduler",
    "lr_decay_style": "scheduler", "lr_schedule": "scheduler", "scheduler_type": "scheduler",
    "scheduler_interval": "scheduler_interval", "lr_scheduler_interval": "scheduler_interval",
    "lr_scheduler_kwargs": "scheduler_params", "scheduler_params": "scheduler_params",
    "warmup_steps": "warmup_steps", "num_warmup_steps": "warmup_steps", "lr_warmup_steps": "warmup_steps",
    "warmup_iters": "warmup_steps", "lr_warmup_iters": "warmup_steps", "warmup_num_steps": "warmup_steps",
    "warmup_epochs": "warmup_epochs",
    "warmup_ratio": "warmup_ratio", "lr_warmup_fraction": "warmup_ratio", "warmup_proportion": "warmup_ratio",
    "learning_rate": "base_lr", "lr": "base_lr",
    "min_lr": "min_lr", "lr_min": "min_lr",
    "logging_steps": "logging_steps", "log_every_n_steps": "logging_steps",
    "dataloader_drop_last": "drop_last", "drop_last": "drop_last",
    "seq_length": "sequence_length", "sequence_length": "sequence_length",
    "dataset_size": "dataset_size", "num_train_examples": "dataset_size", "num_train_samples": "dataset_size",
    "world_size": "world_size", "num_processes": "world_size",
    "steps_per_epoch": "steps_per_epoch",
    "early_stopping_patience": "early_stopping",
    "num_classes": "num_classes",
}
# Sections under which those names keep their meaning; under any other (evaluation, teacher, discriminator) they may not
SECTIONS = {
    "config", "cfg", "args", "arguments", "hparams", "hyper_parameters", "hyperparameters", "params", "training",
    "train", "trainer", "training_args", "training_arguments", "train_cfg", "optim", "optimizer", "optim_wrapper",
    "solver", "schedule", "scheduler", "lr_scheduler", "init_args", "data", "datamodule", "dataloader",
    "train_dataloader", "experiment", "default_hooks",
}
SCHEDULER_SECTIONS = {"scheduler", "lr_scheduler", "schedule"}
SCHEDULER_NAME = {"name", "type", "_target_", "class_path"}
POSITIVE = {
    "batch_size", "grad_accumulation", "global_batch_size", "epochs", "max_steps", "steps_per_epoch", "dataset_size",
    "world_size", "warmup_epochs", "warmup_ratio", "base_lr", "logging_steps", "sequence_length", "num_classes",
}
WHOLE = {
    "batch_size", "grad_accumulation", "global_batch_size", "max_steps", "steps_per_epoch", "dataset_size",
    "world_size", "warmup_steps", "logging_steps", "sequence_length", "num_classes", "early_stopping",
}


def facts_from_mapping(mapping: Mapping[str, Any], found_in: str) -> tuple[Fact, ...]:
    """Declared facts of a configuration, whatever framework wrote it.

    Args:
        mapping: keys to values, nested or flat; values may be text, as in MLflow's parameters.
        found_in: the file; each fact adds the entry.

    Returns:
        Facts under our keys where the meaning is certain, all others under their own dotted names.
    """
    entries = _flat(_unwrapped(mapping))
    by_name = {path[-1].lower(): value for path, value in entries}
    certain: dict[str, list[tuple[str, Any]]] = {}
    other: list[Fact] = []
    dialect = dialect_of(by_name)
    for path, value in entries:
        dotted = ".".join(path)
        key = _key_of(path, value)
        key, value = dialect(path, key, value, by_name)
        if key is None or not _possible(key, value):
            if not is_unset(value):
                other.append(Fact(key=dotted if dotted not in KEYS else f"{found_in}:{dotted}", value=value,
                                  found_in=f"{found_in}: {dotted}"))
            continue
        certain.setdefault(key, []).append((dotted, value))
    facts = []
    for key, found in certain.items():
        values = {repr(value) for _, value in found}
        names = " and ".join(dotted for dotted, _ in found[:2])
        if len(values) == 1:
            facts.append(Fact(key=key, value=found[0][1], found_in=f"{found_in}: {found[0][0]}"))
        else:  # two entries that disagree: nobody can say which one the run used
            other += [Fact(key=f"{found_in}:{dotted}", value=value, found_in=f"{found_in}: {names}")
                      for dotted, value in found]
    return tuple(_consistent(facts, by_name)) + tuple(other)


def _unwrapped(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """A W&B configuration without its {desc, value} wrappers."""
    inner = {key: value for key, value in mapping.items() if key not in ("_wandb", "wandb_version")}
    if inner and all(
        isinstance(value, Mapping) and "value" in value and set(value) <= {"desc", "value"} for value in inner.values()
    ):
        return {key: value["value"] for key, value in inner.items()}
    return inner


def _flat(mapping: Mapping[str, Any]) -> list[tuple[tuple[str, ...], Any]]:
    """Paths to leaves; text is read as the scalar that it spells."""
    found: list[tuple[tuple[str, ...], Any]] = []
    waiting: list[tuple[tuple[str, ...], Any]] = [((), mapping)]
    while waiting and len(found) < MOST_ENTRIES:
        path, value = waiting.pop()
        table = path[-1:] in (("lr_scheduler_kwargs",), ("scheduler_params",))
        if isinstance(value, Mapping) and len(path) < DEEPEST and not table:
            waiting += [((*path, *_parts(str(key))), inner) for key, inner in reversed(list(value.items()))]
        elif path:
            found.append((path, _spelled(value)))
    return found


def _parts(key: str) -> tuple[str, ...]:
    """MLflow and TensorBoard flatten sections to optimizer/lr or optimizer.lr."""
    return tuple(part for part in re.split(r"[./]", key) if part) or (key,)


def _spelled(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text in ("True", "False"):
        return text == "True"
    if re.fullmatch(r"[-+]?(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][-+]?\d++)?", text):
        return scalar(text) if not re.match(r"[-+]?0\d|[-+]?\.|.*\.$|.*\.[eE]|\+", text) else float(text)
    return value


def _key_of(path: tuple[str, ...], value: Any) -> str | None:
    """Our key for an entry that means the same wherever it stands, else None."""
    name, sections = path[-1].lower().replace("-", "_"), [part.lower() for part in path[:-1]]
    if any(section not in SECTIONS for section in sections):
        return None
    if name in SCHEDULER_NAME and sections and sections[-1] in SCHEDULER_SECTIONS:
        return "scheduler"
    key = CERTAIN.get(name)
    if key == "base_lr" and sections and sections[-1] in SCHEDULER_SECTIONS:
        return None
    if key in ("scheduler", "base_lr", "min_lr") and sections and sections[-1] in ("data", "datamodule", "dataloader"):
        return None
    return key


def _possible(key: str, value: Any) -> bool:
    """Whether a value can be what its key says: -1 and 0 mean "not set" in most frameworks."""
    if is_unset(value):
        return False
    if key == "scheduler":
        return isinstance(value, str)
    if key == "scheduler_interval":
        return value in ("step", "epoch")
    if key == "scheduler_params":
        return isinstance(value, Mapping) and bool(value)
    if key == "drop_last":
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < MOST:
        return False
    if key in WHOLE and value != int(value):
        return False
    if key == "warmup_ratio" and value >= 1:
        return False
    return value > 0 if key in POSITIVE else value >= 0


def _consistent(facts: list[Fact], by_name: Mapping[str, Any]) -> Iterable[Fact]:
    """Drop what another entry of the same file overrides."""
    found = {fact.key: fact.value for fact in facts}
    for fact in facts:
        if fact.key == "warmup_steps" and fact.value == 0 and ("warmup_ratio" in found or "warmup_epochs" in found):
            continue
        if fact.key == "warmup_ratio" and found.get("warmup_steps", 0) > 0:
            continue  # transformers: steps win over the ratio
        if fact.key == "epochs" and "max_steps" in found:
            continue  # updates win over epochs in every trainer; epochs is then a default or rounded up
        if fact.key == "steps_per_epoch" and found.get("grad_accumulation", 1) != 1:
            continue  # batches or updates: cannot be told
        if fact.key == "world_size" and any(
            isinstance(by_name.get(name), int) and by_name[name] > 1
            for name in ("tensor_model_parallel_size", "pipeline_model_parallel_size", "context_parallel_size")
        ):
            continue  # devices, of which several see the same data
        yield fact
