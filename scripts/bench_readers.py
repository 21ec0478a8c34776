"""Measure the readers side by side with their neighbours and write docs/performance.md.

    pip install -e '.[bench]'
    python scripts/bench_readers.py --data /tmp/analyzer-bench --write docs/performance.md

Files are generated once by the writers that training loops use (``EventFileWriter``, which is also torch's
``SummaryWriter``; ``csv``; ``json``). Every run is a process of its own; contenders take turns, so that a busy moment
of the machine hits all of them; medians are reported. A contender that is not installed is left out.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

ROUNDS = 5
MILLION = 1_000_000
IMAGE_BYTES = 30_000  # about what a compressed 100 x 100 picture takes

# files


def scalar_events(count: int, tags: int) -> Iterator[Any]:
    """``count`` scalars in turn over the tags, a step after each turn, a second apart."""
    import random

    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    numbers = random.Random(0)
    for index in range(count):
        value = Summary.Value(tag=f"train/metric_{index % tags:03d}", simple_value=numbers.random())
        yield Event(wall_time=1.7e9 + index / 7, step=index // tags, summary=Summary(value=[value]))


def tensor_events(count: int, tags: int) -> Iterator[Any]:
    """The same, in the form of TensorFlow 2: tensors that name their plugin."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb

    for event in scalar_events(count, tags):
        value = event.summary.value[0]
        yield Event(wall_time=event.wall_time, step=event.step, summary=scalar_pb(value.tag, value.simple_value))


def mixed_events(count: int, tags: int) -> Iterator[Any]:
    """Scalars with 500 images and 500 histograms between them."""
    import random

    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary

    numbers = random.Random(1)
    for index, event in enumerate(scalar_events(count, tags)):
        yield event
        if index % (count // 500) == 0:
            pixels = numbers.randbytes(IMAGE_BYTES)
            image = Summary.Image(height=100, width=100, colorspace=3, encoded_image_string=pixels)
            yield Event(
                wall_time=event.wall_time,
                step=event.step,
                summary=Summary(value=[Summary.Value(tag="samples", image=image)]),
            )
            histogram = HistogramProto(
                min=-1,
                max=1,
                num=1000,
                bucket_limit=[i / 50 for i in range(-50, 50)],
                bucket=[numbers.random() for _ in range(100)],
            )
            yield Event(
                wall_time=event.wall_time,
                step=event.step,
                summary=Summary(value=[Summary.Value(tag="weights", histo=histogram)]),
            )


def write_event_file(folder: Path, events: Iterator[Any]) -> None:
    """Written by the real writer; with a compiled checksum, since its own in Python takes most of its time."""
    import google_crc32c
    from tensorboard.summary.writer import record_writer
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    def masked_crc32c(part: bytes) -> int:
        crc: int = google_crc32c.value(part)
        return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

    record_writer.masked_crc32c = masked_crc32c
    writer = EventFileWriter(str(folder), max_queue_size=10_000)
    for event in events:
        writer.add_event(event)
    writer.close()


def training_run(rows: int, told: Callable[[Any], dict[str, Any]]) -> Iterator[Any]:
    """A run of a hundred epochs that logs ten tags at every update: what a rule would look at is there.

    ``told`` makes of its columns those that the log tells: with resumes, or without some rows.
    """
    import numpy as np
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    random = np.random.default_rng(0)
    step = np.arange(1, rows + 1)
    decay = np.clip((step - rows // 500) / (rows - rows // 500), 0, 1)
    columns = told(
        {
            "step": step,
            "wall": 1.7e9 + 0.2 * step,
            "train/loss": 0.5 + 3 * np.exp(-5 * step / rows) + random.normal(0, 0.05, rows),
            "train/lr": 1e-3 * np.minimum(step / (rows // 500), 0.5 * (1 + np.cos(np.pi * decay))),
            "train/grad_norm": np.exp(random.normal(0, 0.4, rows)),
            "train/accuracy": 1 - np.exp(-3 * step / rows) + random.normal(0, 0.02, rows),
            "train/aux_loss": 0.1 + np.exp(-8 * step / rows) + random.normal(0, 0.01, rows),
            "epoch": (step - 1) // (rows // 100),
            "tokens": step * 4096,
            "perf/step_time": 0.18 + random.gamma(2, 0.01, rows),
            "perf/tokens_per_second": 4096 / (0.18 + random.gamma(2, 0.01, rows)),
            "perf/memory": np.full(rows, 11.5),
        }
    )
    steps, walls = columns.pop("step").tolist(), columns.pop("wall").tolist()
    yield Event(wall_time=walls[0] - 1, file_version="brain.Event:2")
    event = Event(summary=Summary(value=[Summary.Value()]))
    value = event.summary.value[0]
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    for event.step, event.wall_time, row in zip(steps, walls, values, strict=True):
        for value.tag, value.simple_value in zip(columns, row, strict=True):
            yield event


def as_it_ran(columns: dict[str, Any]) -> dict[str, Any]:
    return columns


def resumed_twenty_times(columns: dict[str, Any]) -> dict[str, Any]:
    """Killed twenty times and resumed an hour later, each time from a checkpoint five hundred steps back."""
    import numpy as np

    rows = len(columns["step"])
    cuts = np.linspace(0, rows, 22).astype(int)
    lives = [np.arange(max(begin - 500, 0), end) for begin, end in pairwise(cuts)]
    kept = np.concatenate(lives)
    pauses = np.repeat(3600.0 * np.arange(len(lives)), [len(life) for life in lives])
    wall = 1.7e9 + 0.2 * np.arange(len(kept)) + pauses
    return {**{tag: column[kept] for tag, column in columns.items()}, "wall": wall}


def rows_lost(columns: dict[str, Any]) -> dict[str, Any]:
    """One row in a hundred is not there."""
    import numpy as np

    kept = np.random.default_rng(1).random(len(columns["step"])) > 0.01
    return {tag: column[kept] for tag, column in columns.items()}


def write_two_gigabytes(folder: Path, data: Path) -> None:
    """Images of a megabyte and a few scalars: the writer's own records, repeated."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    image = Event(
        step=1,
        summary=Summary(
            value=[Summary.Value(tag="samples", image=Summary.Image(encoded_image_string=os.urandom(1 << 20)))]
        ),
    )
    part = folder / "part"
    write_event_file(part, iter([image, *scalar_events(10, 2)]))
    content = event_file(part).read_bytes()
    shutil.rmtree(part)
    with (folder / "events.out.tfevents.1700000000.bench.1.0").open("wb") as file:
        for _ in range((2 << 30) // len(content)):
            file.write(content)


def write_csv_table(folder: Path, rows: int = MILLION) -> None:
    import random

    numbers = random.Random(2)
    with (folder / "metrics.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["step", "epoch", "loss", "lr"])
        for step in range(rows):
            table.writerow([step, step // 1000, round(2.0 + numbers.gauss(0, 0.1), 6), 1e-3 * (1 - step / rows)])


def write_trainer_state(folder: Path, entries: int = 200_000) -> None:
    import random

    numbers = random.Random(3)
    history: list[dict[str, float]] = []
    step = 0
    while len(history) < entries:
        step += 1
        now = {"epoch": step / 1000, "step": step}
        training = {"grad_norm": numbers.random(), "learning_rate": 5e-5 * (1 - step / entries)}
        history.append({**now, **training, "loss": round(numbers.random(), 4)})
        if step % 100 == 0:
            evaluation = {"eval_loss": numbers.random(), "eval_runtime": 12.5, "eval_samples_per_second": 80.1}
            history.append({**now, **evaluation})
    state = {
        "best_metric": None,
        "epoch": step / 1000,
        "global_step": step,
        "log_history": history,
        "max_steps": step,
        "num_train_epochs": 200,
    }
    (folder / "trainer_state.json").write_text(json.dumps(state, indent=2, sort_keys=True))


FILES: dict[str, Callable[[Path, Path], None]] = {
    "scalars-4": lambda folder, data: write_event_file(folder, scalar_events(MILLION, 4)),
    "scalars-200": lambda folder, data: write_event_file(folder, scalar_events(MILLION, 200)),
    "tensors-4": lambda folder, data: write_event_file(folder, tensor_events(MILLION, 4)),
    "mixed-4": lambda folder, data: write_event_file(folder, mixed_events(MILLION, 4)),
    "run-100k": lambda folder, data: write_event_file(folder, training_run(MILLION // 10, as_it_ran)),
    "run-1m": lambda folder, data: write_event_file(folder, training_run(MILLION, as_it_ran)),
    "run-1m-resumed": lambda folder, data: write_event_file(folder, training_run(MILLION, resumed_twenty_times)),
    "run-1m-lost": lambda folder, data: write_event_file(folder, training_run(MILLION, rows_lost)),
    "images-2gb": write_two_gigabytes,
    "csv-million": lambda folder, data: write_csv_table(folder),
    "trainer-state": lambda folder, data: write_trainer_state(folder),
    "small-csv": lambda folder, data: write_csv_table(folder, 300),
}


def made(data: Path, name: str) -> Path:
    """The folder with a bench file, generated when it is not there yet."""
    folder = data / name
    if not folder.exists():
        print(f"generating {name}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(dir=data) as scratch:
            FILES[name](Path(scratch), data)
            shutil.copytree(scratch, folder)
    return folder


def event_file(folder: Path) -> Path:
    return next(folder.glob("events.out.tfevents.*"))


# contenders: each reads a folder and says how many points it got


def analyzer_reads(folder: Path) -> int:
    from analyzer.readers import reader_for

    path = next(one for one in folder.iterdir() if one.is_file())
    with path.open("rb") as file:
        reader = reader_for(path, file.read(4096))
    if reader is None:
        raise ValueError(f"no reader knows {path}")
    return sum(len(series) for series in reader.read(path).series)


def event_accumulator(folder: Path) -> int:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    kinds = ("scalars", "tensors", "images", "histograms", "compressedHistograms", "audio")
    accumulator = EventAccumulator(
        str(event_file(folder)), size_guidance=dict.fromkeys(kinds, 0), purge_orphaned_data=False
    )
    accumulator.Reload()
    tags = accumulator.Tags()
    return sum(len(accumulator.Scalars(tag)) for tag in tags["scalars"]) + sum(
        len(accumulator.Tensors(tag)) for tag in tags["tensors"]
    )


def tbparse_reads(folder: Path) -> int:
    from tbparse import SummaryReader

    reader = SummaryReader(str(event_file(folder)), event_types={"scalars", "tensors"}, extra_columns={"wall_time"})
    return len(reader.scalars) + len(reader.tensors)


def rust_server(folder: Path) -> int:
    """TensorBoard's data server, asked over its own protocol for all points; it verifies no data checksums."""
    import grpc
    import tensorboard_data_server
    from tensorboard.data.proto import data_provider_pb2, data_provider_pb2_grpc

    with tempfile.TemporaryDirectory() as scratch:
        port_file = Path(scratch) / "port"
        server = subprocess.Popen(
            [
                tensorboard_data_server.server_binary(),
                f"--logdir={folder}",
                "--reload=once",
                "--port=0",
                "--samples-per-plugin=scalars=all",
                f"--port-file={port_file}",
                "--die-after-stdin",
            ],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not (port_file.exists() and port_file.read_text().endswith("\n")):
                time.sleep(0.002)
            channel = grpc.insecure_channel(
                f"localhost:{int(port_file.read_text())}", options=[("grpc.max_receive_message_length", -1)]
            )
            stub = data_provider_pb2_grpc.TensorBoardDataProviderStub(channel)
            last = last_step(folder)
            while True:  # loaded when every tag has reached its last step
                listed = stub.ListScalars(
                    data_provider_pb2.ListScalarsRequest(experiment_id="", plugin_filter={"plugin_name": "scalars"}),
                    wait_for_ready=True,
                )
                tags = [tag for run in listed.runs for tag in run.tags]
                if tags and all(tag.metadata.max_step >= last for tag in tags):
                    break
                time.sleep(0.005)
            answer = stub.ReadScalars(
                data_provider_pb2.ReadScalarsRequest(
                    experiment_id="", plugin_filter={"plugin_name": "scalars"}, downsample={"num_points": 1 << 40}
                )
            )
            import numpy as np

            return (
                sum(
                    len(np.array(column))
                    for run in answer.runs
                    for tag in run.tags
                    for column in (tag.data.step, tag.data.value, tag.data.wall_time)
                )
                // 3
            )
        finally:
            server.kill()
            server.wait()


def last_step(folder: Path) -> int:
    """The step that the last tag of a bench file reaches; its name says how many tags it has."""
    return MILLION // int(folder.name.rsplit("-", 1)[1]) - 1


def bytes_once(folder: Path) -> int:
    buffer = memoryview(bytearray(4 << 20))
    with event_file(folder).open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return 0


def checksum_once(folder: Path) -> int:
    import google_crc32c

    crc = 0
    with event_file(folder).open("rb", buffering=0) as file:
        while block := file.read(4 << 20):
            crc = google_crc32c.extend(crc, block)
    return 0


def pandas_csv(folder: Path) -> int:
    import pandas

    return pandas.read_csv(folder / "metrics.csv").size


def pyarrow_csv(folder: Path) -> int:
    from pyarrow import csv as arrow_csv

    table = arrow_csv.read_csv(folder / "metrics.csv")
    return table.num_rows * table.num_columns


def standard_json(folder: Path) -> int:
    return len(json.loads((folder / "trainer_state.json").read_bytes())["log_history"])


def orjson_json(folder: Path) -> int:
    import orjson

    return len(orjson.loads((folder / "trainer_state.json").read_bytes())["log_history"])


def msgspec_json(folder: Path) -> int:
    import msgspec

    return len(msgspec.json.decode((folder / "trainer_state.json").read_bytes())["log_history"])


def analyzer_checks(folder: Path) -> int:
    """The whole audit, as the command line makes it."""
    from analyzer.cli import main

    try:
        options = ["--no-cache", "--format", "json", "-o", os.devnull, "--fail-on", "never"]
        main(["check", str(folder), *options], standalone_mode=False)
    except SystemExit as end:
        if end.code not in (0, None):
            raise
    return 0


CONTENDERS: dict[str, tuple[str, Callable[[Path], int]]] = {
    "analyzer": ("analyzer", analyzer_reads),
    "rust": ("TensorBoard's Rust data server, no data checksums", rust_server),
    "accumulator": ("EventAccumulator, size_guidance 0", event_accumulator),
    "tbparse": ("tbparse", tbparse_reads),
    "bytes": ("limit: reading the bytes once", bytes_once),
    "checksum": ("limit: that and one CRC-32C pass (google-crc32c)", checksum_once),
    "check": ("analyzer check", analyzer_checks),
    "pandas": ("pandas.read_csv", pandas_csv),
    "pyarrow": ("pyarrow.csv.read_csv", pyarrow_csv),
    "json": ("json.loads", standard_json),
    "orjson": ("orjson.loads", orjson_json),
    "msgspec": ("msgspec.json.decode", msgspec_json),
}


IMPORTED = {
    "analyzer": ["analyzer.readers"],
    "rust": ["grpc", "numpy", "tensorboard_data_server", "tensorboard.data.proto.data_provider_pb2_grpc"],
    "accumulator": ["tensorboard.backend.event_processing.event_accumulator"],
    "tbparse": ["tbparse"],
    "checksum": ["google_crc32c"],
    "check": ["analyzer.cli"],
    "pandas": ["pandas"],
    "pyarrow": ["pyarrow.csv"],
    "orjson": ["orjson"],
    "msgspec": ["msgspec"],
}


def measure(contender: str, folder: Path) -> dict[str, Any]:
    """One run in this process: seconds without and with its imports, points, peak memory."""
    started, start_worked = time.perf_counter(), time.process_time()
    for module in IMPORTED.get(contender, ()):
        importlib.import_module(module)
    if "analyzer.readers" in IMPORTED.get(contender, ()):
        importlib.import_module("analyzer.readers").all_readers()
    before, worked = time.perf_counter(), time.process_time()
    points = CONTENDERS[contender][1](folder)
    ended, end_worked = time.perf_counter(), time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": ended - before,
        "with_imports": ended - started,
        "processor_seconds": end_worked - worked,
        "processor_with_imports": end_worked - start_worked,
        "points": points,
        "peak_mb": peak,
    }


def measured_apart(contender: str, folder: Path) -> dict[str, Any] | None:
    """One run in a process of its own; None when the contender is not installed."""
    command = [sys.executable, __file__, "--measure", contender, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{contender} on {folder} is left out:\n{done.stderr[-1000:]}", file=sys.stderr, flush=True)
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def side_by_side(
    folder: Path, contenders: list[str], rounds: int, slow_rounds: int | None = None
) -> dict[str, dict[str, float]]:
    """Medians of each contender on one file; they take turns, the slow ones in the first rounds only."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for path in folder.iterdir():
        path.read_bytes() if path.stat().st_size < 1 << 28 else None  # into the page cache
    for number in range(rounds):
        for contender in contenders:
            if contender in SLOW and slow_rounds is not None and number >= slow_rounds:
                continue
            one = measured_apart(contender, folder)
            if one is not None:
                runs.setdefault(contender, []).append(one)
    return {
        contender: {"runs": len(found), **{key: statistics.median(one[key] for one in found) for key in found[0]}}
        for contender, found in runs.items()
    }


def start_up(arguments: list[str], rounds: int) -> float:
    """Seconds that a whole command takes, the interpreter's start included; the package is compiled, as pip does it."""
    package = importlib.util.find_spec("analyzer")
    places = [] if package is None else list(package.submodule_search_locations or [])
    subprocess.run([sys.executable, "-m", "compileall", "-q", *places], check=True)
    seconds = []
    for _ in range(rounds):
        before = time.perf_counter()
        subprocess.run([sys.executable, "-m", "analyzer", *arguments], capture_output=True, check=False)
        seconds.append(time.perf_counter() - before)
    return statistics.median(seconds)


# the page

SLOW = ("accumulator", "tbparse")  # take half a minute for a million scalars
EVENTS = ["analyzer", "rust", "accumulator", "tbparse", "bytes", "checksum"]
TITLES = {
    "scalars-4": "1,000,000 scalars in 4 tags",
    "scalars-200": "1,000,000 scalars in 200 tags",
    "tensors-4": "1,000,000 scalars as TensorFlow 2 tensors, 4 tags",
    "mixed-4": "1,000,000 scalars with 500 images and 500 histograms between them",
}


def results(data: Path, rounds: int, slow_rounds: int | None, only: list[str]) -> dict[str, Any]:
    """Everything that the page shows."""
    found: dict[str, Any] = {"events": {}}
    for name in TITLES:
        if not only or name in only:
            folder = made(data, name)
            medians = side_by_side(folder, EVENTS, rounds, slow_rounds)
            found["events"][name] = {"size": event_file(folder).stat().st_size, **medians}
            print(name, json.dumps(found["events"][name]), file=sys.stderr, flush=True)
    wanted: dict[str, tuple[str, list[str]]] = {
        "one": ("run-100k", ["analyzer", "check"]),
        "ten": ("run-1m", ["analyzer", "check"]),
        "ten-resumed": ("run-1m-resumed", ["analyzer", "check"]),
        "ten-lost": ("run-1m-lost", ["analyzer", "check"]),
        "images": ("images-2gb", ["analyzer", "bytes", "checksum"]),
        "csv": ("csv-million", ["analyzer", "pandas", "pyarrow"]),
        "json": ("trainer-state", ["analyzer", "json", "orjson", "msgspec"]),
    }
    for key, (name, contenders) in wanted.items():
        if not only or key in only:
            found[key] = side_by_side(made(data, name), contenders, rounds)
            print(key, json.dumps(found[key]), file=sys.stderr, flush=True)
    if not only or "start" in only:
        found["start"] = {
            "analyzer --help": start_up(["--help"], rounds),
            "analyzer check (300 rows)": start_up(["check", "--no-cache", str(made(data, "small-csv"))], rounds),
        }
    return found


def page(found: dict[str, Any]) -> str:
    """docs/performance.md."""
    lines = [
        "# How fast",
        "",
        "Written by `scripts/bench_readers.py`; not by hand. Every number is the median of five runs where no line "
        "says otherwise, each run in a process of its own, the contenders taking turns.",
        "",
        f"Machine: {processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}; "
        f"{datetime.date.today().isoformat()}.",
        "",
        f"Versions: {versions()}.",
        "",
        "## Event files",
        "",
        "Every reader returns step, wall time and value of every point. analyzer also gives the record number of each, "
        "verifies every checksum, and reads on behind damage. The last two lines of each table are the limit that no "
        "reader passes: the bytes have to be read once, and a checksum takes one more pass.",
        "",
    ]
    for name, title in TITLES.items():
        if name in found.get("events", {}):
            lines += _event_table(title, found["events"][name])
    if "one" in found and "ten" in found:
        lines += _growth(found)
    for key, title in (
        ("csv", "A CSV table of 1,000,000 rows and 4 columns"),
        ("json", "`trainer_state.json` with 200,000 entries"),
    ):
        if key in found:
            lines += _plain_parse_table(title, found[key])
    if "start" in found:
        lines += ["## Start-up", "", "| command | seconds |", "|---|---:|"]
        lines += [f"| `{command}` | {seconds:.2f} |" for command, seconds in found["start"].items()]
        lines.append("")
    return "\n".join(lines)


def _plain_parse_table(title: str, medians: dict[str, Any]) -> list[str]:
    """Ours in the first row, against parsers that make no series of what they parse."""
    ours = next(iter(medians.values()))
    lines = [
        f"## {title}",
        "",
        f"Processor time in seconds, medians of {ours['runs']} runs; {datetime.date.today().isoformat()}.",
        "",
        "| | reading | analyzer takes | with its imports | analyzer takes |",
        "|---|---:|---:|---:|---:|",
    ]
    for contender, one in medians.items():
        cells = [CONTENDERS[contender][0]]
        for key in ("processor_seconds", "processor_with_imports"):
            ratio = "" if contender.startswith("analyzer") else f"{ours[key] / one[key]:.2f} times as long"
            cells += [f"{one[key]:.3f}", ratio]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


RUNS = {
    "one": "100,000 rows in 10 tags",
    "ten": "1,000,000 rows in 10 tags",
    "ten-resumed": "the same, resumed twenty times",
    "ten-lost": "the same, one row in a hundred lost",
}


def _growth(found: dict[str, Any]) -> list[str]:
    one, ten = found["one"]["analyzer"], found["ten"]["analyzer"]
    rows = [("1,000,000 scalars", one), ("10,000,000 scalars", ten)]
    if "images" in found:
        rows.append(("2 GB of images", found["images"]["analyzer"]))
    above = max(0.0, (ten["peak_mb"] - 150) * (1 << 20) / 1e7)
    return [
        "## Linear, and in little memory",
        "",
        "A run of a hundred epochs that logs ten tags at every update: loss, learning rate, gradient norm, epoch, "
        "tokens and more, so that every rule has something to look at.",
        "",
        "| reading | seconds | of which processor time | peak memory |",
        "|---|---:|---:|---:|",
        *(
            f"| {title} | {row['seconds']:.2f} | {row['processor_seconds']:.2f} | {row['peak_mb']:.0f} MB |"
            for title, row in rows
        ),
        "",
        f"Ten times the scalars take {ten['seconds'] / one['seconds']:.1f} times the time "
        f"({ten['processor_seconds'] / one['processor_seconds']:.1f} times the processor time). Above a base of "
        f"150 MB they take {above:.0f} bytes each; a point itself is 36 bytes.",
        "",
        "The whole audit, `analyzer check --no-cache`, reading included:",
        "",
        "| run | reading | check | times the reading | peak memory of check |",
        "|---|---:|---:|---:|---:|",
        *(_check_row(title, found[key]) for key, title in RUNS.items() if key in found),
        "",
    ]


def _check_row(title: str, medians: dict[str, Any]) -> str:
    reads, checks = medians["analyzer"], medians["check"]
    return (
        f"| {title} | {reads['seconds']:.2f} | {checks['seconds']:.2f} | {checks['seconds'] / reads['seconds']:.1f} "
        f"| {checks['peak_mb']:.0f} MB |"
    )


def _event_table(title: str, medians: dict[str, Any]) -> list[str]:
    ours = medians["analyzer"]["seconds"]
    lines = [
        f"### {title} ({medians['size'] / 1e6:.0f} MB)",
        "",
        "| | seconds | points | peak memory | analyzer is |",
        "|---|---:|---:|---:|---:|",
    ]
    for contender in EVENTS:
        if contender not in medians:
            continue
        one = medians[contender]
        limit = contender in ("bytes", "checksum")
        faster = "" if contender == "analyzer" or limit else f"{one['seconds'] / ours:.1f} times faster"
        points = "" if limit else f"{one['points']:,.0f}"
        peak = "" if contender == "rust" or limit else f"{one['peak_mb']:.0f} MB"
        runs = "" if one["runs"] == ROUNDS else f" ({one['runs']} run{'s' if one['runs'] > 1 else ''})"
        lines.append(f"| {CONTENDERS[contender][0]}{runs} | {one['seconds']:.3f} | {points} | {peak} | {faster} |")
    return [*lines, ""]


def processor() -> str:
    try:
        names = [
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ]
    except OSError:
        names = []
    return names[0] if names else platform.machine()


def versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for name in (
        "analyzer",
        "numpy",
        "tensorboard",
        "tensorboard-data-server",
        "tbparse",
        "protobuf",
        "google-crc32c",
        "pandas",
        "pyarrow",
        "orjson",
        "msgspec",
    ):
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "analyzer-bench")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--slow-rounds", type=int, help=f"fewer rounds for {' and '.join(SLOW)}")
    parser.add_argument("--only", nargs="*", default=[], help="names of files, or: one ten images csv json start")
    parser.add_argument("--write", type=Path, help="write the page here; otherwise it is printed")
    parser.add_argument("--save", type=Path, help="add the results to this JSON file, and make the page from all of it")
    parser.add_argument("--measure", nargs=2, metavar=("CONTENDER", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], Path(options.measure[1]))))
        return
    options.data.mkdir(parents=True, exist_ok=True)
    found = results(options.data, options.rounds, options.slow_rounds, options.only)
    if options.save:
        before = json.loads(options.save.read_text()) if options.save.exists() else {}
        found = {**before, **found, "events": {**before.get("events", {}), **found["events"]}}
        options.save.write_text(json.dumps(found, indent=1))
    text = page(found)
    if options.write:
        options.write.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
