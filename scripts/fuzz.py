"""Logs that nobody wrote: small logs of every format, changed where it hurts, through the readers and whole audits.

    python scripts/fuzz.py --inputs 20000 --audits 500 --seed 1

Seeds are the fixtures and the examples of the rules, most of them shortened to some rows: what a change does to a long
log it does to a short one, in less time. A change knows the structure of what it changes: cells and lines of a table,
values of JSON, fields of an event with its checksum made right again, archives, folders with side files and odd names.
What may never happen:

- an exception out of a reader, or an audit that is an internal error;
- more than a second, and a second for each megabyte, of processor time; after a minute the input is given up;
- a value that does not stand in the text, or that a cut file has and the whole one has not;
- more memory than the bound.

Everything follows from the seed: the same number, the same inputs. Failures are kept in a folder (``--keep``).
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import json
import lzma
import random
import re
import resource
import shutil
import signal
import sqlite3
import struct
import sys
import tempfile
import time
import traceback
import warnings
from calendar import timegm
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import google_crc32c
import msgspec
import numpy as np

from analyzer.readers import Reading, all_readers, reader_for
from analyzer.readers.text_file import decode, plain_name, unpack
from analyzer.readers.tfevents.checksum import masked
from analyzer.rules import catalogue

ROOT = Path(__file__).parent.parent
MEMORY_FILES = Path("/dev/shm")  # where files cost no disk
LARGEST_SEED = 60_000  # bytes
SHORTENED = 0.85  # of the logs
ROWS = (3, 6, 12, 25, 60)  # that are left of a shortened one
SELDOM = {"wandb-run": 0.25}  # its one seed is long, and is not shortened
HEAD = 4096  # bytes by which a file is recognised
SECONDS, SECONDS_A_MEGABYTE = 1.0, 1.0
IN_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")  # 1,123 is one number, in three digits and three
DATE = re.compile(r"([1-9]\d{3})[-/](0[1-9]|1[0-2])[-/](\d\d)[ T,](\d\d):(\d\d):(\d\d)")  # one number, in seconds
CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d\d(?:\.\d+)?)")  # 0:10:07 is one number, too
GIVEN_UP = 60.0  # seconds of the processor
MOST_MEMORY = 400  # megabytes
TEXT_FORMATS = ("csv", "json", "json-lines", "trainer-state", "stdout", "boosting")
TEXT_BEGINS = {bytes([one]) for one in range(9, 127)}  # else it is packed, or of two bytes a character
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")

CELLS = [
    "", " ", "nan", "inf", "-inf", "1e400", "-1e-400", "1" * 400, "9" * 5000, "0x10", "1_000", "1,5", "1.",
    ".5", "-", "+", "e5", "1e", "None", "tensor(0.5)", "tensor(", '"', '""', "'", "\0", "\0\0\0", "\ufeff",
    "\u2028", "\x85", "\f", "\x1b[31m", "²", "٣", "[[[[", "{{{{", "9223372036854775807", "9223372036854775808",
    "18446744073709551616", "-0", "1e308", "-1.7e308", "5e-324", "2024-02-30", "2024-01-01 00:00:00", "true",
    "null", "a" * 300, "/" * 50, "a/" * 40, "loss", "step", "\r", "=1+1", "%s", "💥",
]  # fmt: skip
VALUES = [
    "null", "true", "NaN", "-Infinity", "1e999", "9" * 400, "[]", "{}", "[1]", "[[[1]]]",
    '{"a": {"b": {"c": 1}}}', '"x"', '"0.5"', '"nan"', "-0", "1.0", "[" * 60 + "]" * 60, "[" * 3000,
    '"' + "1" * 500 + '"', '"\\ud800"', "1" + "0" * 30,
]  # fmt: skip
NAMES = [
    "②",
    "run²",
    "version_" + "9" * 40,
    "a b",
    "-x",
    "é",
    "checkpoint-99999999999999999999",
    "train",
    "lightning_logs",
    "1",
    "٣",
]
SIDECARS = [
    ("hparams.yaml", "lr: 1e-3\nepochs: 3\nbatch_size: 4\n"),
    ("config.yaml", "a: &a {x: 1}\nb: &b [*a, *a]\nscheduler_params: {<<: *a, y: [*b, *b]}\n"),
    ("args.json", '{"max_steps": 100, "warmup_steps": 10, "learning_rate": 0.1, "lr_scheduler_type": "cosine"}'),
    ("config.py", "lr = 0.1\nmax_epochs = 3\noptim = dict(type='SGD', lr=0.1)\n"),
    ("analyzer.toml", "[declared]\nepochs = 3\n"),
]

Change = Callable[[random.Random, bytes], bytes]


# ---------------------------------------------------------------------------------------------------------------
# changes


def lines_changed(chance: random.Random, data: bytes) -> bytes:
    """A line is lost, written twice, moved, joined with the next, or something else stands there."""
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    match chance.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[chance.randrange(len(lines))])
        case 2:
            lines[at : at + 2] = [b"".join(lines[at : at + 2])]
        case 3:
            lines.insert(at, chance.choice(CELLS).encode("utf-8", "surrogatepass") * chance.randint(1, 3))
        case 4:
            lines[at] = lines[at] * chance.randint(2, 40)
        case _:
            lines[at:] = lines[at:] + lines[: chance.randint(1, 3)] + lines[at:]
    return b"\n".join(lines)


def cells_changed(chance: random.Random, data: bytes) -> bytes:
    """Something else stands where a number or a name stood."""
    found = list(re.finditer(rb"[-+.\w]+", data))
    for one in sorted(chance.sample(found, min(len(found), chance.randint(1, 4))), key=lambda one: -one.start()):
        data = data[: one.start()] + chance.choice(CELLS).encode("utf-8", "surrogatepass") + data[one.end() :]
    return data


def values_changed(chance: random.Random, data: bytes) -> bytes:
    """Another JSON value stands behind a key."""
    found = list(re.finditer(rb":\s*([^,{}\[\]\n]+)", data))
    for one in sorted(chance.sample(found, min(len(found), chance.randint(1, 4))), key=lambda one: -one.start()):
        data = data[: one.start(1)] + chance.choice(VALUES).encode() + data[one.end(1) :]
    return data


def bytes_changed(chance: random.Random, data: bytes) -> bytes:
    """Bits flip, and a stretch is lost, filled with zeros or written twice."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    at, size = chance.randrange(len(changed) + 1), chance.choice((0, 1, 7, 100, 4096))
    piece = bytes(changed[at : at + size])
    changed[at : at + size] = chance.choice((b"", bytes(len(piece)), piece * 2, piece))
    return bytes(changed)


def records_changed(chance: random.Random, data: bytes) -> bytes:
    """Fields of events change, under a right checksum; records are lost, repeated, lie about their length."""
    records = records_of(data)
    if not records:
        return bytes_changed(chance, data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(records))
        changed = bytearray(records[at])
        match chance.randrange(5):
            case 0 if changed:
                changed[chance.randrange(len(changed))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 1:
                place = chance.randrange(len(changed) + 1)
                changed[place:place] = chance.choice(
                    (b"\xff" * 9 + b"\x01", b"\x80" * 12, b"\x12\x80\x01", b"\x2a\x00", bytes(3))
                )
            case 2:
                changed = changed[: chance.randrange(len(changed) + 1)]
            case 3:
                changed += records[chance.randrange(len(records))]
            case _:
                records.insert(at, bytes(changed))
        records[at] = bytes(changed)
    written = as_records(records)
    if chance.random() < 0.2:
        place = chance.randrange(len(written) + 1)
        written = (
            written[:place]
            + _head(chance.choice((0, 13, 40_000, 65_536, 1 << 30, 1 << 62))) * chance.randint(1, 20)
            + written[place:]
        )
    return written


def records_of(data: bytes) -> list[bytes]:
    """The events of a file, without their checksums."""
    records = []
    at = 0
    while at + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        if length > len(data) - at - 16:
            break
        records.append(data[at + 12 : at + 12 + length])
        at += 16 + length
    return records


def as_records(records: Sequence[bytes]) -> bytes:
    """A file of events, every checksum right."""
    return b"".join(_head(len(one)) + one + struct.pack("<I", masked(google_crc32c.value(one))) for one in records)


def _head(length: int) -> bytes:
    raw = struct.pack("<Q", length)
    return raw + struct.pack("<I", masked(google_crc32c.value(raw)))


def shortened(chance: random.Random, data: bytes, reader: str) -> bytes:
    """A few rows of a log, its beginning with them."""
    rows = chance.choice(ROWS)
    if reader == "tfevents":
        records = records_of(data)
        at = chance.randrange(len(records)) if records else 0
        return as_records([*records[:2], *records[max(at, 2) : at + rows]])
    if reader in ("json", "trainer-state"):
        return json.dumps(_shorter(json.loads(data), rows), indent=chance.choice((None, 2))).encode()
    if reader not in TEXT_FORMATS or data[:1] not in TEXT_BEGINS:
        return data
    lines = data.splitlines(keepends=True)
    at = chance.randrange(len(lines)) if lines else 0
    return b"".join([*lines[:2], *lines[max(at, 2) : at + rows]])


def _shorter(value: object, rows: int) -> object:
    if isinstance(value, dict):
        return {key: _shorter(one, rows) for key, one in value.items()}
    return [_shorter(one, rows) for one in value[:rows]] if isinstance(value, list) else value


def cut(chance: random.Random, data: bytes) -> bytes:
    """The file ends early."""
    return data[: chance.randrange(len(data) + 1)]


def packed(chance: random.Random, data: bytes) -> bytes:
    """Compressed, and sometimes damaged."""
    whole = chance.choice((gzip.compress, bz2.compress, lzma.compress))(data)
    return chance.choice((whole, whole + whole, cut(chance, whole), bytes_changed(chance, whole)))


def encoded(chance: random.Random, data: bytes) -> bytes:
    """The same text in another encoding, with other line ends."""
    text = data.decode("utf-8", "replace")
    match chance.randrange(4):
        case 0:
            return text.encode("utf-16")
        case 1:
            return b"\xef\xbb\xbf" + data
        case 2:
            return text.replace("\n", chance.choice(("\r\n", "\r", "\r\r\n", "\u2028"))).encode("utf-8", "replace")
        case _:
            return text.encode("latin-1", "replace")


CHANGES: dict[str, Sequence[Change]] = {
    "tfevents": (records_changed, records_changed, bytes_changed, cut),
    "wandb-run": (bytes_changed, cut),
    "mlflow-database": (bytes_changed, cut),
    "trackio": (bytes_changed, cut),
    "text": (lines_changed, cells_changed, values_changed, bytes_changed, cut, packed, encoded),
}


# ---------------------------------------------------------------------------------------------------------------
# what is looked at


class GivenUp(BaseException):
    """An input took so long that nobody waits for it; nothing that catches exceptions catches this one."""


@contextmanager
def given_up_after(seconds: float) -> Iterator[None]:
    def give_up(number: int, frame: object) -> None:
        raise GivenUp

    signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


class Seed(msgspec.Struct, frozen=True):
    path: Path
    data: bytes
    reader: str


class Failure(msgspec.Struct, frozen=True):
    what: str
    input: str  # number and seed
    detail: str


def seeds() -> list[Seed]:
    """Every small log of the fixtures and of the rules' examples, with the reader that knows it."""
    logs: dict[bytes, Path] = {}
    for path in sorted((ROOT / "fixtures").rglob("*")):
        if path.suffix == ".db":
            logs.setdefault(_few_rows(path), path)
        elif path.is_file() and path.stat().st_size <= LARGEST_SEED:
            logs.setdefault(path.read_bytes(), path)
    for rule in catalogue():
        for example in (*rule.bad, *rule.good):
            for name, written in example.files().items():
                data = written.encode() if isinstance(written, str) else written
                if len(data) <= LARGEST_SEED:
                    logs.setdefault(data, Path(name))
    known = [(path, data, reader_for(path, data[:HEAD])) for data, path in logs.items()]
    return [Seed(path, data, one.name) for path, data, one in known if one is not None and one.name != "mlflow-files"]


def _few_rows(path: Path) -> bytes:
    """A database with the first rows of its tables, in small pages."""
    with tempfile.TemporaryDirectory() as name:
        copy = shutil.copy(path, name)
        held = sqlite3.connect(copy, isolation_level=None)
        for (table,) in held.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            held.execute(f'DELETE FROM "{table}" WHERE rowid > 40')
        held.execute("PRAGMA page_size = 512")
        held.execute("PRAGMA journal_mode = DELETE")
        held.execute("VACUUM")
        held.close()
        return Path(copy).read_bytes()


def chosen(chance: random.Random, known: Sequence[Seed]) -> Seed:
    """A log of one of the formats, most often a few rows of it."""
    formats = sorted({one.reader for one in known})
    (format,) = chance.choices(formats, [SELDOM.get(one, 1.0) for one in formats])
    seed = chance.choice([one for one in known if one.reader == format])
    if chance.random() >= SHORTENED:
        return seed
    return msgspec.structs.replace(seed, data=shortened(chance, seed.data, format))


def changed(chance: random.Random, seed: Seed, known: Sequence[Seed]) -> tuple[bytes, list[str]]:
    """A changed log, and what was done to it."""
    kind = seed.reader if seed.reader in CHANGES else "text"
    data, done = seed.data, []
    for _ in range(chance.choice((1, 1, 2, 3))):
        change = chance.choice(CHANGES[kind])
        data = change(chance, data)
        done.append(change.__name__)
    if chance.random() < 0.05:
        at, other = chance.randrange(len(data) + 1), chosen(chance, known)
        data, done = data[:at] + other.data[chance.randrange(len(other.data) + 1) :], [*done, "spliced"]
    return data, done


def looked_at(path: Path, data: bytes, seed: Seed, done: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with the reading of one changed log."""
    started = time.process_time()
    try:
        with given_up_after(GIVEN_UP):
            reader = reader_for(path, data[:HEAD])
            reading = reader.read(path) if reader is not None else None
    except (Exception, GivenUp):
        yield "exception", traceback.format_exc(limit=-4)
        return
    seconds = time.process_time() - started
    if seconds > SECONDS + SECONDS_A_MEGABYTE * len(data) / 1e6:
        yield "slow", f"{seconds:.1f} s for {len(data):,} bytes"
    if reading is None or reader is None:
        return
    if reader.name in TEXT_FORMATS:
        yield from (("invented", one) for one in _not_in_the_text(reading, decode(unpack(data, "").data)))
    if list(done) == ["cut"] and reader.name == seed.reader:
        path.write_bytes(seed.data)
        yield from (("cut", one) for one in _not_in_the_whole(reading, reader.read(path)))
        path.write_bytes(data)


def _not_in_the_text(reading: Reading, text: str) -> Iterator[str]:
    """Finite values that are no number of the text."""
    all_series = [series for one in (reading, *reading.runs) for series in one.series]
    told = [(series, np.abs(series.value[np.isfinite(series.value)])) for series in all_series]
    values = set(np.concatenate([value for _, value in told]).tolist()) if told else set()
    unexplained = values - {abs(float(one)) for one in NUMBER.findall(text)}
    if unexplained:
        unexplained -= {abs(float(timegm(tuple(map(int, one))))) for one in DATE.findall(text)}
        unexplained -= {int(h or 0) * 3600.0 + int(m) * 60 + float(s) for h, m, s in CLOCK.findall(text)}
        unexplained -= {abs(float(one)) * 1e-3 for one in NUMBER.findall(text)}  # milliseconds
        unexplained -= {abs(float(one)) / 1000 for one in NUMBER.findall(text)}
    if unexplained and "\b" in text:  # a terminal would not have shown what a backspace took
        unexplained -= {abs(float(one)) for one in NUMBER.findall(re.sub(r"[^\n\x08]\x08", "", text))}
    if unexplained and "," in text:
        unexplained -= {abs(float(one)) for one in NUMBER.findall(text.replace(",", "."))}
        unexplained -= {abs(float(one)) for one in NUMBER.findall(IN_THOUSANDS.sub("", text))}
    if unexplained:
        for series, value in told:
            strange = value[np.isin(value, list(unexplained))]
            if len(strange):
                yield f"{series.tag}: {strange[:3].tolist()}"


def _not_in_the_whole(reading: Reading, whole: Reading) -> Iterator[str]:
    """Series of a cut file that do not begin as those of the whole one."""
    full = {(n, series.tag): series for n, one in enumerate((whole, *whole.runs)) for series in one.series}
    for n, one in enumerate((reading, *reading.runs)):
        for series in one.series:
            other = full.get((n, series.tag))
            begins = None if other is None else other.value[: len(series)]
            if begins is not None and not np.array_equal(begins, series.value, equal_nan=True):
                there, here = begins[-2:].tolist(), series.value[-2:].tolist()
                yield f"{series.tag} of {reading.source.format}: {here} where {there} stands"


def audited(folder: Path) -> Iterator[tuple[str, str]]:
    """What is wrong with the audit of a folder."""
    import analyzer
    from analyzer.renderers.json_report import render

    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    started = time.process_time()
    try:
        with given_up_after(GIVEN_UP):
            report = analyzer.check(folder)
            json.loads(render(report))
    except (Exception, GivenUp):
        yield "exception", traceback.format_exc(limit=-6)
        return
    seconds = time.process_time() - started
    if seconds > 10 * SECONDS + SECONDS_A_MEGABYTE * size / 1e6:  # an audit runs every rule
        yield "slow", f"{seconds:.1f} s for {size:,} bytes"
    told = [(one.code, one.reason) for run in report.runs for one in run.skipped]
    told += [("reading", problem.message) for problem in report.unreadable]
    yield from (("internal error", f"{code}: {reason}") for code, reason in told if "internal error" in reason)


def made_folder(chance: random.Random, folder: Path, known: Sequence[Seed]) -> None:
    """A tree of one to three logs, changed or not, with side files and odd names."""
    for _ in range(chance.randint(1, 3)):
        seed = chosen(chance, known)
        place = folder / chance.choice((".", *NAMES))
        place.mkdir(parents=True, exist_ok=True)
        data = seed.data if chance.random() < 0.3 else changed(chance, seed, known)[0]
        (place / seed.path.name).write_bytes(data)
        if chance.random() < 0.5:
            name, text = chance.choice(SIDECARS)
            (place / name).write_bytes(
                chance.choice((cells_changed, values_changed, lines_changed))(chance, text.encode())
            )


def run(*, inputs: int, audits: int, seed: int, keep: Path | None = None) -> tuple[list[Failure], Counter[str]]:
    """So many changed logs through the readers, and so many folders through whole audits."""
    known = seeds()
    failures: list[Failure] = []
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(dir=MEMORY_FILES if MEMORY_FILES.is_dir() else None) as name:
        for number in range(inputs):
            chance = random.Random(f"{seed} {number}")
            one = chosen(chance, known)
            data, done = changed(chance, one, known)
            path = Path(name) / one.path.name
            path.write_bytes(data)
            seen.update([f"reader {one.reader}"])
            for what, detail in looked_at(path, data, one, done):
                failures.append(
                    Failure(what, f"input {number} of seed {seed} ({plain_name(path)}: {', '.join(done)})", detail)
                )
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, keep / f"{what}-{number}-{path.name}")
            path.unlink()
        for number in range(audits):
            chance = random.Random(f"{seed} audit {number}")
            folder = Path(name) / "tree"
            folder.mkdir()
            made_folder(chance, folder, known)
            seen.update(["audits"])
            for what, detail in audited(folder):
                failures.append(Failure(what, f"audit {number} of seed {seed}", detail))
                if keep is not None:
                    shutil.copytree(folder, keep / f"{what.replace(' ', '-')}-audit-{number}", dirs_exist_ok=True)
            shutil.rmtree(folder)
    return failures, seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--audits", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    all_readers()
    warnings.simplefilter("error", RuntimeWarning)  # numpy's, about numbers: no user should ever see one
    started = time.process_time()
    failures, seen = run(inputs=asked.inputs, audits=asked.audits, seed=asked.seed, keep=asked.keep)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    for one in failures[:50]:
        print(f"{one.what}: {one.input}\n    {one.detail.strip()}")
    print(", ".join(f"{count:,} {what}" for what, count in sorted(seen.items())))
    print(f"{len(failures)} failures; {memory} MB at most; {time.process_time() - started:.0f} s of one processor")
    return 1 if failures or memory > MOST_MEMORY else 0


if __name__ == "__main__":
    sys.exit(main())
