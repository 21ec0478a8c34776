"""Which tag plays which part: names that frameworks and people write, and names that only look like them."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from analyzer.model import Series, View
from analyzer.roles import assign_roles, role_of_tag

NAMES = {
    "loss": [
        "loss",
        "train/loss",
        "Train Loss",
        "lm loss",
        "loss/train/total",
        "Losses/TotalLoss",
        "cross_entropy_1",
        "train_mean_nll",
        "lm-loss-training/lm loss",
        "train/step_loss",
        "d_loss",
    ],
    "validation_loss": [
        "val_loss",
        "eval/loss",
        "Val Loss",
        "valid_loss",
        "Loss/Validation",
        "loss/val",
        "test_loss",
        "predict_loss",
        "lm loss validation",
        "evaluation_loss_vs_iterations",
        "validation/main/loss",
        "eval_g0_loss",
    ],
    "epoch_loss": ["epoch_loss", "Loss/train_epoch", "train_loss_epoch", "loss_metrics/global_avg_loss"],
    "learning_rate": [
        "lr",
        "learning_rate",
        "learning-rate",
        "lr-AdamW",
        "lr-SGD/pg1",
        "x/lr0",
        "lr/group0",
        "optim/learning_rate_group0",
        "epoch_learning_rate",
        "Train/Samples/lr",
        "train/lr-pg_0",
        "train_lr",
    ],
    "grad_norm": [
        "grad_norm",
        "grad-norm",
        "gnorm",
        "optim/total_grad_norm",
        "train/grad_norm",
        "l2_norm/grad/global",
        "grad_2.0_norm_total",
    ],
    "clip": ["max_grad_norm", "grad_clip", "grad_norm_clip"],
    "epoch": ["epoch", "Epoch", "train/epoch", "trainer/epoch", "time/epoch", "current_epoch"],
    "step": ["global_step", "trainer/global_step", "iter", "num_updates", "iteration"],
    "samples": ["consumed_samples", "consumed-train-samples", "samples", "samples vs steps", "n_processed", "n_images"],
    "tokens": ["num_input_tokens_seen", "tokens", "train/tokens", "throughput/total_tokens", "consumed_tokens"],
    "throughput": [
        "global_step/sec",
        "train_samples_per_second",
        "time/fps",
        "it/s",
        "tokens_per_second_per_gpu",
        "throughput",
    ],
    "elapsed": ["elapsed_time", "wall", "time/time_elapsed", "_runtime"],
    "batch_in_epoch": ["batch", "batch_idx", "time/batch_in_epoch"],
}
NONE = [
    "loss-scale",
    "loss scale",
    "train/loss_scale",
    "lr-SGD-momentum",
    "lr-AdamW-weight_decay",
    "base_lr",
    "min_lr",
    "best_val_loss",
    "label_smoothing_loss_weight",
    "step_time",
    "iteration-time",
    "accuracy",
    "_step",
    "hp_metric",
    "eval/epoch_idx",
    "params-norm",
    "episode_length",
    "model_blur",
    "losses/explained_variance",
    "losses/clipfrac",
    "explorer",
    "batch-size",
]


@pytest.mark.parametrize(("tag", "role"), [(tag, role) for role, tags in NAMES.items() for tag in tags])
def test_names(tag: str, role: str) -> None:
    assert role_of_tag(tag) == role


@pytest.mark.parametrize("tag", NONE)
def test_names_without_a_role(tag: str) -> None:
    assert role_of_tag(tag) is None


def view(**lengths: int) -> View:
    series = {
        tag: Series(
            tag=tag,
            step=np.arange(n),
            value=np.ones(n),
            wall_time=np.full(n, np.nan),
            source=np.zeros(n, np.int32),
            row=np.arange(n),
        )
        for tag, n in lengths.items()
    }
    return View(name="", sources=(0,), series=series)


def test_the_plain_loss_comes_before_its_parts_and_the_denser_before_the_sparser() -> None:
    roles = assign_roles(view(loss_cls=100, total_loss=90), ())
    assert [one.tag for one in roles.all("loss")] == ["total_loss", "loss_cls"]
    roles = assign_roles(view(**{"train/loss": 20, "train/step_loss": 500}), ())
    assert [one.tag for one in roles.all("loss")] == ["train/step_loss", "train/loss"]


@pytest.mark.parametrize(
    ("lengths", "first"),
    [
        pytest.param({"Train/Loss": 30, "Train/RunningLoss": 1200}, "Train/RunningLoss", id="a mean of epochs"),
        pytest.param({"Train/Loss": 30, "Train/AuxLoss": 30}, "Train/Loss", id="a part"),
        pytest.param({"Train/Loss": 30, "Train/AuxLoss": 40}, "Train/Loss", id="a part that was logged for longer"),
    ],
)
def test_a_loss_by_epochs_is_the_mean_of_one_by_steps(lengths: dict[str, int], first: str) -> None:
    assert assign_roles(view(**lengths), ()).all("loss")[0].tag == first


@pytest.mark.parametrize(
    ("tags", "rate"),
    [
        pytest.param({"opt_lr/lr_max/x": True, "opt_lr/lr_min/x": True}, "opt_lr/lr_max/x", id="bounds of groups"),
        pytest.param({"min_lr": False, "loss": True}, None, id="a setting"),
        pytest.param({"lr": True, "lr_max": True}, "lr", id="beside the rate"),
    ],
)
def test_bounds_of_rates_that_move_are_rates(tags: dict[str, bool], rate: str | None) -> None:
    of = view(**dict.fromkeys(tags, 20))
    series = {tag: replace(one, value=np.arange(20.0) * tags[tag] + 1) for tag, one in of.series.items()}
    found = assign_roles(replace(of, series=series), ()).first("learning_rate")
    assert (None if found is None else found.tag) == rate


def test_the_twin_over_another_axis_plays_no_part() -> None:
    roles = assign_roles(view(**{"lm loss": 100, "lm loss vs samples": 100}), ())
    assert [one.tag for one in roles.all("loss")] == ["lm loss"]


@pytest.mark.parametrize(("tag", "value", "role"), [
    ("elbo", np.linspace(7, 3, 20), "loss"),
    ("train/bits_per_dim", np.linspace(7, 3, 20), "loss"),
    ("train/ppl", np.linspace(90, 30, 20), "loss"),
    ("elbo", np.linspace(-900, -90, 20), None),  # maximised
    ("elbo", np.linspace(3, 7, 20), None),
    ("distance", np.linspace(7, 3, 20), None),
])
def test_what_is_minimised_where_nothing_is_called_a_loss(tag: str, value: np.ndarray, role: str | None) -> None:
    one = Series(tag=tag, step=np.arange(20), value=value, wall_time=np.full(20, np.nan),
                 source=np.zeros(20, dtype=np.int32), row=np.arange(20))
    view = View(name="", sources=(0,), series={tag: one})
    roles = assign_roles(view, ())
    assert (roles.first("loss") is one) is (role == "loss")


def test_an_override_wins() -> None:
    roles = assign_roles(view(loss=10, my_curve=5), (), {"loss": "my_curve"})
    assert roles.all("loss")[0].tag == "my_curve"
    assert roles.why["my_curve"].startswith("chosen")
