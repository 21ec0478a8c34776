"""Bytes to lines: the one place where text formats are opened, decompressed and decoded.

A text log may be gzip or zstd compressed, cut anywhere, hold NUL bytes that a crash left behind, or be no text at
all. Every text reader gets its lines from here, so that all of them treat these alike.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from msgspec import Struct

from analyzer.model import Problem, Source
from analyzer.readers import Reading

COMPRESSED_SUFFIXES = (".gz", ".zst", ".zstd", ".bz2", ".xz")
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
BZ2_MAGIC = b"BZh"
XZ_MAGIC = b"\xfd7zXZ\x00"
MOST_TIMES = 100  # what a log shrinks to is a tenth, and a hundredth where most of it is zeros; a bomb's is a millionth
SMALL_TEXT = 16 << 20  # bytes that a file of any size may unpack to
LARGEST_TEXT = 8 << 30  # bytes after decompression; a log is never larger
_CHUNK = 1 << 20
_ZSTD_CHUNK = 1 << 9  # its objects give back all at once: 4 bytes can stand for 128 KB
_LARGEST_WINDOW = 1 << 27  # bytes of memory that a decompressor may ask for
_HEAD = 1 << 16  # bytes by which a file is recognised
_CONTROL = bytes(byte for byte in range(32) if byte not in b"\0\t\n\v\f\r\x1b\b")


class Unpacked(Struct, frozen=True, kw_only=True):
    """The bytes of a file after decompression, and what was wrong with the compression."""

    data: bytes
    problems: tuple[Problem, ...] = ()


class Lines(Struct, frozen=True, kw_only=True):
    """The lines of a text without their ends. The last one is incomplete when no line end follows it."""

    lines: list[str]
    complete: bool  # the last line was ended


def plain_name(path: Path) -> str:
    """The file's name without the suffix of a compression: ``metrics.csv`` of ``metrics.csv.gz``."""
    name = path.name
    return next((name[: -len(suffix)] for suffix in COMPRESSED_SUFFIXES if name.lower().endswith(suffix)), name)


def plain_suffix(path: Path) -> str:
    """The lower-case suffix of the uncompressed name, with its dot."""
    return Path(plain_name(path)).suffix.lower()


def plain_head(head: bytes) -> bytes:
    """The first bytes of a file as they are before compression, as far as ``head`` goes."""
    return unpack(head, "", most=_HEAD).data if compressed(head) else head


def compressed(head: bytes) -> bool:
    """Whether a file begins as one that ``unpack`` would decompress."""
    return head.startswith((GZIP_MAGIC, ZSTD_MAGIC, BZ2_MAGIC, XZ_MAGIC))


def unpack(data: bytes, name: str, most: int | None = None) -> Unpacked:
    """Decompress what is compressed. What can be had of a cut or damaged file is returned with the problem.

    Args:
        most: bytes of text at which reading stops, without a problem. By default a file that unpacks to much more
            than its size, as no log does, gives nothing but a problem.
    """
    kind = next((kind for magic, kind in _KINDS.items() if data.startswith(magic)), None)
    if kind is None:
        return Unpacked(data=data)
    if kind == "zstd" and find_spec("zstandard") is None:
        hint = "pip install 'training-log-analyzer[zstd]'"
        message = f"zstd compressed, and the package zstandard is not installed: {hint}"
        return Unpacked(data=b"", problems=(Problem(source=name, kind="unreadable", message=message),))
    allowed = min(max(SMALL_TEXT, MOST_TIMES * len(data)), LARGEST_TEXT)
    pieces: list[bytes] = []
    size = 0
    stream = _Stream(data=data, kind=kind)
    problem = None
    for piece in stream:
        pieces.append(piece)
        size += len(piece)
        if most is not None and size >= most:
            return Unpacked(data=b"".join(pieces)[:most])
        if size > allowed:
            message = (
                f"unpacks to more than {allowed:,} bytes from {len(data):,}, as no log does: not read; "
                "unpack it to have it read"
            )
            return Unpacked(data=b"", problems=(Problem(source=name, kind="unreadable", message=message),))
    if stream.error:
        message = f"damaged {kind} stream near byte {stream.at} ({stream.error}): read so far, {size} bytes of text"
        problem = Problem(source=name, kind="corrupt", message=message, offset=stream.at)
    elif not stream.ended:
        message = f"{kind} stream ends before its end mark: {size} bytes of text could be read"
        problem = Problem(source=name, kind="truncated", message=message, offset=len(data))
    return Unpacked(data=b"".join(pieces), problems=(problem,) if problem else ())


_KINDS = {GZIP_MAGIC: "gzip", ZSTD_MAGIC: "zstd", BZ2_MAGIC: "bzip2", XZ_MAGIC: "xz"}


class _Stream(Struct):
    """Members of an archive one after another, in pieces of bounded size: a damaged byte costs what follows it."""

    data: bytes
    kind: str
    at: int = 0  # byte of the archive that is read next
    error: str = ""
    ended: bool = False  # the last member has its end mark

    def __iter__(self) -> Iterator[bytes]:
        try:
            while self.at < len(self.data):
                self.ended = False
                yield from self._member()
                if self.data[self.at :].strip(b"\0") == b"":  # padding of tapes and block devices
                    return
        except (zlib.error, OSError, lzma.LZMAError, ValueError, EOFError) as error:
            self.error = str(error) or type(error).__name__
        except Exception as error:  # zstandard's own; the package need not be there
            if type(error).__module__.partition(".")[0] not in ("zstd", "zstandard"):
                raise
            self.error = str(error)

    def _member(self) -> Iterator[bytes]:
        stream = self._opened()
        chunk = _ZSTD_CHUNK if self.kind == "zstd" else _CHUNK
        while not stream.eof and self.at < len(self.data):
            fed = self.data[self.at : self.at + chunk]
            self.at += len(fed)
            if self.kind == "zstd":
                yield stream.decompress(fed)
            else:
                yield stream.decompress(fed, _CHUNK)
                while not stream.eof and (rest := getattr(stream, "unconsumed_tail", b"")):
                    yield stream.decompress(rest, _CHUNK)
                while not stream.eof and not getattr(stream, "needs_input", True):
                    yield stream.decompress(b"", _CHUNK)
        self.ended = stream.eof
        self.at -= len(stream.unused_data)

    def _opened(self) -> Any:
        if self.kind == "gzip":
            return zlib.decompressobj(wbits=31)
        if self.kind == "bzip2":
            return bz2.BZ2Decompressor()
        if self.kind == "xz":
            return lzma.LZMADecompressor(memlimit=_LARGEST_WINDOW)
        import zstandard

        return zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).decompressobj()


def why_not_text(data: bytes) -> str | None:
    """Why these bytes are no text, or None when they are. An empty file and a file of NUL bytes are no text."""
    sample = data[:65536]
    if not data:
        return "empty file"
    if not sample.removeprefix(BOM_UTF8).strip(b"\0 \t\r\n") or data in (b"\xff\xfe", b"\xfe\xff"):
        lost = data.strip(b" \t\r\n\xef\xbb\xbf\xfe\xff")
        return "only NUL bytes: the file system lost the contents" if lost else "empty file"
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None
    written = sample.replace(b"\0", b"")
    strange = len(written) - len(written.translate(None, _CONTROL))
    undecodable = written.decode("utf-8", errors="replace").count("�") - written.count("�".encode())
    if strange > 0.01 * len(written) or undecodable > 0.05 * len(written):
        return "binary data, not text"
    return None


def decode(data: bytes) -> str:
    """Text of UTF-8 bytes (with or without byte order mark), or UTF-16 with one, as PowerShell redirects write it."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="replace")


def utf8(data: bytes) -> bytes:
    """The bytes of a text as UTF-8 without byte order mark; what is no UTF-8 stays as it is."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return decode(data).encode()
    return data.removeprefix(BOM_UTF8)


def lines_of(text: str) -> Lines:
    """Lines as an editor numbers them: ended by LF or CR LF, or by CR where no LF occurs."""
    if "\n" in text:
        lines = text.replace("\r\n", "\n").split("\n")
    else:
        lines = text.split("\r")
    if lines[-1] == "":
        return Lines(lines=lines[:-1], complete=True)
    return Lines(lines=lines, complete=text.endswith("\r"))


def written_lines(data: bytes) -> list[bytes]:
    """The same lines of a text in bytes, each with its end, for those who write them again."""
    end = b"\n" if b"\n" in data else b"\r"
    lines = [line + end for line in data.split(end)]
    lines[-1] = lines[-1][: -len(end)]
    return lines if lines[-1] else lines[:-1]


def unreadable(name: str, reader: str, reason: str, problems: Iterable[Problem] = ()) -> Reading:
    """A reading of nothing, with the reason; one that unpacking has given already is the only one."""
    problems = tuple(problems)
    if not any(problem.kind == "unreadable" for problem in problems):
        problems = (*problems, Problem(source=name, kind="unreadable", message=reason))
    return Reading(source=Source(path=name, format=reader, line_numbers=True), problems=problems)
