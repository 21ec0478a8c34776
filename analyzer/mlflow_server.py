"""Runs of an MLflow tracking server: ``mlflow+http://host:5000/experiment``, read through MLflow's own client.

The runs of an experiment are mirrored into a cache folder as MLflow's file store keeps them, and read from there. A run
that has ended, and has not changed since the last time, costs nothing but its line in the listing. Who needs to log in
says so to MLflow's client (``MLFLOW_TRACKING_USERNAME`` and the like), never in the URL.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Container, Iterator
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from analyzer.cache import own_folder, write_whole
from analyzer.model import Problem
from analyzer.remote import Mirrored, NotReachable

RUNS_AT_ONCE = 100  # of a page of the listing
MOST_RUNS = 10_000
ENDED = ("FINISHED", "FAILED", "KILLED")
# MLflow's client repeats a request for minutes, and reports to its makers what it is used for; neither is wanted here
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
}
_UNSAFE = re.compile(r"[^\w ./:-]")  # MLflow's own names of metrics hold no other signs


def mirror_of(url: str, cache: Path | None = None) -> Mirrored:
    """Fetch what is new of the runs of an experiment.

    Args:
        cache: folder of the mirrors; by default the user's cache folder.

    Raises:
        NotReachable: when the experiment cannot be listed.
    """
    import hashlib  # it loads OpenSSL

    server, experiment = _parts_of(url)
    client = _client(server)
    kept = cache or own_folder("remote")
    if kept is None:
        raise NotReachable("the cache folder cannot be made, or is not yours alone; set XDG_CACHE_HOME to one that is")
    root = kept / hashlib.sha256(url.encode()).hexdigest()[:24] / "root"
    index = root.parent / "index.json"
    known = _read_index(index)
    states: dict[str, Any] = {}
    problems: list[Problem] = []
    for run in _runs(client, experiment):
        name = str(run.info.run_id)
        if re.fullmatch(r"\w{1,64}", name) is None:
            continue
        state = _state(run)
        states[name] = None
        try:
            if run.info.status not in ENDED or known.get(name) != state or not (root / name / "meta.yaml").is_file():
                _write(client, run, root / name)
            states[name] = state
        except Exception as error:  # one run must never cost the others
            message = f"cannot be fetched: {type(error).__name__}: {_one_line(error)}"
            problems.append(Problem(source=f"{url.rstrip('/')}/{name}", kind="unreadable", message=message))
    _forget(root, states)
    root.mkdir(parents=True, exist_ok=True)
    write_whole(index, json.dumps(states).encode())
    return Mirrored(url=url, root=root, problems=tuple(problems))


def _parts_of(url: str) -> tuple[str, str]:
    """The address of the server, and the name of the experiment."""
    parts = urlsplit(url.removeprefix("mlflow+"))
    if "@" in parts.netloc:
        hint = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        raise NotReachable(f"a password has no place in a URL; {hint}")
    experiment = unquote(parts.path.strip("/"))
    if not parts.netloc or not experiment:
        raise NotReachable("an MLflow server is given with an experiment: mlflow+http://host:5000/experiment")
    return f"{parts.scheme}://{parts.netloc}", experiment


def _client(server: str) -> Any:
    if find_spec("mlflow") is None:
        hint = "pip install 'training-log-analyzer[mlflow]'"
        raise NotReachable(f"an MLflow server needs the package mlflow-skinny: {hint}")
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=server)


def _runs(client: Any, experiment: str) -> Iterator[Any]:
    """Every run of an experiment, given by its name or its number."""
    try:
        found = client.get_experiment_by_name(experiment)
        if found is None and experiment.isdecimal():
            found = client.get_experiment(experiment)
        if found is None:
            known = ", ".join(sorted(one.name for one in client.search_experiments(max_results=20)))
            raise NotReachable(f"no experiment {experiment!r} on this server; it has {known or 'none'}")
        token: str | None = None
        count = 0
        while count < MOST_RUNS:
            page = client.search_runs([found.experiment_id], max_results=RUNS_AT_ONCE, page_token=token)
            yield from page
            count += len(page)
            token = page.token
            if not token:
                return
    except NotReachable:
        raise
    except Exception as error:  # of the client's own: no server there, no rights, no such experiment
        raise NotReachable(f"cannot be listed: {type(error).__name__}: {_one_line(error)}") from error


def _state(run: Any) -> list[Any]:
    """What tells that a run that has ended is as it was."""
    last = {key: repr(value) for key, value in sorted(run.data.metrics.items())}
    return [str(run.info.status), str(run.info.end_time), last]


def _read_index(index: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(index.read_text())
        if isinstance(found, dict):
            return found
    return {}


def _write(client: Any, run: Any, folder: Path) -> None:
    """Write a run as MLflow's file store keeps it."""
    info = run.info
    for key in run.data.metrics:
        history = client.get_metric_history(info.run_id, key)
        lines = "".join(f"{one.timestamp} {one.value!r} {one.step}\n" for one in history)
        _put(folder / "metrics", key, lines)
    for part, table in (("params", run.data.params), ("tags", run.data.tags)):
        for key, value in table.items():
            _put(folder / part, key, str(value))
    meta = {key: getattr(info, key) for key in ("experiment_id", "run_id", "run_name", "status")}
    write_whole(folder / "meta.yaml", "".join(f"{key}: {json.dumps(value)}\n" for key, value in meta.items()).encode())


def _put(folder: Path, key: str, text: str) -> None:
    """Write one value under its key, whose slashes are folders; a key that would lead out of the folder is no key."""
    parts = PurePosixPath(_UNSAFE.sub("_", key)).parts
    if not parts or ".." in parts or parts[0] == "/":
        return
    try:
        write_whole(folder.joinpath(*parts), text.encode())
    except (FileExistsError, IsADirectoryError, NotADirectoryError):  # a server has `loss` beside `loss/train`
        write_whole(folder / ".".join(parts), text.encode())


def _forget(root: Path, seen: Container[str]) -> None:
    """Remove the mirrors of runs that the server no longer has."""
    import shutil

    with contextlib.suppress(OSError):
        for folder in root.iterdir():
            if folder.name not in seen and folder.is_dir() and (folder / "meta.yaml").is_file():
                shutil.rmtree(folder, ignore_errors=True)


def _one_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error))[:160]
