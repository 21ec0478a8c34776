"""A line as a terminal shows it at last: what was painted or typed over it, without colours."""

from __future__ import annotations

import re

from analyzer.readers.stdout.patterns import NUMBER

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_FILLED = re.compile("·+(?=\\d)")  # in front of a number that is printed to a width: ·21/·40
_BACKSPACES = re.compile(r"(\x08+)")
_SIGNS = str.maketrans({  # that set apart, as they are typed without them
    "│": "|", "┃": "|", "¦": "|", "•": "|", "·": "|", "→": "->", "⇒": "->", "⟶": "->", "➜": "->",
    "➔": "->", "–": "-", "—": "-", "…": "...",
})  # fmt: skip
# a number as torch and NumPy print it: tensor(0.53, device='cuda:0'), np.float64(0.53)
_WRAPPED = re.compile(rf"\b(?:tensor|np\.(?:float|int)\d{{1,3}})\(\s{{0,4}}({NUMBER})(?:,[^()\n]{{0,200}})?\)")


def shown(raw: str) -> str:
    """A line as a terminal shows it at last, without colours."""
    if "\r" in raw or "\b" in raw:
        states = states_of(raw)
        raw = states[-1] if states else ""
    line = (ANSI.sub("", raw) if "\x1b" in raw else raw).rstrip()
    if not line.isascii():
        line = _FILLED.sub(" ", line).translate(_SIGNS)
    return _WRAPPED.sub(r"\1", line) if "tensor(" in line or "np." in line else line


def states_of(raw: str) -> list[str]:
    """What a terminal showed of a line one after another: each state ends where the next is painted from the start on.

    Backspaces that do not reach the start go back into the state: kuangliu's bar has its ``20/98`` typed over it.
    """
    states: list[str] = []
    for painted in raw.split("\r"):
        state, *typed = _BACKSPACES.split(painted) if "\b" in painted else [painted]
        for back, text in zip(typed[::2], typed[1::2], strict=True):
            at = len(state) - len(back)
            if at <= 0:
                states.append(state)
            state = f"{state[:at]}{text}{state[at + len(text) :]}" if at > 0 else text
        states.append(state)
    return [state for state in states if state.strip()]
