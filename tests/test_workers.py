"""One process, several, or a cluster: the same answers in the same order, and one line where a cluster fails."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyzer import workers
from analyzer.checking import Request, check
from analyzer.cli import main
from analyzer.workers import NoCluster, answers

RUNS = Path(__file__).resolve().parents[1] / "fixtures" / "runs"


def square(number: int) -> int:
    return number * number


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=":0"
    ) as local:
        yield local.scheduler_address


@pytest.mark.parametrize("tasks", [(), (3,), tuple(range(50))])
@pytest.mark.parametrize("jobs", [1, 2])
def test_answers_come_in_the_order_of_the_tasks(tasks: tuple[int, ...], jobs: int) -> None:
    assert list(answers(square, tasks, lost=str, jobs=jobs)) == [number * number for number in tasks]


def test_a_cluster_gives_the_same_answers(cluster: str) -> None:
    assert list(answers(square, range(20), lost=str, scheduler=cluster)) == [number * number for number in range(20)]


def test_a_cluster_gives_the_same_report(cluster: str) -> None:
    asked = [
        "check",
        str(RUNS / "keras-resumed"),
        str(RUNS / "lightning-data-position-lost"),
        "-f",
        "json",
        "--fail-on",
        "never",
    ]
    here = CliRunner().invoke(main, asked)
    there = CliRunner().invoke(main, [*asked, "--scheduler", cluster])
    assert here.exit_code == there.exit_code == 0
    assert json.loads(here.stdout) == json.loads(there.stdout)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://127.0.0.1:9", "no Dask scheduler answers at tcp://127.0.0.1:9"),
        ("host:8786", "an address looks like tcp://host:8786"),
        ("tcp://host", "an address looks like tcp://host:8786"),
        ("http://127.0.0.1:9", "an address looks like tcp://host:8786"),
    ],
)
def test_no_scheduler_is_one_line(address: str, words: str) -> None:
    result = CliRunner().invoke(main, ["check", "fixtures/runs", "--scheduler", address])
    assert result.exit_code == 2
    assert words in result.stderr and result.stderr.count("\n") == 1


def test_workers_of_another_version_are_refused(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "__version__", "0.0.0")
    monkeypatch.setattr(workers, "version", lambda: "9.9.9")
    with pytest.raises(NoCluster, match=r"have analyzer 9\.9\.9, this is 0\.0\.0"):
        list(answers(square, range(3), lost=str, scheduler=cluster))


def test_a_scheduler_without_workers_is_told() -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=0, processes=False, protocol="tcp://", dashboard_address=":0") as empty,
        pytest.raises(NoCluster, match="has no workers"),
    ):
        list(answers(square, range(3), lost=str, scheduler=empty.scheduler_address))


def killed_at(deadly: int, own: int, times: Path, number: int) -> int:
    """The number; but a process of the pool that meets the deadly one is killed, until it has been a few times."""
    if number == deadly and os.getpid() != own and len(times.read_bytes()) < int(times.name):
        with times.open("ab") as stream:
            stream.write(b"x")
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("deadly", [0, 17, 49])
@pytest.mark.parametrize(("times", "costs"), [(1, False), (9, True)])
def test_a_killed_process_costs_the_task_that_killed_it_alone(
    times: int, costs: bool, deadly: int, tmp_path: Path
) -> None:
    (tmp_path / str(times)).write_bytes(b"")
    work = functools.partial(killed_at, deadly, os.getpid(), tmp_path / str(times))
    found = list(answers(work, range(50), lost=lambda number: -number - 1, jobs=2))
    assert found == [-number - 1 if costs and number == deadly else number for number in range(50)]


STUCK = """
import os, signal, sys
from analyzer.cli import _terminated_as_interrupted
from analyzer.workers import answers

def work(number):
    os.write(1, b"x")
    signal.pause()

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
with _terminated_as_interrupted():
    list(answers(work, range(2), lost=str, jobs=2))
"""


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_the_one_that_started_it(ended_by: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        assert parent.stdout.read(2) == b"xx"
        parent.send_signal(ended_by)
        parent.communicate(timeout=60)  # the pipe ends when nobody holds it any more
        assert parent.returncode in (128 + ended_by, -ended_by)


def test_a_cluster_that_lost_its_workers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "SECONDS_BETWEEN_LOOKS", 0.01)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=":0"
    ) as local:
        found = answers(square, range(3), lost=str, scheduler=local.scheduler_address)
        assert next(found) == 0
        monkeypatch.setattr(workers, "_awaited", functools.partial(without_workers, local, workers._awaited))
        with pytest.raises(NoCluster, match="has lost all its workers"):
            list(found)


def without_workers(local: object, awaited: object, client: object, future: object, address: str) -> object:
    """As if the workers had gone before the answer came."""

    class Never:
        def result(self, timeout: float) -> None:
            raise TimeoutError

    local.scale(0)  # type: ignore[attr-defined]
    return awaited(client, Never(), address)  # type: ignore[operator]


def test_a_cluster_is_sent_absolute_paths(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(RUNS)
    (one,) = check(Request(paths=(Path("keras-resumed"),), scheduler=cluster)).runs
    assert one.run.sources[0].path == str(RUNS / "keras-resumed" / "training.csv")


def test_where_no_process_can_be_started_this_one_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ProcessPoolExecutor

    def refused(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(ProcessPoolExecutor, "submit", refused)
    assert list(answers(square, range(20), lost=str, jobs=2)) == [number * number for number in range(20)]
