"""A file is written whole or not at all, and nothing but what its user meant: no input, no planted link, no device."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from analyzer.cli import _terminated_as_interrupted, main
from analyzer.whole_files import whole_file
from tests.cli.fake_rules import install, log_text


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    install(monkeypatch)


def write(path: str | Path, content: bytes = b"new", **more: Any) -> None:
    with whole_file(Path(path), **more) as stream:
        stream.write(content)


def test_a_new_file_has_the_mode_that_any_new_file_has() -> None:
    before = os.umask(0o027)
    try:
        write("new.txt")
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path("new.txt").stat().st_mode) == 0o640
    assert sorted(os.listdir()) == [".git", "new.txt"]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755])
def test_a_file_that_is_replaced_keeps_its_mode(mode: int) -> None:
    Path("old.txt").write_bytes(b"old")
    Path("old.txt").chmod(mode)
    write("old.txt")
    assert Path("old.txt").read_bytes() == b"new" and stat.S_IMODE(Path("old.txt").stat().st_mode) == mode


def test_a_link_stays_and_leads_to_the_new_content() -> None:
    Path("folder").mkdir()
    Path("folder/real.txt").write_bytes(b"old")
    Path("link.txt").symlink_to("folder/real.txt")
    Path("to-nothing.txt").symlink_to("folder/not-yet.txt")
    write("link.txt")
    write("to-nothing.txt")
    assert Path("link.txt").is_symlink() and Path("folder/real.txt").read_bytes() == b"new"
    assert Path("folder/not-yet.txt").read_bytes() == b"new"
    assert sorted(os.listdir("folder")) == ["not-yet.txt", "real.txt"]


def test_a_pipe_is_written_into() -> None:
    os.mkfifo("pipe")
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(Path("pipe").read_bytes()))
    reader.start()
    write("pipe")
    reader.join()
    assert found == [b"new"] and stat.S_ISFIFO(Path("pipe").stat().st_mode)


def test_a_device_stays_a_device() -> None:
    write("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_an_open_file_is_written_into_under_its_name_in_dev(tmp_path: Path) -> None:
    with open("out.txt", "wb") as stream:
        stream.write(b"before ")
        stream.flush()
        Path("mine").symlink_to(f"/dev/fd/{stream.fileno()}")
        write(f"/dev/fd/{stream.fileno()}")
        write("mine")
        inode = os.fstat(stream.fileno()).st_ino
    assert Path("out.txt").read_bytes() == b"before newnew" and Path("out.txt").stat().st_ino == inode


SPARED: dict[str, Callable[[], str]] = {
    "itself": lambda: "log.csv",
    "another name": lambda: "./folder/../log.csv",
    "a link": lambda: os.symlink("log.csv", "link") or "link",  # type: ignore[func-returns-value]
    "a hard link": lambda: os.link("log.csv", "hard") or "hard",  # type: ignore[func-returns-value]
}


@pytest.mark.parametrize("named", SPARED.values(), ids=SPARED)
def test_what_is_spared_is_not_written_to(named: Callable[[], str]) -> None:
    Path("folder").mkdir()
    Path("log.csv").write_bytes(b"old")
    with pytest.raises(OSError, match="one of the files that were read"):
        write(named(), spared=["gone.csv", "s3://bucket/x", "log.csv"])
    assert Path("log.csv").read_bytes() == b"old"


@pytest.mark.parametrize("ended_by", [OSError(28, "No space left on device"), KeyboardInterrupt(), SystemExit(143)])
def test_a_full_disk_or_a_signal_leaves_the_old_file_and_nothing_else(ended_by: BaseException) -> None:
    Path("old.txt").write_bytes(b"old")
    with pytest.raises(type(ended_by)), whole_file(Path("old.txt")) as stream:
        stream.write(b"half")
        raise ended_by
    assert sorted(os.listdir()) == [".git", "old.txt"] and Path("old.txt").read_bytes() == b"old"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_ended_takes_the_way_of_an_interrupted_one(number: signal.Signals) -> None:
    ended = pytest.raises((KeyboardInterrupt, SystemExit))
    with ended, _terminated_as_interrupted(), whole_file(Path("new")) as stream:
        stream.write(b"half")
        signal.raise_signal(number)
    assert os.listdir() == [".git"]


def test_the_temporary_file_is_no_planted_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where its name were known: it is made anew, or not at all."""
    monkeypatch.setattr(os, "urandom", lambda count: b"\0" * count)
    Path("victim").write_bytes(b"old")
    Path(f".{'00' * 8}.tmp").symlink_to("victim")
    with pytest.raises(FileExistsError):
        write("out.txt")
    assert Path("victim").read_bytes() == b"old"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_file_that_may_not_be_written_is_not_replaced() -> None:
    Path("old.txt").write_bytes(b"old")
    Path("old.txt").chmod(0o444)
    with pytest.raises(PermissionError):
        write("old.txt")


ONTO_THE_LOG = [
    ["check", "run", "-o", "run/log.csv"],
    ["check", "run", "-o", "json:run/log.csv"],
    ["check", "run", "--write-baseline", "--baseline", "run/log.csv"],
    ["check", "run", "--config", "own.toml", "-o", "own.toml"],
    ["report", "run", "-o", "run/log.csv"],
    ["export", "run", "-o", "run/log.csv"],
    ["plot", "run", "-o", "run/log.png"],
    ["compare", "run", "other", "-o", "run/log.csv"],
]


@pytest.mark.parametrize("arguments", ONTO_THE_LOG, ids=" ".join)
def test_no_command_writes_onto_what_it_read(arguments: list[str]) -> None:
    Path("run").mkdir()
    Path("own.toml").write_text("")
    Path("other").mkdir()
    Path("other/log.csv").write_text(log_text(0.5))
    Path("run/log.csv").write_text(log_text())
    Path("run/log.png").symlink_to("log.csv")
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2 and "one of the files that were read" in result.output, result.output
    assert Path("run/log.csv").read_text() == log_text()
    assert sorted(os.listdir("run")) == ["log.csv", "log.png"]


def test_a_reports_own_output_may_be_replaced() -> None:
    Path("run").mkdir()
    Path("run/log.csv").write_text(log_text())
    for _ in range(2):
        assert CliRunner().invoke(main, ["check", "run", "-o", "out.json", "--fail-on", "never"]).exit_code == 0
