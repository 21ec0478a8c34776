"""Real logs of every text format, damaged at random, given to every text reader: no exception, never silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.readers import Reading, all_readers
from analyzer.readers.stdout.places import with_steps

FIXTURES = Path(__file__).parents[2] / "fixtures" / "formats"
LOGS = {path.relative_to(FIXTURES).as_posix(): path for path in sorted(FIXTURES.rglob("*")) if path.is_file()}
PARSERS = {reader.name: reader.parse for reader in all_readers() if reader.parse is not None}


def says_something(reading: Reading) -> bool:
    return bool(reading.series or reading.runs or reading.problems)


@pytest.mark.parametrize("name", LOGS)
def test_every_reader_on_every_log(name: str) -> None:
    for parse in PARSERS.values():
        assert says_something(parse(LOGS[name].read_bytes()[:20_000], name))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(LOGS)),
    st.sampled_from(sorted(PARSERS)),
    st.integers(0, 3000),
    st.integers(0, 40),
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from([b"\0" * 64, b'"', b"{", b"[[", b"\n\n", b",,,,", b"nan", b"1e999", b"}{"]),
    ),
)
def test_damage(name: str, parser: str, at: int, lost: int, inserted: bytes) -> None:
    data = LOGS[name].read_bytes()[:4000]
    at = min(at, len(data))
    assert says_something(PARSERS[parser](data[:at] + inserted + data[at + lost :], name))


PRINTED = "".join(f"iter {i}: loss {4 - i / 8:.4f}, time 3.1ms\n" for i in range(8))
TABLE = "step,loss\n" + "".join(f"{i},{4 - i / 8:.4f}\n" for i in range(8))


@pytest.mark.parametrize(
    ("parser", "before", "line"),
    [
        ("stdout", PRINTED, "iter 8: loss 4\0\0.1872, time 3.1ms\n"),
        ("stdout", PRINTED, "iter 8: loss 4\0\0\n"),
        ("stdout", PRINTED, "\0\0iter 8: loss 4.1872, time 3.1ms\n"),
        ("csv", TABLE, "8,4\0\0.1872\n"),
        ("csv", TABLE, "\0\08,4.1872\n"),
    ],
)
def test_a_number_beside_nul_bytes_may_be_half_of_one(parser: str, before: str, line: str) -> None:
    reading = PARSERS[parser]((before + line).encode(), "train.log")
    assert all(len(series) == 8 for series in reading.series)
    assert [problem.row for problem in reading.problems] == [before.count("\n") + 1]
    assert "overwritten by NUL bytes" in reading.problems[0].message


@pytest.mark.parametrize("place", [float("-inf"), float("nan"), 1.5])
def test_a_place_that_is_no_whole_number_is_no_place(place: float) -> None:
    assert with_steps([{"epoch": 1, "batch": at, "loss": 0.5} for at in (1, place, 2, 3)]) is None
