"""The keys of declared facts, and what each means. Imports nothing: the command line lists them in its help."""

from __future__ import annotations

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
