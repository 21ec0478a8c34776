"""For the Trainer of transformers: audits the history that it keeps, with the facts that its arguments declare."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from analyzer.callbacks import Auditor


class AuditCallback(TrainerCallback):
    """``Trainer(..., callbacks=[AuditCallback()])``: audits at the end, and every so many log rows when asked.

    Args:
        every: also audit after each so many rows of the history.
        raise_on: "error", "warning" or "never": raise ``AuditFailed`` at the end of training.
        declared: facts by the keys of ``analyzer.toml``, stronger than the arguments of the Trainer.
    """

    def __init__(
        self, *, every: int | None = None, raise_on: str = "never", declared: Mapping[str, Any] | None = None
    ) -> None:
        self.every = every
        self.auditor = Auditor(raise_on=raise_on, declared=declared)

    def on_log(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        if self.every and state.log_history and len(state.log_history) % self.every == 0:
            self._audit(args, state, others, over=False)

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self._audit(args, state, others, over=True)

    def _audit(self, args: Any, state: Any, others: Mapping[str, Any], *, over: bool) -> None:
        if not state.is_world_process_zero:
            return
        with tempfile.TemporaryDirectory() as place:
            state.save_to_json(str(Path(place) / "trainer_state.json"))
            self.auditor.audit(place, facts_of(args, others.get("train_dataloader")), over=over)


def facts_of(args: Any, loader: Any = None) -> dict[str, Any]:
    """What TrainingArguments declare, by the keys of ``analyzer.toml``."""
    kind = getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type)
    facts: dict[str, Any] = {
        "batch_size": args.per_device_train_batch_size,
        "grad_accumulation": args.gradient_accumulation_steps,
        "world_size": args.world_size,
        "drop_last": args.dataloader_drop_last,
        "base_lr": args.learning_rate,
        "scheduler": str(kind),
    }
    if args.max_steps > 0:
        facts["max_steps"] = args.max_steps
    elif float(args.num_train_epochs).is_integer():
        facts["epochs"] = int(args.num_train_epochs)
    if args.warmup_steps >= 1:
        facts["warmup_steps"] = int(args.warmup_steps)
    dataset = getattr(loader, "dataset", None)
    if dataset is not None and hasattr(dataset, "__len__"):
        facts["dataset_size"] = len(dataset)
    return facts
