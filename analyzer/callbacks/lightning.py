"""For Lightning: audits the folders that the trainer's loggers write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

try:
    from lightning.pytorch.callbacks import Callback
except ImportError:  # the package under its older name
    from pytorch_lightning.callbacks import Callback

from analyzer.callbacks import Auditor


class AuditCallback(Callback):
    """``Trainer(..., callbacks=[AuditCallback()])``: audits when fitting ends, and every so many epochs when asked.

    Args:
        every: also audit after each so many training epochs.
        raise_on: "error", "warning" or "never": raise ``AuditFailed`` when fitting has ended.
        declared: facts by the keys of ``analyzer.toml``.
    """

    def __init__(
        self, *, every: int | None = None, raise_on: str = "never", declared: Mapping[str, Any] | None = None
    ) -> None:
        self.every = every
        self.auditor = Auditor(raise_on=raise_on, declared=declared)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if self.every and (trainer.current_epoch + 1) % self.every == 0:
            self._audit(trainer, over=False)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if stage == "fit" and not trainer.sanity_checking:
            self._audit(trainer, over=True)

    def _audit(self, trainer: Any, *, over: bool) -> None:
        if not trainer.is_global_zero:
            return
        for logger in trainer.loggers:
            logger.save()
        places = {str(logger.log_dir) for logger in trainer.loggers if getattr(logger, "log_dir", None)}
        for place in sorted(places):
            if Path(place).is_dir():
                self.auditor.audit(place, {}, over=over)
