"""What programs print while they train: one reader, and a table of line patterns.

``reading`` makes a reading of the lines that the patterns know; it is imported for a file that may be such output.
"""

from __future__ import annotations

from pathlib import Path

from analyzer.readers import Reader, Reading
from analyzer.readers.text_file import (
    compressed,
    decode,
    lines_of,
    plain_head,
    plain_suffix,
    unpack,
    why_not_text,
)
from analyzer.regular_files import content_of, opened

SUFFIXES = (".log", ".txt", ".out", ".err", ".stdout", ".stderr", ".rout", "")
OF_OBJECTS = (".json", ".jsonl")  # whose lines may begin with a word of their own: ``DLLL {"step": [0, 20], ...}``
MLPERF = b":::MLP"
BYTES_LOOKED_AT = 1 << 19  # of a file whose first lines tell nothing: some programs print their own source first


def parse(data: bytes, name: str) -> Reading:
    """Printed lines as a reading; rows are 1-based line numbers."""
    from analyzer.readers.stdout import reading

    return reading.parse(data, name)


def read(path: Path) -> Reading:
    """Read the output in one file."""
    return parse(content_of(path), str(path))


def recognises(path: Path, head: bytes) -> bool:
    """Text in which at least a few lines match; programs that print their source first are looked at further down."""
    suffix = plain_suffix(path)
    start = plain_head(head)
    if suffix in OF_OBJECTS and start.lstrip()[:1] in (b"{", b"["):
        return False
    if not (suffix in (*SUFFIXES, *OF_OBJECTS) or suffix[1:].isdigit() or suffix.startswith(".log-")):
        return False
    if start[:1] == b"\0":  # a log that was emptied while its writer went on where it was
        start = start.lstrip(b"\0")
    if b"\0" in start or (start and (len(start) < 20 or why_not_text(start))):
        return False
    if MLPERF in start:
        return True  # a program that says from its first line on whose log it is; its numbers may come late
    from analyzer.readers.stdout.languages import in_english
    from analyzer.readers.stdout.reading import tells_of_training  # many patterns, compiled for these files only

    if tells_of_training(lines_of(in_english(decode(start))), path.name):
        return True
    if len(head) < 4096 or suffix not in SUFFIXES[:-1]:
        return False
    try:
        with opened(path) as stream:
            more = stream.read(BYTES_LOOKED_AT)
    except OSError:
        return False
    if compressed(more):
        more = unpack(more, "", most=BYTES_LOOKED_AT).data
    return tells_of_training(lines_of(in_english(decode(more.lstrip(b"\0")))), path.name)


READER = Reader(
    name="stdout",
    title="Printed output",
    recognises=recognises,
    read=read,
    parse=parse,
    recognised_by="`.log`, `.txt`, `.out`: some lines as printed by Keras, the Trainer, nanoGPT, Megatron, fairseq, "
    "MLPerf, mmengine, timm, torchvision, OLMo, Caffe, darknet, Stable-Baselines3, or any lines that count something "
    "and name a loss, a rate, an accuracy or a reward: `Epoch 3: loss=0.5`, `[025/50] train loss 0.22`, tables, also "
    "in Chinese, Japanese, Korean, Russian, French, Spanish and Portuguese",
    step="the counter by its word (`iter`, `step`, `num_updates`, ...), or by how it goes up where there is no word; "
    "places in the epoch become steps where label and total tell them",
    epoch="as printed: Keras prints from 1 (its files count from 0); the Trainer a fraction",
    learning_rate="as printed: Megatron the next update's, nanoGPT none",
    priority=-20,
)
