"""Text from logs made harmless: tags, paths and messages are untrusted wherever they are shown."""

from __future__ import annotations

import re

# C0 and C1 controls, line and paragraph separators, zero-width and bidirectional marks (CVE-2021-42574),
# byte order marks, and lone surrogates, which stand for undecodable bytes of a path and cannot be encoded.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\ufffe\uffff]"
)


_COMMAND = re.compile(r"^([ \t]*):(?=:)", re.MULTILINE)


def without_commands(text: str) -> str:
    """Lines that no continuous-integration runner obeys: it looks for ``::`` in front, and for ``##[`` anywhere."""
    if "::" in text:
        text = _COMMAND.sub(r"\1: ", text)
    return text.replace("##[", "# #[")


def json_without_commands(text: str) -> str:
    """The same JSON without what a runner obeys: a line of JSON never begins with a colon."""
    return text.replace("##[", "#\\u0023[")


def visible(text: object) -> str:
    r"""One line of text in which every invisible or controlling character is written out: ``\x1b``, ``\u202e``."""
    return _UNSAFE.sub(_written_out, str(text))


def _written_out(match: re.Match[str]) -> str:
    code = ord(match.group())
    if match.group() in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[match.group()]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
