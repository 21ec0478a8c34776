"""Remote trees: what is fetched, what is not, and how little a second look costs."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from analyzer.discovery import discover
from analyzer.remote import PACKAGES, Mirrored, mirror, url_of

fsspec = pytest.importorskip("fsspec")

HEADER = b"step,loss\n"


def table(first: int, last: int) -> bytes:
    return b"".join(b"%d,%.4f\n" % (step, 1 / step) for step in range(first, last + 1))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def bucket() -> Iterator[Any]:
    filesystem = fsspec.filesystem("memory")
    yield filesystem
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]


def look(url: str, cache: Path) -> Mirrored:
    return mirror(url, wanted=lambda name: name.endswith(".csv"), whole=lambda name: False,
                  recognised=lambda path, head: head.startswith(HEADER), cache=cache)


def test_a_remote_tree_is_read_and_named_by_its_url(bucket: Any) -> None:
    bucket.pipe("/runs/a/log.csv", HEADER + table(1, 50))
    bucket.pipe("/runs/b/log.csv", HEADER + table(2, 60))
    bucket.pipe("/runs/b/hparams.yaml", b"lr: 0.1\n")
    bucket.pipe("/runs/b/model.pt", bytes(1000))
    first, second = discover([Path("memory://runs")]).runs
    assert (first.name, second.name) == ("a", "b")
    assert second.sources[0].path == "memory://runs/b/log.csv"
    assert [(fact.key, fact.value) for fact in second.facts] == [("base_lr", 0.1)]


def test_a_single_remote_file(bucket: Any) -> None:
    bucket.pipe("/runs/log.csv", HEADER + table(1, 50))
    (run,) = discover([Path("memory://runs/log.csv")]).runs
    assert run.sources[0].path == "memory://runs/log.csv"
    assert len(run.views[0].series["loss"]) == 50


def test_files_that_are_no_logs_are_not_fetched(bucket: Any, tmp_path: Path) -> None:
    bucket.pipe("/runs/log.csv", HEADER + table(1, 50))
    bucket.pipe("/runs/model.pt", bytes(1_000_000))
    bucket.pipe("/runs/data.csv", b"x" * 1_000_000)
    found = look("memory://runs", tmp_path / "c")
    assert found.bytes_fetched < 70_000 + len(HEADER + table(1, 50))
    assert [path.name for path in found.root.iterdir() if path.suffix == ".pt"] == []


def test_an_unchanged_tree_costs_no_byte(bucket: Any, tmp_path: Path) -> None:
    bucket.pipe("/runs/log.csv", HEADER + table(1, 50))
    look("memory://runs", tmp_path / "c")
    assert look("memory://runs", tmp_path / "c").bytes_fetched == 0


def test_of_a_longer_file_only_the_new_bytes_are_fetched(bucket: Any, tmp_path: Path) -> None:
    old, new = HEADER + table(1, 20_000), table(20_001, 20_100)
    bucket.pipe("/runs/log.csv", old)
    look("memory://runs", tmp_path / "c")
    bucket.pipe("/runs/log.csv", old + new)
    found = look("memory://runs", tmp_path / "c")
    assert found.bytes_fetched == len(new) + 4096
    assert (found.root / "log.csv").read_bytes() == old + new


@pytest.mark.parametrize(
    "content", [HEADER + table(7, 9000), HEADER + table(1, 5), HEADER[:-1] + b",lr\n" + table(1, 9000)]
)
def test_a_rewritten_file_is_fetched_anew(bucket: Any, tmp_path: Path, content: bytes) -> None:
    bucket.pipe("/runs/log.csv", HEADER + table(1, 5000))
    look("memory://runs", tmp_path / "c")
    bucket.pipe("/runs/log.csv", content)
    mirror("memory://runs", wanted=lambda name: True, whole=lambda name: False, recognised=lambda path, head: True,
           cache=tmp_path / "c")
    (copy,) = (tmp_path / "c").rglob("log.csv")
    assert copy.read_bytes() == content


def test_a_deleted_file_is_gone(bucket: Any, tmp_path: Path) -> None:
    bucket.pipe("/runs/a.csv", HEADER + table(1, 50))
    bucket.pipe("/runs/b.csv", HEADER + table(1, 50))
    look("memory://runs", tmp_path / "c")
    bucket.rm("/runs/a.csv")
    assert [path.name for path in look("memory://runs", tmp_path / "c").root.iterdir()] == ["b.csv"]


@pytest.mark.parametrize("name", ["/runs/../../escape.csv", "/runs/x/../../../escape.csv"])
def test_no_name_leads_out_of_the_cache(bucket: Any, tmp_path: Path, name: str) -> None:
    bucket.pipe("/runs/log.csv", HEADER)
    bucket.store[name] = bucket.store["/runs/log.csv"]
    look("memory://runs", tmp_path / "a" / "b" / "c")
    assert not list(tmp_path.rglob("escape.csv"))


@pytest.mark.parametrize("url", ["memory://nothing/here", "memory://x"])
def test_a_url_without_anything_is_one_clear_line(bucket: Any, url: str) -> None:
    (problem,) = discover([Path(url)]).unreadable
    assert "check the URL" in problem.message


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES, "s3", ("package_that_is_not_there", "s3"))
    (problem,) = discover([Path("s3://bucket/runs")]).unreadable
    assert "pip install 'training-log-analyzer[s3]'" in problem.message
    assert problem.source == "s3://bucket/runs"


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("s3://bucket/runs", "s3://bucket/runs"),
        (Path("s3://bucket/runs"), "s3://bucket/runs"),
        (Path("https://host/log.csv"), "https://host/log.csv"),
        (Path("runs/log.csv"), None),
        ("C:/runs", None),
        ("notes:/runs", None),
    ],
)
def test_urls_are_told_from_paths(path: Path | str, url: str | None) -> None:
    assert url_of(path) == url


@pytest.fixture
def http_server(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    pytest.importorskip("aiohttp")
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield lambda name: f"http://127.0.0.1:{server.server_port}/{name}"
    server.shutdown()


def test_a_file_over_http(http_server: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "served" / "log.csv").write_bytes(HEADER + table(1, 30_000))
    (run,) = discover([Path(http_server("log.csv"))]).runs
    assert len(run.views[0].series["loss"]) == 30_000


def test_a_real_s3_server(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    server_module = pytest.importorskip("moto.server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    try:
        for key, value in {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "x",
                           "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}.items():
            monkeypatch.setitem(os.environ, key, value)
        store = fsspec.filesystem("s3", skip_instance_cache=True)
        store.mkdir("bucket")
        store.pipe("bucket/runs/a/log.csv", HEADER + table(1, 5000))
        store.pipe("bucket/runs/a/model.pt", bytes(1000))
        (run,) = discover([Path("s3://bucket/runs")]).runs
        assert len(run.views[0].series["loss"]) == 5000
        store.pipe("bucket/runs/a/log.csv", HEADER + table(1, 5200))
        (run,) = discover([Path("s3://bucket/runs")]).runs
        assert len(run.views[0].series["loss"]) == 5200
        assert run.sources[0].path == "s3://bucket/runs/a/log.csv"
    finally:
        server.stop()
