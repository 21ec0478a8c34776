"""The order of the data as a witness: the loss of a session that saw the same batches again repeats their pattern.

Detrended log-loss of the second life, from its first row, is compared with that of the first life from its first row.
A repeat stands out at lag zero against other lags; data in a fixed order repeat at every multiple of an epoch as well,
so a log whose first life already contains the pattern twice proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks.session_map import SessionMap
from analyzer.model import Floats, Series
from analyzer.roles import Roles

ROWS = 60
"""Rows that both lives must have: a correlation of 0.5 over 60 rows of noise is a 4-sigma event."""
CORRELATION = 0.6
MARGIN = 0.3
"""By how much the correlation at the start must exceed that at any other lag."""
SMOOTH = 15
"""Rows of the running median that is taken off; batch noise is what remains."""
LAGS = 200


class Repeat(Struct, frozen=True, kw_only=True, eq=False):
    """Rows of a session that repeat the beginning of the one before it."""

    series: Series
    index_before: int
    index_after: int
    first_step: int
    last_step: int
    like_first: int
    like_last: int
    correlation: float
    rows: int
    join: int = 0  # the number of the one that starts it


def repeated_patterns(roles: Roles, session_map: SessionMap) -> Iterator[Repeat]:
    """The repeats that joins start: their session sees the data of the one before again while the steps go on."""
    series = roles.first("loss")
    if series is None:
        return
    sessions = session_map.slices(series)
    for join in session_map.joins:
        found = _repeat(series, *sessions[join.before : join.after + 1]) if join.step == "continued" else None
        if found is not None:
            yield replace(found, join=join.index)


def _repeat(series: Series, before: slice, after: slice) -> Repeat | None:
    n = min(before.stop - before.start, after.stop - after.start)
    if n < ROWS:
        return None
    first, second = _batch_noise(series.value[before]), _batch_noise(series.value[after])
    if first is None or second is None:
        return None
    here = _correlation(first[:n], second[:n])
    if here < CORRELATION:
        return None
    shift = range(1, min(LAGS, n - ROWS // 2))
    elsewhere = [_correlation(first[lag:n], second[: n - lag]) for lag in shift]
    elsewhere += [_correlation(first[: n - lag], second[lag:n]) for lag in shift]
    own = [_correlation(first[lag:], first[: len(first) - lag]) for lag in range(2, min(LAGS, len(first) - ROWS // 2))]
    if max([*elsewhere, *own], default=0.0) > here - MARGIN:
        return None
    return Repeat(
        series=series,
        index_before=before.start,
        index_after=after.start,
        first_step=int(series.step[after.start]),
        last_step=int(series.step[after.start + n - 1]),
        like_first=int(series.step[before.start]),
        like_last=int(series.step[before.start + n - 1]),
        correlation=here,
        rows=n,
    )


def _batch_noise(loss: Floats) -> Floats | None:
    """What is left of the log-loss when its slow part is taken off."""
    if not np.all(np.isfinite(loss)) or float(loss.min()) <= 0:
        return None
    level = np.log(loss)
    padded = np.pad(level, SMOOTH // 2, mode="edge")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, SMOOTH), axis=1)
    noise: Floats = level - smooth
    return noise if float(np.std(noise)) > 1e-9 else None


def _correlation(one: Floats, other: Floats) -> float:
    if len(one) < ROWS // 2:
        return 0.0
    a, b = one - one.mean(), other - other.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else 0.0
