"""JSON documents that hold a whole log: a list of entries, or lists of numbers under whatever keys.

``parse`` is pure. Of a document that was cut, what was completely written is read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analyzer.model import Problem, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.columns import Column
from analyzer.readers.columns.reading import interpret
from analyzer.readers.documents import read_document
from analyzer.readers.json_dialects import dialect_of_entries, first_keys
from analyzer.readers.json_objects import table_of_list
from analyzer.readers.json_salvage import salvage
from analyzer.readers.json_tables import tells_of_training
from analyzer.readers.text_file import (
    compressed,
    decode,
    plain_head,
    plain_suffix,
    unpack,
    unreadable,
    utf8,
    why_not_text,
)
from analyzer.regular_files import content_of, opened
from analyzer.written_numbers import loads_json

_LIST = re.compile(rb"[ \t\r\n]*\[")
HEAD_BYTES = 4096  # that a reader is shown
BYTES_LOOKED_AT = 1 << 17  # of a document named as a log: some begin with their configuration
_INNER_ENTRIES = re.compile(rb'"\s*:\s*\[\s*\{')
_NAMED_AS_A_LOG = re.compile(r"histor|metric|(?<![a-z])logs?(?![a-z])|result|stats|train|loss|curve", re.I)
_EXPORT = re.compile(r"\[\s*\[\s*\d{9,10}(?:\.\d+)?\s*,\s*\d+\s*,\s*(?:-?\d|\"?-?NaN|\"?-?Inf|null)")


def parse(data: bytes, name: str) -> Reading:
    """The bytes of a document as a reading; rows are 0-based indices of the entries."""
    unpacked = unpack(data, name)
    reason = why_not_text(unpacked.data)
    if reason:
        return unreadable(name, "json", reason, unpacked.problems)
    plain = _plain_list(utf8(unpacked.data))
    if plain is not None:
        count, columns = plain
        return interpret(
            columns,
            np.arange(count),
            dialect=dialect_of_entries(first_keys(columns)),
            problems=unpacked.problems,
            source=Source(path=name, format="json"),
        )
    text = decode(unpacked.data)
    problems = list(unpacked.problems)
    cut = False
    try:
        document = loads_json(text)
    except (ValueError, RecursionError) as error:
        at = int(getattr(error, "pos", len(text)))
        document = salvage(text, at if at < len(text.rstrip()) else len(text))
        cut = at >= len(text.rstrip()) or not text.rstrip().endswith(("]", "}"))
        message = (
            "the file ends inside its document" if cut else f"no valid JSON near line {text.count(chr(10), 0, at) + 1}"
        )
        problems.append(
            Problem(
                source=name,
                kind="truncated" if cut else "corrupt",
                message=f"{message}: the complete values before that are read",
            )
        )
    return read_document(document, Source(path=name, format="json"), problems, cut=cut)


def _plain_list(data: bytes) -> tuple[int, Sequence[Column]] | None:
    """A document that is a list of objects, in pieces; None for any other."""
    begun = _LIST.match(data)
    if begun is None or _INNER_ENTRIES.search(data, 0, HEAD_BYTES):
        return None
    try:
        count, columns, end = table_of_list(data, begun.end())
    except (ValueError, RecursionError):
        return None
    return (count, columns) if count and data[end:].rstrip(b" \t\r\n") == b"]" else None


def read(path: Path) -> Reading:
    """Read one document from disk."""
    return parse(content_of(path), str(path))


def recognises(path: Path, head: bytes) -> bool:
    """A list of entries with the keys of a log, or an object with a list of numbers under such a key."""
    if plain_suffix(path) not in (".json", "") and path.name != "log":
        return False
    start = plain_head(head).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] not in (b"[", b"{") or why_not_text(start):
        return False
    text = decode(start)
    if _EXPORT.match(text) or tells_of_training(text):
        return True
    if len(head) < HEAD_BYTES or not _NAMED_AS_A_LOG.search(path.name):
        return False
    try:
        with opened(path) as stream:
            more = stream.read(BYTES_LOOKED_AT)
    except OSError:
        return False
    return tells_of_training(decode(unpack(more, "", most=BYTES_LOOKED_AT).data if compressed(more) else more))


READER = Reader(
    name="json",
    title="JSON documents",
    suffixes=(".json",),
    recognises=recognises,
    read=read,
    parse=parse,
    recognised_by="a `.json` list of entries, TensorBoard's JSON download, or an object of lists of numbers (Keras's "
    "`History`), with the keys of a log",
    step="as in JSON lines; an object of lists without a step is counted in epochs (Keras) or rows",
    epoch="the key `epoch`; a Keras History counts epochs from 0",
    learning_rate="as logged",
    priority=-8,
)
