"""What the files beside a log declare, and above all what they do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.config.declared import KEYS
from analyzer.config.plain_yaml import TooMuch, load_yaml
from analyzer.config.sidecars import (
    facts_from_mapping,
    facts_of_file,
    is_sidecar,
    parse_sidecar,
    read_beside,
)


def known(mapping: dict[str, Any], name: str = "config.yaml") -> dict[str, Any]:
    return {fact.key: fact.value for fact in facts_of_file(name, mapping) if fact.key in KEYS}


TRANSLATED = {
    "transformers": (
        {
            "per_device_train_batch_size": 8,
            "gradient_accumulation_steps": 4,
            "num_train_epochs": 3.0,
            "max_steps": -1,
            "lr_scheduler_type": "SchedulerType.COSINE",
            "warmup_steps": 0,
            "warmup_ratio": 0.03,
            "learning_rate": 2e-5,
            "logging_steps": 10,
            "dataloader_drop_last": False,
            "lr_scheduler_kwargs": {"num_cycles": 2},
        },
        {
            "batch_size": 8,
            "grad_accumulation": 4,
            "epochs": 3.0,
            "scheduler": "cosine",
            "warmup_ratio": 0.03,
            "base_lr": 2e-5,
            "logging_steps": 10,
            "drop_last": False,
            "scheduler_params": {"num_cycles": 2},
        },
    ),
    "transformers: max_steps wins over epochs": (
        {
            "per_device_train_batch_size": 8,
            "num_train_epochs": 3.0,
            "max_steps": 500,
            "warmup_steps": 50,
            "warmup_ratio": 0.1,
        },
        {"batch_size": 8, "max_steps": 500, "warmup_steps": 50},
    ),
    "lightning hparams": (
        {"accumulate_grad_batches": 2, "lr": 0.06, "max_epochs": 6, "scheduler": "linear", "warmup_steps": 24},
        {"grad_accumulation": 2, "base_lr": 0.06, "epochs": 6, "scheduler": "linear", "warmup_steps": 24},
    ),
    "lightning command line": (
        {
            "trainer": {"max_epochs": 10, "accumulate_grad_batches": 1, "log_every_n_steps": 50, "max_steps": -1},
            "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 1e-3}},
        },
        {"epochs": 10, "grad_accumulation": 1, "logging_steps": 50, "base_lr": 1e-3},
    ),
    "deepspeed": (
        {
            "train_batch_size": 64,
            "train_micro_batch_size_per_gpu": 8,
            "gradient_accumulation_steps": "auto",
            "scheduler": {"type": "WarmupDecayLR", "params": {"warmup_max_lr": 3e-4, "warmup_num_steps": 100}},
            "optimizer": {"params": {"lr": "auto"}},
        },
        {"global_batch_size": 64, "batch_size": 8, "scheduler": "WarmupDecayLR", "base_lr": 3e-4, "warmup_steps": 100},
    ),
    "nanoGPT without a schedule": (
        {
            "gradient_accumulation_steps": 4,
            "batch_size": 2,
            "learning_rate": 0.01,
            "max_iters": 10,
            "decay_lr": False,
            "warmup_iters": 2000,
            "lr_decay_iters": 600000,
            "min_lr": 6e-5,
        },
        {"grad_accumulation": 4, "base_lr": 0.01, "max_steps": 10, "scheduler": "constant"},
    ),
    "Megatron that exits early, with its warmup in samples": (
        {
            "train_iters": 764979,
            "exit_interval": 100,
            "lr_decay_style": "cosine",
            "lr": 3e-4,
            "micro_batch_size": 2,
            "global_batch_size": 256,
            "lr_warmup_iters": 0,
            "lr_warmup_samples": 162761,
            "num_classes": 1000,
        },
        {"scheduler": "cosine", "base_lr": 3e-4, "batch_size": 2, "global_batch_size": 256},
    ),
    "nanoGPT with its schedule": (
        {
            "learning_rate": 6e-4,
            "max_iters": 5000,
            "decay_lr": True,
            "warmup_iters": 100,
            "lr_decay_iters": 4000,
            "min_lr": 6e-5,
        },
        {
            "base_lr": 6e-4,
            "max_steps": 5000,
            "scheduler": "nanogpt-cosine",
            "warmup_steps": 100,
            "scheduler_params": {"lr_decay_iters": 4000},
            "min_lr": 6e-5,
        },
    ),
    "Megatron in iterations": (
        {"train_iters": 500, "exit_interval": None, "lr_decay_style": "WSD", "lr_warmup_iters": 10},
        {"max_steps": 500, "scheduler": "WSD", "warmup_steps": 10},
    ),
    "detectron2": (
        {
            "SOLVER": {
                "BASE_LR": 0.001,
                "MAX_ITER": 1500,
                "IMS_PER_BATCH": 4,
                "WARMUP_ITERS": 1000,
                "STEPS": [1000, 1500],
            }
        },
        {"base_lr": 0.001, "max_steps": 1500, "global_batch_size": 4, "warmup_steps": 1000},
    ),
    "W&B": (
        {
            "wandb_version": 1,
            "_wandb": {"value": {"cli_version": "0.16"}},
            "num_train_epochs": {"desc": None, "value": 3},
            "learning_rate": {"value": 1e-4},
        },
        {"epochs": 3, "base_lr": 1e-4},
    ),
    "W&B with the model's configuration": (
        {"model_type": {"value": "gpt2"}, "per_device_train_batch_size": {"value": 4}, "max_steps": {"value": 2}},
        {"batch_size": 4, "max_steps": 2},
    ),
    "timm with a cool-down": (
        {"sched": "cosine", "epochs": 90, "cooldown_epochs": 10, "warmup_epochs": 5, "lr": None, "lr_base": 0.1},
        {"scheduler": "cosine", "warmup_epochs": 5},
    ),
    "ultralytics": (
        {"epochs": 100, "batch": 16, "imgsz": 640, "lr0": 0.01, "lrf": 0.01, "warmup_epochs": 3.0, "patience": 50},
        {"epochs": 100, "early_stopping": 50},
    ),
    "values as text": (
        {"learning_rate": "1e-4", "max_epochs": "5", "drop_last": "True"},
        {"base_lr": 1e-4, "epochs": 5, "drop_last": True},
    ),
    "sections with slashes": ({"optimizer/lr": "0.1", "trainer/max_steps": "100"}, {"base_lr": 0.1, "max_steps": 100}),
}


@pytest.mark.parametrize("case", TRANSLATED)
def test_names_are_translated(case: str) -> None:
    mapping, expected = TRANSLATED[case]
    assert known(mapping) == expected


SILENT = {
    "a batch size may be global or per device": {"batch_size": 64},
    "epochs of an evaluation": {"eval": {"epochs": 3}},
    "another model's learning rate": {"discriminator": {"lr": 1e-4}},
    "two learning rates": {"optim": {"lr": 1e-3}, "optimizer": {"lr": 1e-4}},
    "unset": {"max_steps": -1, "max_epochs": None, "lr": "auto", "warmup_ratio": 0.0},
    "no number": {"learning_rate": "small", "max_epochs": [1, 2]},
    "no finite number": {"max_steps": float("inf"), "lr": float("nan"), "max_epochs": 10**400},
    "no whole number": {"max_steps": 10.5},
    "not a flag": {"max_epochs": True},
    "a model's configuration": {"model_type": "gpt2", "learning_rate": 1.0},
    "ratio": {"per_device_train_batch_size": None, "logging_steps": 0.1},
    "logged per epoch": {
        "per_device_train_batch_size": None,
        "logging_steps": 500,
        "logging_strategy": "IntervalStrategy.EPOCH",
    },
    "halved until it fits": {"per_device_train_batch_size": 64, "auto_find_batch_size": True},
    "devices that share data": {"world_size": 8, "tensor_model_parallel_size": 4},
    "a data set's own rate": {"data": {"lr": 3}},
    "accumulation as a table": {"accumulate_grad_batches": {0: 8, 4: 4}},
}


@pytest.mark.parametrize("case", SILENT)
def test_uncertain_names_are_no_facts(case: str) -> None:
    assert known(SILENT[case]) == {}


def test_what_we_have_no_use_for_is_kept() -> None:
    facts = facts_from_mapping({"batch_size": 64, "model": {"depth": 3}}, "config.yaml")
    assert {fact.key: fact.value for fact in facts} == {"config.yaml:batch_size": 64, "model.depth": 3}


def test_a_fact_says_where_it_was_found() -> None:
    (fact,) = facts_from_mapping({"optimizer": {"lr": 0.1}}, "hparams.yaml")
    assert fact.found_in == "hparams.yaml: optimizer.lr"


def test_training_samples_of_the_example_scripts() -> None:
    assert known({"train_samples": 6540, "epoch": 24.0, "train_loss": 0.1}, "all_results.json") == {
        "dataset_size": 6540
    }
    assert known({"epoch": 24.0}, "all_results.json") == {}


# Formats


def test_python_tags_are_ignored_and_never_executed(tmp_path: Path) -> None:
    text = f"""
    lr: 1e-3
    path: !!python/object/apply:os.system ["touch {tmp_path}/executed"]
    net: !!python/object:torch.nn.Module {{lr: 5}}
    size: !!python/tuple [1, 2]
    name: !Custom value
    """
    mapping = load_yaml(text)
    assert mapping["lr"] == 1e-3
    assert mapping["size"] == [1, 2]
    assert not (tmp_path / "executed").exists()


def test_a_python_configuration_is_read_as_literals() -> None:
    text = "import os\nos.abort()\ntrain_cfg = dict(by_epoch=True, max_epochs=12)\nlr = 1e-3 * 8\n"
    text += "param_scheduler = [dict(type='X')]\n"
    mapping = parse_sidecar("config.py", text)
    assert mapping == {"train_cfg": {"by_epoch": True, "max_epochs": 12}, "param_scheduler": [{"type": "X"}]}
    assert known(mapping, "config.py") == {"epochs": 12}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("hparams.yaml", "a: [1,"),
        ("hparams.yaml", "- " * 100_000),
        ("config.json", "{"),
        ("config.json", "[" * 100_000),
        ("args.yaml", "\x00\x01"),
    ],
)
def test_a_broken_sidecar_is_a_problem_and_no_fact(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    facts, (problem,) = read_beside([path])
    assert facts == ()
    assert problem.kind == "not-read"
    assert "\n" not in problem.message


def test_aliases_that_multiply_stay_small() -> None:
    lines = ["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {{p: *a{n - 1}, q: *a{n - 1}}}" for n in range(1, 40)]
    with pytest.raises(TooMuch, match="more than 200,000 values"):
        load_yaml("\n".join(lines))


@pytest.mark.parametrize(
    "name", ["hparams.yaml", "config.json", "args.yaml", "ds_config.json", "training_args.bin", "config.py"]
)
def test_sidecar_names(name: str) -> None:
    assert is_sidecar(name)


@pytest.mark.parametrize("name", ["metrics.json", "log.csv", "trainer_state.json", "results.json", "train_log.yaml"])
def test_logs_are_no_sidecars(name: str) -> None:
    assert not is_sidecar(name)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
NAMES = st.sampled_from(
    ["lr", "max_steps", "epochs", "scheduler", "warmup_ratio", "optimizer", "trainer", "batch_size"]
) | st.text(max_size=9)


@given(
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=30
    )
)
def test_any_configuration_gives_sound_facts(value: Any) -> None:
    facts = facts_from_mapping({"args": value}, "config.json")
    for fact in facts:
        if fact.key in {"max_steps", "epochs", "base_lr", "warmup_ratio"}:
            assert isinstance(fact.value, (int, float)) and fact.value > 0
    keys = [fact.key for fact in facts if fact.key in KEYS]
    assert len(keys) == len(set(keys))
    assert json.dumps([fact.found_in for fact in facts])
