"""Names and numbers of a line, however they are set apart.

A name stands beside its number with ``:``, ``=`` or ``is``; without, it must be one that tells of training, or fill its
part of the line. A unit behind a number (seconds, GB, it/s) says what it measures, whatever it is called.
Every expression here takes time linear in the line: repetitions are possessive or bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from analyzer.roles import MEASURED, is_an_error, role_of_tag
from analyzer.written_numbers import number_written

NUMBER = (
    r"[+-]?(?:\d{1,3}(?:,\d{3})++(?!\d|,\d)|\d++)(?:\.\d*+)?(?:[eE][+-]?\d{1,3})?|[+-]?\.\d++(?:[eE][+-]?\d{1,3})?"
    r"|[+-]?(?:nan|inf(?:inity)?)\b"
)
_PLAIN = r"[+-]?\d++(?:\.\d*+)?(?:[eE][+-]?\d{1,3})?"
_DECIMAL = r"\d++(?:\.\d++(?:e[+-]?\d{1,3})?|e[+-]?\d{1,3})"
LONGEST_LIST = 1_000  # characters
_MORE_OF_A_LIST = re.compile(r"['\"]?,?\s{0,2}['\"]?[\d.+-]")
_OF_TIME = re.compile(r"\btime$|elapsed", re.I)
_FIRST = r"(?:\d[A-Za-z]{1,3}_|[^\W\d])"  # 3d_train, loss, Δ
_NAME = (  # no name goes on behind a sentence's end, or over a value: loss nan lr 0.1; Avg. loss does
    rf"(?<![\w./])(?:\|{{1,2}}[^\s|\d][^\s|]{{0,12}}\|{{1,2}}(?=\s?[=:])"  # |g|
    rf"|{_FIRST}[\w@/.%^-]*+(?:\[[^\W\d]\w{{0,20}}\])?)"
    r"(?:(?<![A-Za-z]{4}\.) (?!(?:is|nan|inf|infinity|none)\b)[A-Za-z@][\w@/.-]*+){0,3}"
    r"\+?(?: ?\((?:\d{1,6} )?[A-Za-z%/_-][\w%/ +-]{0,39}\))?"
)
_PAIR = re.compile(
    rf"(?P<name>{_NAME})['\"]?"
    r"(?P<sep>(?: is)?\s{0,8}(?:[:=]{1,2}|:?-{1,3}>|:?={1,3}>|>>|\.{3,60}|\|(?=\s))\s{0,8}| is |\s{1,12})"
    rf"(?P<open>(?:[\[(]\s{{0,2}}['\"]?)?)(?!\d++\s{{0,2}}[:=]\s{{0,3}}[\d.-])"
    rf"(?P<number>{NUMBER})(?P<rounded>[KMB](?!\w))?(?:[/~-](?P<second>{_DECIMAL}))?"
    r"(?!\d|\.\d|[eE][+-]?\d|:\d|[hm]\d|,\d{3}\b|/\d|-\d|[a-z]\})",  # {loss:.4f} is source
    re.I,
)
# a name and its number in turn, with one sign between all of them: it;300;loss;0.78
_PAIRS_OF_A_LINE = re.compile(
    rf"\s{{0,8}}(?:[A-Za-z][\w /.-]{{0,40}}(?P<sign>[;,|\t])\s?{_PLAIN}\s?)"
    rf"(?:(?P=sign)\s?[A-Za-z][\w /.-]{{0,40}}(?P=sign)\s?{_PLAIN}\s?){{1,60}}(?P=sign)?\s{{0,8}}"
)
# the same with nothing but blanks between them: epoch 13 success rate 0.5 loss 0.12: exploration 0.9
_WORD = r"[A-Za-z][\w@/.%-]*+"
NAME_OF_WORDS = rf"(?<![\w@/.%-]){_WORD}(?: {_WORD}){{0,3}}"
_SPOKEN_PAIR = rf"(?P<name>{NAME_OF_WORDS})\s?[:=]?\s{{1,4}}(?P<number>{_PLAIN})(?:[,:;|]?(?:\s++|$))"
_ONE_SPOKEN = re.compile(_SPOKEN_PAIR)
_SPOKEN_PAIRS = re.compile(rf"\s{{0,8}}(?:{re.sub('P<.*?>', ':', _SPOKEN_PAIR)}){{3,60}}")
# train, round, loss, acc ===> 000, 0.95, 0.50; loss/acc: 0.5/0.8
_LISTED = re.compile(
    r"(?P<names>(?<![\w./])[A-Za-z_]\w*+(?P<sign>[,/|])\s?[A-Za-z_]\w*+(?:(?P=sign)\s?[A-Za-z_]\w*+){0,11})"
    r"\s{0,4}(?:[:=-]{1,4}>?)\s{0,4}[\[(]?"
    rf"(?P<numbers>{_PLAIN}(?:(?P=sign)\s{{0,3}}{_PLAIN}){{1,12}})(?![\w.:])"
)
_NAME_AND_SIGN = re.compile(r"\s{0,8}[A-Za-z][\w /.-]{0,40}[;,|\t]\s?[+-]?\d")
_NUMBERS_IN_A_ROW = re.compile(r"[:=>-]\s{0,4}[\[(]?[+-]?\d[\d.eE+-]*+[,/|]\s{0,3}[+-]?\d")
_SECONDS = r"(?:[mnuµ]s|s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?|days?|秒|分钟|小时)"
_UNIT = re.compile(
    rf"[\])]?\s?[\[(]?(?P<unit>{_SECONDS}(?:/[A-Za-z]{{1,12}})?|[KMGT]i?B|[A-Za-z]{{1,12}}/(?:s|sec|second|min|h))(?![\w/])"
    r"(?!\s{0,8}[:=]|\s{1,8}[\d.-])",  # the name of the next number is no unit: Loss/word: 8.2 Words/sec: 6550
)
_NEVER_IN_A_NAME = frozenset({
    "from", "to", "at", "of", "by", "in", "is", "was", "with", "and", "than", "improved", "improve", "below",
    "above", "after",
})  # fmt: skip
_BEFORE_SPOKEN = frozenset(",;|:-[({>\t")
_BEHIND_SPOKEN = re.compile(r"\s{0,2}(?:[a-zA-Z%/]{1,9}\s{0,2})?(?:$|[,;|\])}\t(-]|\s{2,})")
NO_VALUES = frozenset({
    "eta", "time", "data", "epoch", "epochs", "step", "iter", "iteration", "info", "rank", "pid", "gpu", "memory",
    "max_mem", "max", "mem", "port", "seed", "version", "line", "world_size", "it", "batch", "steps",
})  # fmt: skip
_NAMES_WITHOUT_A_ROLE = re.compile(
    r"acc|ppl|perplexity|success[ _]?rate|\br2\b|psnr|ssim|norm|dt|mfu|rew(?:ard|(?![a-z]))|return|score|f1|dice|iou"
    r"|bleu|wer|cer|auc|map"
    r"|\berr(?:or)?\b",
    re.I,
)


_TELLING = ("loss", "validation_loss", "epoch_loss", "learning_rate")
_OF_RESULTS = re.compile(
    r"acc|success[ _]?rate|rew(?:ard|(?![a-z]))|episod\w{0,9} ?_?return|\berr(?:or)?s?\b|elbo\b"
    r"|(?-i:(?<=[a-z])Err(?:or)?s?)\b"
    r"|likelihood|perplexity|(?<![a-z])ppl\b|\b(?:avg|mean|average)[ _]score\b"
    r"|\b(?:f1|auc|mAP|dice|iou|bleu|psnr|ssim)\b",
    re.I,
)
_TRAINING_ALONE = re.compile(r"tr(?:n|ain(?:ing)?)?", re.I)
_VALIDATION_ALONE = re.compile(r"va(?:l(?:id(?:ation)?)?)?|dev|test|eval", re.I)
_OF_VALIDATION = re.compile(
    r"(?:rank\d+/|\d\w{1,3}_)?(?i:val|valid(?:ation)?|eval(?:uation)?|test(?:ing)?|dev|cv)(?:$|[^a-z])"
)


def pair_of(names: Iterable[str]) -> tuple[str, str] | None:
    """The names of a figure of training and one of validation that are nothing but the name of their phase."""
    short = [name for name in names if len(name) <= len("validation")]
    train = [name for name in short if _TRAINING_ALONE.fullmatch(name)]
    other = [name for name in short if _VALIDATION_ALONE.fullmatch(name)]
    return (train[0], other[0]) if len(train) == 1 and len(other) == 1 else None


def values_of(text: str, *, sure: bool = False) -> dict[str, float]:
    """Names and numbers of a line, in order, the first of each name; ``sure`` where something else says what it is."""
    values: dict[str, float] = {}
    for name, number, assigned in _pairs(text):
        name = "Total" if name == "total" else name  # which is how the number of all steps is called
        if name.lower() not in NO_VALUES and name not in values and not name.endswith(".py"):
            values[name] = number
            sure = sure or assigned or tells(name)
    return values if sure or pair_of(values) else {}


def each_named(text: str) -> str:
    """A line in which names are listed in front of as many numbers, with each name in front of its number."""
    if turns := _PAIRS_OF_A_LINE.fullmatch(text) if _NAME_AND_SIGN.match(text) else None:
        cells = [cell.strip() for cell in text.strip().strip(turns["sign"]).split(turns["sign"])]
        return ", ".join(f"{name}: {number}" for name, number in zip(cells[::2], cells[1::2], strict=True))
    if _SPOKEN_PAIRS.fullmatch(text):
        spoken = [(one["name"], one["number"]) for one in _ONE_SPOKEN.finditer(text)]
        if _NEVER_IN_A_NAME.isdisjoint(word.lower() for name, _ in spoken for word in name.split()):
            return ", ".join(f"{name}: {number}" for name, number in spoken)
    found = _LISTED.search(text) if _NUMBERS_IN_A_ROW.search(text) else None
    if found is None:
        return text
    names, numbers = (re.split(r"[,/|]\s*", found[part]) for part in ("names", "numbers"))
    if len(numbers) > len(names):
        return text
    head = " ".join(names[: len(names) - len(numbers)])
    pairs = ", ".join(f"{name}: {number}" for name, number in zip(names[-len(numbers):], numbers, strict=True))
    return f"{text[: found.start()]}{head} {pairs}{text[found.end() :]}"


def _pairs(text: str) -> Iterator[tuple[str, float, bool]]:
    """Name, number, and whether ``:`` or ``=`` stands between them."""
    end = -1  # of the last pair: a word right behind it is the name of the next
    for match in _PAIR.finditer(text):
        name = match["name"].strip()
        name = name[4:] if name[:4].lower() == "the " else name
        chained = end >= 0 and " " not in name and not text[end : match.start()].strip(" ")
        end = -1
        minutes = match["rounded"] == "m" and _OF_TIME.search(name) is not None
        if match["rounded"] and not minutes:
            continue  # 13K: nobody knows which
        if match["open"] and _MORE_OF_A_LIST.match(text, match.end()):
            yield from _numbered(name, text, match)
            continue
        if match["second"]:  # two rates of two groups: 1e-6-1e-4, 5e-05/5e-04
            if (tells(name) or _is_a_phase(name)) and not match["number"].isdigit():
                yield from ((f"{name}[{at}]", float(match[part]), True) for at, part in enumerate(("number", "second")))
            continue
        between = match["sep"].strip()
        assigned = bool(between) and between != "|"
        if between == "|" and not tells(name):
            continue  # cells of a table
        if not between:
            name = name if chained and name.lower() not in _NEVER_IN_A_NAME else _spoken(text, match, name)
        unit = _UNIT.match(text, match.end())
        if unit and name and role_of_tag(name) is not None:
            name = measured(name, unit["unit"])
        if name:
            end = unit.end() if unit else match.end()
            yield name, float(match["number"].replace(",", "")) * (60 if minutes else 1), assigned


def measured(name: str, unit: str) -> str:
    """A name with the unit of its number, where the name alone says that the number is no duration, size or speed."""
    return name if role_of_tag(name) in MEASURED else f"{name} in {unit}"


def _numbered(name: str, text: str, match: re.Match[str]) -> Iterator[tuple[str, float, bool]]:
    """``Losses: [2.4, 4.0, 10.7]``: the numbers of a list that is closed, each by its place."""
    end = text.find("]" if match["open"][0] == "[" else ")", match.end(), match.end() + LONGEST_LIST)
    found = [number_written(cell.strip(" \t'\"")) for cell in text[match.start("number") : max(end, 0)].split(",")]
    if not match["sep"].strip():
        name = _telling_end(name)
    if name and tells(name) and None not in found:
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
    return words[-1] if _is_a_phase(words[-1]) and not match["number"].isdigit() else _telling_end(name)


def _is_a_phase(name: str) -> bool:
    return (_TRAINING_ALONE.fullmatch(name) or _VALIDATION_ALONE.fullmatch(name)) is not None


def _telling_end(name: str) -> str:
    """The last words of a name that tell of training; "" where none do."""
    words = name.split(" ")
    return next((" ".join(words[at:]) for at in range(len(words)) if tells(" ".join(words[at:]))), "")


@lru_cache(maxsize=4096)
def tells(name: str) -> bool:
    """Whether a name is one of a figure of training."""
    return role_of_tag(name) is not None or is_an_error(name) or _NAMES_WITHOUT_A_ROLE.search(name) is not None


@lru_cache(maxsize=4096)
def of_validation(name: str) -> bool:
    """Whether a name is one of a figure of another phase than training."""
    return role_of_tag(name) == "validation_loss" or _OF_VALIDATION.match(name) is not None


@lru_cache(maxsize=4096)
def is_a_result(name: str) -> bool:
    """Whether a name is one of what training is judged by: a loss, a rate, an accuracy, a reward, an error."""
    return role_of_tag(name) in _TELLING or is_an_error(name) or _OF_RESULTS.search(name) is not None
