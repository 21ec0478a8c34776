"""The contents of a log with a correction made, for every format that can be written.

Lines and rows are those of the readers; of a row that is shifted its step changes and nothing else.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct, field

from analyzer.model import Source
from analyzer.readers.csv_table.cells import number_of, records, sniff_delimiter, split_row, unique_names
from analyzer.readers.text_file import written_lines
from analyzer.readers.tfevents.checksum import crc32c, masked
from analyzer.spelling import counted

HEAD_BYTES, TAIL_BYTES = 12, 4  # of a record: its length and that checksum before the data, its checksum behind


class Correction(Struct, frozen=True, kw_only=True):
    """What becomes of the rows of one file: which are cut, and by how much the steps of others move."""

    source: Source
    cut: frozenset[int] = frozenset()
    shift: Mapping[int, int] = field(default_factory=dict)  # row -> steps to add

    def __bool__(self) -> bool:
        return bool(self.cut or self.shift)

    @property
    def told(self) -> str:
        """What is done, in one line."""
        parts = [f"{counted(len(self.cut), 'row')} of an abandoned branch cut"] if self.cut else []
        for amount in sorted(set(self.shift.values())):
            rows = sum(one == amount for one in self.shift.values())
            parts.append(f"steps of {counted(rows, 'row')} shifted by {amount:+d}")
        return "; ".join(parts) or "nothing to repair"


class CannotRepair(ValueError):
    """A file that needs a repair and cannot have it, and why."""


def corrected(correction: Correction, content: bytes) -> bytes:
    """The contents of a file with its correction made.

    Raises:
        CannotRepair: when the format cannot be written, or the file is damaged.
    """
    if not correction:
        return content
    rewrite = REWRITERS.get(correction.source.format)
    if rewrite is None:
        raise CannotRepair(f"{correction.source.format} files cannot be written; `analyzer export` gives the rows")
    return rewrite(correction, content)


def _text_table(correction: Correction, content: bytes) -> bytes:
    """A table of text: whole rows go, and of a shifted one its step changes; what else was written stays, byte by byte.

    Lines and rows are those of the reader: a quoted cell may span several lines.
    """
    lines = [line.decode("utf-8", "surrogateescape") for line in written_lines(content)]
    plain = [line.rstrip("\r\n") for line in lines]
    delimiter = sniff_delimiter(plain[:-1] or plain)
    column = correction.source.step_column
    header, at = "", -1
    kept: list[str] = []
    for number, row in records(plain):
        written = "".join(lines[number - 1 : number + row.count("\n")])
        if not header and row.strip() and not row.startswith("#"):
            header = row
            names = unique_names(split_row(header, delimiter))
            at = names.index(column) if column in names else -1
            if correction.shift and at < 0:
                raise CannotRepair("its step column is not in the first line")
        elif number in correction.cut or (correction.shift and row.strip() == header.strip("\ufeff").strip()):
            continue
        amount = correction.shift.get(number)
        kept.append(_shifted_row(written, at, amount, delimiter) if amount else written)
    return "".join(kept).encode("utf-8", "surrogateescape")


def _shifted_row(row: str, at: int, amount: int, delimiter: str) -> str:
    """A row with another step in its place, and nothing else changed."""
    begin, end = _cell(row, at, delimiter)
    cell = row[begin:end]
    written = cell.strip().strip('"')
    number = number_of(written, decimal_comma=delimiter == ";")
    if number is None:
        raise CannotRepair(f"{cell[:40]!r} is no step")
    whole = written.isascii() and written.lstrip("+-").isdecimal()
    shifted = str(int(written) + amount) if whole else repr(number + amount)
    return row[:begin] + cell.replace(written, shifted, 1) + row[end:]


def _cell(row: str, at: int, delimiter: str) -> tuple[int, int]:
    """Where a cell begins and ends in a row."""
    if delimiter == " ":
        return [found.span() for found in re.finditer(r"\S+", row)][at]
    begin = place = 0
    quoted = False
    for end, character in enumerate(row):
        if character == '"':
            quoted = not quoted
        elif character == delimiter and not quoted:
            if place == at:
                return begin, end
            begin, place = end + 1, place + 1
    return begin, len(row.rstrip("\r\n"))


def _json_lines(correction: Correction, content: bytes) -> bytes:
    kept: list[bytes] = []
    for number, line in enumerate(written_lines(content), start=1):
        if number in correction.cut:
            continue
        kept.append(_shifted_entry(line, correction, number) if number in correction.shift else line)
    return b"".join(kept)


def _shifted_entry(line: bytes, correction: Correction, number: int) -> bytes:
    """A line with another step: in its place where that can be told from the text alone, else written anew."""
    text = line.decode("utf-8-sig", "surrogateescape")
    entry = json.loads(text)
    column = correction.source.step_column
    if column not in entry:
        raise CannotRepair(f"line {number} has no {column!r}")
    entry[column] += correction.shift[number]
    mark = re.compile(rf"({re.escape(json.dumps(column))}\s*:\s*)-?[0-9]++(?=\s*[,}}])")
    again, times = mark.subn(rf"\g<1>{entry[column]}", text)
    if times != 1 or repr(json.loads(again)) != repr(entry):  # NaN equals nothing
        ending = text[len(text.rstrip("\r\n")) :]
        again = json.dumps(entry) + ending
    return again.encode("utf-8", "surrogateescape")


def _trainer_state(correction: Correction, content: bytes) -> bytes:
    state = json.loads(content)
    entries = []
    for number, entry in enumerate(state["log_history"]):
        if number in correction.cut:
            continue
        if number in correction.shift:
            entry["step"] += correction.shift[number]
        entries.append(entry)
    state["log_history"] = entries
    state["global_step"] = max(
        (entry["step"] for entry in entries if "step" in entry), default=state.get("global_step")
    )
    return (json.dumps(state, indent=2) + "\n").encode()


def _events(correction: Correction, content: bytes) -> bytes:
    """An event file: records go whole; a shifted one is written anew with its checksums."""
    kept: list[bytes] = []
    for number, record in enumerate(_records(content)):
        if number in correction.cut:
            continue
        amount = correction.shift.get(number)
        kept.append(_shifted_record(record, amount) if amount else record)
    return b"".join(kept)


def _records(content: bytes) -> Iterator[bytes]:
    """Whole records with their frames, until the file ends or is cut."""
    at = 0
    while at + HEAD_BYTES + TAIL_BYTES <= len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        end = at + HEAD_BYTES + length + TAIL_BYTES
        if end > len(content):
            return
        yield content[at:end]
        at = end


def _shifted_record(record: bytes, amount: int) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event

    event = Event.FromString(record[HEAD_BYTES:-TAIL_BYTES])
    event.step += amount
    data = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(crc32c(length))) + data + struct.pack("<I", masked(crc32c(data)))


REWRITERS: Mapping[str, Callable[[Correction, bytes], bytes]] = {
    "csv": _text_table,
    "json-lines": _json_lines,
    "trainer-state": _trainer_state,
    "tfevents": _events,
}
