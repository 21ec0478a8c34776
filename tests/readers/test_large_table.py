"""The fast path and the careful path of CSV tables give the same reading, or the fast one gives way."""

# ruff: noqa: E501  (tables read better in one piece)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from analyzer.readers import Reading
from analyzer.readers.csv_table import large, parse
from analyzer.readers.csv_table.large import parse_large, read_large
from analyzer.readers.csv_table.rows import parse_text

ROWS = [f"{step},{step // 9},{3.0 / step!r},{1e-3 * step!r}" for step in range(1, 60)]
HEADER = "step,epoch,loss,lr"
TABLES = {
    "regular": "\n".join([HEADER, *ROWS]) + "\n",
    "windows line ends": "\r\n".join([HEADER, *ROWS]) + "\r\n",
    "a stray carriage return": "\n".join([HEADER, *ROWS[:30], ROWS[30] + "\r" + ROWS[31], *ROWS[32:]]) + "\n",
    "two carriage returns": "\r\n".join([HEADER, *ROWS[:30], ROWS[30] + "\r", *ROWS[31:]]) + "\r\n",
    "windows line ends at last": "\n".join([HEADER, *ROWS[:30], ""]) + "\r\n".join(ROWS[30:]) + "\r\n",
    "byte order mark": "\ufeff" + "\n".join([HEADER, *ROWS]) + "\n",
    "cut": "\n".join([HEADER, *ROWS])[:-3],
    "sparse": HEADER + "\n" + "".join(f"{step},,{step}.5,\n{step},{step},,0.1\n" for step in range(1, 40)),
    "not finite": HEADER + "\n" + "".join(f"{step},1,nan,inf\n{step},1,NaN,-inf\n{step},1,NA,\n" for step in range(1, 40)),
    "repeated header": "\n".join([HEADER, *ROWS[:30], HEADER, *ROWS[25:]]) + "\n",
    "blank lines": "\n".join([HEADER, *ROWS[:30], "", "", *ROWS[30:]]) + "\n",
    "NUL bytes": "\n".join([HEADER, *ROWS[:30], "\0\0\0" + ROWS[30], *ROWS[31:]]) + "\n",
    "a glued row": "\n".join([HEADER, *ROWS[:30], ROWS[30] + ROWS[31], *ROWS[32:]]) + "\n",
    "a short row": "\n".join([HEADER, *ROWS[:30], "31,3", *ROWS[32:]]) + "\n",
    "short rows": "\n".join([HEADER, *ROWS[:30], "31,3", "32,3", "33,3", *ROWS[32:]]) + "\n",
    "text among numbers": "\n".join([HEADER, *ROWS[:30], "31,3,oops,0.1", *ROWS[32:]]) + "\n",
    "a column of text": HEADER + ",note\n" + "".join(f"{row},fine\n" for row in ROWS),
    "a column of times": "date," + HEADER + "\n" + "".join(f"2024-01-01T00:00:{i % 60:02d},{row}\n" for i, row in enumerate(ROWS)),
    "an index": "," + HEADER + "\n" + "".join(f"{i},{row}\n" for i, row in enumerate(ROWS)),
    "semicolons": "\n".join([HEADER, *ROWS]).replace(",", ";").replace(".", ",") + "\n",
    "tabs": "\n".join([HEADER, *ROWS]).replace(",", "\t") + "\n",
    "padded": "\n".join([HEADER, *ROWS]).replace(",", ",   ") + "\n",
    "quoted": HEADER + "\n" + "".join(f'"{row}"\n'.replace(",", '","') for row in ROWS),
    "times in front": "time,step,loss\n" + "".join(f"2024-02-28 23:59:{i % 60:02d}{'.25' * (i % 2)},{i},{i}.5\n" for i in range(60)),
    "times with gaps": "step,time,loss\n" + "".join(f"{i},{'2024-02-28T23:59:00Z' * (i % 3 > 0)},{i}.5\n" for i in range(60)),
    "other times": "step,time,loss\n" + "".join(f"{i},{'[2024/02/28 23:59:59]' if i % 2 else '2024-02-30T00:00:00'},{i}.5\n" for i in range(60)),
    "phases": "step,phase,loss,epoch\n" + "".join(f"{i},{('train', 'val', '', 'Train ')[i % 4]},{i}.5,{i // 9}\n" for i in range(60)),
    "phases in front": "split,step,loss\r\n" + "".join(f"{('train', 'val')[i % 2]},{i},{i}.5\r\n" for i in range(60)),
    "phases and a repeated header": ("split,step,loss\n" + "".join(f"{('train', 'val')[i % 2]},{i},{i}.5\n" for i in range(30))) * 2,
    "texts at last": "step,loss,note\r\n" + "".join(f"{i},{i}.5,{'fine ' * (i % 3)}\r\n" for i in range(60)),
    "texts among texts": "step,loss,note\n" + "".join(f"{i},{i}.5,{('fine', ' NA', '7', ' nan', 'é', 'tensor(3.)', '', '-', 'x' * 70)[i % 9]}{i if i > 30 else ''}\n" for i in range(60)),
    "a long table": "tag,step,value\n" + "".join(f"{('loss', 'lr')[i % 2]},{i // 2},{i}.5\n" for i in range(60)),
    "blank lines where no column is full": HEADER + "\n" + "".join(f"{step},,,1\n,,2.5,\n\n" if step % 9 == 0 else f",{step},,1\n,,,\n{step},,1,\n" for step in range(1, 40)),
    "nan in many forms": HEADER + "\n" + "".join(f"{step},{'nan'},{('NAN', ' nan', '-nan', 'NA', '', 'None')[step % 6]},{step}\n" for step in range(1, 40)),
    "quoted header": '"step","epoch","loss","lr"\n' + "\n".join(ROWS) + "\n",
    "quoted texts": "step,note,loss\n" + "".join(f'{i},"{("fine", "")[i % 2]}",{i}.5\n' for i in range(60)),
    "quotes around blanks": "step,note,loss\n" + "".join(f'{i}, "fine",{i}.5\n' for i in range(60)),
    "a quoted delimiter": "step,note,loss\n" + "".join(f'{i},"fine, fine",{i}.5\n' for i in range(60)),
    "a quoted line end": "step,note,loss\n" + "".join(f'{i},"fine\nfine",{i}.5\n' for i in range(60)),
    "doubled quotes": "step,note,loss\n" + "".join(f'{i},"""",{i}.5\n' for i in range(60)),
    "a stray quote": "step,note,loss\n" + "".join(f'{i},5" x 7",{i}.5\n' for i in range(60)),
    "two stray quotes": HEADER + "\n" + "\n".join([*ROWS[:30], '31,"3,0.5,0.1', *ROWS[31:40], '41",4,0.5,0.1', *ROWS[41:]]) + "\n",
    "nan of Windows": HEADER + "\n" + "".join(f"{step},1,{('nan(ind)', '1.#QNAN', '1.5')[step % 3]},0.1\n" for step in range(1, 60)),
    "no numbers": "step,loss,lr\n" + "one,two,three\n" * 60,
    "short lines only": HEADER + "\n" + "1,2,3\n" * 300,
    "huge numbers": "\n".join([HEADER, *ROWS, "60,1,1e400,123456789012345678901234567890", "61,1,1e-400,0x10"]) + "\n",
}  # fmt: skip
NOT_FAST = {
    "quotes around blanks",
    "a quoted delimiter",
    "a quoted line end",
    "doubled quotes",
    "a stray quote",
    "two stray quotes",
    "no numbers",
    "short lines only",
}


def same(one: Reading, other: Reading) -> None:
    assert one.source == other.source
    assert one.problems == other.problems
    assert one.markers == other.markers
    assert [series.tag for series in one.series] == [series.tag for series in other.series]
    for a, b in zip(one.series, other.series, strict=True):
        assert a.step.tolist() == b.step.tolist()
        assert a.row.tolist() == b.row.tolist()
        np.testing.assert_array_equal(a.value, b.value)
        np.testing.assert_array_equal(a.wall_time, b.wall_time)


@pytest.fixture(params=[1, 60, 1 << 21], ids=["a line a block", "blocks of a few lines", "one block"], autouse=True)
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks of several sizes: where one ends must not show."""
    monkeypatch.setattr(large, "BLOCK", request.param)
    return int(request.param)


@pytest.mark.parametrize("name", TABLES)
def test_both_paths_agree(name: str, tmp_path: Path) -> None:
    text = TABLES[name]
    assert (parse_large(text.encode(), "log.csv", ()) is not None) == (name not in NOT_FAST)
    careful = parse_text(text.removeprefix("\ufeff"), "log.csv")
    same(parse(text.encode(), "log.csv", fast_from=0), careful)
    path = tmp_path / "log.csv"
    path.write_bytes(text.encode())
    from_disk = read_large(path)
    assert (from_disk is not None) == (name not in NOT_FAST)
    if from_disk is not None:
        same(replace(from_disk, source=replace(from_disk.source, path="log.csv"), problems=careful.problems), careful)
        assert [problem.message for problem in from_disk.problems] == [problem.message for problem in careful.problems]


CELLS = st.one_of(
    st.integers(0, 10**20).map(str),
    st.floats().map(repr),
    st.sampled_from(
        [
            "",
            "NA",
            "nan",
            "-inf",
            "oops",
            "+1.5",
            "1_0",
            "0x1F",
            " 2 ",
            "5.",
            ".5",
            "1e",
            "1e999",
            "-",
            "tensor(2)",
            "\0",
            "loss",
        ]
    ),
)


TEXTS = st.one_of(
    st.sampled_from(
        ["train", "val", "", "NA", "2024-01-31 12:00:00", "2024-01-31T12:00:00.5", "7", "loss", "time", " val"]
    ),
    st.datetimes().map(str),
    st.text(st.characters(blacklist_characters=',;\t"\0\n\r', blacklist_categories=["Cs"]), max_size=9),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(TEXTS, st.sampled_from(["1", "2.5", "", "step", "oops"]), CELLS), max_size=30),
    st.sampled_from(
        [("time", "step", "loss"), ("phase", "step", "loss"), ("step", "loss", "note"), ("", "step", "loss")]
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_both_paths_agree_on_any_text(
    rows: list[tuple[str, str, str]], header: tuple[str, ...], end: str, quoted: bool
) -> None:
    regular = [("train", str(step), "0.5") for step in range(30)]
    mark = '"' if quoted else ""
    lines = [",".join(f"{mark}{cell}{mark}" for cell in row) for row in [header, *regular, *rows, *regular]]
    text = end.join(lines) + end
    same(parse(text.encode(), "log.csv", fast_from=0), parse(text.encode(), "log.csv", fast_from=len(text) * 4))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(st.lists(CELLS, min_size=3, max_size=3), st.lists(CELLS, max_size=4)), max_size=30),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_both_paths_agree_on_anything(rows: list[list[str]], delimiter: str, end: str, ended: bool) -> None:
    regular = [["7", "0.5", "0.1"]] * 30
    text = end.join(delimiter.join(row) for row in [["step", "loss", "lr"], *regular, *rows, *regular]) + (
        end if ended else ""
    )
    same(parse(text.encode(), "log.csv", fast_from=0), parse(text.encode(), "log.csv", fast_from=len(text) * 4))
