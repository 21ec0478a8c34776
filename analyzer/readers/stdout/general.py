"""The general grammar of printed lines: counters, and names with numbers, however they are set apart.

One grammar for all programs that nobody knows: ``step 222 lr 1.87e-05``, ``Iter 10: Train loss 0.97, It/sec 0.079``,
``[0/50][0/6]  lr 0.001  loss 6.9 (6.9)``, ``Epoch [1/5], Step [100/600], Loss: 0.5``. A name stands beside its number
with ``:`` or ``=``; without, it must be one that tells of training, or fill its part of the line. A phase in front of
some numbers belongs to them: ``train: loss 0.5 acc 0.8 | valid: loss 0.6 acc 0.7``.
Every expression here takes time linear in the line: repetitions are possessive or bounded.
"""

from __future__ import annotations

import re

from analyzer.readers.stdout.counters import COUNTER_WORD, Entry, counters_of, head_of, may_hold_a_bar
from analyzer.readers.stdout.values import NUMBER, each_named, tells, values_of

_SAID_AT = re.compile(
    rf"(?P<name>[A-Za-z][\w -]{{2,40}}) (?:at|for|after) "
    rf"(?:(?:{COUNTER_WORD})\s{{1,3}}#?\d{{1,15}}|\d{{1,15}} (?:{COUNTER_WORD}))"
    rf"(?:,? (?:and |at )?(?:{COUNTER_WORD}) \d{{1,15}})?"
    rf"(?:\s{{0,2}}(?:[:=]|is\b)\s{{0,3}}|\s{{1,3}}(?=\d++\.\d))(?P<number>{NUMBER})",
    re.I,
)
_IN_PLURAL = re.compile(r"\b(?:iters|iterations|steps|batches|updates)\b", re.I)
_A_SIZE = re.compile(r"(?:num(?:ber)?|n|nb)[_ A-Z]|len(?:gth)?\b|size\b")
_MAY_TELL = re.compile(
    r"step|iter|epoch|batch|update|episode|round|\bep\b|loss|lr\b|learning|acc|dice|%\||\d\]\s?\[|\[\d"
    r"|\bit(?:['\"]?[:=]|\s{1,8}\d)|progress|error\b|\br?mse\b|\bmae\b|\br2\b|return\s?[:=]",
    re.I,
)
# what Python's logging puts before a message: its level, and the name of the logger
_OF_A_LOGGER = re.compile(
    r"[^\n]{0,80}?\b(?:DEBUG|INFO|WARNING)\b[\])]{0,2}\s{0,9}"
    r"(?:[-|:]\s{0,3}(?:root|__main__|\w{1,40}(?:\.\w{1,40}){1,6})\s{0,3}[-|:]\s{0,9}|[-|:]?\s{0,9})"
)
_OF_LOGURU = re.compile(  # | INFO     | env.mac:step:159 - what is no counter but a place in the source
    r"[^\n]{0,60}?\b(?:TRACE|DEBUG|INFO|SUCCESS|WARNING|ERROR)\s{0,9}\| [\w.]{1,80}:[\w<>.]{1,80}:\d{1,6} - "
)
# (:epoch, 1, :dloss, 1.187584f0)
_OF_JULIA = re.compile(r":([A-Za-z_]\w*), (-?\d+(?:\.\d+)?(?:e-?\d+)?)(?:f0)?(?=[,)])")
# I0302 08:16:12.375163 21453 Train.cpp:705] and, behind a time of its own, I training.py:609]
_OF_GLOG = re.compile(r"^[IWEF](?:\d{4}\s[\d:.]{8,20}\s{1,9}\d{1,20})?\s[\w./-]{1,80}:\d{1,6}\]\s")
_PHASE_IN_FRONT = re.compile(
    r"^\W{0,4}(train(?:ing)?|valid(?:ation)?|val|eval(?:uation)?|test|dev|cv)\b(?! ?[=:/]?\s?[\d.-])", re.I
)
# a phase that heads several numbers; one before a name is part of it: train loss 0.5
_PHASE_AS_A_HEAD = re.compile(
    r"(?<![\w/.-])(train(?:ing)?|valid(?:ation)?|val|eval(?:uation)?|test|dev)(?:\s?(?:set\s?)?[:=>|\])]\s?[\[({]?|\s?[\[({])"
    r"\s{0,4}(?=[A-Za-z])",
    re.I,
)
_PHASE_OF_A_PART = re.compile(r"\W{0,12}(train(?:ing)?|valid(?:ation)?|val|eval(?:uation)?|test|dev)\b", re.I)
_PHASE_OF_A_COUNTER = re.compile(
    r"(?:^|[\s:\[(>-])(valid(?:ation)?|val|eval(?:uation)?|test(?:ing)?|dev|cv)[\])]?:?\s{1,3}(?:epoch|step|iter|batch)",
    re.I,
)
PHASE = re.compile(r"(?<![\w/-])(valid(?:ation)?|val|eval(?:uation)?|test(?:ing)?|dev|cv)(?![\w/-])", re.I)
_PHASE_ALONE = re.compile(
    r"(?:^|[|,:\[(>\t-])\s{0,4}(valid(?:ation)?|val|eval(?:uation)?|test(?:ing)?|dev|cv)\s{0,8}(?=[|,\])\t-]|$)", re.I
)
# valid (1/40) loss, [val: 1, 50 / 2600]; Is_training: False
_PHASE_BEFORE_A_PLACE = re.compile(
    r"^\W{0,4}(valid(?:ation)?|val|eval(?:uation)?|test|dev)\s?:?\s{0,4}[\[(]?\s{0,4}\d{1,15}\s?[/,]", re.I
)
_PHASE_BEHIND_A_COUNTER = re.compile(  # Epoch 50 Val, MAE: 14.68
    rf"\b(?:{COUNTER_WORD})\s\d{{1,15}}\s(valid(?:ation)?|val|eval(?:uation)?|test(?:ing)?|dev|cv)[,:]", re.I
)
_PHASE_OF_ALL_NAMES = re.compile(  # [Epoch 0] Validation: accuracy=0.6
    r"[\])]\s{0,3}(valid(?:ation)?|val|eval(?:uation)?|test(?:ing)?|dev|cv):\s{1,3}(?=[A-Za-z])", re.I
)
_NOT_TRAINING = re.compile(r"\bis_?train(?:ing)?\s?[:=]\s?(?:false|0)\b", re.I)
OF_TRAINING = re.compile(r"\btrain", re.I)
_PHASE_OF_A_BAR = re.compile(
    r"(?<![A-Za-z])(valid(?:at(?:ion|ing|e))?|val|eval(?:uation|uating)?|test(?:ing)?|dev|cv)(?![A-Za-z])", re.I
)
_MAY_NAME_A_RANK = re.compile(r"rank|^\[(?:default|proc|worker|gpu|cuda)", re.I)
_RANK = re.compile(
    r"^\[(?:rank|default|proc|worker|gpu|cuda)[ :=]?(?P<rank>\d{1,5})\]:?\s?"
    r"|[\[|(,-]\s?rank[ :=]{0,2}(?P<inside>\d{1,5})\s?[\]|),-]\s?|\srank[ :=]{0,2}(?P<behind>\d{1,5})(?=\s|$)",
    re.I,
)


def may_tell(text: str) -> bool:
    """Whether a line has a word that every line of training has, which most lines of prose have not, and is no print of
    the arguments of a program."""
    return _MAY_TELL.search(text) is not None and "Namespace(" not in text


def entry_of(text: str) -> Entry | None:
    """Counters and numbers of a line; None where it has not both. A bar of tqdm is a counter by itself."""
    if "(:" in text:  # what Julia prints of a tuple
        text = _OF_JULIA.sub(r"\1=\2 ", text)
    counters, rest = counters_of(each_named(text))
    if not counters and not may_hold_a_bar(text):
        return None
    values = _by_phase(rest)
    if not values and (said := _SAID_AT.search(text)) and tells(said["name"]):
        values = {said["name"]: float(said["number"].replace(",", ""))}
    if not values:
        return None
    phase = phase_of_a_line(text)
    if phase is not None:
        values = prefixed(values, phase)
    sizes = _IN_PLURAL.search(text) or all(map(_A_SIZE.match, values))
    if sizes and len(counters) == 1 and not any(map(tells, values)):
        return None  # how many there are of something: 49,400 images, iters: 6,175; numImages: 11988
    return {**counters, **{name: value for name, value in values.items() if name not in counters}}


def _by_phase(text: str) -> dict[str, float]:
    """Names and numbers of a line; where it speaks of two phases, each number with the phase in front of it."""
    heads = list(_PHASE_AS_A_HEAD.finditer(text))
    if len({head[1].lower()[:2] for head in heads}) < 2:
        return _by_part(text) if "|" in text else values_of(text)
    values = values_of(text[: heads[0].start()])
    for head, after in zip(heads, [*heads[1:], None], strict=True):
        part = text[head.end() : after.start() if after else None]
        values |= prefixed(values_of(part), head[1])
    return values


def _by_part(text: str) -> dict[str, float]:
    """Names and numbers of a line of parts between bars, of which one begins with another phase than training and uses
    a name again: ``Train loss=0.5 MAE=9 | Val loss=0.6 MAE=12``."""
    values = values_of(text)
    parts = text.split("|")
    begun = [_PHASE_OF_A_PART.match(part) for part in parts]
    if len({found[1].lower()[:2] for found in begun if found}) < 2:
        return values
    told = [values_of(part) for part in parts]
    if len({name for part in told for name in part}) == sum(map(len, told)):
        return values
    phase = ""
    apart: dict[str, float] = {}
    for found, part in zip(begun, told, strict=True):
        phase = found[1] if found else phase
        apart |= prefixed(part, phase) if phase and not OF_TRAINING.match(phase) else part
    return apart


def phase_of_a_line(text: str) -> str | None:
    """The phase other than training of all numbers of a line.

    It stands in front of a counter (``Evaluation Epoch 3``, ``Validation Metrics (step 50)``), or alone between two
    signs (``Epoch 2 | Validation | Steps: 1``).
    """
    found = _PHASE_OF_A_COUNTER.search(text)
    if found:
        return found[1]
    if placed := _PHASE_BEFORE_A_PLACE.match(text):
        return placed[1]
    if "rain" in text and _NOT_TRAINING.search(text):
        return "validation"
    if may_hold_a_bar(text) and (of_bar := phase_of_a_bar(text)):
        return of_bar
    if PHASE.search(text) is None:
        return None
    if placed := _PHASE_BEHIND_A_COUNTER.search(text) or _PHASE_OF_ALL_NAMES.search(text):
        return placed[1]
    alone = {cell[1] for cell in _PHASE_ALONE.finditer(text)}
    phases = alone or {one[1] for one in PHASE.finditer(head_of(text))}
    return phases.pop() if len(phases) == 1 and not OF_TRAINING.search(head_of(text) if not alone else "") else None


def phase_of_a_bar(text: str) -> str | None:
    """The phase other than training that stands before a bar: ``Validating:  40%|``, ``Epoch 3 [val]: 100%|``."""
    found = _PHASE_OF_A_BAR.search(text, 0, max(text.find("%|"), text.find("% "), text.find("[="), text.find("[#")))
    return found[1] if found else None


def of_one_phase(values: dict[str, float], text: str) -> dict[str, float]:
    """``train Loss: 0.5 Acc: 0.8``, ``DEV : loss 0.17``: the phase in front belongs to every number of the line."""
    found = _PHASE_IN_FRONT.match(text)
    phase = found[1] if found else phase_of_a_line(text)
    return values if phase is None else prefixed(values, phase)


def prefixed(values: dict[str, float], phase: str) -> dict[str, float]:
    own = phase.lower()[:3]
    return {
        name if name.lower().startswith(own) or OF_TRAINING.search(name) else f"{phase} {name}": value
        for name, value in values.items()
    }


def without_logger(text: str) -> str:
    """A line without what Python's logging or glog put before its message; a counter in front is no part of that."""
    if glog := _OF_GLOG.match(text):
        return text[glog.end() :]
    if "INFO" not in text and "DEBUG" not in text and "WARNING" not in text:
        return text
    if loguru := _OF_LOGURU.match(text):
        return text[loguru.end() :]
    found = _OF_A_LOGGER.match(text)
    return text[found.end() :] if found and not counters_of(found[0])[0] else text


def rank_of(text: str) -> tuple[int | None, str]:
    """The rank of the process that a launcher or a line names, and the line without it."""
    found = _RANK.search(text) if _MAY_NAME_A_RANK.search(text) else None
    if found is None:
        return None, text
    number = int(found["rank"] or found["inside"] or found["behind"])
    return number, f"{text[: found.start()]} {text[found.end() :]}".strip()
