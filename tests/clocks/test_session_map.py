"""Which rows belong to which session: looked up by place, and the same row by row."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analyzer.clocks.session_map import Session, SessionMap
from analyzer.model import Series


def sessions(count: int) -> tuple[Session, ...]:
    return tuple(Session(index=n, start=(0, 0), first_step=0, last_step=0, sources=()) for n in range(count))


@given(st.data())
def test_places_of_sessions_are_those_of_their_rows(data: st.DataObject) -> None:
    """Two views share the map: the files of the other view say nothing about the rows of this one."""
    files = data.draw(st.integers(1, 4))
    count = data.draw(st.integers(1, 6))
    starts: list[tuple[int, int, int]] = []
    for view in (range(files), range(files, 2 * files)):
        session = 0
        for source in view:
            starts.append((source, -1, session))
            for row in sorted(data.draw(st.sets(st.integers(0, 20), max_size=3))):
                if session + 1 < count:
                    session += 1
                    starts.append((source, row, session))
    kept = sorted(data.draw(st.sets(st.tuples(st.integers(0, files - 1), st.integers(0, 20)), max_size=30)))
    source, row = np.array([one for one, _ in kept], dtype=np.int32), np.array([one for _, one in kept], dtype=np.int64)
    number = np.arange(len(kept))
    series = Series(tag="loss", step=number, value=number * 1.0, wall_time=number * 1.0, source=source, row=row)
    session_map = SessionMap(sessions=sessions(count), starts=tuple(sorted(starts)))
    of = session_map.of(series)
    for index, rows in enumerate(session_map.slices(series)):
        assert number[rows].tolist() == number[of == index].tolist()
