"""Which epoch label holds at the rows of another series."""

from __future__ import annotations

import numpy as np

from analyzer.model import Floats, Series
from analyzer.timeline import Timeline


def label_in_force(timeline: Timeline, series: Series) -> Floats | None:
    """The epoch label at every row of a series of the timeline's view, shape (n,); None when the log has no labels.

    It is the label last logged at or before the row's step in the same session; NaN before the first label. Where the
    step axis itself counts epochs, it is the step.
    """
    if len(series) and timeline.run.sources[int(series.source[0])].step_axis == "epoch":
        return series.step.astype(np.float64)
    labels = timeline.roles.first("epoch")
    if labels is None or not len(labels):
        return None
    label_session, session = timeline.session_map.of(labels), timeline.session_map.of(series)
    order = np.lexsort((labels.step, label_session))
    key = np.stack([label_session[order], labels.step[order]])
    asked = np.stack([session, series.step])
    at = _last_not_after(key, asked)
    same = (at >= 0) & (key[0][np.maximum(at, 0)] == session)
    return np.where(same, labels.value[order][np.maximum(at, 0)], np.nan)


def _last_not_after(key: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Index of the last column of ``key`` not after each column of ``asked``, in lexicographic order; -1: none."""
    both = np.concatenate([key, asked], axis=1)
    is_asked = np.arange(both.shape[1]) >= key.shape[1]
    order = np.lexsort((is_asked, both[1], both[0]))
    seen = np.cumsum(~is_asked[order]) - 1
    found = np.empty(asked.shape[1], dtype=np.int64)
    found[order[is_asked[order]] - key.shape[1]] = seen[is_asked[order]]
    return found
