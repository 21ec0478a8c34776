"""A large table of regular lines is read by pandas as a whole; any other in blocks, with the same result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas  # noqa: F401  (where it is loaded, it reads)
import pytest

from analyzer.readers.csv_table import large, parsers
from analyzer.readers.csv_table.large import read_large


@pytest.mark.skipif(not parsers.reads_whole_files(), reason="pandas before 3.1 reads files by one thread")
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("odd", "whole"),
    [
        (None, True),
        ("7,1,0.5", False),  # too short
        ("7,1,0.5,0.1,2", False),
        ("7,1,,0.1", False),  # an empty cell
        ("7,1,nan,0.1", False),  # a number, but pandas does not tell it from an empty cell
        ("7,1,x,0.1", False),
        ('7,1,"0.5",0.1', False),
        ("7,1,0.5\0,0.1", False),
        ("7,1,0.5,0.1\r7,1,0.5,0.1", False),
        ("", False),
    ],
)
def test_a_file_of_regular_lines_is_read_whole(
    odd: str | None, whole: bool, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"{step},{step // 7},{step * 0.1!r},{1e-3 / step!r}" for step in range(1, 150_000)]  # 5 MB: parsed in parts
    if odd is not None:
        rows[70_000] = odd
    path = tmp_path / "log.csv.gz"  # whose name is wrong
    path.write_text(end.join(["step,epoch,loss,lr", *rows, ""]), newline="")
    with monkeypatch.context() as patch:
        patch.setattr(large, "reads_whole_files", lambda: False)
        in_blocks = read_large(path)
    assert in_blocks is not None
    taken: list[bool] = []
    by_blocks = large._table_in_blocks
    monkeypatch.setattr(large, "_table_in_blocks", lambda *given: taken.append(False) or by_blocks(*given))
    found = read_large(path)
    assert found is not None
    assert (not taken) == whole
    assert [series.tag for series in found.series] == [series.tag for series in in_blocks.series]
    for one, other in zip(found.series, in_blocks.series, strict=True):
        np.testing.assert_array_equal(one.step, other.step)
        np.testing.assert_array_equal(one.row, other.row)
        np.testing.assert_array_equal(one.value, other.value)
    assert found.problems == in_blocks.problems
