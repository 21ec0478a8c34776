"""Who audits the groups of logs: this process, several on this machine, or a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from analyzer.version import __version__

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

SECONDS_TO_ANSWER = 10  # a scheduler that is there answers at once; one that is not should not hold up a job for long
SECONDS_BETWEEN_LOOKS = 1.0  # at the workers of a cluster, while an answer is awaited
LOOKS_WITHOUT_WORKERS = 5  # in a row: a nanny starts a worker that died anew within a second or two
LARGEST_CHUNK = 32  # tasks sent to a process together: most audits take less time than sending them

Task = TypeVar("Task")
Answer = TypeVar("Answer")


class NoCluster(RuntimeError):
    """A cluster that cannot do the work: which, what is wrong, what to do."""


def answers(
    work: Callable[[Task], Answer],
    tasks: Sequence[Task],
    *,
    lost: Callable[[Task], Answer],
    jobs: int = 1,
    scheduler: str | None = None,
) -> Iterator[Answer]:
    """What the work gives for each task, in their order.

    Args:
        work: a function that other processes can import, or a ``functools.partial`` of one.
        lost: the answer to a task at which its process was killed twice, the second time with nothing else to do.
        jobs: processes on this machine; with 1, or for a single task, none is started.
        scheduler: address of a Dask scheduler, ``tcp://host:8786``, whose workers see the same paths.

    Raises:
        NoCluster: when no scheduler answers, or it has no workers (any more) with this version of the analyzer.
    """
    if scheduler:
        yield from _on_cluster(work, tasks, scheduler, lost)
    elif jobs <= 1 or len(tasks) <= 1:
        yield from map(work, tasks)
    else:
        yield from _in_processes(work, tasks, min(jobs, len(tasks)), lost)


# ---------------------------------------------------------------------------------------------------------------
# processes on this machine


def _in_processes(
    work: Callable[[Task], Answer], tasks: Sequence[Task], processes: int, lost: Callable[[Task], Answer]
) -> Iterator[Answer]:
    """Chunks of tasks in a pool. A pool that loses a process is no good any more: the chunk at the front is then done
    task by task, each in a process of its own, and the others by a new pool. Where none can be started, this process
    does the work."""
    from concurrent.futures.process import BrokenProcessPool

    size = max(1, min(LARGEST_CHUNK, len(tasks) // (4 * processes)))
    chunks = [tasks[start : start + size] for start in range(0, len(tasks), size)]
    done: dict[int, list[Answer]] = {}
    front = 0
    while front < len(chunks):
        with _pool(processes) as pool:
            waiting = [number for number in range(front, len(chunks)) if number not in done]
            try:
                futures = {number: pool.submit(_each, work, chunks[number]) for number in waiting}
            except OSError:  # no more processes, or files to talk to them by, are to be had
                break
            try:
                while front < len(chunks):
                    yield from done.pop(front) if front in done else futures[front].result()
                    front += 1
            except BrokenProcessPool:
                sound = (number for number, one in futures.items() if number > front and one.exception() is None)
                done.update({number: futures[number].result() for number in sound})
        if front < len(chunks):
            yield from (_alone(work, task, lost) for task in chunks[front])
            front += 1
    for number in range(front, len(chunks)):
        yield from done.pop(number) if number in done else _each(work, chunks[number])


def _each(work: Callable[[Task], Answer], tasks: Sequence[Task]) -> list[Answer]:
    return [work(task) for task in tasks]


def _alone(work: Callable[[Task], Answer], task: Task, lost: Callable[[Task], Answer]) -> Answer:
    from concurrent.futures.process import BrokenProcessPool

    with _pool(1) as pool:
        try:
            return pool.submit(work, task).result()
        except BrokenProcessPool:
            return lost(task)


@contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes end with this one, however it ends: at once where something stops the work."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import active_children

    others = set(active_children())
    with ProcessPoolExecutor(processes, initializer=_end_with_the_parent) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(active_children()) - others:
                process.terminate()
            raise


def _end_with_the_parent() -> None:
    """In a new process of a pool: leave signals from the keyboard to the parent, and end when it is gone."""
    import signal
    from multiprocessing import connection, parent_process
    from threading import Thread

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            connection.wait([parent.sentinel])
            os._exit(1)

    Thread(target=watch, daemon=True).start()


# ---------------------------------------------------------------------------------------------------------------
# a Dask cluster


def _on_cluster(
    work: Callable[[Task], Answer], tasks: Sequence[Task], address: str, lost: Callable[[Task], Answer]
) -> Iterator[Answer]:
    from distributed import KilledWorker

    with _cluster(address) as client:
        futures = client.map(work, tasks, pure=False)
        for task, future in zip(tasks, futures, strict=True):
            try:
                yield _awaited(client, future, address)
            except KilledWorker:
                yield lost(task)


def _awaited(client: Any, future: Any, address: str) -> Any:
    """The result of a future; a cluster that has no workers any more will never give it."""
    looks_without_workers = 0
    while True:
        try:
            return future.result(timeout=SECONDS_BETWEEN_LOOKS)
        except TimeoutError:
            looks_without_workers = 0 if client.nthreads() else looks_without_workers + 1
            if looks_without_workers > LOOKS_WITHOUT_WORKERS:
                raise NoCluster(
                    f"the cluster at {address} has lost all its workers; start new ones and try again"
                ) from None


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    """The client of a Dask cluster; Dask's own words become one line."""
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
        yield client


def _knock(address: str) -> None:
    """Raise where nobody listens: a client that cannot connect goes on trying in threads, and complains of it later."""
    import socket

    place = urlsplit(address)
    if place.scheme not in ("tcp", "tls") or not place.hostname or not place.port:
        raise ValueError("an address looks like tcp://host:8786")
    socket.create_connection((place.hostname, place.port), timeout=SECONDS_TO_ANSWER).close()


@contextmanager
def _told_in_one_line(address: str) -> Iterator[None]:
    from concurrent.futures import CancelledError

    from distributed.comm import CommClosedError

    try:
        yield
    except ModuleNotFoundError as error:
        raise NoCluster(f"workers at {address} lack {error.name}: install the analyzer there as well") from error
    except (CancelledError, CommClosedError) as error:
        raise NoCluster(f"the cluster at {address} lost its work: {str(error).partition(chr(10))[0]}") from error


def version() -> str:
    """The version of the analyzer that a worker runs."""
    return __version__
