"""The counters of a line: a word for what is counted, the place, and how many there are.

``Epoch 3/10``, ``[0/50][0/6]``, ``step#: 95``, ``Iter [100/600]`` and the bars of tqdm.
The words are a table.
Every expression here takes time linear in the line: repetitions are possessive or bounded.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

Entry = dict[str, Any]

# counters of steps, as a line names them; the names of places and totals are not among them
COUNTERS = frozenset({
    "step", "iter", "iteration", "global_step", "global_iter", "update", "num_updates", "itr", "n_iter",
    "training_step", "train_step", "train_iter", "it", "total_step", "timestep", "timesteps", "total_timesteps",
    "episode", "round", "env_step",
})  # fmt: skip
_WITH_PLACES = frozenset({"step", "iter", "iteration"})  # that may be places in an epoch, where a total says so
FOLD = "fold"  # of a cross-validation: a run of its own
UNNAMED = "unnamed"  # beside a step whose line has no word for it
PROGRESS = "progress"  # the share of a run that is done, in percent: a place that nobody can count with
PLACES = frozenset({PROGRESS, UNNAMED, "epoch", "epochs", "batch", "batches", "samples", "of", "total"})
MULTIPLE = {"k": 1e3, "m": 1e6, "b": 1e9}
COUNTER_WORD = (
    r"global[ _-]?(?:steps?|iter(?:ation)?s?)|(?:training|train|total)[ _-](?:steps?|iter(?:ation)?s?)|steps?"
    r"|(?:actor|env|environment|agent)[ _]steps?"
    r"|iter(?:ation)?s?|itr|n_iter|(?:num_|n_?)updates|updates?"
    r"|(?:total[ _])?timesteps?|(?:mini[ _-]?)?batch(?:es)?(?:[ _](?:idx|index|id))?|epochs?|epoche|epch|ep"
    r"|episodes?|rounds?|data pass"
)
# a counter: its word, its place, and how many there are; ``Epoch [3][ 100/600]`` holds two
_COUNTER = re.compile(
    rf"(?<![A-Za-z0-9_/.])(?<![A-Za-z0-9_]-)(?P<word>{COUNTER_WORD}|it(?=[:=]|\s{{1,8}}\d))(?:\s(?:no|nr|num|number)\b\.?)?(?![A-Za-z_/])"
    r"(?P<sep>\s{0,4}(?:#[:=]?|[:=]{1,2}#?|\.(?=\s)|\.\.\.|-{1,3}>|={1,3}>)\s{0,8}|\s{0,8})"
    r"(?P<open>[\[(]{0,1})\s{0,6}(?P<at>\d{1,3}(?:,\d{3}){1,4}(?!\d|,\d)|\d{1,15})(?P<fraction>\.\d{1,15})?"
    r"(?P<rounded>[KMB](?!\w))?(?:st|nd|rd|th)?"
    r"(?:\s{0,6}(?:/|of|out of)\s{0,6}(?P<of>\d{1,3}(?:,\d{3}){1,4}(?!\d|,\d)|\d{1,15}))?\s{0,6}[\])]{0,1}"
    r"(?:\s{0,2}(?:\[\s{0,8}(?P<batch>\d{1,15})\s{0,6}/\s{0,6}(?P<batches>\d{1,15})\s{0,6}\]"
    r"|\(\s{0,8}(?P<batch_>\d{1,15})\s{0,6}/\s{0,6}(?P<batches_>\d{1,15})\s{0,6}\)))?"
    r"(?![\w%]|\.(?=\S)|/s|[eE:]\d|\s{0,2}(?:m?s|secs?|seconds?|min|minutes?|hours?|samples|images|examples|tokens|words|sentences|files)\b)",
    re.I,
)
# [3/10][ 100/600], [4/600], [30/32], 6/12 ( 50%) [ 329/464 ( 71%)]
_LABEL_AND_PLACE = re.compile(
    r"(?<![\w/.-])\[?\s{0,6}(?P<epoch>\d{1,9})\s{0,2}/\s{0,6}(?P<epochs>\d{1,9})(?:\s?\(\s{0,3}\d{1,3}%\))?[\],]{0,2}\s{0,2}"
    r"\[\s{0,6}(?P<batch>\d{1,15})\s{0,2}/\s{0,6}(?P<batches>\d{1,15})\s?(?:\(\s{0,3}\d{1,3}%\))?\]"
)
# [epoch][place of the epoch/places/step of the run]
# Step/Epoch [4820/7][320/750]: two words for two numbers, in their order, and the place in the epoch
_TWO_WORDS = re.compile(
    rf"(?<![\w/.-])(?P<one>{COUNTER_WORD})/(?P<other>{COUNTER_WORD})\s?[:=]?\s?\[?(?P<at>\d{{1,15}})/(?P<other_at>\d{{1,15}})"
    r"\]?(?:\[(?P<batch>\d{1,15})/(?P<batches>\d{1,15})\])?(?![\w.%])",
    re.I,
)
_THREE_COUNTERS = re.compile(
    r"\[(?P<epoch>\d{1,9})\]\[(?P<batch>\d{1,15})/(?P<batches>\d{1,15})/(?P<global_step>\d{1,15})\]"
)
_IN_ONE_BRACKET = re.compile(  # [3: 35/38] loss, [train: 1, 50 / 2600]
    r"\[(?:[A-Za-z]{1,12}:)?\s{0,6}(?P<epoch>\d{1,9})[:,]\s{0,6}(?P<batch>\d{1,15})\s?/\s{0,6}(?P<batches>\d{1,15})\]"
)
# a bar of tqdm: what stands before it, the place and the total
# and as notebooks keep it: 100% 1330/1330 [14:55<00:00
_BAR = re.compile(r"\d{1,3}%(?:\|[^|]{0,400}\|\s{0,8}|\s{1,2})(?P<at>\d{1,15})/(?P<of>\d{1,15})\s\[")
# of signs, with its place typed over them, or behind them: [=====>  20/98 ........], [####----] 250/6250
_OF_SIGNS = re.compile(
    r"\[[=>.#\s-]{2,400}(?:\s|\]\s{0,3})(?P<at>\d{1,15})/(?P<of>\d{1,15})(?![\d./])(?:\s[=>.#\s-]{0,400}\])?"
)
# a closed bar of signs, with its place at the end of the line: [====>...]  Step: 53ms | Loss: 1.8      100/391
_CLOSED = re.compile(r"\[[=>.#-]{8,400}\]\s")
_PLACE_AT_THE_END = re.compile(r"\s(?P<at>\d{1,15})/(?P<of>\d{1,15})\s{0,9}$")
# a place in the epoch behind its label, in examples where a share follows it
_SAMPLES = re.compile(
    r"\bTrain Epoch: (?P<epoch>\d{1,9})\s{0,3}\[\s{0,9}(?P<samples>\d{1,15})/(?P<of>\d{1,15})\s{0,2}"
    r"\(\s{0,3}\d{1,3}%\)\]"
)
_AT_THE_END = re.compile(  # loss: 2.30  [ 6400/60000]; Epoch [3/20] is an epoch
    r"(?<![A-Za-z:])(?<![A-Za-z:]\s)\s\[\s{0,9}(?P<samples>\d{1,15})/\s{0,9}(?P<of>\d{1,15})\]$"
)
_EPOCH_AND_BATCH = re.compile(r"^\[\s{0,6}(?P<epoch>\d{1,9}),\s{0,9}(?P<batch>\d{1,15})\]\s")  # [1,  2000] loss: 2.2
# Minibatch[  95- 188, 20%]
_RANGE = re.compile(r"\b(?:mini)?batch\[\s{0,9}\d{1,15}\s?-\s{0,9}(?P<batch>\d{1,15})[,\]]", re.I)
# Epoch: 0:12, loss
# E3 S100 | total 2.3
_BY_LETTERS = re.compile(
    r"\W{0,3}E\s?(?P<epoch>\d{1,6})(?:/(?P<epochs>\d{1,6}))?"
    r"(?:[\s/|:,.-]{0,3}[SBI]\s?(?P<batch>\d{1,9})(?:/(?P<batches>\d{1,9}))?)?(?=[\]\s|:,])",
    re.I,
)
_LABEL_COLON_PLACE = re.compile(r"\bepoch[es]?:?\s(?P<epoch>\d{1,9}):(?P<batch>\d{1,15})(?=[,;\s])", re.I)
_SHAPES = (
    _LABEL_AND_PLACE, _THREE_COUNTERS, _IN_ONE_BRACKET, _SAMPLES, _EPOCH_AND_BATCH, _AT_THE_END, _LABEL_COLON_PLACE,
    _RANGE,
)  # fmt: skip
# 8/210 (epoch 0.190), train_loss = 3.85; a date is none
_AT_THE_START = re.compile(
    r"^[\s|]{0,8}[\[(]?\s{0,6}(?P<step>\d{1,15})\s?/\s?(?P<total>\d{1,15})[\])]?(?=[\s:,|;])(?!\s\d{1,2}:\d\d)"
)
# | 100/ 663 batches |
_BEFORE_ITS_PLURAL = re.compile(
    r"(?<![\w.])(?P<at>\d{1,15})\s{0,6}/\s{0,6}(?P<of>\d{1,15})\s(?P<word>batches|steps|iterations|iters|updates)\b",
    re.I,
)
_ORDINAL = re.compile(rf"(?<![\w.-])(?P<at>\d{{1,15}})-?(?:st|nd|rd|th) (?P<word>{COUNTER_WORD})\b", re.I)
_AFTER_SO_MANY = re.compile(rf"\bafter (?P<at>\d{{1,15}}) (?P<word>{COUNTER_WORD})\b", re.I)  # Loss after 3 epochs: 0.1
_SO_MANY = re.compile(r"\bafter \d{1,15} $", re.I)
# a fold of a cross-validation; a run of several in front of its epoch
_FOLD = re.compile(
    r"(?<![A-Za-z0-9_/.-])(?P<word>fold)\s{0,3}[:=#]?\s{0,3}(?P<at>\d{1,4})(?:\s?(?:/|of)\s?\d{1,4})?(?![\w.%])", re.I
)
# one of several trainings that a line begins with; what starts over there is another run
_TRIAL = re.compile(
    r"[^\w\n]{0,12}(?P<word>trial|run|seed|repeat|repetition|replicate|experiment|split|stage|phase|task)\s{0,3}[:=#]?\s{0,3}(?P<at>\d{1,9})"
    r"(?:\s?(?:/|of)\s?\d{1,4})?(?![\w.%])",
    re.I,
)
_ENDS_OF_WORDS = ("tep/", "poch/", "ter/", "ion/")
_OF_REWARDS = re.compile(r"rew|return|score|epsilon", re.I)  # in a line whose ``ep`` is an episode
_AN_EPOCH = re.compile(r"\bepo?ch\b", re.I)
_A_NUMBER = re.compile(r"(?<![A-Za-z])\d")
_PROGRESS = re.compile(
    r"\b(?:(?:progress|epoch)\b\s{0,3}[:=]?\s{0,3}(?P<share>\d{1,3}(?:\.\d{1,9})?)\s?%"
    r"|(?P<done>\d{1,3}(?:\.\d{1,9})?)\s?% (?:done|complete|finished)\b)", re.I
)
# in front of what is counted, and perhaps a word more: Total optimization steps = 3000
_HOW_MANY = re.compile(r"(?<![A-Za-z])(?:total|max(?:imum)?|num(?:ber)?) [A-Za-z ]{1,40}$", re.I)
LONGEST_HEAD = 120  # characters; a sentence that goes on longer is no headline
_LAST_WORD = re.compile(r"[A-Za-z]{1,12}\s?$")
_OF_A_SETTING = frozenset({
    "num", "number", "max", "total", "per", "every", "n", "warmup", "save", "until", "before", "best", "from", "since",
})  # fmt: skip


def counters_of(text: str) -> tuple[Entry, str]:
    """The counters of a line, and the line without them.

    ``epoch`` and ``epochs``, ``batch`` and ``batches`` are a place and how many there are; a step-like counter keeps
    its name, and its total is ``total``.
    """
    found: Entry = {}
    counted_of = ""  # the counter that the total was printed with
    bar = (_BAR.search(text) or _bar_of_signs(text)) if may_hold_a_bar(text) else None
    if bar:
        text = f"{text[: bar.start()]} | {text[bar.end() :]}"
    two = _TWO_WORDS.search(text) if any(one in text for one in _ENDS_OF_WORDS) else None
    if two:
        found |= {_counter_name(two["one"]): int(two["at"]), _counter_name(two["other"]): int(two["other_at"])}
        found |= {name: int(two[name]) for name in ("batch", "batches") if two[name]}
        text = f"{text[: two.start()]} | {text[two.end() :]}"
    for shape in _SHAPES:
        both = shape.search(text) if "[" in text or shape is _LABEL_COLON_PLACE else None
        if both and not found:
            found |= {name: int(number) for name, number in both.groupdict().items()}
            text = f"{text[: both.start()]} | {text[both.end() :]}"
    rounded: Entry = {}
    rest: list[str] = []
    last = 0
    for match in _COUNTER.finditer(text):
        name = _counter_name(match["word"])
        if name == "ep":
            name = "" if _AN_EPOCH.search(text) else "episode" if _OF_REWARDS.search(text) else "epoch"
        whole = name == "epoch" or match["rounded"] or not match["fraction"]
        if name in found or not whole or _is_a_setting(text, match):
            continue
        rest += [text[last : match.start()], " | "]
        last = match.end()
        if not name:
            continue  # ep:13 epch:0.27: so many episodes of the data were seen
        if match["rounded"]:
            number = float(f"{_whole(match['at'])}{match['fraction'] or ''}")
            rounded[name] = round(number * MULTIPLE[match["rounded"].lower()])
            continue
        found[name] = float(f"{_whole(match['at'])}{match['fraction']}") if match["fraction"] else _whole(match["at"])
        if match["of"]:
            found[{"epoch": "epochs", "batch": "batches"}.get(name, "total")] = _whole(match["of"])
            counted_of = name
        if match["batch"] or match["batch_"]:
            found |= {
                "batch": int(match["batch"] or match["batch_"]), "batches": int(match["batches"] or match["batches_"])
            }  # fmt: skip
    if rounded and "batch" not in found and COUNTERS.isdisjoint(found):
        found |= {"=told in thousands": 1, **rounded}
    line = "".join((*rest, text[last:]))
    if found.keys() <= {"epoch", "epochs"}:
        found, line = _otherwise(found, line)
    if counted_of in COUNTERS - _WITH_PLACES and not _WITH_PLACES.isdisjoint(found):
        del found["total"]  # of updates, where the steps beside them are those of an environment
    if {"step", "total", "global_step"} <= found.keys():  # 25/275 beside a global step is a place
        found |= {"batch": found.pop("step"), "batches": found.pop("total")}
    return found, line


def _otherwise(found: Entry, line: str) -> tuple[Entry, str]:
    """What a line counts whose counter has no word in front of it, and the line without that."""
    if place := _BEFORE_ITS_PLURAL.search(line):
        name = _counter_name(place["word"])
        told: Entry = {name: int(place["at"]), "batches" if name == "batch" else "total": int(place["of"])}
    elif not found and (place := _ORDINAL.search(line) or _AFTER_SO_MANY.search(line)):
        told = {_counter_name(place["word"]): int(place["at"])}
    elif place := _AT_THE_START.match(line):
        told = {name: int(number) for name, number in place.groupdict().items()} | {UNNAMED: 1}
    elif not found and (place := _BY_LETTERS.match(line)):
        told = {name: int(number) for name, number in place.groupdict().items() if number}
    elif not found and "%" in line and (place := _PROGRESS.search(line)):
        told = {PROGRESS: float(place["share"] or place["done"])}
    else:
        return found, line
    return {**found, **told}, f"{line[: place.start()]} | {line[place.end() :]}"


def fold_of(text: str) -> tuple[str | None, str]:
    """The fold of a cross-validation, or the trial that a line begins with, and the line without it."""
    found = _FOLD.search(text) if "old" in text or "OLD" in text else _TRIAL.match(text)
    if found is None:
        return None, text
    return f"{found['word'].lower()} {int(found['at'])}", f"{text[: found.start()]}{text[found.end() :]}"


def head_of(text: str) -> str:
    """What a line says before its first counter; "" where a number stands before that."""
    found = _COUNTER.search(text, 0, LONGEST_HEAD)
    head = text[: found.start()] if found else ""
    return "" if _A_NUMBER.search(head) else head


def _whole(digits: str) -> int:
    """A count, also one with a comma before every three digits."""
    return int(digits.replace(",", ""))


def _is_a_setting(text: str, match: re.Match[str]) -> bool:
    """Whether a counter's word says how many there will be: ``Num epochs = 3``, ``epochs: 10``, ``every step 5``."""
    if match["word"].lower() == "epochs" and not match["of"] and not match["fraction"] and match["sep"].strip():
        return True
    if _SO_MANY.search(text, max(0, match.start() - 24), match.start()):
        return True  # Loss after 3 epochs: 0.1
    before = _LAST_WORD.search(text, max(0, match.start() - 16), match.start())
    if before is None:
        return False
    if before[0].rstrip().lower() in _OF_A_SETTING:
        return True
    assigned = match["word"][-1] in "sS" and match["sep"].strip() in ("=", ":")
    return assigned and _HOW_MANY.search(text, 0, match.start()) is not None


@lru_cache(maxsize=256)
def _counter_name(word: str) -> str:
    """The name of a counter as a tag: plurals are the same, blanks are underscores."""
    name = re.sub(r"[ -]", "_", word.lower())
    if name.startswith(("batch", "mini")):
        return "batch"
    if name.startswith(("epoch", "epch", "data_pass")):
        return "epoch"
    if name.startswith(("actor", "env", "agent")):
        return "env_step"
    if name.endswith("updates") and name != "updates":
        return "num_updates"
    return name if name in ("timesteps", "total_timesteps") else name.removesuffix("s")


def may_hold_a_bar(text: str) -> bool:
    """Whether a line has the signs of a progress bar; most lines have none."""
    return "%|" in text or (
        "/" in text and (any(sign in text for sign in ("[=", "[>", "[#")) or ("% " in text and "[" in text))
    )


def bar_of(raw: str) -> tuple[int, int] | None:
    """Place and total of the last bar in a line, also of one that the line painted over."""
    at = raw.rfind("%|") if "%|" in raw else raw.rfind("% ")
    found = (_BAR.search(raw, max(0, at - 3)) if at >= 0 else None) or _bar_of_signs(raw)
    return (int(found["at"]), int(found["of"])) if found else None


def _bar_of_signs(text: str) -> re.Match[str] | None:
    """The place of a bar that is drawn with signs: over them, right behind them, or at the end of the line."""
    found = _OF_SIGNS.search(text)
    return _PLACE_AT_THE_END.search(text) if found is None and _CLOSED.search(text) else found
