"""Bytes to lines: the one place where text formats are opened, decompressed and decoded.

A text log may be gzip or zstd compressed, cut anywhere, hold NUL bytes that a crash left behind, or be no text at
all. Every text reader gets its lines from here, so that all of them treat these alike.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from analyzer.model import Problem, Source
from analyzer.readers import Reading

COMPRESSED_SUFFIXES = (".gz", ".zst", ".zstd", ".bz2", ".xz")
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
BZ2_MAGIC = b"BZh"
XZ_MAGIC = b"\xfd7zXZ\x00"
LARGEST_TEXT = 8 << 30  # bytes after decompression; a log is never larger, a decompression bomb is
_CHUNK = 1 << 20
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
    return unpack(head, "").data if compressed(head) else head


def compressed(head: bytes) -> bool:
    """Whether a file begins as one that ``unpack`` would decompress."""
    return head.startswith((GZIP_MAGIC, ZSTD_MAGIC, BZ2_MAGIC, XZ_MAGIC))


def unpack(data: bytes, name: str) -> Unpacked:
    """Decompress what is compressed. What can be had of a cut or damaged file is returned with the problem."""
    if data.startswith(GZIP_MAGIC):
        return _unpack_stream(data, name, "gzip", lambda: zlib.decompressobj(wbits=31), zlib.error)
    if data.startswith(BZ2_MAGIC):
        return _unpack_stream(data, name, "bzip2", bz2.BZ2Decompressor, OSError)
    if data.startswith(XZ_MAGIC):
        return _unpack_stream(data, name, "xz", lzma.LZMADecompressor, lzma.LZMAError)
    if data.startswith(ZSTD_MAGIC):
        try:
            import zstandard
        except ImportError:
            hint = "pip install 'training-log-analyzer[zstd]'"
            message = f"zstd compressed, and the package zstandard is not installed: {hint}"
            return Unpacked(data=b"", problems=(Problem(source=name, kind="unreadable", message=message),))
        return _unpack_stream(data, name, "zstd", zstandard.ZstdDecompressor().decompressobj, zstandard.ZstdError)
    return Unpacked(data=data)


def _unpack_stream(data: bytes, name: str, kind: str, opened: object, error_type: type[Exception]) -> Unpacked:
    """Decompress members one after another, in chunks, so that a damaged byte costs only what follows it."""
    pieces: list[bytes] = []
    size = at = 0
    stream = opened()  # type: ignore[operator]
    try:
        while at < len(data):
            chunk = data[at : at + _CHUNK]
            pieces.append(stream.decompress(chunk))
            size += len(pieces[-1])
            at += len(chunk)
            if size > LARGEST_TEXT:
                return Unpacked(
                    data=b"",
                    problems=(
                        Problem(
                            source=name,
                            kind="unreadable",
                            message=f"more than {LARGEST_TEXT >> 30} GiB after decompression",
                        ),
                    ),
                )
            if stream.eof:
                at -= len(stream.unused_data)
                if at < len(data) and not data[at:].strip(b"\0"):
                    break
                stream = opened() if at < len(data) else stream  # type: ignore[operator]
    except error_type as error:
        whole = b"".join(pieces)
        message = f"damaged {kind} stream near byte {at} ({error}): read up to there, {len(whole)} bytes of text"
        return Unpacked(data=whole, problems=(Problem(source=name, kind="corrupt", message=message, offset=at),))
    whole = b"".join(pieces)
    if not stream.eof:
        message = f"{kind} stream ends before its end mark: {len(whole)} bytes of text could be read"
        return Unpacked(
            data=whole, problems=(Problem(source=name, kind="truncated", message=message, offset=len(data)),)
        )
    return Unpacked(data=whole)


def why_not_text(data: bytes) -> str | None:
    """Why these bytes are no text, or None when they are. An empty file and a file of NUL bytes are no text."""
    sample = data[:65536]
    if not data:
        return "empty file"
    if not sample.strip(b"\0 \t\r\n"):
        return "empty file" if not data.strip() else "only NUL bytes: the file system lost the contents"
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


def unreadable(name: str, reader: str, reason: str, problems: Iterable[Problem] = ()) -> Reading:
    """A reading of nothing, with the reason."""
    return Reading(
        source=Source(path=name, format=reader, line_numbers=True),
        problems=(*problems, Problem(source=name, kind="unreadable", message=reason)),
    )
