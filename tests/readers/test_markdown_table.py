"""Tables in text: which are logs, what a model card declares, and what a cut table gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.discovery import discover
from analyzer.readers import markdown_table, reader_for

CARD = Path(__file__).parents[2] / "fixtures" / "formats" / "model-card" / "README.md"
HEADER = "| epoch | train_loss | val_loss |\n|---|---:|---|\n"
ROWS = "".join(f"| {epoch} | {1 / epoch:.4f} | {2 / epoch:.4f} |\n" for epoch in range(1, 8))


def test_a_model_card() -> None:
    reading = markdown_table.read(CARD)
    assert not reading.problems
    assert (reading.source.step_axis, reading.source.step_column) == ("step", "Step")
    loss = next(one for one in reading.series if one.tag == "Training Loss")
    assert loss.step.tolist() == [390, 520, 650, 780]  # "No log" is no value
    assert loss.row[0] == 26
    declared = {fact.key: fact.value for fact in reading.facts}
    assert declared["base_lr"] == 2e-05
    assert declared["epochs"] == 6
    assert declared["global_batch_size"] == declared["batch_size"] == 16  # a card names a total that differs
    assert declared["scheduler"] == "linear"


def test_a_model_card_is_found_in_a_folder_and_prose_is_not_named(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "README.md").write_text(CARD.read_text())
    (tmp_path / "NOTES.md").write_text("# Notes\n\nThe loss at step 3 is 0.5.\n")
    found = discover([tmp_path])
    assert [run.name for run in found.runs] == ["run"]
    assert not found.left_alone


@pytest.mark.parametrize(
    ("name", "text", "is_log"),
    [
        ("notes.md", HEADER + ROWS, True),
        ("notes.md", HEADER.replace("|---|---:|---|\n", "") + ROWS, False),  # no table without its rule
        ("log.txt", HEADER + ROWS, True),
        ("README.md", "| model | epochs | accuracy |\n|---|---|---|\n| a | 3 | 0.5 |\n| b | 9 | 0.6 |\n", False),
        ("README.md", "| option | default |\n|---|---|\n| learning_rate | 0.1 |\n", False),
        ("table.txt", "│ epoch │ loss │\n├───────┼──────┤\n│ 1 │ 0.5 │\n│ 2 │ 0.4 │\n", True),
    ],
)
def test_which_tables_are_logs(name: str, text: str, is_log: bool, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    reader = reader_for(path, text.encode()[:4096])
    assert (reader is not None and reader.name == "markdown-table") == is_log


def test_results_named_by_a_model_are_no_log() -> None:
    text = "| model | epoch | val_loss |\n|---|---|---|\n| a | 3 | 0.5 |\n| b | 9 | 0.6 |\n"
    assert markdown_table.parse(text.encode(), "README.md").problems[0].kind == "unreadable"


def test_several_tables_are_several_runs() -> None:
    text = f"{HEADER}{ROWS}\nA second one:\n\n{HEADER}{ROWS}"
    assert len(markdown_table.parse(text.encode(), "notes.md").runs) == 2


def test_cut_at_every_byte_no_value_is_invented() -> None:
    text = (HEADER + ROWS).encode()
    whole = {(one.tag, v) for one in markdown_table.parse(text, "x.md").series for v in one.value.tolist()}
    for end in range(len(text)):
        for one in markdown_table.parse(text[:end], "x.md").series:
            assert {(one.tag, value) for value in one.value.tolist()} <= whole
