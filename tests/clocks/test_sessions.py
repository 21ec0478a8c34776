"""Lives of a process: where each view is cut, and what every clock did at the joins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from analyzer.auditing import audit_run
from analyzer.clocks.cadence import usual_cadence
from analyzer.clocks.rows import training_series
from analyzer.clocks.session_cuts import falls_agreed_on
from analyzer.clocks.traces import beside
from analyzer.clocks.witnesses import loss_witness
from analyzer.config.declared import merge
from analyzer.discovery import discover
from analyzer.model import NO_STEP, Run, Series, Source, View
from analyzer.reconstruction import reconstruct
from tests.clocks.made_runs import Loop, follow_on, table, timeline_of, write_events
from tests.event_files import write_events as write_event_rows

RULES = ("RES001", "RES002", "RES003", "RES008", "LOG003", "LOG004", "LOG005", "LOG007", "PRF")


def series_of(step: list[int], tag: str = "loss", value: list[float] | None = None) -> Series:
    steps = np.array(step, dtype=np.int64)
    values = np.linspace(2, 1, len(steps)) if value is None else np.array(value)
    return Series(tag=tag, step=steps, value=values, wall_time=np.full(len(steps), np.nan),
                  source=np.zeros(len(steps), dtype=np.int32), row=np.arange(len(steps)))


JOINS = [
    # lives in updates, shifts of the step, what the step did, overlap in rows
    pytest.param([(0, 150), (150, 400)], (0, 0), "continued", 0, id="resumed at the next step"),
    pytest.param([(0, 190), (150, 400)], (0, 0), "replayed", 40, id="resumed from an older checkpoint"),
    pytest.param([(0, 150), (150, 400)], (0, -150), "reset", 150, id="the counter starts again"),
    pytest.param([(0, 150), (150, 400)], (0, 50), "skipped", 0, id="the counter jumps"),
]


@pytest.mark.parametrize(("lives", "shifts", "change", "overlap"), JOINS)
@pytest.mark.parametrize("cadence", [1, 10])
def test_join_in_a_table_with_repeated_header(
    lives: list[tuple[int, int]], shifts: tuple[int, int], change: str, overlap: int, cadence: int, tmp_path: Path
) -> None:
    loop = Loop(cadence=cadence)
    (tmp_path / "log.csv").write_text(table(follow_on(loop, lives, shifts=shifts), header_each=True))
    (join,) = timeline_of(tmp_path).joins
    assert (join.step, join.overlap) == (change, overlap // cadence)
    assert join.last_step_before == lives[0][1] // cadence * cadence
    assert len(join.evidence) == 2


@pytest.mark.parametrize(("lives", "longest"), [([(0, 250), (0, 400)], 400), ([(0, 400), (0, 90)], 400)])
def test_the_longest_of_two_runs_in_one_table_is_read(
    lives: list[tuple[int, int]], longest: int, tmp_path: Path
) -> None:
    (tmp_path / "log.csv").write_text(table(follow_on(Loop(), lives)))
    timeline = timeline_of(tmp_path)
    assert timeline.joins == ()
    assert len(timeline.view.series["loss"]) == longest
    assert [join.step for account in timeline.accounts for join in account.other_runs] == ["fresh"]


@pytest.mark.parametrize(("lives", "shifts", "change", "overlap"), JOINS)
def test_join_in_event_files(
    lives: list[tuple[int, int]], shifts: tuple[int, int], change: str, overlap: int, tmp_path: Path
) -> None:
    for number, points in enumerate(follow_on(Loop(), lives, shifts=shifts)):
        write_events(tmp_path, points, pid=100 + number)
    timeline = timeline_of(tmp_path)
    (join,) = timeline.joins
    assert (join.step, join.overlap, join.how_known) == (change, overlap, "new event file")
    assert join.wall_gap == pytest.approx(30.5)
    session = timeline.session_map.of(training_series(timeline.view)[0])
    assert np.count_nonzero(session == 0) == lives[0][1] - lives[0][0]


def test_one_resume_has_one_name_in_two_logs(tmp_path: Path) -> None:
    """Event files keep both branches of a replay, a state file only the last: the replay is told, in both views."""
    loop = Loop()
    first, second = follow_on(loop, [(0, 190), (150, 400)])
    write_events(tmp_path / "tb", first, pid=1)
    write_events(tmp_path / "tb", second, pid=2)
    (tmp_path / "log.csv").write_text(table([loop.points(0, 150), second]))
    timeline = timeline_of(tmp_path)
    (join,) = timeline.joins
    assert (join.step, join.overlap) == ("replayed", 40)
    for view in timeline.views:
        loss = next(series for tag, series in view.series.items() if tag.endswith("loss"))
        session = timeline.session_map.of(loss)
        assert loss.step[np.flatnonzero(session == 1)[0]] == 151


def test_a_purge_marker_declares_the_overlap(tmp_path: Path) -> None:
    first, second = follow_on(Loop(), [(0, 190), (150, 400)])
    write_events(tmp_path, first)
    write_events(tmp_path, second, pid=101, purge_step=151)
    (join,) = timeline_of(tmp_path).joins
    assert join.marked
    assert join.step == "replayed"


def test_files_side_by_side_are_one_life(tmp_path: Path) -> None:
    loop = Loop(validates=True)
    points = loop.points(0, 400)
    write_events(tmp_path / "train", [point for point in points if point[0] != "val/loss"])
    write_events(tmp_path / "validation", [point for point in points if point[0] == "val/loss"])
    assert timeline_of(tmp_path).joins == ()


def test_two_processes_are_no_resume_and_the_clocks_read_one(tmp_path: Path) -> None:
    write_events(tmp_path, Loop().points(0, 400), pid=7)
    write_events(tmp_path, Loop(seed=1).points(0, 400, begin=1.7e9 + 0.2), pid=8)
    timeline = timeline_of(tmp_path)
    assert timeline.joins == ()
    assert timeline.session_map.concurrent
    assert len(training_series(timeline.view)[0]) == 400
    assert sum(len(series) for series in timeline.run.views[0].series.values()) == 2400


def test_an_old_process_that_lives_on_loses_only_what_it_wrote_meanwhile(tmp_path: Path) -> None:
    old = Loop().points(0, 250)
    write_events(tmp_path, old, pid=1)
    write_events(tmp_path, Loop().points(200, 400, begin=old[0][3] + 115), pid=2)
    timeline = timeline_of(tmp_path)
    (pair,) = timeline.writers[0]
    assert pair.kind == "processes"
    assert pair.alone is not None
    loss = training_series(timeline.view)[0]
    assert len(np.unique(loss.step)) == 400
    assert [join.step for join in timeline.joins] == ["continued"]


@pytest.mark.parametrize(("steps", "cuts"), [
    pytest.param([[1, 2, 3, 4]], [], id="rising"),
    pytest.param([[1, 2, 3, 2, 3, 4]], [3], id="one fall"),
    pytest.param([[0, 1, 2, 3] * 5], [], id="a counter that restarts with each epoch"),
    pytest.param([[10, 20, 30, 40, 30, 40, 50, 45, 50, 60]], [4, 7], id="two replays"),
    pytest.param([[1, 2, 3, 4, 5, 6], [2, 4, 1, 2, 3, 5]], [2], id="half of two series falls"),
    pytest.param([[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6], [2, 4, 1, 2, 3, 5]], [], id="one of three falls"),
])
def test_falls_are_voted_by_the_series_that_count_training_steps(steps: list[list[int]], cuts: list[int]) -> None:
    references = [series_of(step, tag=f"loss{number}") for number, step in enumerate(steps)]
    view = View(name="", sources=(0,), series={one.tag: one for one in references})
    run = Run(name="", sources=(Source(path="log.csv", format="csv"),), views=(view,))
    assert falls_agreed_on([(one, beside(view, run, one, 0, references[:1])) for one in references], 0) == cuts


@pytest.mark.parametrize(
    ("rows_of_tags", "first"),
    [
        pytest.param({"train/aux_loss": 40, "train/loss": 40}, "train/loss", id="the plain loss before its parts"),
        pytest.param({"train/loss": 9, "train/aux_loss": 40}, "train/aux_loss", id="too few rows to speak for the run"),
        pytest.param({"lr": 40, "q_loss": 40}, "q_loss", id="any loss before the learning rate"),
    ],
)
def test_the_series_that_tells_the_joins(rows_of_tags: dict[str, int], first: str) -> None:
    series = {tag: series_of(list(range(rows)), tag) for tag, rows in rows_of_tags.items()}
    assert training_series(View(name="", sources=(0,), series=series))[0].tag == first


def test_usual_cadence_is_the_most_frequent_rise() -> None:
    assert usual_cadence(np.array([1, 10, 20, 30, 35, 45])) == 10
    assert usual_cadence(np.array([5])) == 1


loops = st.builds(
    Loop,
    updates=st.integers(120, 400), cadence=st.sampled_from([1, 1, 2, 5, 10]), base=st.sampled_from([0, 1]),
    epoch=st.integers(15, 150), noise=st.sampled_from([0.001, 0.02, 0.2]), seed=st.integers(0, 99),
    validates=st.booleans(), seconds=st.sampled_from([0.001, 0.5, 20.0]),
)


@given(loop=loops, at=st.floats(0.2, 0.8), back=st.integers(0, 60), events=st.booleans(), header=st.booleans())
@settings(max_examples=40, deadline=None)
def test_healthy_resumes_are_at_most_notes(
    loop: Loop, at: float, back: int, events: bool, header: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cut = int(loop.updates * at)
    lives = follow_on(loop, [(0, cut), (max(loop.cadence + 1, cut - back), loop.updates)])
    folder = tmp_path_factory.mktemp("run")
    if events:
        for number, points in enumerate(lives):
            write_events(folder, points, pid=100 + number)
    else:
        (folder / "log.csv").write_text(table(lives, header_each=header))
    found = [finding for run in discover([folder]).runs
             for finding in audit_run(run, merge((), run.facts), select=RULES).findings]
    assert [f"{finding.code} {finding.message}" for finding in found if finding.severity != "note"] == []


@given(loop=loops, at=st.floats(0.3, 0.7), events=st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_lost_counter_is_found(loop: Loop, at: float, events: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    cut = int(loop.updates * at) // loop.cadence * loop.cadence
    near = 3 * loop.cadence  # a counter that begins again with the epoch, or a row or three beside, is a batch counter
    assume(min(cut % loop.epoch, -cut % loop.epoch) > near and cut >= 6 * loop.cadence)  # fewer rows show no course
    assume(2 * loop.cadence <= loop.epoch)  # labels that change in nearly every row show no lap
    lives = follow_on(loop, [(0, cut), (cut, loop.updates)], shifts=(0, -cut))
    folder = tmp_path_factory.mktemp("run")
    if events:
        for number, points in enumerate(lives):
            write_events(folder, points, pid=100 + number)
    else:
        (folder / "log.csv").write_text(table(lives))
    found = [finding for run in discover([folder]).runs
             for finding in audit_run(run, merge((), run.facts), select=RULES).findings]
    assert [finding.code for finding in found if finding.severity != "note"] == ["RES001"]


steps = st.one_of(
    st.lists(st.integers(0, 30), max_size=40), st.integers(1, 60).map(lambda n: list(range(0, 5 * n, 5))),
    st.lists(st.sampled_from([NO_STEP, 1, 2, 3]), max_size=20),
)
numbers = st.one_of(st.floats(allow_nan=True, allow_infinity=True, width=32), st.integers(0, 5).map(float))


@st.composite
def any_view(draw: st.DrawFn) -> View:
    """Two files with any steps, values and times under tags that play a part."""
    series = {}
    for tag in draw(st.lists(st.sampled_from(["loss", "lr", "epoch", "elapsed", "val_loss"]), unique=True)):
        files = [draw(steps) for _ in range(2)]
        step = np.array(files[0] + files[1], dtype=np.int64)
        count = len(step)
        value = np.array(draw(st.lists(numbers, min_size=count, max_size=count)), dtype=np.float64)
        wall = np.array(draw(st.lists(st.floats(1.6e9, 1.8e9), min_size=count, max_size=count)), dtype=np.float64)
        row = np.concatenate([np.arange(len(one), dtype=np.int64) for one in files])
        source = np.repeat(np.arange(2, dtype=np.int32), [len(one) for one in files])
        series[tag] = Series(tag=tag, step=step, value=value, wall_time=wall, source=source, row=row)
    return View(name="any", sources=(0, 1), series=series)


@given(view=any_view(), files=st.sampled_from(["tfevents", "csv"]), same=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.filterwarnings("error::RuntimeWarning:analyzer.clocks.sessions")
def test_every_point_of_any_log_has_a_session(view: View, files: str, same: bool) -> None:
    sources = tuple(Source(path=f"a/{n}", format=files, host="h", pid=1 if same else n) for n in range(2))
    run = Run(name="any", sources=sources, views=(view,))
    sessions = reconstruct(run, merge((), ()))
    for series in view.series.values():
        session = sessions.session_map.of(series)
        assert len(session) == len(series)
        assert np.all(np.diff(session) >= 0)
        assert not len(session) or session.max() < len(sessions.sessions)
    assert len(sessions.joins) == len(sessions.sessions) - 1


@pytest.mark.parametrize(
    ("first", "level", "said"),
    [
        pytest.param(5000, 1.0, "goes on", id="opened in mid-run, at its level at once"),
        pytest.param(5000, 3.0, "unknown", id="opened in mid-run, new weights"),
        pytest.param(1, 1.0, "unknown", id="a loss that never falls tells nothing"),
    ],
)
def test_a_loss_at_its_level_at_step_1_was_never_new(first: int, level: float, said: str) -> None:
    noise = np.random.default_rng(0).normal(size=(2, 200)) * 0.02
    steps = np.arange(200)
    assert loss_witness(first + steps, 1.0 + noise[0], 1 + steps, level + noise[1]) == said


@pytest.mark.parametrize(
    ("goes_on", "codes"), [(True, ["RES001"]), (False, [])], ids=["the losses go on", "they start over: another run"]
)
def test_losses_by_other_names_bear_witness(goes_on: bool, codes: list[str], tmp_path: Path) -> None:
    rows = []
    for n, step in enumerate((*range(10, 601, 10), *range(10, 801, 10))):
        age = n if goes_on or n < 60 else n - 60
        G_A, cycle_A = 0.4 + np.exp(-age / 40) + 0.01 * np.sin(7 * n), 0.2 + np.exp(-age / 50)
        rows.append(f"{step},{G_A:.4f},{cycle_A:.4f},{n % 7}")
    (tmp_path / "log.csv").write_text("step,G_A,cycle_A,queue\n" + "\n".join(rows) + "\n")
    (run,) = discover([tmp_path]).runs
    report = audit_run(run, merge((), run.facts), select=RULES)
    assert [one.code for one in report.findings if one.severity != "note"] == codes


@pytest.mark.parametrize(
    ("goes_on", "total", "codes"),
    [
        (True, "total_timesteps", ["warning RES001"]),
        (True, "queue", ["note RES001"]),
        (False, "total_timesteps", ["note RES001"]),
        (None, "total_timesteps", ["note RES001"]),
    ],
    ids=["all counters began anew", "a count of batches perhaps", "the loss too: another run", "losses disagree"],
)
def test_losses_of_a_game_bear_witness(
    goes_on: bool | None, total: str, codes: list[str], tmp_path: Path
) -> None:
    noise = np.random.default_rng(6).normal(size=(3, 420))
    rows = []
    for n, step in enumerate((*range(1, 261), *range(1, 161))):
        age = n if goes_on is not False else step
        other = step if goes_on is None else age
        kl, entropy = 0.004 + 0.001 * noise[0, n], 0.5 + 1.2 * np.exp(-other / 200) + 0.002 * noise[1, n]
        value = 0.02 + 0.5 * np.exp(-age / 60) * (1 + 0.1 * noise[2, n])
        rows.append(f"{kl:.5f},{entropy:.5f},{value:.5f},{step},{1024 * step}")
    (tmp_path / "progress.csv").write_text(
        f"loss/approxkl,loss/policy_entropy,loss/value_loss,misc/nupdates,misc/{total}\n" + "\n".join(rows) + "\n"
    )
    (run,) = discover([tmp_path]).runs
    found = audit_run(run, merge((), run.facts), select=("RES001",)).findings
    assert [f"{one.severity} {one.code}" for one in found] == codes


@pytest.mark.parametrize(
    ("evaluations", "codes"),
    [(range(9, 20), ["RES001"]), (range(1, 12), [])],
    ids=["evaluations count on", "and begin again: another run"],
)
def test_an_axis_of_its_own_that_goes_on_bears_witness(evaluations: range, codes: list[str], tmp_path: Path) -> None:
    for start, counts in ((1_700_000_000.0, range(1, 9)), (1_700_010_000.0, evaluations)):
        rows: list[tuple[int, dict[str, float]]] = []
        for place, count in enumerate(counts):
            fell = float(np.exp(-place / 3)) if start == 1_700_000_000.0 else 0.5
            rows += [(100 * place + step, {"train/loss": 1 + fell + 0.2 * (step % 3)}) for step in range(10, 101, 10)]
            rows.append((count, {"eval/score": 0.5 + fell}))
        write_event_rows(tmp_path, rows, start=start, pid=int(start) % 1000)
    (run,) = discover([tmp_path]).runs
    found = audit_run(run, merge((), run.facts), select=("RES001",)).findings
    assert [one.code for one in found if one.severity != "note"] == codes


def test_a_first_row_as_at_the_start_is_no_witness_of_a_run_that_goes_on() -> None:
    rng = np.random.default_rng(3)
    first = 20000 / (1 + np.arange(40.0)) ** 1.5 + 100 * rng.exponential(size=40)
    again = 20000 / (1 + np.arange(240.0)) ** 1.5 + 100 * rng.exponential(size=240)
    gone_on = 100 * rng.exponential(size=240)
    step, later = np.arange(40) * 100, np.arange(240) * 100
    assert loss_witness(step, first, later, again) != "goes on"
    assert loss_witness(step, first, later, gone_on) == "goes on"


@pytest.mark.parametrize(
    ("cadence", "begins", "rise", "codes"),
    [
        pytest.param(640, 400, 1, ["note RES002"], id="a tick of the writer, a clean replay"),
        pytest.param(640, 0, 1, ["note RES001"], id="a tick of the writer, and no word of the training"),
        pytest.param(1, 400, 1, ["note RES002"], id="the step too is raised by one"),
        pytest.param(640, 400, 4, ["error RES001"], id="a count of something else goes on"),
        pytest.param(1, 0, 1, ["error RES001"], id="the run's own count beside a step that starts again"),
    ],
)
def test_a_count_of_the_files_rows_is_no_witness(
    cadence: int, begins: int, rise: int, codes: list[str], tmp_path: Path
) -> None:
    steps = [cadence * (n + 1) for n in (*range(600), *range(begins, 1200))]
    noise = np.random.default_rng(11).normal(size=len(steps))
    rows = [f"{n * rise},{step},{1 + 0.2 * noise[n]:.5f}" for n, step in enumerate(steps)]
    (tmp_path / "log.csv").write_text("tick,step,loss\n" + "\n".join(rows) + "\n")
    (run,) = discover([tmp_path]).runs
    report = audit_run(run, merge((), run.facts), select=("RES001", "RES002"))
    assert [f"{one.severity} {one.code}" for one in report.findings] == codes
