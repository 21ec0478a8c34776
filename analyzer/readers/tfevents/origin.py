"""Who wrote an event file: what its name and its tags say."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from msgspec import Struct

# tensorboard: events.out.tfevents.<time>.<host>.<pid>.<uid>[suffix]; TensorFlow 2 adds `.v2`, TensorFlow 1 and
# tensorboardX write neither pid nor uid; a host name may hold dots.
NAME = re.compile(r"tfevents\.(?P<time>\d{9,})(?:\.(?P<host>.+?))?(?:\.(?P<pid>\d+)\.(?P<uid>\d+))?(?P<suffix>\.v2)?$")


class Origin(Struct, frozen=True, kw_only=True):
    """The process that wrote a file."""

    start_time: float | None = None  # seconds since 1970
    host: str | None = None
    pid: int | None = None


def origin_of(file_name: str) -> Origin:
    """What the name of an event file says about its writer."""
    found = NAME.search(file_name)
    if found is None:
        return Origin()
    pid = found["pid"]
    return Origin(start_time=float(found["time"]), host=found["host"], pid=None if pid is None else int(pid))


def framework_of(
    writer: str, tags: Sequence[str], plugins: Collection[str], texts: Collection[str], path: str
) -> str | None:
    """The framework whose habits the tags show, else the library that wrote the file, None where neither shows.

    The tags are those that the frameworks' own loggers write (see each framework's TensorBoard callback).
    """
    known = set(tags)
    if "train/epoch" in known and any(text.startswith(("args", "model_config")) for text in texts):
        return "transformers"
    if {"rollout/ep_rew_mean", "time/fps"} & known and any(tag.startswith(("rollout/", "train/")) for tag in known):
        return "stable-baselines3"
    if any(tag.endswith(" vs samples") for tag in known):
        return "megatron"
    if {"eta_seconds", "data_time"} <= known or "rank_data_time" in known:
        return "detectron2"
    if "hp_metric" in known or "lightning_logs" in re.split(r"[/\\]", path):
        return "pytorch-lightning"
    if {"epoch_loss", "batch_loss"} & known or "keras" in known or "keras" in texts:
        return "keras"
    if any(tag.startswith(("metrics/mAP", "metrics/precision(B)")) for tag in known):
        return "ultralytics"
    if writer.startswith("tensorflow.core"):
        return "tensorflow"
    if writer.startswith("tensorboard.summary"):
        return "tensorboard"
    return None
