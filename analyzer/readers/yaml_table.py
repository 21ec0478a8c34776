"""YAML documents that hold a whole log: a list of records under some key, or lists of numbers, as a loop dumps them.

Read as a JSON document is, by the safe parser only. Of a file that was cut, what was completely written is read.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from analyzer.config.plain_yaml import TooMuch, load_yaml
from analyzer.model import Problem, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.documents import read_document
from analyzer.readers.json_tables import tells_of_training
from analyzer.readers.text_file import decode, plain_head, plain_suffix, unpack, unreadable, why_not_text
from analyzer.regular_files import content_of

_KEY_OF_A_LOG = re.compile(r"(?im)(?:^[ \t{-]*+|, )(?:\w*(?:loss|epoch|step|iter|learning_rate)\w*|lr)[ \t]*+:")
_RECORD = re.compile(r"(?m)^([ \t]*+)- ")
_OF_ONE_LINE = re.compile(r"(?m)^(?=\{)")  # {avg_loss: 7.36, epoch: 1}
LARGEST = 16 << 20  # bytes of one history: a megabyte of YAML takes a second
MOST_VALUES = 4_000_000


def parse(data: bytes, name: str) -> Reading:
    """The bytes of a document as a reading; rows are 0-based indices of the records."""
    unpacked = unpack(data, name)
    reason = why_not_text(unpacked.data)
    if reason:
        return unreadable(name, "yaml", reason, unpacked.problems)
    text = decode(unpacked.data)
    problems = list(unpacked.problems)
    document, cut = None, False
    try:
        whole, _, rest = text.rpartition("\n")
        cut = bool(rest.strip())
        document = _loaded(whole if cut else text)
    except TooMuch as error:
        return unreadable(name, "yaml", f"not read: {error}", problems)
    except ValueError as error:
        return unreadable(name, "yaml", f"no valid YAML: {str(error).splitlines()[0]}", problems)
    if cut:
        message = "the file ends inside its document: the complete values before that are read"
        problems.append(Problem(source=name, kind="truncated", message=message))
    return read_document(document, Source(path=name, format="yaml"), problems, cut=cut)


def _listed(text: str) -> str:
    """Records that a program appended, one a line, as a list of them."""
    return _OF_ONE_LINE.sub("- ", text) if text[:1] == "{" and "\n{" in text else text


def _loaded(text: str) -> Any:
    """The document of a text.

    Raises:
        ValueError: it is not valid, or too large for a history (TooMuch).
    """
    import yaml

    try:
        return _named(load_yaml(_listed(text), most_bytes=LARGEST, most_values=MOST_VALUES))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _named(value: Any) -> Any:
    """A document whose keys are names: in YAML a key may be a number. It is no deeper than ``load_yaml`` allows."""
    if isinstance(value, dict):
        return {str(key): _named(one) for key, one in value.items()}
    return [_named(one) for one in value] if isinstance(value, list) else value


def read(path: Path) -> Reading:
    """Read one document from disk."""
    return parse(content_of(path), str(path))


def recognises(path: Path, head: bytes) -> bool:
    """The whole records at the start of a ``.yaml`` file, with the keys of a log."""
    if plain_suffix(path) not in (".yaml", ".yml"):
        return False
    start = plain_head(head)
    if why_not_text(start):
        return False
    text = _listed(decode(start))
    if not _KEY_OF_A_LOG.search(text):
        return False
    records = list(_RECORD.finditer(text))
    whole = text if len(head) < 4096 or not records else text[: records[-1].start()]
    try:
        return tells_of_training(json.dumps(_loaded(whole), default=str))
    except (ValueError, TypeError):
        return False


READER = Reader(
    name="yaml",
    title="YAML documents",
    suffixes=(".yaml", ".yml"),
    seldom=True,
    recognises=recognises,
    read=read,
    parse=parse,
    recognised_by="a `.yaml` list of records (also one `{...}` a line), or mapping of lists of numbers, with the keys "
    "of a log",
    step="as in JSON documents",
    epoch="as in JSON documents",
    learning_rate="as logged",
    priority=-8,
)
