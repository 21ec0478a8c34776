"""What logs that nobody wrote cost: python scripts/bench_hostile.py [--only TEXT] [--data FOLDER]

Each input is made at its size and at half of it, and audited whole by ``analyzer check --no-cache`` in a process of its
own. Printed: its megabytes, processor time, that a megabyte (start-up taken off), times the time of half of it (2 is
linear), peak memory, and lines of the report.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.event_files import event_bytes, framed


def event_heads(count: int, folder: Path, claims: int = 40_000) -> None:
    """Heads of records, with right checksums, that claim more bytes than follow before the next head."""
    body = event_bytes([(step, {"loss": 1.0}) for step in range(3)])
    (folder / "events.out.tfevents.1.a.1.0").write_bytes(body + _head(claims) * (count // 12))


def heads_apart(count: int, folder: Path) -> None:
    """The same with as many random bytes as a small event has between them."""
    body = event_bytes([(step, {"loss": 1.0}) for step in range(3)])
    parts = [_head(40_000) + os.urandom(40) for _ in range(count // 52)]
    (folder / "events.out.tfevents.1.a.1.0").write_bytes(body + b"".join(parts))


def long_heads(count: int, folder: Path) -> None:
    """Heads that claim more than 64 KiB each."""
    event_heads(count, folder, claims=400_000)


def heads_of_a_block(count: int, folder: Path) -> None:
    """Heads that claim nearly as much as is read at a time."""
    event_heads(count, folder, claims=4_194_000)


def nested_heads(count: int, folder: Path) -> None:
    """Heads inside one another that all end at one place, time and again."""
    nest = b""
    for _ in range(1000):
        nest = _head(len(nest)) + nest + bytes(4) if not nest else _head(len(nest) - 4) + nest
    (folder / "events.out.tfevents.1.a.1.0").write_bytes(nest * (count // len(nest)))


def records_apart(count: int, folder: Path) -> None:
    """Sound records with one wrong byte between each two."""
    one = event_bytes([(1, {"loss": 0.5})], start=1.7e9) + b"?"
    (folder / "events.out.tfevents.1.a.1.0").write_bytes(one * (count // len(one)))


def _head(claims: int) -> bytes:
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    length = struct.pack("<Q", claims)
    return length + struct.pack("<I", masked_crc32c(length))


def wrong_records(count: int, folder: Path) -> None:
    """Records of a right head and a wrong checksum of the data."""
    one = bytearray(framed(bytes(40)))
    one[-1] ^= 1
    (folder / "events.out.tfevents.1.a.1.0").write_bytes(bytes(one) * (count // len(one)))


def no_events(count: int, folder: Path) -> None:
    """Records with right checksums that are no events."""
    one = framed(b"\xff" * 30)
    (folder / "events.out.tfevents.1.a.1.0").write_bytes(one * (count // len(one)))


def odd_events(count: int, folder: Path) -> None:
    """Events that only protobuf's own classes read: a field twice."""
    from tensorboard.compat.proto.event_pb2 import Event

    one = framed(Event(wall_time=1.7e9, step=3).SerializeToString() * 2)
    (folder / "events.out.tfevents.1.a.1.0").write_bytes(one * (count // len(one)))


def tags_of_one_point(count: int, folder: Path) -> None:
    rows = [(1, {f"tag_{number}": 0.5}) for number in range(count)]
    (folder / "events.out.tfevents.1.a.1.0").write_bytes(event_bytes(rows))


def losses_of_one_point(count: int, folder: Path) -> None:
    rows = [(1, {f"loss/{number}": 0.5}) for number in range(count)]
    (folder / "events.out.tfevents.1.a.1.0").write_bytes(event_bytes(rows))


def event_files_of_one_run(count: int, folder: Path) -> None:
    for number in range(count):
        begin = 1_700_000_000 + 100 * number
        rows = [(10 * number + step, {"loss": 1 / (1 + step), "lr": 0.1}) for step in range(10)]
        name = f"events.out.tfevents.{begin}.node.{number}.0"
        (folder / name).write_bytes(event_bytes(rows, start=float(begin)))


def empty_event_files(count: int, folder: Path) -> None:
    for number in range(count):
        begin = 1_700_000_000 + 100 * number
        (folder / f"events.out.tfevents.{begin}.node.{number}.0").write_bytes(event_bytes([], start=float(begin)))


def json_of_many_keys(count: int, folder: Path) -> None:
    (folder / "log.json").write_text(json.dumps({f"key_{number}": number for number in range(count)}))


def json_rows_of_many_keys(count: int, folder: Path) -> None:
    """Three entries of many keys each."""
    rows = [{"step": step, **{f"key_{number}": number + step for number in range(count)}} for step in range(3)]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def json_columns(count: int, folder: Path) -> None:
    """A list of many columns."""
    (folder / "log.json").write_text(json.dumps({f"key_{number}": [1.0, 2.0, 3.0] for number in range(count)}))


def json_rows_of_other_keys(count: int, folder: Path) -> None:
    """Each row with keys of its own."""
    (folder / "log.jsonl").write_text("".join(json.dumps({"step": n, f"key_{n}": n}) + "\n" for n in range(count)))


def json_list_of_other_keys(count: int, folder: Path) -> None:
    (folder / "log.json").write_text(json.dumps([{"step": n, f"key_{n}": n} for n in range(count)]))


def trainer_state_of_other_keys(count: int, folder: Path) -> None:
    log = [{"step": n, "epoch": n / 100, "loss": 1.0, f"key_{n}": n} for n in range(count)]
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": count, "log_history": log}))


def nested_json(count: int, folder: Path) -> None:
    (folder / "log.json").write_text("[" * count + "]" * count)


def nested_objects(count: int, folder: Path) -> None:
    (folder / "log.json").write_text('{"a":' * count + "1" + "}" * count)


def nested_lines(count: int, folder: Path) -> None:
    (folder / "log.jsonl").write_text(('{"a":' * 500 + "1" + "}" * 500 + "\n") * (count // 500))


def open_objects(count: int, folder: Path) -> None:
    """A document that is cut before the first of its objects ends."""
    (folder / "log.json").write_text('{"step": 1, "a": ' * count)


def csv_of_many_columns(count: int, folder: Path) -> None:
    names = ["step", *(f"column_{number}" for number in range(count))]
    rows = ["1," + ",".join(["0.5"] * count), "2," + ",".join(["0.25"] * count), "3," + ",".join(["0.125"] * count)]
    (folder / "metrics.csv").write_text("\n".join([",".join(names), *rows, ""]))


def csv_of_many_losses(count: int, folder: Path) -> None:
    names = ["step", *(f"loss_{number}" for number in range(count))]
    rows = [f"{step}," + ",".join([str(1 / step)] * count) for step in range(1, 13)]
    (folder / "metrics.csv").write_text("\n".join([",".join(names), *rows, ""]))


def long_csv_of_many_tags(count: int, folder: Path) -> None:
    (folder / "metrics.csv").write_text("step,tag,value\n" + "".join(f"1,tag_{n},0.5\n" for n in range(count)))


def csv_of_repeated_headers(count: int, folder: Path) -> None:
    (folder / "metrics.csv").write_text("step,loss\n1,0.5\n" * count)


def csv_of_quotes(count: int, folder: Path) -> None:
    (folder / "metrics.csv").write_text("step,loss\n" + '1,"0.5\n' * count)


def csv_of_changing_widths(count: int, folder: Path) -> None:
    rows = (",".join(["1"] * (2 + n % 7)) + "\n" for n in range(count))
    (folder / "metrics.csv").write_text("step,loss\n" + "".join(rows))


def printed_other_names(count: int, folder: Path) -> None:
    (folder / "train.log").write_text("".join(f"step {n} name_{n}: 0.5\n" for n in range(count)))


def printed_one_line_of_pairs(count: int, folder: Path) -> None:
    (folder / "train.log").write_text("step: 1 " + " ".join(f"a{n}: 0.5" for n in range(count)) + "\n")


def markdown_of_many_columns(count: int, folder: Path) -> None:
    head = "| step | " + " | ".join(f"c{n}" for n in range(count)) + " |\n"
    rule = "|" + "---|" * (count + 1) + "\n"
    rows = "".join(f"| {step} | " + " | ".join(["0.5"] * count) + " |\n" for step in range(3))
    (folder / "log.md").write_text(head + rule + rows)


def small_runs(count: int, folder: Path) -> None:
    for number in range(count):
        run = folder / f"run_{number:05d}"
        run.mkdir()
        rows = "".join(f"{step},{step // 10},{2 / (step + 1) + number * 1e-4:.6f},0.001\n" for step in range(20))
        (run / "metrics.csv").write_text("step,epoch,loss,lr\n" + rows)


def csv_files_of_one_folder(count: int, folder: Path) -> None:
    for number in range(count):
        rows = "".join(f"{step},{2 / (step + 1) + number * 1e-4:.6f}\n" for step in range(20))
        (folder / f"part_{number}.csv").write_text("step,loss\n" + rows)


def json_states_of_one_run(count: int, folder: Path) -> None:
    """A checkpoint folder for each hundred steps, each with the whole history up to it."""
    log = [{"step": 10 * n, "epoch": n / 10, "loss": 1 / (1 + n), "learning_rate": 1e-4} for n in range(1, 6)]
    for number in range(1, count + 1):
        at = folder / f"checkpoint-{number}"
        at.mkdir()
        (at / "trainer_state.json").write_text(json.dumps({"global_step": 50, "log_history": log}))


CASES: dict[str, tuple[Callable[[int, Path], None], int]] = {
    "heads that claim 40,000 bytes, one after another": (event_heads, 1_000_000),
    "the same with 40 bytes between them": (heads_apart, 1_000_000),
    "heads that claim 400,000 bytes": (long_heads, 1_000_000),
    "heads that claim 4,194,000 bytes": (heads_of_a_block, 10_000_000),
    "heads inside one another, 1,000 deep": (nested_heads, 1_000_000),
    "sound records with a wrong byte between them": (records_apart, 1_000_000),
    "records of a wrong checksum": (wrong_records, 2_000_000),
    "records that are no events": (no_events, 2_000_000),
    "events with a field twice": (odd_events, 2_000_000),
    "100,000 tags of one point": (tags_of_one_point, 100_000),
    "20,000 losses of one point": (losses_of_one_point, 20_000),
    "4,000 event files of one run": (event_files_of_one_run, 4_000),
    "4,000 empty event files": (empty_event_files, 4_000),
    "a JSON document of 60,000 keys": (json_of_many_keys, 60_000),
    "three JSON rows of 60,000 keys": (json_rows_of_many_keys, 60_000),
    "a JSON document of 60,000 columns": (json_columns, 60_000),
    "60,000 JSON rows, each of a key of its own": (json_rows_of_other_keys, 60_000),
    "a JSON list of them": (json_list_of_other_keys, 60_000),
    "a trainer_state.json of them": (trainer_state_of_other_keys, 30_000),
    "JSON lists nested 200,000 deep": (nested_json, 200_000),
    "JSON objects nested 200,000 deep": (nested_objects, 200_000),
    "JSON lines nested 500 deep": (nested_lines, 200_000),
    "JSON objects that never end": (open_objects, 50_000),
    "a CSV of 100,000 columns": (csv_of_many_columns, 100_000),
    "a CSV of 20,000 losses": (csv_of_many_losses, 20_000),
    "a long CSV of 100,000 tags": (long_csv_of_many_tags, 100_000),
    "a CSV of repeated headers": (csv_of_repeated_headers, 100_000),
    "a CSV of quotes that never close": (csv_of_quotes, 150_000),
    "a CSV of changing widths": (csv_of_changing_widths, 200_000),
    "printed lines, each of a name of its own": (printed_other_names, 50_000),
    "one printed line of 100,000 pairs": (printed_one_line_of_pairs, 100_000),
    "a Markdown table of 20,000 columns": (markdown_of_many_columns, 20_000),
    "1,000 small runs": (small_runs, 1_000),
    "1,000 CSV files of one folder": (csv_files_of_one_folder, 1_000),
    "400 checkpoints of one run": (json_states_of_one_run, 400),
}  # fmt: skip


def checked(folder: Path, limit: int) -> tuple[float, float, int, str]:
    """Processor seconds, peak megabytes, lines of the report, and how it ended, of one `check`."""
    command = [sys.executable, "-m", "analyzer", "check", "--no-cache", "--jobs", "1", str(folder)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit, limit)),  # noqa: PLW1509
    )
    assert process.stdout is not None
    text = process.stdout.read().decode("utf-8", "replace")
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status
    lines = [line for line in text.splitlines() if line.strip()]
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, len(lines), f"status {status}" if status & 255 else ""


def megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="", help="cases whose name holds this")
    options.add_argument("--data", type=Path, help="where the inputs are kept")
    options.add_argument("--limit", type=int, default=120, help="processor seconds after which a check is killed")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = chosen.data or Path(temporary)
        empty = root / "one"
        empty.mkdir(parents=True, exist_ok=True)
        (empty / "metrics.csv").write_text("step,loss\n" + "".join(f"{n},{1 / n}\n" for n in range(1, 30)))
        base = min(checked(empty, chosen.limit)[0] for _ in range(3))
        print(f"start-up: {base:.2f} s\n")
        print("| input | MB | s | s a MB | times half | peak MB | lines |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for number, (title, (make, size)) in enumerate(CASES.items()):
            if chosen.only not in title:
                continue
            seconds: list[float] = []
            peak, lines, note = 0.0, 0, ""
            for part in (2, 1):
                folder = root / f"case_{number}_{part}"
                if not folder.exists():
                    folder.mkdir()
                    make(size // part, folder)
                took, peak, lines, note = checked(folder, chosen.limit)
                seconds.append(max(took - base, 0.0))
            whole = megabytes(folder)
            times = seconds[1] / max(seconds[0], 0.01)
            print(
                f"| {title} | {whole:.1f} | {seconds[1]:.2f} | {seconds[1] / whole:.2f} | {times:.1f} | "
                f"{peak:.0f} | {lines} | {note}",
                flush=True,
            )


if __name__ == "__main__":
    main()
