"""What is known of the writers of JSON entries, by the keys that their entries have together."""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.readers.columns import Column, Dialect
from analyzer.readers.csv_table.dialects import ray

ENTRIES_SEEN = 200  # whose keys tell the writer
_KEYS_OF_TRANSFORMERS = frozenset({"epoch", "step", "learning_rate", "loss"})
_STEPS_OF_FAIRSEQ = ("num_updates", "train_num_updates")
# torch_utils/training_stats.py of StyleGAN2-ADA and 3: {"num", "mean", "std"} of each figure since the last tick
_STYLEGAN = frozenset({"Progress/tick/mean", "Progress/kimg/mean"})
# keys that the entries of a writer have together -> what is known of it; the first that fits
DIALECTS: tuple[tuple[frozenset[str], Dialect], ...] = (
    (
        frozenset({"iteration", "data_time", "eta_seconds"}),
        Dialect(framework="detectron2", step_columns=("iteration",), elapsed_columns=("time", "data_time")),
    ),
    (
        frozenset({"current_steps", "total_steps"}),
        Dialect(
            framework="llama-factory",
            step_columns=("current_steps",),
            elapsed_columns=("elapsed_time",),
            facts={"total_steps": "max_steps"},
        ),
    ),
    (
        frozenset({"iter", "step", "data_time"}),
        Dialect(framework="mmengine", step_columns=("step",), elapsed_columns=("time", "data_time")),
    ),
    (frozenset({"mode", "iter", "epoch"}), Dialect(framework="mmcv", elapsed_columns=("time", "data_time"))),
    (
        frozenset({"time/total_timesteps"}),
        Dialect(framework="stable-baselines3", step_columns=("time/total_timesteps",), counts="samples"),
    ),
    (
        frozenset({"train_lr", "train_loss", "epoch", "n_parameters"}),
        Dialect(framework="detr", ignored=("n_parameters",)),
    ),
    (
        frozenset({"_step", "_runtime"}),
        Dialect(framework="wandb", wall_column="_timestamp", elapsed_columns=("_runtime",), exported=True),
    ),
    (
        frozenset({"num_updates", "wall"}),
        Dialect(framework="fairseq", step_columns=_STEPS_OF_FAIRSEQ, elapsed_columns=("wall", "train_wall")),
    ),
)


def dialect_of(keys: frozenset[str]) -> Dialect:
    """What is known of the writer of entries with these keys."""
    if keys >= _STYLEGAN:
        return Dialect(
            framework="stylegan",
            step_columns=("Progress/kimg/mean",),
            counts="samples",
            scaled={"Progress/kimg/mean": 1000.0},
            tags={key: key.removesuffix("/mean") for key in keys if key.endswith("/mean")},
            ignored=tuple(key for key in keys if key.endswith(("/num", "/std"))),
        )
    return ray(keys) or next((dialect for known, dialect in DIALECTS if known <= keys), Dialect())


def first_keys(columns: Sequence[Column]) -> frozenset[str]:
    """The keys of the first entries. One that never holds a number or a text is taken to be there from the start."""

    def begins(column: Column) -> int:
        numbers = (0,) if column.at is None else column.at[:1].tolist()
        return int(min([*numbers, *column.text_at[:1]], default=0))

    return frozenset(column.name for column in columns if begins(column) < ENTRIES_SEEN)


def dialect_of_entries(keys: frozenset[str]) -> Dialect:
    """What is known of the writer of the entries of a whole document."""
    if "main/loss" in keys:
        return Dialect(framework="chainer", step_columns=("iteration",), elapsed_columns=("elapsed_time",))
    if keys >= _KEYS_OF_TRANSFORMERS:
        return Dialect(framework="transformers", step_columns=("step",))
    return dialect_of(keys)
