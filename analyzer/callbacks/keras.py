"""For Keras 3: audits what its CSVLogger or TensorBoard callback wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras.callbacks import Callback

from analyzer.callbacks import Auditor


class AuditCallback(Callback):
    """``model.fit(..., callbacks=[CSVLogger("log.csv"), AuditCallback("log.csv")])``: behind the callback that writes.

    Args:
        place: the file or folder that the other callback writes.
        every: also audit after each so many epochs.
        raise_on: "error", "warning" or "never": raise ``AuditFailed`` at the end of training.
        declared: facts by the keys of ``analyzer.toml``.
    """

    def __init__(
        self,
        place: str | Path,
        *,
        every: int | None = None,
        raise_on: str = "never",
        declared: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.place = place
        self.every = every
        self.auditor = Auditor(raise_on=raise_on, declared=declared)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.every and (epoch + 1) % self.every == 0:
            self.auditor.audit(self.place, self._facts(), over=False)

    def on_train_end(self, logs: Any = None) -> None:
        self.auditor.audit(self.place, self._facts(), over=True)

    def _facts(self) -> dict[str, Any]:
        """What ``fit`` was asked for: epochs, and the steps of each where the data have a length."""
        told = {"epochs": self.params.get("epochs"), "steps_per_epoch": self.params.get("steps")}
        return {key: value for key, value in told.items() if value}
