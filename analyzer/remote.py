"""Logs that lie elsewhere: ``s3://``, ``gs://``, ``hf://``, ``https://``, ``memory://`` and what else fsspec reaches.

The logs below a URL are mirrored into a cache folder and read from there; checkpoints and other files are never
fetched. Of a file that only its first bytes can judge, those are fetched first. A file that has not changed since the
last time costs nothing but its line in the listing; of one that has grown, the bytes behind those known are fetched,
after a look at the seam: if the last bytes known are no longer there, it was rewritten and is fetched anew.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct, field

from analyzer.cache import own_folder, write_whole
from analyzer.model import Problem

# scheme -> the package that serves it, and the extra that installs it; None: fsspec alone
PACKAGES: dict[str, tuple[str | None, str]] = {
    "s3": ("s3fs", "s3"),
    "s3a": ("s3fs", "s3"),
    "gs": ("gcsfs", "gs"),
    "gcs": ("gcsfs", "gs"),
    "hf": ("huggingface_hub", "hf"),
    "https": ("aiohttp", "https"),
    "http": ("aiohttp", "https"),
    "memory": (None, "remote"),
    "mlflow+http": ("mlflow", "mlflow"),  # by `analyzer.mlflow_server`
    "mlflow+https": ("mlflow", "mlflow"),
}
URL = re.compile(r"^(?P<scheme>[a-z][a-z0-9+]+):/{1,2}(?P<rest>[^/].*|$)", re.I)
STAMPS = (
    "ETag",
    "etag",
    "sha256",
    "blob_id",
    "md5Hash",
    "LastModified",
    "last_modified",
    "mtime",
    "updated",
    "Last-Modified",
    "created",
)
HEAD_BYTES = 65_536  # enough for every reader to say whether a file is one of its own
SEAM_BYTES = 4_096  # compared before what follows is taken for appended
CHUNK_BYTES = 8_000_000
AT_ONCE = 8  # requests; a listing of many small files is slow by latency, not by bytes


class Mirrored(Struct, frozen=True, kw_only=True):
    """A URL's logs as files of this machine."""

    url: str
    root: Path  # the folder or file that stands for the URL
    problems: tuple[Problem, ...] = ()
    bytes_fetched: int = 0


class _Mirror(Struct, kw_only=True):
    filesystem: Any
    root: Path
    known: dict[str, list[Any]]  # name below the root -> size, stamp, whether all of it was fetched
    recognised: Callable[[Path, bytes], bool]
    bytes_fetched: int = 0
    problems: list[Problem] = field(default_factory=list)


class NotReachable(OSError):
    """A URL that cannot be listed, with the next action."""


def url_of(path: Path | str) -> str | None:
    """The URL that a path was meant to be, also after ``Path`` made ``s3://a`` to ``s3:/a``; None for a local path."""
    match = URL.match(str(path))
    if match is None or match["scheme"].lower() not in PACKAGES or os.path.exists(path):
        return None
    return f"{match['scheme'].lower()}://{match['rest']}"


def mirror(
    url: str,
    *,
    wanted: Callable[[str], bool],
    whole: Callable[[str], bool],
    recognised: Callable[[Path, bytes], bool],
    cache: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> Mirrored:
    """Fetch what is new of the logs below a URL.

    Args:
        wanted: whether a file could matter, by its path below the URL.
        whole: whether a wanted file is fetched without a look at its first bytes (sidecars, event files).
        recognised: whether a reader knows a file by its path and first bytes.
        cache: folder of the mirrors; by default the user's cache folder.
        options: for the filesystem (endpoint, credentials); by default what its package finds in the environment.

    Raises:
        NotReachable: when the URL cannot be listed.
    """
    import hashlib
    from concurrent.futures import ThreadPoolExecutor

    filesystem, path = _filesystem(url, options)
    listing, single = _listing(filesystem, path, url)
    kept = cache or own_folder("remote")
    if kept is None:
        raise NotReachable("the cache folder cannot be made, or is not yours alone; set XDG_CACHE_HOME to one that is")
    folder = kept / hashlib.sha256(url.encode()).hexdigest()[:24]
    name = PurePosixPath(path).name
    root = folder / (name if name not in ("", ".", "..") else "root")
    index = folder / "index.json"
    state = _Mirror(filesystem=filesystem, root=root, known=_read_index(index), recognised=recognised)
    names = {
        below: (found, info)
        for found, info in listing.items()
        if (below := _below(found, path, single)) is not None and wanted(below or root.name)
    }
    for below in [known for known in state.known if known not in names]:
        (root / below if below else root).unlink(missing_ok=True)
        del state.known[below]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        updates = [pool.submit(_update, state, below, *found, whole) for below, found in names.items()]
        for update in updates:
            update.result()
    if not single:
        root.mkdir(parents=True, exist_ok=True)
    write_whole(index, json.dumps(state.known).encode())
    return Mirrored(url=url, root=root, problems=tuple(state.problems), bytes_fetched=state.bytes_fetched)


def _filesystem(url: str, options: Mapping[str, Any] | None) -> tuple[Any, str]:
    scheme = url.split(":", 1)[0]
    package, extra = PACKAGES[scheme]
    for needed in ("fsspec", package):
        try:
            if needed:
                importlib.import_module(needed)
        except ImportError as error:
            hint = f"pip install 'training-log-analyzer[{extra}]'"
            raise NotReachable(f"{scheme}:// needs the package {needed}: {hint}") from error
    from fsspec.core import url_to_fs

    filesystem, path = url_to_fs(url, **{"use_listings_cache": False, **(options or {})})
    return filesystem, path.rstrip("/")


def _listing(filesystem: Any, path: str, url: str) -> tuple[dict[str, Mapping[str, Any]], bool]:
    """Every file below a path with what the store says about it, and whether the path is a single file."""
    try:
        if url.startswith("http") and not url.endswith("/"):
            return {path: filesystem.info(path)}, True
        found = filesystem.find(path, detail=True)
    except FileNotFoundError as error:
        raise NotReachable("no such file or folder; check the URL") from error
    except Exception as error:  # every store has errors of its own: no network, no rights, no bucket
        raise NotReachable(f"cannot be listed: {type(error).__name__}: {_one_line(error)}") from error
    if not found:
        raise NotReachable("nothing lies there; check the URL")
    if set(found) == {path} or (len(found) == 1 and next(iter(found)).strip("/") == path.strip("/")):
        return found, True
    return found, False


def _below(name: str, path: str, single: bool) -> str | None:
    """The path of a file below the root, "" for the root itself; None when it would lead out of it."""
    if single:
        return ""
    below = name.strip("/").removeprefix(path.strip("/")).lstrip("/").split("?", 1)[0]
    parts = PurePosixPath(below).parts
    return below if parts and ".." not in parts and not PurePosixPath(below).is_absolute() else None


def _update(state: _Mirror, below: str, name: str, info: Mapping[str, Any], whole: Callable[[str], bool]) -> None:
    local = state.root / below if below else state.root
    try:
        size = int(info.get("size") or 0) or len(state.filesystem.cat_file(name))
        stamp = str(next((info[key] for key in STAMPS if info.get(key)), ""))
        before = state.known.get(below)
        if before and stamp and before[:2] == [size, stamp] and local.exists():
            return
        complete = _fetch(state, local, name, size, before, whole(below or local.name))
        state.known[below] = [size, stamp, complete]
    except Exception as error:  # one object must never cost the others
        message = f"cannot be fetched: {type(error).__name__}: {_one_line(error)}"
        state.problems.append(Problem(source=name, kind="unreadable", message=message))


def _fetch(state: _Mirror, local: Path, name: str, size: int, before: list[Any] | None, whole: bool) -> bool:
    """Bring a local copy up to date; False when the first bytes show that no reader knows the file."""
    local.parent.mkdir(parents=True, exist_ok=True)
    have = local.stat().st_size if before and before[2] and local.exists() else 0
    if 0 < have <= size:
        seam = min(SEAM_BYTES, have)
        with local.open("rb") as stream:
            stream.seek(have - seam)
            known = stream.read(seam)
        if _range(state, name, have - seam, have) == known:
            _append(state, local, name, have, size)
            return True
    head = _range(state, name, 0, size if whole else min(size, HEAD_BYTES))
    write_whole(local, head)
    if not whole and not state.recognised(local, head):
        return False
    _append(state, local, name, len(head), size)
    return True


def _append(state: _Mirror, local: Path, name: str, start: int, size: int) -> None:
    with local.open("ab") as stream:
        for at in range(start, size, CHUNK_BYTES):
            stream.write(_range(state, name, at, min(size, at + CHUNK_BYTES)))


def _range(state: _Mirror, name: str, start: int, end: int) -> bytes:
    if end <= start:
        return b""
    found = bytes(state.filesystem.cat_file(name, start=start, end=end))
    state.bytes_fetched += len(found)
    if len(found) > end - start:  # a server that knows no ranges sends everything
        return found[start:end]
    return found


def _read_index(index: Path) -> dict[str, list[Any]]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(index.read_text())
        if isinstance(found, dict) and all(isinstance(entry, list) and len(entry) == 3 for entry in found.values()):
            return found
    return {}


def _one_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error))[:160]
