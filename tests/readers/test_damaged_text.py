"""Real logs of every text format, damaged at random, given to every text reader: no exception, never silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.readers import Reading, all_readers

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
