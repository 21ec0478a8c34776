"""Joining whatever readers may hand over: never an exception, nothing told twice, nothing lost without a note."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.joining import Piece, event_files, join
from analyzer.joining.lives import Told
from analyzer.model import NO_STEP, Series, Source
from analyzer.readers import Reading

TAGS = st.sampled_from(["loss", "lr", "epoch", "val_loss", "losses/all", "accuracy"])
FOLDERS = ["", "train", "validation", "checkpoint-5", "checkpoint-60", "losses_all_a"]
FILES = ["a.csv", "b.csv", "train_loss.csv", "run-a-tag-loss.csv", "events.1", "x.json"]
STEPS = st.sampled_from([NO_STEP, 0, 1, 5, 10, 60])
VALUES = st.floats(allow_nan=True, allow_infinity=True, width=32)


@st.composite
def series(draw: st.DrawFn) -> Series:
    rows = draw(st.integers(min_value=0, max_value=30))
    first, values = draw(STEPS), draw(st.lists(VALUES, min_size=rows, max_size=rows))
    step = np.full(rows, NO_STEP) if first == NO_STEP else np.arange(first, first + rows)
    wall = draw(st.sampled_from([np.nan, 1e9, 1e9 + 20, 1e9 + 500]))
    return Series(tag=draw(TAGS), step=step.astype(np.int64), value=np.array(values, dtype=np.float64),
                  wall_time=wall + np.arange(rows, dtype=np.float64), source=np.zeros(rows, dtype=np.int32),
                  row=np.arange(rows, dtype=np.int64))


@st.composite
def pieces(draw: st.DrawFn) -> Piece:
    form = draw(st.sampled_from(["tfevents", "csv", "json-lines", "trainer-state", "wandb-run", "stdout"]))
    folder = Path("/root") / draw(st.sampled_from(FOLDERS))
    path = folder / draw(st.sampled_from(FILES))
    found = {one.tag: one for one in draw(st.lists(series(), max_size=3))}
    source = Source(path=str(path), format=form, start_time=draw(st.sampled_from([None, 1e9, 1e9 + 400])),
                    pid=draw(st.sampled_from([None, 1, 2])))
    return Piece(path=path, folder=folder, reading=Reading(source=source, series=tuple(found.values())))


@settings(max_examples=200, deadline=None)
@given(st.lists(pieces(), min_size=1, max_size=6))
def test_any_pieces_make_runs_that_hold_each_point_once(given_pieces: list[Piece]) -> None:
    runs = join("group", Path("/root"), given_pieces)
    assert runs
    points = sum(len(s) for run in runs for view in run.views for s in view.series.values())
    assert points <= sum(len(s) for piece in given_pieces for s in piece.series)
    sources = sum(len(run.sources) for run in runs)
    if sources < len(given_pieces):
        assert any(run.notes for run in runs)
    for run in runs:
        assert sorted(index for view in run.views for index in view.sources) == list(range(len(run.sources)))
        for view in run.views:
            assert all(set(s.source.tolist()) <= set(view.sources) for s in view.series.values())
            assert all(run.sources[index].view == view.name for index in view.sources)


def event_file(number: int, *, begin: int, rows: int = 9, start: float = 1e9) -> Piece:
    """A file of one run that begins at a step, an hour behind the file before it."""
    count = np.arange(rows)
    path = Path("/root") / f"events.out.tfevents.{number}"
    wall = start + 3600 * number + count
    loss = Series(tag="loss", step=begin + count, value=2 / (1 + begin + count), wall_time=wall,
                  source=np.zeros(rows, dtype=np.int32), row=count)
    source = Source(path=str(path), format="tfevents", start_time=start + 3600 * number)
    return Piece(path=path, folder=path.parent, reading=Reading(source=source, series=(loss,)))


def test_an_event_file_is_held_against_those_that_may_be_its_copies_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def noted(one: Piece, two: Piece) -> bool:
        compared.append(two.path.name)
        return True

    monkeypatch.setattr(event_files, "_byte_copy", noted)
    lives = [event_file(number, begin=9 * number) for number in range(200)]
    (run,) = join("r", Path("/root"), [*lives, event_file(7, begin=63)])
    assert (len(run.sources), len(compared)) == (200, 1)
    assert any("is a copy of an event file beside it" in note for note in run.notes)


@given(st.lists(pieces(), max_size=5))
def test_what_was_told_is_the_same_piece_by_piece(found: list[Piece]) -> None:
    at_once, one_by_one = Told(found), Told()
    for piece in found:
        one_by_one.add(piece)
        one_by_one.values("loss")
    for role in ("loss", "epoch", "learning_rate"):
        np.testing.assert_array_equal(at_once.values(role), one_by_one.values(role))
    np.testing.assert_array_equal([at_once.ended], [one_by_one.ended])
    assert at_once.first_step == one_by_one.first_step == min(
        (piece.first_step for piece in found if piece.first_step is not None), default=None
    )
