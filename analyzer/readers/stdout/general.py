"""The general grammar of printed lines: counters, and names with numbers, however they are set apart.

One grammar for all programs that nobody knows: ``step 222 lr 1.87e-05``, ``Iter 10: Train loss 0.97, It/sec 0.079``,
``[0/50][0/6]  lr 0.001  loss 6.9 (6.9)``, ``Epoch [1/5], Step [100/600], Loss: 0.5``. A name stands beside its number
with ``:`` or ``=``; without, it must be one that tells of training, or fill its part of the line.
Every expression here takes time linear in the line: repetitions are possessive or bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from analyzer.roles import role_of_tag
from analyzer.written_numbers import number_written

Entry = dict[str, Any]

_NUMBER = (
    r"[+-]?(?:\d{1,3}(?:,\d{3})++(?!\d|,\d)|\d++)(?:\.\d*+)?(?:[eE][+-]?\d{1,3})?|[+-]?\.\d++(?:[eE][+-]?\d{1,3})?"
    r"|[+-]?(?:nan|inf(?:inity)?)\b"
)
# counters of steps, as a line names them; the names of places and totals are not among them
COUNTERS = frozenset({
    "step", "iter", "iteration", "global_step", "update", "num_updates", "itr", "n_iter", "training_step",
    "train_step", "it", "total_step", "timestep", "timesteps", "total_timesteps",
})
PLACES = frozenset({
    "epoch", "epochs", "batch", "batches", "samples", "of", "total",
})
_MORE_OF_A_LIST = re.compile(r",?\s{0,2}[\d.+-]")
_OF_TIME = re.compile(r"\btime$|elapsed", re.I)
_MULTIPLE = {"k": 1e3, "m": 1e6, "b": 1e9}
_WORD = (
    r"global[ _-]?steps?|(?:training|train|total)[ _-]steps?|steps?|iter(?:ation)?s?|itr|n_iter|num_updates|updates?"
    r"|(?:total[ _])?timesteps|(?:mini[ _-]?)?batch(?:es)?|epochs?"
)
# a counter: its word, its place, and how many there are; ``Epoch [3][ 100/600]`` holds two
_COUNTER = re.compile(
    rf"(?<![\w/.-])(?P<word>{_WORD}|it(?=[:=]))(?![\w/])(?P<sep>\s{{0,4}}[:=#]\s{{0,8}}|\s{{0,8}})"
    r"(?P<open>[\[(]{0,1})\s{0,6}(?P<at>\d{1,3}(?:,\d{3}){1,4}(?!\d|,\d)|\d{1,15})(?P<fraction>\.\d{1,15})?"
    r"(?P<rounded>[KMB](?!\w))?(?:st|nd|rd|th)?"
    r"(?:\s{0,6}(?:/|of|out of)\s{0,6}(?P<of>\d{1,15}))?\s{0,6}[\])]{0,1}"
    r"(?:\s{0,2}\[\s{0,8}(?P<batch>\d{1,15})\s{0,6}/\s{0,6}(?P<batches>\d{1,15})\s{0,6}\])?(?![\w.%]|/s|[eE:]\d)",
    re.I,
)
_PAIR_OF_BRACKETS = re.compile(
    r"\[\s{0,6}(?P<epoch>\d{1,9})\s{0,2}/\s{0,6}(?P<epochs>\d{1,9})\]\s{0,2}"
    r"\[\s{0,6}(?P<batch>\d{1,15})\s{0,2}/\s{0,6}(?P<batches>\d{1,15})\]"
)
# a bar of tqdm: what stands before it, the place and the total
# and as notebooks keep it: 100% 1330/1330 [14:55<00:00
_BAR = re.compile(r"\d{1,3}%(?:\|[^|]{0,400}\|\s{0,8}|\s{1,2})(?P<at>\d{1,15})/(?P<of>\d{1,15})\s\[")
# a place in the epoch behind its label, in examples where a share follows it
_SAMPLES = re.compile(
    r"\bTrain Epoch: (?P<epoch>\d{1,9})\s{0,3}\[\s{0,9}(?P<samples>\d{1,15})/(?P<of>\d{1,15})\s{0,2}"
    r"\(\s{0,3}\d{1,3}%\)\]"
)
_AT_THE_END = re.compile(r"\s\[\s{0,9}(?P<samples>\d{1,15})/\s{0,9}(?P<of>\d{1,15})\]$")  # loss: 2.30  [ 6400/60000]
_EPOCH_AND_BATCH = re.compile(r"^\[\s{0,6}(?P<epoch>\d{1,9}),\s{0,9}(?P<batch>\d{1,15})\]\s")  # [1,  2000] loss: 2.2
_SAID_AT = re.compile(
    rf"(?P<name>[A-Za-z][\w -]{{2,40}}) at (?:{_WORD})\s{{1,3}}(?P<at>\d{{1,15}})\s{{0,2}}[:=]\s{{0,3}}"
    rf"(?P<number>{_NUMBER})",
    re.I,
)
_NAME = r"(?<![\w./])[A-Za-z_][\w@/.%^-]*+(?: (?!is\b)[A-Za-z@][\w@/.-]*+){0,3}(?: ?\([A-Za-z%/ ]{1,16}\))?"
_PAIR = re.compile(
    rf"(?P<name>{_NAME})(?P<sep>(?: is)?\s{{0,8}}[:=]\s{{0,8}}| is |\s{{1,12}})(?P<open>[\[(]?)(?P<number>{_NUMBER})"
    r"(?P<rounded>[KMB](?!\w))?(?!\d|\.\d|[eE][+-]?\d|:\d|,\d{3}\b|/\d|-\d)",
    re.I,
)
_SHAPES = (_PAIR_OF_BRACKETS, _SAMPLES, _EPOCH_AND_BATCH, _AT_THE_END)
LONGEST_LIST = 1_000  # characters
_IN_PLURAL = re.compile(r"\b(?:iters|iterations|steps|batches|updates)\b", re.I)
_LAST_WORD = re.compile(r"[A-Za-z]{1,12}\s?$")
_OF_A_SETTING = frozenset({
    "num", "number", "max", "total", "per", "every", "n", "warmup", "save", "until", "before",
})
_NEVER_IN_A_NAME = frozenset({
    "from", "to", "at", "of", "by", "in", "is", "was", "with", "and", "than", "improved", "improve", "below",
    "above", "after",
})
_MAY_TELL = re.compile(r"step|iter|epoch|batch|update|loss|lr\b|learning|acc|dice|%\||\d\]\s?\[|\[\d", re.I)
_BEFORE_SPOKEN = frozenset(",;|:-[({>\t")
_BEHIND_SPOKEN = re.compile(r"\s{0,2}(?:[a-zA-Z%/]{1,9}\s{0,2})?(?:$|[,;|\])}\t(-]|\s{2,})")
_NO_VALUES = frozenset({
    "eta", "time", "data", "epoch", "epochs", "step", "iter", "iteration", "info", "rank", "pid", "gpu", "memory",
    "max_mem", "max", "mem", "port", "seed", "version", "line", "world_size", "it", "batch", "steps",
})
_NAMES_WITHOUT_A_ROLE = re.compile(
    r"acc|ppl|perplexity|norm|dt|mfu|reward|score|f1|dice|iou|bleu|wer|cer|auc|map", re.I
)
_LETTERS = re.compile(r"[A-Za-z]{2,}+")
# what Python's logging puts before a message: its level, and the name of the logger
_OF_A_LOGGER = re.compile(
    r"[^\n]{0,80}?\b(?:DEBUG|INFO|WARNING)\b[\])]{0,2}\s{0,9}"
    r"(?:[-|:]\s{0,3}(?:root|__main__|\w{1,40}(?:\.\w{1,40}){1,6})\s{0,3}[-|:]\s{0,9}|[-|:]?\s{0,9})"
)
WORDS_BESIDE_A_COUNTER = 2  # of a headline; more of them are a sentence
LINES_OF_A_BLOCK = 40  # below a headline; what stands further down is another matter
_PHASE_IN_FRONT = re.compile(
    r"^\W{0,4}(train(?:ing)?|valid(?:ation)?|val|eval(?:uation)?|test|dev|cv)\b(?! ?[=:/]?\s?[\d.-])", re.I
)
_PHASE_OF_A_COUNTER = re.compile(
    r"(?:^|[\s:\[(>-])(valid(?:ation)?|val|eval(?:uation)?|test(?:ing)?|dev|cv)[\])]?:?\s{1,3}(?:epoch|step|iter|batch)",
    re.I,
)
_PHASE_OF_A_BAR = re.compile(
    r"(?<![A-Za-z])(valid(?:at(?:ion|ing|e))?|val|eval(?:uation|uating)?|test(?:ing)?|dev|cv)(?![A-Za-z])", re.I
)
# batches of a phase of its own: Test: [ 10/196]
_PLACE_OF_ANOTHER = re.compile(r"\[\s{0,6}\d{1,9}/\d{1,9}\s{0,2}[\](]|%\|")
_PREFIX = re.compile(r"^\[(?:rank|default)(?P<rank>\d{1,5})\]:?\s?")


def may_tell(text: str) -> bool:
    """Whether a line has a word that every line of training has; most lines of prose have none."""
    return _MAY_TELL.search(text) is not None


def entry_of(text: str) -> Entry | None:
    """Counters and numbers of a line; None where it has not both. A bar of tqdm is a counter by itself."""
    counters, rest = counters_of(text)
    if not counters and not may_hold_a_bar(text):
        return None
    values = values_of(rest)
    if not values and (said := _SAID_AT.search(text)) and tells(said["name"]):
        values = {said["name"]: float(said["number"].replace(",", ""))}
    if not values:
        return None
    phase = _phase_before_a_counter(text) or (phase_of_a_bar(text) if may_hold_a_bar(text) else None)
    if phase is not None:
        values = _prefixed(values, phase)
    if _IN_PLURAL.search(text) and len(counters) == 1 and not any(map(tells, values)):
        return None  # how many there are of something: 49,400 images, iters: 6,175
    return {**counters, **{name: value for name, value in values.items() if name not in counters}}


def counters_of(text: str) -> tuple[Entry, str]:
    """The counters of a line, and the line without them.

    ``epoch`` and ``epochs``, ``batch`` and ``batches`` are a place and how many there are; a step-like counter keeps
    its name, and its total is ``total``.
    """
    found: Entry = {}
    bar = _BAR.search(text) if may_hold_a_bar(text) else None
    if bar:
        text = f"{text[: bar.start()]} | {text[bar.end() :]}"
    for shape in _SHAPES:
        both = shape.search(text) if "[" in text else None
        if both:
            found |= {name: int(number) for name, number in both.groupdict().items()}
            text = f"{text[: both.start()]} | {text[both.end() :]}"
            if "epoch" in found:
                return found, text
    rest: list[str] = []
    last = 0
    for match in _COUNTER.finditer(text):
        name = _counter_name(match["word"])
        if name in found or (match["fraction"] and name != "epoch") or _is_a_setting(text, match):
            continue
        rest += [text[last : match.start()], " | "]
        last = match.end()
        if match["rounded"]:
            found["=rounded"] = 1
            found[name] = int(_whole(match["at"]) * _MULTIPLE[match["rounded"].lower()])
            continue
        found[name] = float(match["at"] + match["fraction"]) if match["fraction"] else _whole(match["at"])
        if match["of"]:
            found[{"epoch": "epochs", "batch": "batches"}.get(name, "total")] = int(match["of"])
        if match["batch"]:
            found |= {"batch": int(match["batch"]), "batches": int(match["batches"])}
    if {"step", "total", "global_step"} <= found.keys():  # 25/275 beside a global step is a place
        found |= {"batch": found.pop("step"), "batches": found.pop("total")}
    return found, "".join((*rest, text[last:]))


def _whole(digits: str) -> int:
    """A count, also one with a comma before every three digits."""
    return int(digits.replace(",", ""))


def _phase_before_a_counter(text: str) -> str | None:
    """The phase other than training in front of a counter: ``Evaluation Epoch 3``, ``[val] step 10``."""
    found = _PHASE_OF_A_COUNTER.search(text)
    return found[1] if found else None


def _is_a_setting(text: str, match: re.Match[str]) -> bool:
    """Whether a counter's word says how many there will be: ``Num epochs = 3``, ``epochs: 10``, ``every step 5``."""
    if match["word"].lower() == "epochs" and not match["of"] and not match["fraction"]:
        return True
    before = _LAST_WORD.search(text, max(0, match.start() - 16), match.start())
    return before is not None and before[0].rstrip().lower() in _OF_A_SETTING


@lru_cache(maxsize=256)
def _counter_name(word: str) -> str:
    """The name of a counter as a tag: plurals are the same, blanks are underscores."""
    name = re.sub(r"[ -]", "_", word.lower())
    if name.startswith(("batch", "mini")):
        return "batch"
    if name.startswith("ep"):
        return "epoch"
    return name if name in ("num_updates", "timesteps", "total_timesteps") else name.removesuffix("s")


def values_of(text: str) -> dict[str, float]:
    """Names and numbers of a line, in order, the first of each name."""
    values: dict[str, float] = {}
    sure = False
    for name, number, assigned in _pairs(text):
        if name.lower() not in _NO_VALUES and name not in values and not name.endswith(".py"):
            values[name] = number
            sure = sure or assigned or tells(name)
    return values if sure else {}


def _pairs(text: str) -> Iterator[tuple[str, float, bool]]:
    """Name, number, and whether ``:`` or ``=`` stands between them."""
    for match in _PAIR.finditer(text):
        name = match["name"].strip()
        minutes = match["rounded"] == "m" and _OF_TIME.search(name) is not None
        if match["rounded"] and not minutes:
            continue  # 13K: nobody knows which
        if match["open"] and _MORE_OF_A_LIST.match(text, match.end()):
            yield from _numbered(name, text, match)
            continue
        assigned = bool(match["sep"].strip())
        if not assigned:
            name = _spoken(text, match, name)
        if name:
            yield name, float(match["number"].replace(",", "")) * (60 if minutes else 1), assigned


def _numbered(name: str, text: str, match: re.Match[str]) -> Iterator[tuple[str, float, bool]]:
    """``Losses: [2.4, 4.0, 10.7]``: the numbers of a list that is closed, each by its place."""
    end = text.find("]" if match["open"] == "[" else ")", match.end(), match.end() + LONGEST_LIST)
    found = [number_written(cell.strip()) for cell in text[match.start("number") : max(end, 0)].split(",")]
    if tells(name) and match["sep"].strip() and None not in found:
        yield from ((f"{name}[{at}]", number, True) for at, number in enumerate(found) if number is not None)


def _spoken(text: str, match: re.Match[str], name: str) -> str:
    """The name of a number that nothing but a blank sets apart: one that tells of training, or that fills its part."""
    before = text[: match.start()].rstrip(" ")[-1:]
    fills = (not before or before in _BEFORE_SPOKEN) and _BEHIND_SPOKEN.match(text, match.end()) is not None
    words = name.split(" ")
    if not _NEVER_IN_A_NAME.isdisjoint(word.lower() for word in words):
        return ""
    if fills and (len(words) <= 3 or tells(name)):
        return name
    return next((" ".join(words[at:]) for at in range(len(words)) if tells(" ".join(words[at:]))), "")


@lru_cache(maxsize=4096)
def tells(name: str) -> bool:
    """Whether a name is one of a figure of training."""
    return role_of_tag(name) is not None or _NAMES_WITHOUT_A_ROLE.search(name) is not None


def may_hold_a_bar(text: str) -> bool:
    """Whether a line has the signs of a progress bar; most lines have none."""
    return "%|" in text or ("% " in text and "/" in text and "[" in text)


def phase_of_a_bar(text: str) -> str | None:
    """The phase other than training that stands before a bar: ``Validating:  40%|``, ``Epoch 3 [val]: 100%|``."""
    found = _PHASE_OF_A_BAR.search(text, 0, max(text.find("%|"), text.find("% ")))
    return found[1] if found else None


def bar_of(raw: str) -> tuple[int, int] | None:
    """Place and total of the last bar in a line, also of one that the line painted over."""
    at = raw.rfind("%|") if "%|" in raw else raw.rfind("% ")
    found = _BAR.search(raw, max(0, at - 3)) if at >= 0 else None
    return (int(found["at"]), int(found["of"])) if found else None


class OpenBlock:
    """A counter that stands alone, and the lines of numbers below it that belong to it.

    ``Epoch 3/25`` above ``train Loss: 0.5 Acc: 0.8``; ``Epoch 0`` above ``train_loss -0.12``.
    """

    def __init__(self) -> None:
        self.counters: Entry = {}
        self.lines = 0
        self.heading: Any = None  # the label of an epoch that stood alone, until a line of numbers has another

    def open(self, counters: Entry, *, alone: bool = True) -> None:
        """Begin below another counter; a step that stands alone stays inside the epoch that stood above it."""
        if "epoch" in counters:
            self.heading = counters["epoch"] if alone else None
        outer: Entry = {name: self.counters[name] for name in ("epoch", "epochs") if name in self.counters}
        self.counters, self.lines = (counters if "epoch" in counters else {**outer, **counters}), 0

    def entry_of(self, text: str) -> Entry | None:
        """What a line without a counter says; None where it says nothing, or no counter stands above it."""
        counters, rest = counters_of(text)
        if counters and not values_of(rest):
            if _stands_alone(rest):
                self.open(counters)
            return None
        self.lines += 1
        if not self.counters or self.lines > LINES_OF_A_BLOCK or _PLACE_OF_ANOTHER.search(rest):
            return None
        values = values_of(rest)
        return {**self.counters, **counters, **_of_one_phase(values, rest)} if any(map(tells, values)) else None


def _stands_alone(rest: str) -> bool:
    return len(_LETTERS.findall(rest)) <= WORDS_BESIDE_A_COUNTER


def _of_one_phase(values: dict[str, float], text: str) -> dict[str, float]:
    """``train Loss: 0.5 Acc: 0.8``, ``DEV : loss 0.17``: the phase in front belongs to every number of the line."""
    found = _PHASE_IN_FRONT.match(text)
    if found is None:
        return values
    return _prefixed(values, found[1])


def _prefixed(values: dict[str, float], phase: str) -> dict[str, float]:
    own = phase.lower()[:3]
    return {name if name.lower().startswith(own) else f"{phase} {name}": value for name, value in values.items()}


def without_logger(text: str) -> str:
    """A line without what Python's logging puts before its message; a counter in front is no part of that."""
    if "INFO" not in text and "DEBUG" not in text and "WARNING" not in text:
        return text
    found = _OF_A_LOGGER.match(text)
    return text[found.end() :] if found and not counters_of(found[0])[0] else text


def rank_of(text: str) -> tuple[int | None, str]:
    """The rank that a launcher puts before every line, and the line behind it."""
    found = _PREFIX.match(text)
    return (int(found["rank"]), text[found.end() :]) if found else (None, text)
