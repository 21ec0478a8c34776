"""Files that frameworks leave beside a log, translated into declared facts.

Only a name whose meaning is certain becomes one of our keys; anything else is kept under its own name, where no rule
looks. A wrong fact makes false alarms, a missing one only leaves a check undone. Nothing here is executed: YAML goes
through a safe loader that ignores Python tags, a Python configuration is read as a syntax tree, a pickle is named and
left alone.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from analyzer.config.declared import KEYS, scalar
from analyzer.model import Fact, Problem

MOST_BYTES = 4_000_000  # a configuration is never larger; a data set is
MOST_ENTRIES = 5_000
DEEPEST = 12
MOST = 1e18  # larger numbers, infinity and NaN are no counts or rates

NOT_READ = {
    "training_args.bin": "a pickle, never opened; export it with"
    " json.dump(training_args.to_dict(), open('training_args.json', 'w'), default=str)",
}
READ = re.compile(
    r"(?i)^(hparams|args|opt|config|cfg|params|hyperparams|hyp|training_args|all_results|train_results|eval_results"
    r"|(ds|deepspeed)([-_].*)?)\.(ya?ml|json)$|^config\.py$"
)

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
UNSET = {"", "auto", "none", "null", "nan", "???"}


def is_sidecar(name: str) -> bool:
    """Whether a file of this name is a configuration rather than a log."""
    return name in NOT_READ or READ.match(name) is not None


def read_beside(paths: Iterable[Path]) -> tuple[tuple[Fact, ...], tuple[Problem, ...]]:
    """Facts of the sidecars in the order given, and those that are not read, each with the reason and what to do."""
    facts: list[Fact] = []
    problems: list[Problem] = []
    for path in paths:
        mapping, reason = read_sidecar(path)
        if mapping is not None:
            facts += facts_of_file(path.name, mapping)
        if reason:
            problems.append(Problem(source=str(path), kind="not-read", message=reason))
    return tuple(facts), tuple(problems)


def read_sidecar(path: Path) -> tuple[Mapping[str, Any] | None, str]:
    """What a sidecar says, and why it could not be read ("" when it could, or when it is none of ours)."""
    if path.name in NOT_READ:
        return None, NOT_READ[path.name]
    try:
        if path.stat().st_size > MOST_BYTES:
            return None, "too large for a configuration; its facts are not used"
        text = path.read_text(encoding="utf-8", errors="replace")
        parsed = parse_sidecar(path.name, text)
    except OSError as error:
        return None, f"{error.strerror or error}; its facts are not used"
    except RecursionError:
        return None, "nested too deeply; its facts are not used"
    except Exception as error:  # YAML and JSON errors carry the place in their text
        return None, f"not valid {path.suffix[1:].upper()}: {_one_line(error)}; its facts are not used"
    return (parsed, "") if isinstance(parsed, Mapping) else (None, "")


def parse_sidecar(name: str, text: str) -> Any:
    """The content of a sidecar as plain dictionaries, lists and scalars; nothing in it is executed."""
    if name.endswith(".json"):
        return json.loads(text)
    if name.endswith(".py"):
        return _literals_of_python(text)
    return load_yaml(text)


def load_yaml(text: str) -> Any:
    """YAML by the safe loader; a tag that it does not know is ignored and the plain value below it taken."""
    import yaml

    return yaml.load(text, Loader=_plain_loader())


@cache
def _plain_loader() -> Any:
    # The loader written in Python: that in C overflows the stack of the process on deep nesting instead of raising.
    import yaml

    class PlainLoader(yaml.SafeLoader):
        pass

    def plain(loader: Any, suffix: str, node: Any) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_scalar(node)

    for prefix in ("tag:yaml.org,2002:python/", "!"):
        PlainLoader.add_multi_constructor(prefix, plain)
    # YAML 1.1 takes 1e-4 for text; frameworks write it and mean a number.
    PlainLoader.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
    )
    return PlainLoader


def _literals_of_python(text: str) -> dict[str, Any]:
    """Top-level ``name = literal`` and ``name = dict(...)`` of a configuration (mmengine); the rest is left out."""
    found = {}
    for statement in ast.parse(text).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]):
                value = _literal(statement.value)
                if value is not None:
                    found[name] = value
    return found


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return {keyword.arg: _literal(keyword.value) for keyword in node.keywords if keyword.arg}
    if isinstance(node, ast.Dict):
        keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
        return {key: _literal(value) for key, value in zip(keys, node.values, strict=True) if isinstance(key, str)}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_literal(item) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _one_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error))[:120]


# Translation


def facts_of_file(name: str, mapping: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Facts of one file, by what kind of file it is."""
    if "model_type" in mapping or "architectures" in mapping or "transformers_version" in mapping:
        return ()  # the model's configuration, not the training's
    if name in ("all_results.json", "train_results.json"):
        samples = mapping.get("train_samples")  # the example scripts of transformers: rows of the training set
        return (Fact(key="dataset_size", value=int(samples), found_in=f"{name}: train_samples"),) if samples else ()
    if name == "eval_results.json":
        return ()
    return facts_from_mapping(mapping, name)


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
    dialect = next((translate for recognises, translate in DIALECTS if recognises(by_name)), _no_dialect)
    for path, value in entries:
        dotted = ".".join(path)
        key = _key_of(path, value)
        key, value = dialect(path, key, value, by_name)
        if key is None or not _possible(key, value):
            if not _is_unset(value):
                other.append(Fact(key=dotted if dotted not in KEYS else f"{found_in}:{dotted}", value=value,
                                  found_in=f"{found_in}: {dotted}"))
            continue
        certain.setdefault(key, []).append((dotted, value))
    facts = []
    for key, found in certain.items():
        values = {json.dumps(value, sort_keys=True, default=str) for _, value in found}
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
    if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text):
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


def _is_unset(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in UNSET)


def _possible(key: str, value: Any) -> bool:
    """Whether a value can be what its key says: -1 and 0 mean "not set" in most frameworks."""
    if _is_unset(value):
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


# Dialects: names that mean something else in one framework

Dialect = Callable[[tuple[str, ...], str | None, Any, Mapping[str, Any]], tuple[str | None, Any]]


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
    if path == ("optimizer", "params", "lr") and not _is_unset(names.get("warmup_max_lr")):
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
    if key in ("global_batch_size", "max_steps") and _is_set(names.get("rampup_batch_size")):
        return None, value  # grows while it trains
    return key, value


def _is_set(value: Any) -> bool:
    return not _is_unset(value) and value != 0


def _nanogpt(path: tuple[str, ...], key: str | None, value: Any, names: Mapping[str, Any]) -> tuple[str | None, Any]:
    """nanoGPT: no schedule at all unless decay_lr; the loop runs one iteration more than max_iters, from 0."""
    if path == ("decay_lr",):
        return "scheduler", "cosine" if value else "constant"
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
    if key == "base_lr" and not _is_unset(names.get("lr_base")) and _is_unset(names.get("lr")):
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
