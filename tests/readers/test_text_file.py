"""Packed logs, standard input, and bytes that are no text: the same for every text format."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
from pathlib import Path

import pytest

from analyzer.discovery import discover
from analyzer.readers import all_readers, reader_for
from analyzer.readers.text_file import lines_of, plain_name, unpack, why_not_text

LOGS = {
    "metrics.csv": "step,loss\n" + "".join(f"{step},{3.0 / step!r}\n" for step in range(1, 60)),
    "log.jsonl": "".join(json.dumps({"step": step, "loss": 3.0 / step}) + "\n" for step in range(1, 60)),
    "history.json": json.dumps({"step": list(range(1, 60)), "loss": [3.0 / step for step in range(1, 60)]}),
    "trainer_state.json": json.dumps({"log_history": [{"step": step, "loss": 3.0 / step} for step in range(1, 60)]}),
    "train.log": "".join(f"iter {step}: loss {3.0 / step!r}, time 1.0ms\n" for step in range(1, 60)),
}


def zstd(data: bytes) -> bytes:
    return pytest.importorskip("zstandard").ZstdCompressor().compress(data)  # type: ignore[no-any-return]


PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("name", LOGS)
def test_every_text_format_packed(tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / (name + suffix)
    data = PACKERS[suffix](LOGS[name].encode())
    path.write_bytes(data)
    reader = reader_for(path, data[:4096])
    assert reader is not None
    reading = reader.read(path)
    assert not reading.problems
    (series,) = (one for one in reading.series if one.tag == "loss")
    assert series.step.tolist() == list(range(1, 60))
    assert series.value.tolist() == [3.0 / step for step in range(1, 60)]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd])
def test_packed_bytes_cut_or_damaged_are_named(pack: object) -> None:
    text = "".join(f"{step},{3.0 / step!r}\n" for step in range(1, 20_000)).encode()
    packed = pack(text)  # type: ignore[operator]
    cut = unpack(packed[: len(packed) * 2 // 3], "log.csv.gz")
    assert [problem.kind for problem in cut.problems] == ["truncated"]
    assert text.startswith(cut.data)
    damaged = bytearray(packed)
    damaged[len(packed) // 2] ^= 0xFF
    broken = unpack(bytes(damaged), "log.csv.gz")
    assert broken.problems or broken.data != text


def test_gzip_members_one_after_another() -> None:
    assert unpack(gzip.compress(b"step,loss\n") + gzip.compress(b"1,2\n"), "x").data == b"step,loss\n1,2\n"


@pytest.mark.parametrize("name", LOGS)
def test_standard_input(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LOGS[name].encode())))
    found = discover([Path("-")])
    (run,) = found.runs
    assert [source.path for source in run.sources] == ["-"]
    assert len(run.views[0].series["loss"]) == 59


def test_parse_is_the_pure_form_of_read() -> None:
    parsers = {reader.name: reader.parse for reader in all_readers() if reader.parse is not None}
    assert {"csv", "json", "json-lines", "trainer-state", "stdout"} <= set(parsers)
    for parse in parsers.values():
        assert [problem.message for problem in parse(b"", "nothing").problems] == ["empty file"]


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "empty file"), (b" \n ", "empty file"), (b"\0\0", "only NUL bytes"), (b"\x80\x81\x02" * 40, "binary data"),
    (b"step,loss\n", None), ("é,ü\n".encode(), None), (b"\0\0step,loss\n", None), ("step".encode("utf-16"), None),
])  # fmt: skip
def test_what_is_text(data: bytes, reason: str | None) -> None:
    found = why_not_text(data)
    assert found is None if reason is None else reason in (found or "")


def test_lines_end_as_an_editor_shows_them() -> None:
    assert lines_of("a\nb\x0bc\u2028d\n").lines == ["a", "b\x0bc\u2028d"]
    assert lines_of("a\r\nb").lines == ["a", "b"]
    assert not lines_of("a\r\nb").complete
    assert lines_of("a\rb\r").lines == ["a", "b"]
    assert plain_name(Path("metrics.csv.gz")) == "metrics.csv"
