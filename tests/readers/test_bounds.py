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
