"""What is remembered is true: nothing that an audit depends on can change without a new audit."""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analyzer import checking as check_module
from analyzer import remembered
from analyzer.checking import Request, audit_group, check
from analyzer.config.declared import facts_from_options
from analyzer.discovery import find_groups
from analyzer.model import Report

LOG = "step,epoch,loss\n" + "".join(f"{step},{step // 10},{2 - step / 100}\n" for step in range(100))
TODAY = datetime.date(2026, 1, 1)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "cache")
    monkeypatch.setattr(remembered, "SECONDS_TO_SETTLE", -60.0)  # files of this test were written a moment ago


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / "runs" / "a"
    folder.mkdir(parents=True)
    (folder / "log.csv").write_text(LOG)
    (folder / "hparams.yaml").write_text("batch_size: 8\n")
    (tmp_path / "project" / ".git").mkdir()
    return folder


@pytest.fixture
def audits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the groups that were really audited."""
    done: list[str] = []

    def counted(group: Any, **known: Any) -> Any:
        done.append(group.name)
        return audit_group(group, **known)

    monkeypatch.setattr(check_module, "audit_group", counted)
    return done


def asked(run: Path, **more: Any) -> Report:
    return check(Request(paths=(run,), cache=True, **more), today=TODAY)


def edited(path: Path, text: str) -> Callable[[Path], None]:
    def edit(run: Path) -> None:
        (run / path).parent.mkdir(parents=True, exist_ok=True)
        (run / path).write_text(text)

    return edit


def same_size_and_time(run: Path) -> None:
    before = (run / "log.csv").stat()
    (run / "log.csv").write_text(LOG.replace("50,5,1.5", "50,5,9.5"))
    os.utime(run / "log.csv", ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: list[tuple[str, Callable[[Path], None], bool]] = [
    # what, the change, whether the run has to be audited again
    ("nothing", lambda run: None, False),
    ("a file elsewhere", edited(Path("../b.txt"), "hello"), False),
    ("a commit", edited(Path("../../.git/HEAD"), "ref"), False),
    ("a configuration above the project", edited(Path("../../../analyzer.toml"), "[rules]\nignore=['LOS']\n"), False),
    ("the log grew", edited(Path("log.csv"), LOG + "100,10,1.0\n"), True),
    ("the log changed, size and time did not", same_size_and_time, True),
    ("another log", edited(Path("more.csv"), LOG), True),
    ("a sidecar changed", edited(Path("hparams.yaml"), "batch_size: 9\n"), True),
    ("a new sidecar", edited(Path("config.json"), '{"epochs": 3}'), True),
    ("a configuration beside the log", edited(Path("analyzer.toml"), "[rules]\nignore = ['LOS']\n"), True),
    ("a configuration above", edited(Path("../../pyproject.toml"), "[tool.analyzer.rules]\nignore = ['LOS']\n"), True),
    ("a sidecar is gone", lambda run: (run / "hparams.yaml").unlink(), True),
    ("the project ends elsewhere", lambda run: (run / ".git").mkdir(), True),
]


@pytest.mark.parametrize(("what", "change", "again"), CHANGES, ids=[row[0] for row in CHANGES])
def test_what_changes_an_answer(
    what: str, change: Callable[[Path], None], again: bool, run: Path, audits: list[str]
) -> None:
    asked(run)
    change(run)
    asked(run)
    assert len(audits) == 1 + again


QUESTIONS: list[tuple[str, dict[str, Any], bool]] = [
    ("the same", {}, False),
    ("in several processes", {"jobs": 2}, False),
    ("another selection", {"select": ("EPO",)}, True),
    ("fewer rules", {"ignore": ("LOS001",)}, True),
    ("a fact", {"facts": facts_from_options(["epochs=3"])}, True),
    ("a role", {"roles": {"loss": "loss"}}, True),
    ("no cache", {"cache": False}, True),
]


@pytest.mark.parametrize(("what", "more", "again"), QUESTIONS, ids=[row[0] for row in QUESTIONS])
def test_another_question_is_another_answer(
    what: str, more: dict[str, Any], again: bool, run: Path, audits: list[str]
) -> None:
    asked(run)
    check(Request(**{"paths": (run,), "cache": True, **more}), today=TODAY)
    assert len(audits) == 1 + again


def test_another_program_audits_again(run: Path, audits: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked(run)
    monkeypatch.setattr(remembered, "_program", lambda: "another")
    asked(run)
    assert len(audits) == 2


def test_a_chosen_configuration_counts_by_its_text(run: Path, audits: list[str], tmp_path: Path) -> None:
    chosen = tmp_path / "chosen.toml"
    for text in ("[rules]\nignore = ['LOS']\n", "[rules]\nignore = ['EPO']\n", "[rules]\nignore = ['LOS']\n"):
        chosen.write_text(text)
        asked(run, config=chosen)
    assert len(audits) == 2


NOT_KEPT: list[tuple[str, Callable[[Path], None], dict[str, Any]]] = [
    ("a file that cannot be read", edited(Path("broken.json"), '{"log_history": ['), {}),
    ("a silence that expires", edited(
        Path("analyzer.toml"), "[[silence]]\nrule = 'LOS'\nreason = 'known'\nexpires = 2026-06-01\n"), {}),
    ("a configured reference", edited(Path("analyzer.toml"), "against = '.'\n"), {}),
]  # fmt: skip


@pytest.mark.parametrize(("what", "change", "more"), NOT_KEPT, ids=[row[0] for row in NOT_KEPT])
def test_what_depends_on_more_is_not_kept(
    what: str, change: Callable[[Path], None], more: dict[str, Any], run: Path, audits: list[str]
) -> None:
    change(run)
    asked(run, **more)
    asked(run, **more)
    assert len(audits) == 2


def test_a_reference_is_read_again(run: Path, audits: list[str]) -> None:
    asked(run, against=run)
    asked(run, against=run)
    assert len(audits) == 2


def test_a_file_of_this_moment_is_not_trusted(run: Path, audits: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "SECONDS_TO_SETTLE", 3600.0)
    asked(run)
    asked(run)
    assert len(audits) == 2


def answers_of(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "audits").glob("??/*"))


@pytest.mark.parametrize("kept", [b"", b"x", b"\x80\x04."])
def test_a_damaged_answer_is_no_answer(kept: bytes, run: Path, audits: list[str], tmp_path: Path) -> None:
    asked(run)
    (path,) = answers_of(tmp_path)
    path.write_bytes(kept)
    asked(run)
    asked(run)
    assert len(audits) == 2


def test_every_cut_answer_is_no_answer(run: Path, tmp_path: Path) -> None:
    whole = asked(run)
    (path,) = answers_of(tmp_path)
    content = path.read_bytes()
    for end in range(0, len(content), max(1, len(content) // 40)):
        path.write_bytes(content[:end])
        assert [one.findings for one in asked(run).runs] == [one.findings for one in whole.runs]


def folder_behind_a_link(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")


def answer_behind_a_link(folder: Path) -> None:
    (answer,) = folder.glob("??/*")
    answer.rename(folder / "elsewhere")
    answer.symlink_to(folder / "elsewhere")


def answer_that_others_may_write_to(folder: Path) -> None:
    (answer,) = folder.glob("??/*")
    answer.chmod(0o666)


def answer_that_is_a_pipe(folder: Path) -> None:
    (answer,) = folder.glob("??/*")
    answer.unlink()
    os.mkfifo(answer)


def answer_that_is_a_folder(folder: Path) -> None:
    (answer,) = folder.glob("??/*")
    answer.unlink()
    answer.mkdir()


NOT_TRUSTED: list[Callable[[Path], None]] = [
    lambda folder: folder.chmod(0o777),
    lambda folder: folder.parent.chmod(0o770),
    folder_behind_a_link,
    answer_behind_a_link,
    answer_that_others_may_write_to,
    answer_that_is_a_pipe,
    answer_that_is_a_folder,
]
if os.geteuid() == 0:
    NOT_TRUSTED += [
        lambda folder: os.chown(folder, 65534, -1),
        lambda folder: os.chown(next(folder.glob("??/*")), 65534, -1),
    ]


@pytest.mark.parametrize("planted", NOT_TRUSTED)
def test_what_others_can_have_laid_there_is_not_read(
    planted: Callable[[Path], None], run: Path, audits: list[str], tmp_path: Path
) -> None:
    asked(run)
    planted(tmp_path / "cache" / "audits")
    asked(run)
    assert len(audits) == 2


def test_a_user_without_a_home_has_no_cache(
    run: Path, audits: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless(*_: object, **__: object) -> Path:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr("platformdirs.user_cache_path", homeless)
    assert asked(run).runs and asked(run).runs
    assert len(audits) == 2


def test_a_full_disk_leaves_nothing_behind(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert asked(run).runs
    assert not answers_of(tmp_path)


def test_a_month_later_it_is_forgotten(run: Path, audits: list[str], tmp_path: Path) -> None:
    asked(run)
    (path,) = answers_of(tmp_path)
    long_ago = path.stat().st_mtime - 40 * 86_400
    for aged in (path, tmp_path / "cache" / "audits" / "swept"):
        os.utime(aged, (long_ago, long_ago))
    remembered.sweep()
    assert not answers_of(tmp_path)


# ---------------------------------------------------------------------------------------------------------------
# every file that an audit opens is one that its digest knows


class _Ear:
    """Hears which files are opened. A hook cannot be taken away again, so there is one for all tests."""

    hung = False
    opened: list[str] | None = None

    @classmethod
    def listen(cls, event: str, arguments: tuple[Any, ...]) -> None:
        if cls.opened is None or event not in ("open", "sqlite3.connect"):
            return
        if isinstance(arguments[0], str | bytes | os.PathLike):
            cls.opened.append(os.fsdecode(arguments[0]).removeprefix("file:").partition("?")[0])


@pytest.fixture
def opened() -> Iterator[list[str]]:
    if not _Ear.hung:
        sys.addaudithook(_Ear.listen)
        _Ear.hung = True
    _Ear.opened = []
    yield _Ear.opened
    _Ear.opened = None


@pytest.mark.parametrize("folder", ["runs", "formats", "same_run", "events"])
def test_every_file_that_is_opened_is_known(folder: str, opened: list[str]) -> None:
    root = Path("fixtures", folder).absolute()
    groups = find_groups([root]).groups
    assert groups
    for group in groups:
        opened.clear()
        audit_group(group, Request(paths=(root,)), TODAY)
        known = {os.path.realpath(path) for path in remembered.files_of(group)}
        found = {os.path.realpath(path) for path in opened}
        below = {path for path in found if path.startswith(str(root)) and not os.path.isdir(path)}
        assert below, "the audit opened nothing: the hook does not hear"
        assert below <= known
