"""Who audits the groups of logs: this process, several on this machine, or a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from analyzer import __version__

SECONDS_TO_ANSWER = 10  # a scheduler that is there answers at once; one that is not should not hold up a job for long
LARGEST_CHUNK = 32  # tasks sent to a process together: most audits take less time than sending them

Task = TypeVar("Task")
Answer = TypeVar("Answer")


class NoCluster(RuntimeError):
    """A cluster that cannot do the work: which, what is wrong, what to do."""


def answers(
    work: Callable[[Task], Answer], tasks: Sequence[Task], *, jobs: int = 1, scheduler: str | None = None
) -> Iterator[Answer]:
    """What the work gives for each task, in their order.

    Args:
        work: a function that other processes can import, or a ``functools.partial`` of one.
        jobs: processes on this machine; with 1, or for a single task, none is started.
        scheduler: address of a Dask scheduler, ``tcp://host:8786``, whose workers see the same paths.

    Raises:
        NoCluster: when no scheduler answers, or it has no workers with this version of the analyzer.
    """
    if scheduler:
        with _cluster(scheduler) as pool:
            yield from pool.map(work, tasks)
    elif jobs <= 1 or len(tasks) <= 1:
        yield from map(work, tasks)
    else:
        from concurrent.futures import ProcessPoolExecutor

        processes = min(jobs, len(tasks))
        chunk = max(1, min(LARGEST_CHUNK, len(tasks) // (4 * processes)))
        with ProcessPoolExecutor(processes) as local:
            yield from local.map(work, tasks, chunksize=chunk)


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    """The executor of a Dask cluster; Dask's own words become one line."""
    try:
        from distributed import Client
    except ImportError as error:
        raise NoCluster("--scheduler needs Dask: pip install 'training-log-analyzer[cluster]'") from error
    try:
        _knock(address)
        client = Client(address, timeout=SECONDS_TO_ANSWER, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        hint = "start one with `dask scheduler`"
        raise NoCluster(f"no Dask scheduler answers at {address} ({reason}); {hint}") from error
    with client, _told_in_one_line(address):
        versions = client.run(version)
        if not versions:
            raise NoCluster(f"the scheduler at {address} has no workers; start some with `dask worker {address}`")
        other = sorted({one for one in versions.values() if one != __version__})
        if other:
            raise NoCluster(f"workers at {address} have analyzer {', '.join(other)}, this is {__version__}")
        yield client.get_executor()


def _knock(address: str) -> None:
    """Raise where nobody listens: a client that cannot connect goes on trying in threads, and complains of it later."""
    import socket

    place = urlsplit(address)
    if place.scheme not in ("tcp", "tls") or not place.hostname or not place.port:
        raise ValueError("an address looks like tcp://host:8786")
    socket.create_connection((place.hostname, place.port), timeout=SECONDS_TO_ANSWER).close()


@contextmanager
def _told_in_one_line(address: str) -> Iterator[None]:
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    try:
        yield
    except ModuleNotFoundError as error:
        raise NoCluster(f"workers at {address} lack {error.name}: install the analyzer there as well") from error
    except (KilledWorker, CommClosedError) as error:
        raise NoCluster(f"the cluster at {address} lost its work: {str(error).partition(chr(10))[0]}") from error


def version() -> str:
    """The version of the analyzer that a worker runs."""
    return __version__
