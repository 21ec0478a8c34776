"""Write fixtures/events: the same small run by several real writers, and one of them damaged in five ways.

pip install torch tensorboardX
python scripts/make_event_fixtures.py
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "fixtures" / "events"
START = 1_700_000_000.0
STEPS = 60
ORIGIN = """# Event files

Written by `scripts/make_event_fixtures.py` with the writers that the folders name: torch's `SummaryWriter`,
tensorboardX, and tensorboard's own writer with the tensors that TensorFlow 2 logs. The other folders hold the file of
`torch`, damaged as their names say. Nothing here comes from anybody's training.
"""


def loss(step: int) -> float:
    """A loss that falls, and is NaN once."""
    return math.nan if step == 41 else 2.0 / (1 + step / 10)


def write(writer: object) -> None:
    """The run, through the interface that torch and tensorboardX share."""
    writer.add_text("args", '{"max_steps": 60, "learning_rate": 0.001}', 0, walltime=START)  # type: ignore[attr-defined]
    for step in range(STEPS):
        writer.add_scalar("train/loss", loss(step), step, walltime=START + step)  # type: ignore[attr-defined]
        if step % 5 == 0:
            writer.add_scalar("train/lr", 1e-3, step, walltime=START + step)  # type: ignore[attr-defined]
            writer.add_scalar("long/name/of/a/metric", -step, step, walltime=START + step)  # type: ignore[attr-defined]
    writer.close()  # type: ignore[attr-defined]


def write_tensors(folder: Path) -> None:
    """The run as TensorFlow 2 writes it: tensors that name their plugin."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder), filename_suffix=".v2")
    for step in range(STEPS):
        writer.add_event(Event(wall_time=START + step, step=step, summary=scalar_pb("train/loss", loss(step))))
        if step % 5 == 0:
            writer.add_event(Event(wall_time=START + step, step=step, summary=scalar_pb("train/lr", 1e-3)))
    writer.close()


def damaged(content: bytes) -> dict[str, bytes]:
    """The file, damaged in five ways at about the middle of a record."""
    middle = len(content) // 2
    return {
        "cut": content[:middle],
        "flipped": content[:middle] + bytes([content[middle] ^ 0x20]) + content[middle + 1 :],
        "zero-tail": content + bytes(512),
        "text-inserted": content[:middle] + b"UserWarning: low disk space\n" + content[middle:],
        "overwritten": content[:middle] + bytes(100) + content[middle + 100 :],
    }


def main() -> None:
    """Write them all anew."""
    import tensorboardX
    from torch.utils.tensorboard import SummaryWriter

    shutil.rmtree(FOLDER, ignore_errors=True)
    write(SummaryWriter(str(FOLDER / "torch")))
    write(tensorboardX.SummaryWriter(str(FOLDER / "tensorboardx")))
    write_tensors(FOLDER / "tensors")
    for folder in FOLDER.iterdir():
        for path in folder.iterdir():  # neither the machine's name nor the time of writing belong into a fixture
            suffix = ".v2" if path.name.endswith(".v2") else ""
            name = "events.out.tfevents.1700000000.node" + ("" if folder.name == "tensorboardx" else ".7.0") + suffix
            path.rename(folder / name)
    name = "events.out.tfevents.1700000000.node.7.0"
    for kind, content in damaged((FOLDER / "torch" / name).read_bytes()).items():
        (FOLDER / kind).mkdir()
        (FOLDER / kind / name).write_bytes(content)
    (FOLDER / "ORIGIN.md").write_text(ORIGIN)


if __name__ == "__main__":
    main()
