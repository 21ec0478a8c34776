"""What lies in a folder of logs is opened when it is a regular file at that moment, and never waited for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.accidents import told
from analyzer.regular_files import TooLarge, content_of, opened, text_of

CLOSED = {
    "standard output": (">&-", 1),
    "standard error": ("2>&-", 1),
    "all three": ("<&- >&- 2>&-", 1),
    "standard output on a full disk": (">/dev/full", 2),
}


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link_to_a_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


NOT_OPENED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a pipe that nobody writes to": (pipe, "never opened"),
    "a link to one": (link_to_a_pipe, "never opened"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "never opened"),
    "a folder": (Path.mkdir, "is a directory"),
    "nothing": (lambda path: path.symlink_to("nowhere"), "No such file"),
}


@pytest.mark.parametrize(("make", "words"), NOT_OPENED.values(), ids=NOT_OPENED)
def test_what_is_no_regular_file_is_refused_at_once(
    make: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    make(tmp_path / "log.csv")
    with pytest.raises(OSError, match=words):
        content_of(tmp_path / "log.csv")


def test_a_file_is_read_whole_or_within_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"step\r\n1\r\n")
    with opened(path) as stream:
        assert stream.read() == b"step\r\n1\r\n"
    assert content_of(path, most=9) == b"step\r\n1\r\n" and text_of(path) == "step\n1\n"
    with pytest.raises(TooLarge):
        content_of(path, most=8)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no files without a size here")
def test_a_file_without_a_size_is_empty() -> None:
    """Reading one may wait for ever: /proc/kmsg does."""
    assert content_of(Path("/proc/self/status")) == b""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "no space left on device"),
        (OSError(24, "Too many open files", "/x/log.csv"), "too many open files: /x/log.csv"),
        (MemoryError(), "not enough memory"),
        (ImportError("libarrow.so: failed to map segment from shared object"), "not enough memory"),
        (ValueError("a\nb"), "internal error, please report it: ValueError: a b"),
    ],
)
def test_what_the_machine_lacks_is_no_fault_of_the_program(error: Exception, words: str) -> None:
    assert told(error) == words


@pytest.mark.parametrize(("how", "code"), CLOSED.values(), ids=CLOSED)
def test_streams_that_are_closed_or_full(how: str, code: int, tmp_path: Path) -> None:
    """A log must not be opened under the number of a closed stream, and written into by what goes there."""
    rows = "".join(f"{step},{'nan' if step == 30 else 1 / step}\n" for step in range(1, 60))
    (tmp_path / "log.csv").write_text("step,loss\n" + rows)
    before = (tmp_path / "log.csv").read_bytes()
    command = f"'{sys.executable}' -m analyzer check log.csv --no-cache {how}"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "internal error" not in done.stdout + done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "log.csv").read_bytes() == before
