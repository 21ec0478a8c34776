"""Write one tiny run as every producer writes it, through the producers' own loggers, into fixtures/same_run.

The run: 120 updates, 20 an epoch, a linear schedule with 10 steps of warmup that was built for 240 updates instead of
120, and a loss spike at update 77. Each producer keeps its own conventions: Lightning counts steps from 0, the Trainer
logs fractions of an epoch.

    python -m venv /tmp/producers
    /tmp/producers/bin/pip install torch lightning transformers tensorboardX tensorboard mlflow-skinny sqlalchemy \
        alembic wandb trackio mmengine
    /tmp/producers/bin/python scripts/make_same_run.py
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TARGET = Path(__file__).resolve().parents[1] / "fixtures" / "same_run"
UPDATES, PER_EPOCH, WARMUP, HORIZON, PEAK, SPIKE = 120, 20, 10, 240, 0.1, 77


@dataclass(frozen=True, kw_only=True)
class Update:
    """One optimizer update as the loop knows it."""

    number: int  # from 1
    epoch: int  # from 0
    loss: float
    lr: float


def updates() -> list[Update]:
    """The run. Losses are float32 values, so that every format can hold them exactly."""
    noise = np.random.default_rng(7).normal(size=UPDATES)
    found = []
    for number in range(1, UPDATES + 1):
        position = number - 1
        lr = PEAK * (position / WARMUP if position < WARMUP else (HORIZON - position) / (HORIZON - WARMUP))
        loss = 0.6 + 1.8 / (1 + number / 12) + 0.02 * noise[position] + (1.5 if number == SPIKE else 0.0)
        found.append(
            Update(number=number, epoch=position // PER_EPOCH, loss=float(np.float32(loss)), lr=float(np.float32(lr)))
        )
    return found


def plain_csv(folder: Path, run: list[Update]) -> None:
    with (folder / "log.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["step", "epoch", "loss", "lr"])
        writer.writerows([one.number, one.epoch, one.loss, one.lr] for one in run)


def gzipped_csv(folder: Path, run: list[Update]) -> None:
    plain_csv(folder, run)
    text = (folder / "log.csv").read_bytes()
    (folder / "log.csv").unlink()
    (folder / "log.csv.gz").write_bytes(gzip.compress(text, mtime=0))


def json_lines(folder: Path, run: list[Update]) -> None:
    lines = [json.dumps({"step": one.number, "epoch": one.epoch, "loss": one.loss, "lr": one.lr}) for one in run]
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n")


def printed_dictionaries(folder: Path, run: list[Update]) -> None:
    lines = [
        str({"loss": one.loss, "learning_rate": one.lr, "epoch": one.number / PER_EPOCH, "step": one.number})
        for one in run
    ]
    (folder / "train.log").write_text("***** Running training *****\n" + "\n".join(lines) + "\n")


def torch_summary_writer(folder: Path, run: list[Update]) -> None:
    from torch.utils.tensorboard import SummaryWriter

    _tensorboard_like(SummaryWriter(str(folder)), run)


def tensorboardx(folder: Path, run: list[Update]) -> None:
    from tensorboardX import SummaryWriter

    _tensorboard_like(SummaryWriter(str(folder)), run)


def _tensorboard_like(writer: object, run: list[Update]) -> None:
    for one in run:
        writer.add_scalar("train/loss", one.loss, one.number)  # type: ignore[attr-defined]
        writer.add_scalar("train/lr", one.lr, one.number)  # type: ignore[attr-defined]
        writer.add_scalar("epoch", one.epoch, one.number)  # type: ignore[attr-defined]
    writer.close()  # type: ignore[attr-defined]


def tensor_scalars(folder: Path, run: list[Update]) -> None:
    """As TensorFlow 2 writes scalars: rank-0 tensors."""
    from tensorboard.summary import Writer

    writer = Writer(str(folder))
    for one in run:
        for tag, value in (("loss", one.loss), ("lr", one.lr), ("epoch", one.epoch)):
            writer.add_scalar(tag, np.float32(value), one.number)
    writer.close()


def lightning_csv(folder: Path, run: list[Update]) -> None:
    from lightning.pytorch.loggers import CSVLogger

    _lightning(CSVLogger(str(folder), name="lightning_logs", flush_logs_every_n_steps=1000), run)


def lightning_tensorboard(folder: Path, run: list[Update]) -> None:
    from lightning.pytorch.loggers import TensorBoardLogger

    _lightning(TensorBoardLogger(str(folder), name="lightning_logs"), run)


def _lightning(logger: object, run: list[Update]) -> None:
    for one in run:
        step = one.number - 1
        logger.log_metrics({"lr-SGD": one.lr}, step=step)  # type: ignore[attr-defined]
        logger.log_metrics({"train_loss": one.loss, "epoch": one.epoch}, step=step)  # type: ignore[attr-defined]
    logger.save()  # type: ignore[attr-defined]
    logger.finalize("success")  # type: ignore[attr-defined]


def trainer_state(folder: Path, run: list[Update]) -> None:
    from transformers.trainer_callback import TrainerState

    state = TrainerState(epoch=UPDATES / PER_EPOCH, global_step=UPDATES, max_steps=UPDATES, num_train_epochs=6)
    state.log_history = [
        {"loss": one.loss, "learning_rate": one.lr, "epoch": one.number / PER_EPOCH, "step": one.number} for one in run
    ]
    state.save_to_json(str(folder / "trainer_state.json"))


def mlflow_files(folder: Path, run: list[Update]) -> None:
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    _mlflow((folder / "mlruns").as_uri(), run)


def mlflow_database(folder: Path, run: list[Update]) -> None:
    _mlflow(f"sqlite:///{folder / 'mlflow.db'}", run)


def _mlflow(uri: str, run: list[Update]) -> None:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    created = client.create_run(client.create_experiment("same run"))
    start = 1_790_000_000_000
    for one in run:
        moment = start + 500 * one.number
        metrics = [
            Metric(k, v, moment, one.number) for k, v in (("loss", one.loss), ("lr", one.lr), ("epoch", one.epoch))
        ]
        client.log_batch(created.info.run_id, metrics=metrics)
    client.set_terminated(created.info.run_id)


def wandb_offline(folder: Path, run: list[Update]) -> None:
    import wandb

    settings = wandb.Settings(
        console="off",
        disable_git=True,
        save_code=False,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
    )
    with wandb.init(mode="offline", dir=str(folder), project="same-run", settings=settings) as logged:
        for one in run:
            logged.log({"global_step": one.number, "loss": one.loss, "lr": one.lr, "epoch": one.epoch})
    for path in sorted(folder.rglob("*"), reverse=True):  # its own diagnostics are no part of the log
        if path.is_symlink() or path.suffix == ".log" or (path.is_dir() and not any(path.iterdir())):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def trackio_store(folder: Path, run: list[Update]) -> None:
    os.environ["TRACKIO_DIR"] = str(folder)
    import trackio

    trackio.init(project="same-run", name="run")
    for one in run:
        trackio.log({"loss": one.loss, "lr": one.lr, "epoch": one.epoch}, step=one.number)
    trackio.finish()


def mmengine_scalars(folder: Path, run: list[Update]) -> None:
    from mmengine.visualization import LocalVisBackend

    backend = LocalVisBackend(save_dir=str(folder / "vis_data"))
    for one in run:
        values = {"lr": one.lr, "loss": one.loss, "epoch": one.epoch + 1, "iter": one.number}
        backend.add_scalars(values, step=one.number)


PRODUCERS: dict[str, Callable[[Path, list[Update]], None]] = {
    "plain-csv": plain_csv,
    "gzipped-csv": gzipped_csv,
    "json-lines": json_lines,
    "printed-dictionaries": printed_dictionaries,
    "torch-summarywriter": torch_summary_writer,
    "tensorboardx": tensorboardx,
    "tensor-scalars": tensor_scalars,
    "lightning-csv": lightning_csv,
    "lightning-tensorboard": lightning_tensorboard,
    "trainer-state": trainer_state,
    "mlflow-files": mlflow_files,
    "mlflow-database": mlflow_database,
    "wandb-offline": wandb_offline,
    "trackio": trackio_store,
    "mmengine": mmengine_scalars,
}


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def main() -> int:
    wanted = sys.argv[1:] or list(PRODUCERS)
    run = updates()
    failed = []
    for name in wanted:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / name
            folder.mkdir()
            try:
                with inside(folder):
                    PRODUCERS[name](folder, run)
            except Exception as error:
                failed.append(f"{name}: {type(error).__name__}: {error}")
                continue
            shutil.rmtree(TARGET / name, ignore_errors=True)
            shutil.copytree(folder, TARGET / name)
    for line in failed:
        print(line, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
