"""One process, several, or a cluster: the same answers in the same order, and one line where a cluster fails."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from analyzer import workers
from analyzer.cli import main
from analyzer.workers import NoCluster, answers


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
    assert list(answers(square, tasks, jobs=jobs)) == [number * number for number in tasks]


def test_a_cluster_gives_the_same_answers(cluster: str) -> None:
    assert list(answers(square, range(20), scheduler=cluster)) == [number * number for number in range(20)]


def test_a_cluster_gives_the_same_report(cluster: str) -> None:
    asked = [
        "check",
        "fixtures/runs/keras-resumed",
        "fixtures/runs/lightning-data-position-lost",
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
        list(answers(square, range(3), scheduler=cluster))


def test_a_scheduler_without_workers_is_told() -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=0, processes=False, protocol="tcp://", dashboard_address=":0") as empty,
        pytest.raises(NoCluster, match="has no workers"),
    ):
        list(answers(square, range(3), scheduler=empty.scheduler_address))
