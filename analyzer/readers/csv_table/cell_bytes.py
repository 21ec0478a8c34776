"""Where the cells of a block of lines are, and their bytes side by side."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analyzer.model import Ints
from analyzer.readers.columns.texts import SHORT

_IN_CACHE = 1 << 18  # bytes looked at together: what is made of them on the way never leaves the cache
_WIDEST = 64  # bytes; wider cells are no labels and no timestamps, and padding to them would take more memory than text
_FIRST_BYTES = np.array([(1 << 8 * size) - 1 for size in range(SHORT + 1)], dtype="<u8")  # of a word
_LF, _CR, _QUOTE = b'\n\r"'


def count_of(character: str, block: bytes) -> int:
    """How often an ASCII character occurs; ``bytes.count`` takes six times as long where it does so often."""
    return sum(int(np.count_nonzero(part == ord(character))) for _, part in _parts(block))


def places_of(characters: str, block: bytes) -> Ints:
    """Where one of a few ASCII characters is, in rising order."""
    found = []
    for at, part in _parts(block):
        here = part == ord(characters[0])
        for character in characters[1:]:
            here |= part == ord(character)
        found.append(np.flatnonzero(here) + at)
    return np.concatenate(found) if found else np.empty(0, dtype=np.int64)


def _parts(block: bytes) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    data = np.frombuffer(block, dtype=np.uint8)
    return ((at, data[at : at + _IN_CACHE]) for at in range(0, len(data), _IN_CACHE))


def cell_ends(block: bytes, lines: int, columns: int, delimiter: str) -> Ints | None:
    """Where each cell ends, shape (lines, columns); None where a line is not as wide as the table."""
    ends = places_of(delimiter + "\n", block)
    if len(ends) != lines * columns:
        return None
    ends = ends.reshape(lines, columns)
    # so many line ends in all, and one behind every so many cells: then there is none elsewhere
    return ends if (np.frombuffer(block, dtype=np.uint8)[ends[:, -1]] == _LF).all() else None


def starts_and_sizes(block: bytes, ends: Ints, index: int) -> tuple[Ints, Ints]:
    """Where each cell of a column begins, and its length without the carriage return of a line end."""
    starts = ends[:, index - 1] + 1 if index else np.concatenate([[0], ends[:-1, -1] + 1])
    sizes = ends[:, index] - starts
    if index == ends.shape[1] - 1:
        data = np.frombuffer(block, dtype=np.uint8)
        sizes -= (sizes > 0) & (data[np.maximum(ends[:, index] - 1, 0)] == _CR)
    return starts, sizes


def packed(block: bytes, starts: Ints, sizes: Ints) -> NDArray[np.bytes_] | None:
    """Cells as padded bytes; None where they are too wide, or not all ASCII."""
    width = max(int(sizes.max(initial=0)), SHORT)
    if width > _WIDEST or not block.isascii():
        return None
    # a cell wherever one may begin: to take some of these is to copy so many bytes from each place
    windows = np.ndarray((len(block) + 1,), dtype=f"S{width}", buffer=block + bytes(width), strides=(1,))
    cells = windows[starts]
    if width == SHORT:
        word = cells.view("<u8")
        word &= _FIRST_BYTES[sizes]
        return cells
    byte = cells.view(np.uint8).reshape(len(cells), width)
    for size in np.flatnonzero(np.bincount(sizes)).tolist():
        if size < width:
            byte[sizes == size, size:] = 0
    return cells


def without_quotes(block: bytes, delimiter: str) -> bytes | None:
    """Lines whose quotes all stand around whole cells, without them; None where one does not, or a cell needs them."""
    places = places_of(delimiter + '\n"', block)
    data = np.frombuffer(b"\n" + block + b"\n", dtype=np.uint8)  # place p of the block is p + 1 here
    quotes = np.flatnonzero(data[places + 1] == _QUOTE)
    opening, closing = quotes[0::2], quotes[1::2]
    if len(opening) != len(closing) or (closing != opening + 1).any():  # a delimiter or line end between two
        return None
    before, after = data[places[opening]], data[places[closing] + 2]
    ends = (after == ord(delimiter)) | (after == _LF) | (after == _CR)
    begins = (before == ord(delimiter)) | (before == _LF)
    return block.translate(None, b'"') if begins.all() and ends.all() else None
