"""Write fixtures/formats/written: one tiny run as the loggers that are too heavy to install write it.

    python scripts/make_format_fixtures.py [FOLDER]

Every function below follows the writing code of one logger; its docstring names that code. The run is made up: 40
updates, 8 an epoch, a linear learning rate. What real programs wrote lies beside it (fixtures/formats/ORIGIN.md).
"""

# ruff: noqa: E501

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

UPDATES = 40
UPDATES_PER_EPOCH = 8
EPOCHS = UPDATES // UPDATES_PER_EPOCH
BATCH = 32
START = 1_700_000_000.0  # seconds since 1970
SECONDS_PER_UPDATE = 1.5


def loss(update: int) -> float:
    """Training loss of an update, counted from 1."""
    return round(0.5 + 2.0 / update**0.5 + 0.01 * (update * 7 % 5), 6)


def rate(update: int) -> float:
    """Learning rate that an update used: linear to zero."""
    return 1e-3 * (1 - (update - 1) / UPDATES)


def mean_loss(epoch: int) -> float:
    """Mean over the updates of an epoch, counted from 0."""
    first = epoch * UPDATES_PER_EPOCH + 1
    return math.fsum(loss(update) for update in range(first, first + UPDATES_PER_EPOCH)) / UPDATES_PER_EPOCH


def deepspeed(folder: Path) -> None:
    """deepspeed/monitor/csv_monitor.py: a file a tag, opened for appending, a header at every start; steps in samples."""
    for tag, value in (("Train_Samples_lr", lambda update: rate(update + 1)), ("Train_Samples_train_loss", loss)):
        with (folder / f"{tag}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            for life in (range(1, 25), range(25, UPDATES + 1)):
                writer.writerow(["step", tag.removeprefix("Train_Samples_")])
                writer.writerows([update * BATCH, value(update)] for update in life)


def ultralytics(folder: Path) -> None:
    """ultralytics/engine/trainer.py, save_metrics: `%23s` header cells and `%23.5g` values in older releases."""
    keys = ["epoch", "train/box_loss", "metrics/mAP50(B)", "val/box_loss", "lr/pg0"]
    with (folder / "results.csv").open("w") as file:
        file.write(("%23s," * len(keys) % tuple(keys)).rstrip(",") + "\n")
        for epoch in range(EPOCHS):
            values = (
                epoch + 1,
                mean_loss(epoch),
                0.1 * epoch,
                mean_loss(epoch) + 0.1,
                rate(epoch * UPDATES_PER_EPOCH + 1),
            )
            file.write(("%23.5g," * len(values) % values).rstrip(",") + "\n")


def llama_factory(folder: Path) -> None:
    """llamafactory/train/callbacks.py, LogCallback: trainer_log.jsonl."""
    with (folder / "trainer_log.jsonl").open("w") as file:
        for update in range(5, UPDATES + 1, 5):
            entry = {
                "current_steps": update,
                "total_steps": UPDATES,
                "loss": loss(update),
                "lr": rate(update),
                "epoch": round(update / UPDATES_PER_EPOCH, 2),
                "percentage": round(100 * update / UPDATES, 2),
                "elapsed_time": f"0:00:{int(update * SECONDS_PER_UPDATE):02d}",
                "remaining_time": "0:00:10",
            }
            file.write(json.dumps(entry) + "\n")


def composer(folder: Path) -> None:
    """composer/loggers/file_logger.py: the level and the step before each JSON object; losses from 0, rates from 1."""
    with (folder / "logs.txt").open("w") as file:
        for update in range(1, UPDATES + 1):
            file.write(f"[BATCH][step={update - 1}]: " + json.dumps({"loss/train/total": loss(update)}) + "\n")
            file.write(f"[BATCH][step={update}]: " + json.dumps({"lr-DecoupledSGDW/group0": rate(update)}) + "\n")


def torchtune(folder: Path) -> None:
    """torchtune/training/metric_logging.py, DiskLogger: `Step 1 | name:value name:value`."""
    with (folder / "log_1700000000.txt").open("w") as file:
        for update in range(1, UPDATES + 1):
            file.write(f"Step {update} | loss:{loss(update)} lr:{rate(update)} tokens_per_second_per_gpu:1234.5 \n")


def fairseq(folder: Path) -> None:
    """fairseq/logging/progress_bar.py, JsonProgressBar: numbers as strings."""
    with (folder / "train.log").open("w") as file:
        for update in range(4, UPDATES + 1, 4):
            entry = {
                "epoch": (update - 1) // UPDATES_PER_EPOCH + 1,
                "update": round(update / UPDATES_PER_EPOCH, 3),
                "loss": f"{loss(update):.3f}",
                "num_updates": str(update),
                "lr": f"{rate(update):g}",
                "wall": "9",
            }
            file.write(f"2024-01-01 00:00:{update:02d} | INFO | train_inner | {json.dumps(entry)}\n")


def megatron(folder: Path) -> None:
    """megatron/training/training.py, training_log: the line that rank 0 prints; the rate is the next update's."""
    with (folder / "stdout.log").open("w") as file:
        file.write("training ...\n")
        for update in range(1, UPDATES + 1):
            file.write(
                f" iteration {update:8d}/{UPDATES:8d} | consumed samples: {update * BATCH:12d} | elapsed time per iteration "
                f"(ms): 1500.0 | learning rate: {rate(update + 1):.6E} | global batch size: {BATCH:5d} | lm loss: "
                f"{loss(update):.6E} | loss scale: 1.0 | grad norm: 1.000 | number of skipped iterations:   0 | number of "
                "nan iterations:   0 |\n"
            )


def keras(folder: Path) -> None:
    """keras/src/utils/progbar.py: one line an epoch when it is not drawn over (`verbose=2`); History as people dump it."""
    with (folder / "stdout.txt").open("w") as file:
        for epoch in range(EPOCHS):
            file.write(
                f"Epoch {epoch + 1}/{EPOCHS}\n8/8 - 1s - 150ms/step - loss: {mean_loss(epoch):.4f} - val_loss: "
                f"{mean_loss(epoch) + 0.1:.4f}\n"
            )
    history = {
        "loss": [mean_loss(epoch) for epoch in range(EPOCHS)],
        "val_loss": [mean_loss(epoch) + 0.1 for epoch in range(EPOCHS)],
    }
    (folder / "history.json").write_text(json.dumps(history))


def chainer(folder: Path) -> None:
    """chainer/training/extensions/log_report.py: a JSON list in a file named `log`, rewritten at every trigger."""
    entries = [
        {
            "main/loss": mean_loss(epoch),
            "validation/main/loss": mean_loss(epoch) + 0.1,
            "epoch": epoch + 1,
            "iteration": (epoch + 1) * UPDATES_PER_EPOCH,
            "elapsed_time": 12.0 * (epoch + 1),
        }
        for epoch in range(EPOCHS)
    ]
    (folder / "log").write_text(json.dumps(entries, indent=4))


def tensorboard_download(folder: Path) -> None:
    """tensorboard/plugins/scalar/scalars_plugin.py: the downloads of one tag, as CSV and as JSON."""
    rows = [(START + update * SECONDS_PER_UPDATE, update, loss(update)) for update in range(1, UPDATES + 1)]
    with (folder / "run-train-tag-loss.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("Wall time", "Step", "Value"), *rows])
    (folder / "run-train-tag-loss.json").write_text(json.dumps(rows))


def mlflow_export(folder: Path) -> None:
    """MlflowClient.get_metric_history of two runs as one long table, in milliseconds."""
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["run_id", "key", "value", "timestamp", "step"])
        for run in ("a1b2", "c3d4"):
            writer.writerows(
                (run, "train_loss", loss(update), int((START + update * SECONDS_PER_UPDATE) * 1000), update)
                for update in range(1, UPDATES + 1)
            )


def ray(folder: Path) -> None:
    """ray/tune/logger/json.py and csv.py, keys of ray/tune/result.py and RLlib's PPO: restored from a checkpoint behind
    iteration 12. Nested keys are flat with `/` in the table, which leaves the configuration out."""
    config = {"lr": 5e-05, "train_batch_size": 4000, "num_sgd_iter": 30, "env": "CartPole-v1"}
    (folder / "params.json").write_text(json.dumps(config))
    rows = []
    for iteration in range(1, 21):
        since = iteration if iteration <= 12 else iteration - 12
        stats = {"cur_lr": 5e-05 * (1 - iteration / 100), "total_loss": loss(iteration), "entropy": 0.69}
        rows.append(
            {
                "info": {"learner": {"default_policy": {"learner_stats": stats}}},
                "episode_reward_mean": 20.0 + 2 * iteration,
                "num_env_steps_sampled": 4000 * iteration,
                "timesteps_total": 4000 * iteration,
                "done": False,
                "episodes_total": 100 * iteration,
                "training_iteration": iteration,
                "trial_id": "5f1a2_00000",
                "timestamp": int(START) + 6 * iteration + (600 if iteration > 12 else 0),
                "time_this_iter_s": 5.5,
                "time_total_s": 5.5 * iteration,
                "pid": 4711 if iteration <= 12 else 5822,
                "hostname": "node",
                "config": config,
                "time_since_restore": 5.5 * since,
                "iterations_since_restore": since,
            }
        )
    (folder / "result.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    stats_of = "info/learner/default_policy/learner_stats"
    flat = [
        {f"{stats_of}/{key}": value for key, value in row.pop("info")["learner"]["default_policy"]["learner_stats"].items()}  # type: ignore[index, attr-defined]
        | {key: value for key, value in row.items() if key != "config"}
        for row in rows
    ]
    with (folder / "progress.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(flat[0]))
        table.writeheader()
        table.writerows(flat)


def dvclive(folder: Path) -> None:
    """dvclive/plots/metric.py: a table a metric; dvclive/live.py: the last of each in `metrics.json`, `params.yaml`."""
    for name in ("train/loss", "train/lr"):
        path = folder / "plots" / "metrics" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = [loss(step + 1) if name == "train/loss" else 0.001 * 0.9**step for step in range(20)]
        rows = [f"{step}\t{value}\n" for step, value in enumerate(values)]
        path.write_text(f"step\t{name.rpartition('/')[2]}\n" + "".join(rows))
    (folder / "metrics.json").write_text(json.dumps({"train": {"loss": loss(20), "lr": 0.001 * 0.9**19}, "step": 19}, indent=4))
    (folder / "params.yaml").write_text("epochs: 20\nlr: 0.001\n")


WRITERS: tuple[Callable[[Path], None], ...] = (
    deepspeed,
    ultralytics,
    llama_factory,
    composer,
    torchtune,
    fairseq,
    megatron,
    keras,
    chainer,
    tensorboard_download,
    mlflow_export,
    ray,
    dvclive,
)


def main(root: Path) -> None:
    """Every logger's files in a folder of its own."""
    for write in WRITERS:
        folder = root / write.__name__.replace("_", "-")
        folder.mkdir(parents=True, exist_ok=True)
        write(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "fixtures" / "formats" / "written")
