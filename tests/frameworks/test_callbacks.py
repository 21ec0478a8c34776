"""The callbacks on tiny trainings of real frameworks (``make test-frameworks``): sound ones pass, a NaN is raised."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")  # one backend is enough, and it is there

import torch

from analyzer.callbacks import AuditFailed

ROWS = 96


def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, 4, generator=generator)
    return x, x @ torch.tensor([[1.0], [-2.0], [0.5], [0.0]]) + 0.1 * torch.randn(ROWS, 1, generator=generator)


def trained_by_transformers(folder: Path, callback: Any, broken: bool) -> None:
    from transformers import Trainer, TrainingArguments

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)
            self.calls = 0

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            self.calls += 1
            loss = torch.nn.functional.mse_loss(self.layer(x), labels)
            return {"loss": loss * float("nan") if broken and self.calls > 20 else loss}

    x, y = data()
    rows = [{"x": x[n], "labels": y[n]} for n in range(ROWS)]
    arguments = TrainingArguments(
        output_dir=str(folder), num_train_epochs=4, per_device_train_batch_size=8, logging_steps=1, report_to="none",
        save_strategy="no", use_cpu=True, disable_tqdm=True, logging_nan_inf_filter=False, learning_rate=1e-2,
    )  # fmt: skip
    Trainer(model=Model(), args=arguments, train_dataset=rows, callbacks=[callback]).train()


def trained_by_lightning(folder: Path, callback: Any, broken: bool) -> None:
    import lightning as L
    from lightning.pytorch.loggers import CSVLogger

    class Model(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch: Any, number: int) -> torch.Tensor:
            loss = torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])
            loss = loss * float("nan") if broken and self.global_step > 20 else loss
            self.log("train_loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.02)

    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*data()), batch_size=8)
    L.Trainer(
        max_epochs=4, logger=CSVLogger(folder), log_every_n_steps=1, callbacks=[callback], accelerator="cpu",
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    ).fit(Model(), loader)  # fmt: skip


def trained_by_keras(folder: Path, callback: Any, broken: bool) -> None:
    import keras

    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(1e30 if broken else 0.01), loss="mse")
    x, y = data()
    logger = keras.callbacks.CSVLogger(folder / "log.csv")
    model.fit(x.numpy(), y.numpy(), batch_size=8, epochs=6, verbose=0, callbacks=[logger, callback])


def callback_of(framework: str, folder: Path, **options: Any) -> Any:
    if framework == "transformers":
        from analyzer.callbacks.transformers import AuditCallback as ForTransformers

        return ForTransformers(**options)
    if framework == "lightning":
        from analyzer.callbacks.lightning import AuditCallback as ForLightning

        return ForLightning(**options)
    from analyzer.callbacks.keras import AuditCallback as ForKeras

    return ForKeras(folder / "log.csv", **options)


TRAINED = {"transformers": trained_by_transformers, "lightning": trained_by_lightning, "keras": trained_by_keras}


@pytest.mark.parametrize("framework", TRAINED)
def test_a_sound_training_passes(framework: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    callback = callback_of(framework, tmp_path, raise_on="warning", every=2)
    TRAINED[framework](tmp_path, callback, False)
    assert callback.auditor.report.runs
    out = capsys.readouterr().out
    assert "in 1 run" in out and "[LOS003]" not in out


@pytest.mark.parametrize("framework", TRAINED)
def test_a_loss_that_is_not_finite_is_told_and_raised(
    framework: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AuditFailed) as raised:
        TRAINED[framework](tmp_path, callback_of(framework, tmp_path, raise_on="error"), True)
    assert "LOS003" in set(raised.value.report.findings["code"])
    assert "error[LOS003]" in capsys.readouterr().out


@pytest.mark.parametrize("framework", TRAINED)
def test_it_never_raises_unasked(framework: str, tmp_path: Path) -> None:
    TRAINED[framework](tmp_path, callback_of(framework, tmp_path), True)
