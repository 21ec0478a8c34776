"""A repaired copy is sound on the step axis, keeps every value, and the original is untouched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from analyzer.cli import main
from analyzer.cli.repair import _own_place
from analyzer.config.declared import merge
from analyzer.discovery import discover
from analyzer.readers.csv_table.rewriting import _shifted_row
from analyzer.reconstruction import reconstruct
from analyzer.timeline import Timeline
from tests.event_files import write_events


def repair(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["repair", *(str(argument) for argument in arguments)])


def timeline(folder: Path) -> Timeline:
    (run,) = discover([folder]).runs
    return reconstruct(run, merge(run.facts))


def loss(step: int, life: int = 0) -> float:
    return round(3 / (1 + step / 30) + 0.001 * life, 6)


def csv_log(steps: list[tuple[int, float]]) -> str:
    return "step,loss\n" + "".join(f"{step},{value}\n" for step, value in steps)


REPLAY = [*((s, loss(s)) for s in range(1, 131)), *((s, loss(s, 1)) for s in range(101, 201))]
# lives of one length could be epochs whose batches are counted
RESET = [*((s, loss(s)) for s in range(1, 121)), *((s, loss(s + 120)) for s in range(1, 81))]


def in_csv(folder: Path, rows: list[tuple[int, float]]) -> None:
    (folder / "log.csv").write_text(csv_log(rows))


def in_json_lines(folder: Path, rows: list[tuple[int, float]]) -> None:
    (folder / "log.jsonl").write_text("".join(json.dumps({"step": s, "loss": v}) + "\n" for s, v in rows))


def in_events(folder: Path, rows: list[tuple[int, float]]) -> None:
    cut = next(i for i in range(1, len(rows)) if rows[i][0] < rows[i - 1][0])
    write_events(folder, [(s, {"loss": v}) for s, v in rows[:cut]], start=1_700_000_000.0)
    write_events(folder, [(s, {"loss": v}) for s, v in rows[cut:]], start=1_700_009_000.0, pid=12)


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("write", [in_csv, in_json_lines, in_events])
@pytest.mark.parametrize(("rows", "kind"), [(REPLAY, "replayed"), (RESET, "reset")], ids=["replay", "reset"])
def test_the_copy_has_one_step_axis(
    write: Callable[[Path, list[tuple[int, float]]], None], rows: list[tuple[int, float]], kind: str, tmp_path: Path
) -> None:
    original = tmp_path / "run"
    original.mkdir()
    write(original, rows)
    assert [join.step for join in timeline(original).joins] == [kind]
    before = digest(original)
    result = repair(original, "-o", tmp_path / "copy")
    assert result.exit_code == 0, result.output
    assert digest(original) == before
    series = timeline(tmp_path / "copy").view.series["loss"]
    assert series.step.tolist() == list(range(1, 201))
    kept = [v for i, (s, v) in enumerate(rows) if not (kind == "replayed" and i < 130 and s > 100)]
    assert series.value.tolist() == pytest.approx(kept, rel=1e-6)
    assert repair(tmp_path / "copy", "-o", tmp_path / "again").output.strip().endswith("nothing to repair")


def test_everything_but_the_step_stays_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    lives = [(step, step + past) for past, last in ((0, 120), (120, 80)) for step in range(1, last + 1)]
    rows = [f'{step},{loss(done)}, "a, b" ,1e-04\r\n' for step, done in lives]
    (tmp_path / "run" / "log.csv").write_text("".join(["step,loss,note,lr\r\n", *rows]), newline="")
    assert repair(tmp_path / "run", "-o", tmp_path / "copy").exit_code == 0
    lines = (tmp_path / "copy" / "log.csv").read_bytes().split(b"\r\n")
    assert lines[120].startswith(b"120,") and lines[121].startswith(b"121,") and lines[121].endswith(b",1e-04")
    assert len(lines) == 202


def test_trainer_state(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    history = [{"step": step, "loss": value, "epoch": step / 50} for step, value in REPLAY]
    state = {"global_step": 200, "max_steps": 200, "log_history": history, "is_local_process_zero": True}
    (tmp_path / "run" / "trainer_state.json").write_text(json.dumps(state))
    result = repair(tmp_path / "run", "-o", tmp_path / "copy")
    assert result.exit_code == 0, result.output
    copy = json.loads((tmp_path / "copy" / "trainer_state.json").read_text())
    assert [entry["step"] for entry in copy["log_history"]] == list(range(1, 201))
    assert copy["max_steps"] == 200 and copy["is_local_process_zero"] is True


def test_a_sound_run_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    in_csv(tmp_path / "run", [(s, loss(s)) for s in range(1, 50)])
    result = repair(tmp_path / "run", "-o", tmp_path / "copy")
    assert result.exit_code == 0 and "nothing to repair" in result.output and not (tmp_path / "copy").exists()


def test_steps_that_were_skipped_are_named_and_not_repaired(tmp_path: Path) -> None:
    for start, steps, done in ((1.7e9, range(1, 101), 0), (1.7e9 + 900, range(181, 321), 80)):
        rows = [(s, {"loss": loss(s - done), "epoch": float((s - done - 1) // 40)}) for s in steps]
        write_events(tmp_path / "run", rows, start=start)
    result = repair(tmp_path / "run", "-o", tmp_path / "out")
    assert result.exit_code == 0 and "steps 101 to 180 are skipped at the resume: no copy can repair" in result.output
    assert "nothing to repair" not in result.output


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    in_csv(tmp_path / "run", REPLAY)
    result = repair(tmp_path / "run", "-o", tmp_path / "run")
    assert result.exit_code == 2 and "not empty" in result.output


def test_what_cannot_be_repaired_says_why_and_leaves_no_half_copy(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    in_events(tmp_path / "run", RESET)
    second = max((tmp_path / "run").iterdir())
    data = bytearray(second.read_bytes())
    data[200] ^= 0xFF
    second.write_bytes(bytes(data))
    result = repair(tmp_path / "run", "-o", tmp_path / "copy")
    assert result.exit_code == 2 and "damaged" in result.output and not (tmp_path / "copy").exists()


def test_several_runs_get_a_folder_each(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        in_csv(tmp_path / "runs" / name, REPLAY)
    assert repair(tmp_path / "runs", "-o", tmp_path / "copy").exit_code == 0
    assert sorted(path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*.csv")) == [
        "a/log.csv",
        "b/log.csv",
    ]


def rows_of(lives: int = 2, note: str = "", ending: str = "\n") -> str:
    """Lives of 100 steps each, of which the second falls back by 30; a note in every row."""
    steps = [*range(1, 131), *range(101, 201)][: 130 * lives]
    return "".join(f"{step},{loss(step, number > 129)},{note}{ending}" for number, step in enumerate(steps))


NOTES = {
    "a line separator": "a\u2028b",
    "next line": "a\u0085b",
    "form feed": "a\fb",
    "vertical tab": "a\vb",
    "a quoted line end": '"a\nb"',
    "two of them": '"a\nb\n"',
    "a quoted delimiter": '"a, b"',
    "padding": "  a ",
}


@pytest.mark.parametrize("note", NOTES.values(), ids=NOTES.keys())
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_line_is_what_the_reader_takes_for_one(tmp_path: Path, note: str, ending: str) -> None:
    (tmp_path / "run").mkdir()
    written = ("step,loss,note" + ending + rows_of(note=note, ending=ending)).encode("utf-8", "surrogateescape")
    (tmp_path / "run" / "log.csv").write_bytes(written)
    result = repair(tmp_path / "run", "-o", tmp_path / "copy")
    assert result.exit_code == 0, result.output
    copy = (tmp_path / "copy" / "log.csv").read_bytes()
    row = f",{note}{ending}".encode("utf-8", "surrogateescape")
    assert copy.count(row) == 200 and len(copy) < len(written)
    assert timeline(tmp_path / "copy").view.series["loss"].step.tolist() == list(range(1, 201))


@pytest.mark.parametrize("text", ["a\u2028b", "a\u0085b", "a\fb", "a\rb"])
def test_a_json_line_ends_with_a_line_feed(tmp_path: Path, text: str) -> None:
    (tmp_path / "run").mkdir()
    entries = [json.dumps({"step": s, "loss": v, "note": text}, ensure_ascii=False) for s, v in REPLAY]
    spaced = "".join(entry.replace(', "loss"', ',\r "loss"') + "\n" for entry in entries)
    (tmp_path / "run" / "log.jsonl").write_text(spaced, encoding="utf-8", newline="")
    result = repair(tmp_path / "run", "-o", tmp_path / "copy")
    assert result.exit_code == 0, result.output
    lines = (tmp_path / "copy" / "log.jsonl").read_bytes().split(b"\n")
    assert [json.loads(line)["step"] for line in lines[:-1]] == list(range(1, 201))


SHIFTED = {
    "a plain step": ("3,0.5,x\r\n", 0, ",", "103,0.5,x\r\n"),
    "blanks around it": ("x, 3 ,0.5\n", 1, ",", "x, 103 ,0.5\n"),
    "quotes": ('"a, ""b""","3",0.5', 1, ",", '"a, ""b""","103",0.5'),
    "a point": ("3.0;0,5\n", 0, ";", "103.0;0,5\n"),
    "blanks between": ("  3   0.5\n", 0, " ", "  103   0.5\n"),
    "at the end": ("0.5,3\r\n", 1, ",", "0.5,103\r\n"),
}


@pytest.mark.parametrize(("row", "at", "delimiter", "expected"), SHIFTED.values(), ids=SHIFTED.keys())
def test_only_the_step_of_a_row_is_written_anew(row: str, at: int, delimiter: str, expected: str) -> None:
    assert _shifted_row(row, at, 100, delimiter) == expected


def test_a_copy_that_reads_back_otherwise_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    in_csv(tmp_path / "run", REPLAY)
    monkeypatch.setattr("analyzer.repair.corrected", lambda correction, content: content[:-5])
    result = repair(tmp_path / "run", "-o", tmp_path / "copy")
    assert result.exit_code == 2 and "does not read back" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_command_that_is_stopped_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        in_csv(tmp_path / "runs" / name, REPLAY)
    calls = iter([None])

    def stopped(*arguments: object) -> None:
        if next(calls, KeyboardInterrupt):
            raise KeyboardInterrupt

    monkeypatch.setattr("analyzer.repair.check_copy", stopped)
    assert repair(tmp_path / "runs", "-o", tmp_path / "copy").exit_code != 0
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_two_runs_of_one_name_have_two_places(tmp_path: Path) -> None:
    for name in ("one/run", "two/run"):
        (tmp_path / name).mkdir(parents=True)
        in_csv(tmp_path / name, REPLAY)
    result = repair(tmp_path / "one" / "run", tmp_path / "two" / "run", "-o", tmp_path / "copy")
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "copy").rglob("log.csv"))) == 2
    assert [_own_place(tmp_path, name).name for name in ("/x", "x", "../x")] == ["x", "x (2)", "x (3)"]
