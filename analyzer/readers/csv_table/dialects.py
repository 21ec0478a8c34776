"""Who wrote a CSV table, told by its header and its file name, and what follows from that."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from analyzer.readers.columns import Dialect


def dialect_of(header: Sequence[str], file_name: str) -> Dialect:
    """What the header (and, for files of one metric, the file name) says about the writer."""
    names = {name.strip() for name in header}
    lower = [name.strip().lower() for name in header]
    for recognises, dialect in _DIALECTS:
        found = dialect(header, file_name) if recognises(names, lower, file_name) else None
        if found is not None:
            return found
    return Dialect()


def _tensorboard_export(header: Sequence[str], file_name: str) -> Dialect:
    return Dialect(
        framework="tensorboard",
        step_columns=(header[1],),
        wall_column=header[0],
        exported=True,
        tags={header[2].strip(): _tag_of_export(file_name)},
    )


def _tag_of_export(file_name: str) -> str:
    """TensorBoard offers ``run-<run>-tag-<tag>.csv``: the tag is in the name only."""
    stem = Path(file_name).stem
    found = re.search(r"(?:^|[-_])tag[-_](.+)$", stem)
    return found.group(1) if found else stem


def _deepspeed(header: Sequence[str], file_name: str) -> Dialect:
    """``Train_Samples_lr.csv`` with the header ``step,lr``: the step counts samples, the tag is the file's name."""
    stem = Path(file_name).stem
    parts = re.match(r"(Train)_(Samples|Eigenvalues)_(.+)$", stem)
    tag = "/".join(parts.groups()) if parts else stem
    return Dialect(framework="deepspeed", step_columns=("step",), counts="samples", tags={header[1].strip(): tag})


def _wandb_chart(header: Sequence[str], file_name: str) -> Dialect:
    """A chart export: a column for each run and its band, ``<run> - <tag>``, with ``__MIN`` and ``__MAX`` beside it."""
    tags = {name.strip(): name.strip().rsplit(" - ", 1)[-1] for name in header if " - " in name}
    if len(set(tags.values())) < len(set(tags) - {name for name in tags if re.search(r"__(MIN|MAX)$", name)}):
        tags = {}
    ignored = tuple(name.strip() for name in header if re.search(r"__(MIN|MAX)$", name))
    return Dialect(framework="wandb", exported=True, tags=tags, ignored=ignored)


def ray(keys: Collection[str]) -> Dialect | None:
    """Results of Ray Tune and RLlib (ray/tune/result.py), an iteration a row: the steps of the environments count.

    An iteration is a call of `report`, with any number of updates in it. The configuration stands in every row.
    """
    if not _OF_RAY.issubset(keys):
        return None
    return Dialect(
        framework="ray",
        step_columns=("timesteps_total", "num_env_steps_sampled_lifetime", "num_env_steps_sampled"),
        wall_column="timestamp",
        elapsed_columns=("time_total_s", "time_since_restore", "time_this_iter_s"),
        ignored=tuple(key for key in keys if key.startswith("config/")),
    )


def _of(framework: str, **known: object) -> Callable[[Sequence[str], str], Dialect]:
    return lambda header, file_name: Dialect(framework=framework, **known)  # type: ignore[arg-type]


_OF_RAY = {"training_iteration", "time_this_iter_s", "time_since_restore", "iterations_since_restore"}
_TIMES_OF_A_SERIES = {"timestamp", "time", "wall_time", "wall time", "relative_time", "date"}
_Recognises = Callable[[set[str], list[str], str], bool]
_DIALECTS: tuple[tuple[_Recognises, Callable[[Sequence[str], str], Dialect | None]], ...] = (
    (lambda names, lower, file: lower == ["wall time", "step", "value"], _tensorboard_export),
    (lambda names, lower, file: names >= _OF_RAY, lambda header, file: ray([name.strip() for name in header])),
    (lambda names, lower, file: any(name.endswith("__MIN") for name in names), _wandb_chart),
    (  # Neptune's download of a series, and others that name their tag by the file only
        lambda names, lower, file: {"step", "value"} <= set(lower) <= {"step", "value", *_TIMES_OF_A_SERIES},
        lambda header, file: Dialect(
            tags={name.strip(): Path(file).stem for name in header if name.strip().lower() == "value"}
        ),
    ),
    (lambda names, lower, file: len(lower) == 2 and lower[0] == "step" and file.startswith("Train_"), _deepspeed),
    (  # dvclive/plots/metric.py: `timestamp` (optional), `step`, the last part of the name; a tag a file
        lambda names, lower, file: (
            file.endswith(".tsv") and lower[-2:-1] == ["step"] and len(names) <= 3 and file[:-4] in names
        ),
        _of("dvclive", step_columns=("step",), counts="call", wall_column="timestamp"),
    ),
    (  # spinup/utils/logx.py: Time is counted from the start of the process
        lambda names, lower, file: {"Epoch", "TotalEnvInteracts", "EpLen"} <= names,
        _of(
            "spinningup",
            step_columns=("TotalEnvInteracts",),
            counts="samples",
            elapsed_columns=("Time",),
            tags={"Time": "time_elapsed"},
        ),
    ),
    (
        lambda names, lower, file: "time/total_timesteps" in names,
        _of("stable-baselines3", step_columns=("time/total_timesteps",), counts="samples"),
    ),
    (  # stable_baselines3/common/monitor.py: reward, length and seconds since the start of each episode
        lambda names, lower, file: lower[:3] == ["r", "l", "t"],
        _of(
            "stable-baselines3",
            a_row="episode",
            tags={"r": "episode/reward", "l": "episode/length", "t": "time_elapsed"},
        ),
    ),
    (
        lambda names, lower, file: "_step" in names and bool(names & {"_timestamp", "_runtime"}),
        _of("wandb", wall_column="_timestamp", elapsed_columns=("_runtime",), exported=True),
    ),
    (
        lambda names, lower, file: lower[:1] == ["epoch"] and any(name.startswith("metrics/") for name in lower),
        lambda header, file: Dialect(
            framework="yolov5" if any(name.strip().startswith("x/lr") for name in header) else "ultralytics",
            elapsed_columns=("time",),
        ),
    ),
    (
        lambda names, lower, file: (
            "step" in names
            and (
                ("epoch" in names and file == "metrics.csv")
                or any(re.match(r"lr-(?:Adam|SGD|RMS|LBFGS|Rprop|ASGD|NAdam|RAdam|Spars)", name) for name in names)
            )
        ),
        _of("pytorch-lightning", step_columns=("step",)),
    ),
    (
        lambda names, lower, file: "main/loss" in names,
        _of("chainer", step_columns=("iteration",), elapsed_columns=("elapsed_time",)),
    ),
    (
        lambda names, lower, file: "num_updates" in names and bool(names & {"wall", "gnorm", "wps", "ups"}),
        _of("fairseq", step_columns=("num_updates",), elapsed_columns=("wall", "train_wall")),
    ),
    (
        lambda names, lower, file: lower[:3] == ["epoch", "train_loss", "valid_loss"],
        _of("fastai", elapsed_columns=("time",)),
    ),
    (
        lambda names, lower, file: (
            lower[:2] == ["epoch", "train_loss"]
            and any(name.startswith("eval_") for name in lower)
            and file.startswith("summary")
        ),
        _of("timm", counts="epoch"),
    ),
    (
        lambda names, lower, file: (
            lower[:1] == ["epoch"]
            and "loss" in names
            and lower[1:] == sorted(lower[1:])
            and "step" not in names
            and any(re.match("val_|accuracy|acc$", name) for name in lower)
        ),
        _of("keras", step_columns=("epoch",), counts="epoch"),
    ),
    (
        lambda names, lower, file: {"samples", "step", "grad_norm", "loss_q0"} <= names,
        _of("improved-diffusion", step_columns=("step",)),
    ),
)
