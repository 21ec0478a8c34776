"""Names that mean something else in one framework, or nothing certain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

UNSET = {"", "auto", "none", "null", "nan", "???"}
Dialect = Callable[[tuple[str, ...], str | None, Any, Mapping[str, Any]], tuple[str | None, Any]]


def is_unset(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in UNSET)


def _is_set(value: Any) -> bool:
    return not is_unset(value) and value != 0


def _no_dialect(path: tuple[str, ...], key: str | None, value: Any, names: Mapping[str, Any]) -> tuple[str | None, Any]:
    return key, value


def _trainer(path: tuple[str, ...], key: str | None, value: Any, names: Mapping[str, Any]) -> tuple[str | None, Any]:
    """transformers: logging_steps below one is a ratio, and counts only with the strategy "steps"; so does warmup."""
    name = path[-1]
    if name == "logging_steps" and str(names.get("logging_strategy", "steps")).rsplit(".", 1)[-1].lower() != "steps":
        return None, value
    if name == "warmup_steps" and isinstance(value, float) and 0 < value < 1:
        return "warmup_ratio", value
    if name == "per_device_train_batch_size" and names.get("auto_find_batch_size") is True:
        return None, value  # halved until it fits
    if name == "lr_scheduler_type" and isinstance(value, str):
        return key, value.rsplit(".", 1)[-1].lower()  # SchedulerType.COSINE
    return key, value


def _deepspeed(path: tuple[str, ...], key: str | None, value: Any, names: Mapping[str, Any]) -> tuple[str | None, Any]:
    """DeepSpeed: train_batch_size is global; its schedulers have their own parameters."""
    if path == ("train_batch_size",):
        return "global_batch_size", value
    if path == ("scheduler", "params", "warmup_max_lr"):
        return "base_lr", value
    if path == ("optimizer", "params", "lr") and not is_unset(names.get("warmup_max_lr")):
        return None, value
    return key, value


def _detectron2(path: tuple[str, ...], key: str | None, value: Any, names: Mapping[str, Any]) -> tuple[str | None, Any]:
    keys: dict[tuple[str, ...], str] = {
        ("SOLVER", "MAX_ITER"): "max_steps", ("SOLVER", "BASE_LR"): "base_lr",
        ("SOLVER", "IMS_PER_BATCH"): "global_batch_size", ("SOLVER", "WARMUP_ITERS"): "warmup_steps",
    }
    return keys.get(path), value


def _megatron(path: tuple[str, ...], key: str | None, value: Any, names: Mapping[str, Any]) -> tuple[str | None, Any]:
    """Megatron-LM dumps every argument, defaults too: a warmup of 0 iterations counts only without one in samples."""
    warmup_elsewhere = any(_is_set(names.get(name)) for name in ("lr_warmup_samples", "lr_warmup_fraction"))
    stops_early = any(_is_set(names.get(name)) for name in ("exit_interval", "exit_duration_in_mins"))
    if key == "num_classes" or (key == "warmup_steps" and warmup_elsewhere) or (key == "max_steps" and stops_early):
        return None, value
    if key == "scheduler" and _is_set(names.get("lr_decay_samples")):
        return None, value  # its horizon is in samples
    if path[-1] == "lr_decay_iters" and _is_set(value):
        return "scheduler_params", {"lr_decay_iters": value}
    if key in ("global_batch_size", "max_steps") and _is_set(names.get("rampup_batch_size")):
        return None, value  # grows while it trains
    return key, value


def _nanogpt(path: tuple[str, ...], key: str | None, value: Any, names: Mapping[str, Any]) -> tuple[str | None, Any]:
    """nanoGPT: no schedule at all unless decay_lr; the loop runs one iteration more than max_iters, from 0."""
    if path == ("decay_lr",):
        return "scheduler", "nanogpt-cosine" if value else "constant"
    if path == ("lr_decay_iters",) and names.get("decay_lr"):
        return "scheduler_params", {"lr_decay_iters": value}
    if key in ("warmup_steps", "min_lr") and not names.get("decay_lr"):
        return None, value
    return key, value


def _yolo(path: tuple[str, ...], key: str | None, value: Any, names: Mapping[str, Any]) -> tuple[str | None, Any]:
    """Ultralytics and YOLOv5: the warmup has a lower bound of 100 batches and the optimizer may choose its own rate."""
    if path[-1] == "patience":
        return "early_stopping", value
    return (key, value) if key in ("epochs", "early_stopping") else (None, value)


def _timm(path: tuple[str, ...], key: str | None, value: Any, names: Mapping[str, Any]) -> tuple[str | None, Any]:
    """timm: cool-down epochs follow the schedule; a warmup of 0 epochs is none; lr may be scaled by the batch."""
    if key == "epochs" and names.get("cooldown_epochs"):
        return None, value
    if key == "base_lr" and not is_unset(names.get("lr_base")) and is_unset(names.get("lr")):
        return None, value
    return key, value


def _mmengine(path: tuple[str, ...], key: str | None, value: Any, names: Mapping[str, Any]) -> tuple[str | None, Any]:
    keys: dict[tuple[str, ...], str] = {
        ("train_cfg", "max_epochs"): "epochs", ("train_cfg", "max_iters"): "max_steps",
        ("train_dataloader", "batch_size"): "batch_size", ("optim_wrapper", "optimizer", "lr"): "base_lr",
        ("optim_wrapper", "accumulative_counts"): "grad_accumulation",
        ("default_hooks", "logger", "interval"): "logging_steps",
    }
    return keys.get(path), value


def _has(*names: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda by_name: all(name in by_name for name in names)


DIALECTS: tuple[tuple[Callable[[Mapping[str, Any]], bool], Dialect], ...] = (
    (_has("per_device_train_batch_size"), _trainer),
    (_has("train_micro_batch_size_per_gpu"), _deepspeed),
    (_has("train_batch_size", "steps_per_print"), _deepspeed),
    (_has("ims_per_batch", "max_iter"), _detectron2),
    (_has("train_iters", "lr_decay_style"), _megatron),
    (_has("decay_lr", "warmup_iters", "lr_decay_iters"), _nanogpt),
    (_has("lr0", "lrf"), _yolo),
    (_has("imgsz", "hyp", "weights"), _yolo),
    (_has("sched", "cooldown_epochs"), _timm),
    (_has("accumulative_counts"), _mmengine),
    (_has("param_scheduler", "by_epoch"), _mmengine),
)


def dialect_of(names: Mapping[str, Any]) -> Dialect:
    """The dialect of a configuration with these entries (the last parts of their paths, in lower case)."""
    return next((translate for recognises, translate in DIALECTS if recognises(names)), _no_dialect)
