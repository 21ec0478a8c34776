"""Runs made from nothing, with known lives: what a loop would have logged, written as event files or as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analyzer.config.declared import merge
from analyzer.discovery import discover
from analyzer.reconstruction import reconstruct
from analyzer.timeline import Timeline
from tests.event_files import framed

Point = tuple[str, int, float, float]  # tag, step, value, wall time
TABLE = {"train/loss": "loss", "train/lr": "lr", "train/epoch": "epoch", "val/loss": "val_loss"}


@dataclass(frozen=True, kw_only=True)
class Loop:
    """A training loop of ``updates`` updates and what it logs."""

    updates: int = 400
    cadence: int = 1
    base: int = 1  # step of the first update
    epoch: int = 60  # updates per epoch
    seconds: float = 0.5  # per update
    noise: float = 0.02
    validates: bool = False
    seed: int = 0

    def points(self, first: int, last: int, *, begin: float = 1.7e9, shift: int = 0) -> list[Point]:
        """What updates first <= u < last log, from wall time ``begin`` on; ``shift`` is added to every step."""
        random = np.random.default_rng(self.seed)
        every = np.arange(self.updates + 1)
        loss = 0.5 + 2 * np.exp(-3 * every / self.updates) + self.noise * random.standard_normal(len(every))
        rate = 5e-4 * (1 + np.cos(np.pi * every / self.updates))
        points: list[Point] = []
        for done, update in enumerate(range(first, last)):
            wall, step = begin + self.seconds * (done + 1), update + self.base + shift
            if (update + 1) % self.cadence == 0:
                told = (("loss", loss[update]), ("lr", rate[update]), ("epoch", update // self.epoch))
                points += [(f"train/{name}", step, float(value), wall) for name, value in told]
            if self.validates and (update + 1) % self.epoch == 0:
                points.append(("val/loss", step, float(loss[update]) * 1.1, wall + 0.1 * self.seconds))
        return points


def write_events(
    folder: Path, points: Sequence[Point], *, host: str = "node", pid: int = 100, purge_step: int | None = None
) -> Path:
    """One event file as a SummaryWriter leaves it; ``purge_step`` adds the session marker of a resume."""
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.proto.summary_pb2 import Summary

    start = points[0][3] - 0.25 if points else 1.7e9
    records = [Event(wall_time=start, file_version="brain.Event:2")]
    if purge_step is not None:
        records.append(Event(wall_time=start, step=purge_step, session_log=SessionLog(status=SessionLog.START)))
    for tag, step, value, wall in points:
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        records.append(Event(wall_time=wall, step=step, summary=summary))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"events.out.tfevents.{int(start)}.{host}.{pid}.{len(list(folder.iterdir()))}"
    path.write_bytes(b"".join(framed(record.SerializeToString()) for record in records))
    return path


def table(lives: Iterable[Sequence[Point]], *, header_each: bool = False) -> str:
    """A table as a loop appends it, life after life."""
    columns = ["step", *TABLE.values()]
    lines: list[str] = []
    for number, points in enumerate(lives):
        if not number or header_each:
            lines.append(",".join(columns))
        row: dict[str, str] = {}
        for tag, step, value, _ in points:
            if row and (row["step"] != str(step) or TABLE[tag] in row):
                lines.append(",".join(row.get(column, "") for column in columns))
                row = {}
            row |= {"step": str(step), TABLE[tag]: repr(value)}
        if row:
            lines.append(",".join(row.get(column, "") for column in columns))
    return "\n".join(lines) + "\n"


def follow_on(
    loop: Loop, lives: Sequence[tuple[int, int]], *, pause: float = 30.0, shifts: Sequence[int] = ()
) -> list[list[Point]]:
    """Points of several lives of a loop, one after the other with a pause between them."""
    begin, told = 1.7e9, []
    for number, (first, last) in enumerate(lives):
        told.append(loop.points(first, last, begin=begin, shift=shifts[number] if shifts else 0))
        begin += loop.seconds * (last - first) + pause
    return told


def timeline_of(folder: Path) -> Timeline:
    """The timeline of the only run below a folder."""
    found = discover([folder]).runs
    assert len(found) == 1, [run.name for run in found]
    return reconstruct(found[0], merge((), found[0].facts))


