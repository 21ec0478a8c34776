"""Runs of an MLflow tracking server: mirrored once, kept in step, and told where they cannot be had.

The real server runs on loopback, in a process of its own, where MLflow and what its server needs are installed.
"""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from analyzer import mlflow_server
from analyzer.discovery import discover
from analyzer.remote import NotReachable, url_of

SERVER = """
import os, sys
os.environ.update(_MLFLOW_SERVER_FILE_STORE=sys.argv[1], _MLFLOW_SERVER_ARTIFACT_ROOT=sys.argv[2],
                  MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="1")
from mlflow.server import app
app.run(host="127.0.0.1", port=int(sys.argv[3]))
"""
needs_a_server = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("mlflow", "flask", "sqlalchemy")),
    reason="needs mlflow-skinny, flask, sqlalchemy and alembic",
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    command = [sys.executable, "-c", SERVER, store, str(tmp_path / "artifacts"), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "Running on" in line:
                break
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


def logged(address: str, first: int, last: int, run_id: str | None = None, ended: bool = True) -> str:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(f"http://{address}")
    found = client.get_experiment_by_name("cifar 10")
    experiment = found.experiment_id if found else client.create_experiment("cifar 10")
    run_id = run_id or str(client.create_run(experiment).info.run_id)
    values = {step: 2.0 / step if step < 90 else math.nan for step in range(first, last + 1)}
    metrics = [Metric("train/loss", value, 1_700_000_000_000 + 1000 * step, step) for step, value in values.items()]
    client.log_batch(run_id, metrics=metrics, params=[Param("max_steps", "100")])
    if ended:
        client.set_terminated(run_id)
    return run_id


@needs_a_server
def test_a_real_server(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    going = logged(server, 1, 50, ended=False)
    url = f"mlflow+http://{server}/cifar 10"
    (run,) = discover([Path(url)]).runs
    assert run.views[0].series["train/loss"].step.tolist() == list(range(1, 51))
    assert {fact.key: fact.value for fact in run.facts}["max_steps"] == 100
    assert run.sources[0].path.startswith(url)
    logged(server, 51, 100, going)
    logged(server, 1, 10)
    longer, other = sorted(discover([Path(url)]).runs, key=lambda one: -len(one.views[0].series["train/loss"]))
    loss = longer.views[0].series["train/loss"]
    assert len(loss) == 100
    assert math.isnan(loss.value[-1])
    assert len(other.views[0].series["train/loss"]) == 10
    assert "no experiment 'none'" in discover([Path(f"mlflow+http://{server}/none")]).unreadable[0].message


@needs_a_server
def test_no_server_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        (problem,) = discover([Path(f"mlflow+http://127.0.0.1:{taken.getsockname()[1]}/x")]).unreadable
    assert "cannot be listed" in problem.message


class Client:
    """What MLflow's client answers, and what it was asked."""

    def __init__(self, runs: list[Any]) -> None:
        self.runs = runs
        self.asked: list[str] = []

    def get_experiment_by_name(self, name: str) -> Any:
        return SimpleNamespace(experiment_id="1") if name == "x" else None

    def search_experiments(self, max_results: int) -> list[Any]:
        return [SimpleNamespace(name="x")]

    def search_runs(self, ids: list[str], max_results: int, page_token: str | None) -> Any:
        class Page(list[Any]):
            token = None

        return Page(self.runs)

    def get_metric_history(self, run_id: str, key: str) -> list[Any]:
        self.asked.append(f"{run_id} {key}")
        return [SimpleNamespace(timestamp=1_700_000_000_000 + s, value=1.0 / s, step=s) for s in range(1, 31)]


def a_run(name: str, metrics: dict[str, float], status: str = "FINISHED") -> Any:
    info = SimpleNamespace(run_id=name, experiment_id="1", run_name="n", status=status, end_time=7)
    return SimpleNamespace(info=info, data=SimpleNamespace(metrics=metrics, params={"lr": "0.1"}, tags={}))


def mirrored(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(mlflow_server, "_client", lambda server: client)
    return mlflow_server.mirror_of("mlflow+http://h:5000/x", tmp_path / "c").root


def test_a_run_that_has_ended_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client([a_run("a", {"loss": 0.5}), a_run("b", {"loss": 0.5}, "RUNNING")])
    for _ in range(2):
        root = mirrored(client, tmp_path, monkeypatch)
    assert client.asked == ["a loss", "b loss", "b loss"]
    client.runs = client.runs[1:]
    root = mirrored(client, tmp_path, monkeypatch)
    assert [folder.name for folder in root.iterdir()] == ["b"]


def test_names_that_would_lead_out_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client([a_run("a", {"../../evil": 1.0, "/etc/x": 1.0, "loss": 1.0, "loss/train": 1.0}), a_run("../b", {})])
    root = mirrored(client, tmp_path, monkeypatch)
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    assert files == ["a/meta.yaml", "a/metrics/loss", "a/metrics/loss.train", "a/params/lr"]
    assert json.loads((root.parent / "index.json").read_text()).keys() == {"a"}
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mlflow+http://h:5000", "with an experiment"),
        ("mlflow+http://h:5000/", "with an experiment"),
        ("mlflow+https://me:secret@h/x", "no place in a URL"),
        ("mlflow+http://h:5000/y", "it has x"),
    ],
)
def test_what_cannot_be_asked(url: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_server, "_client", lambda server: Client([]))
    with pytest.raises(NotReachable) as error:
        mlflow_server.mirror_of(url, tmp_path)
    assert said in str(error.value)
    assert "secret" not in str(error.value)


def test_it_is_known_as_a_url() -> None:
    assert url_of(Path("mlflow+http://h:5000/x")) == "mlflow+http://h:5000/x"
