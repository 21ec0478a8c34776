"""A file of more tags than anybody logs costs no more than so many, and says how many were left aside."""

from __future__ import annotations

from pathlib import Path

import pytest

import analyzer
from analyzer.readers import bounds


def table(folder: Path, tags: list[str]) -> Path:
    path = folder / "metrics.csv"
    rows = [",".join([str(step), *["0.5"] * len(tags)]) for step in range(1, 4)]
    path.write_text("\n".join([",".join(["step", *tags]), *rows, ""]))
    return path


@pytest.mark.parametrize(
    ("tags", "kept", "left"),
    [
        (["a", "b", "c"], ["a", "b", "c"], None),  # as many as may be
        (["a", "b", "c", "d"], ["a", "b", "c"], "1 of its 4 tags"),
        (["a", "b", "c", "train/loss", "lr"], ["a", "train/loss", "lr"], "2 of its 5 tags"),  # a role comes first
        (["loss", "lr", "grad_norm", "tokens"], ["loss", "lr", "grad_norm"], "1 of its 4 tags"),
    ],
)
def test_tags_beyond_the_bound_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tags: list[str], kept: list[str], left: str | None
) -> None:
    monkeypatch.setattr(bounds, "MOST_TAGS", 3)
    (run,) = analyzer.read(table(tmp_path, tags))
    assert [tag for view in run.views for tag in view.series] == kept
    told = [problem.message for problem in run.problems if problem.kind == "not-read"]
    assert (left is None and not told) or (len(told) == 1 and told[0].startswith(str(left)))


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["step", "a"], ["step", "a"]),  # no more than may be
        (["a", "b", "c", "d", "step"], ["a", "b", "c", "step"]),  # the counter wherever it stands
        (["a", "b", "c", "d", "time", "epoch"], ["a", "b", "c", "time", "epoch"]),
        (["a", "b", "c", "loss/7", "loss/8"], ["a", "loss/7", "loss/8"]),  # losses come before what nobody knows
        (["loss/1", "loss/2", "loss/3", "loss/4", "step"], ["loss/1", "loss/2", "loss/3", "step"]),
    ],
)
def test_of_wide_tables_so_many_columns_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, names: list[str], kept: list[str]
) -> None:
    monkeypatch.setattr(bounds, "MOST_TAGS", 3)
    assert [names[at] for at in bounds.worth_reading(names)] == kept


def test_rows_of_other_keys_are_counted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_TAGS", 3)
    log = tmp_path / "log.jsonl"
    log.write_text("".join(f'{{"step": {step}, "loss": {1 / step}, "key_{step}": 1}}\n' for step in range(1, 21)))
    (run,) = analyzer.read(log)
    assert list(run.views[0].series) == ["loss", "key_1", "key_2"]
    assert [problem.message.split(":")[0] for problem in run.problems] == ["18 of its 21 tags are left aside"]
