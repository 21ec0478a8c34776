"""How the programs that we know print a step: a table of line patterns, tried on lines one after another."""

from __future__ import annotations

import re
from collections import Counter

from analyzer.readers.stdout.objects import json_after, json_in_a_line, mlperf, nested_in_a_line
from analyzer.readers.stdout.own_forms import espnet_batches, espnet_results, flower, of_megatron, vits
from analyzer.readers.stdout.patterns import NUMBER, QUOTED, SPOKEN, Entry, LinePattern, entry_by, pairs_of

LINES: tuple[LinePattern, ...] = (
    LinePattern(
        name="mlperf",
        framework="mlperf",
        pairs=None,
        entry=mlperf,
        starts=re.compile(
            r":::(?:MLPv[\d.]+ \w+ (?P<wall>[0-9]{1,15}\.[0-9]{1,15}) \([^)]{0,400}+\) "
            r"|MLL(?:OG)? (?:(?=\{)|(?:\d+\.\d+ )))"
            r"(?:(?P<key>\w+)\s*+(?::\s*+|$))?"
            r"(?P<value>.*)$"
        ),
    ),
    LinePattern(
        name="megatron",
        framework="megatron",
        pairs=SPOKEN,
        starts=re.compile(r"^\s*iteration\s+(?P<iteration>\d+)\s*/\s*(?P<total>\d+)\s*\|"),
        renamed={"learning rate": "learning-rate", "grad norm": "grad-norm", "consumed samples": "consumed_samples"},
    ),
    LinePattern(
        name="megatron validation",
        framework="megatron",
        pairs=None,
        entry=lambda found, line: {
            "iteration": int(found["iteration"]), **of_megatron(pairs_of(SPOKEN, line[found.end() :], {}))
        },
        starts=re.compile(r"validation (?:loss|results) at iteration\s+(?P<iteration>\d{1,15})\s*\|"),
    ),
    LinePattern(
        name="modded-nanogpt",
        framework="modded-nanogpt",
        starts=re.compile(r"^step:(?P<step>\d+)/(?P<total>\d+)(?= \w+:)"),
        elapsed=("train_time",),
    ),
    LinePattern(
        name="nanogpt",
        framework="nanogpt",
        pairs=SPOKEN,
        starts=re.compile(r"^iter (?P<iter>\d+):(?= )"),
        elapsed=("time",),
    ),
    LinePattern(
        name="nanogpt evaluation",
        framework="nanogpt",
        pairs=SPOKEN,
        renamed={"train loss": "train/loss", "val loss": "val/loss"},
        starts=re.compile(r"^step (?P<iter>\d+):(?= train loss)"),
    ),
    LinePattern(
        name="llm.c",
        framework="llm.c",
        starts=re.compile(r"^s:(?P<step>\d+)(?= \w+:)"),
        renamed={"trl": "train_loss", "tel": "val_loss", "hel": "hellaswag"},
    ),
    LinePattern(
        name="fairseq json",
        framework="fairseq",
        pairs=None,
        entry=json_after,
        starts=re.compile(r"\| (?:INFO \| )?(?:train_inner|train|valid|test)\w* \| \{(?=\")"),
    ),
    LinePattern(
        name="json",
        pairs=None,
        entry=json_in_a_line,
        starts=re.compile(r"\{(?=\"[\w./ -]{1,80}\": )"),
    ),
    LinePattern(
        name="dictionary",
        pairs=None,
        entry=nested_in_a_line,
        starts=re.compile(r"\{'[\w./ -]{1,80}': [^{}]{0,2000}\{'"),
    ),
    LinePattern(
        name="fairseq",
        framework="fairseq",
        pairs=SPOKEN,
        behind="num_updates",
        starts=re.compile(r"\bepoch (?P<epoch>\d+)(?:: +\d+ / \d+|(?= \|))(?= )"),
    ),
    LinePattern(
        name="trainer",
        framework="transformers",
        pairs=QUOTED,
        behind="'epoch': ",
        starts=re.compile(r"\{(?='[\w/]+': ['\w-])"),
    ),
    LinePattern(
        name="darknet",
        framework="darknet",
        pairs=None,
        starts=re.compile(
            rf"^\s*(?P<iteration>\d+)(?:/\d+)?: (?:loss=)?(?P<loss>{NUMBER}), (?P<avg_loss>{NUMBER}) avg(?: loss)?, "
            rf"(?P<rate>{NUMBER}) rate, (?P<seconds>{NUMBER}) seconds, (?P<images>\d+) images"
        ),
        renamed={"rate": "lr", "seconds": "iteration_duration"},  # of the one iteration
    ),
    LinePattern(
        name="mmengine",
        framework="mmengine",
        starts=re.compile(
            r"\b(?:Epoch|Iter)\((?P<phase>\w+)\)\s++(?:\[(?P<epoch>\d+)\])?\[\s*(?P<batch>\d+)/(?P<batches>\d+)\]"
        ),
    ),
    LinePattern(
        name="mmcv",
        framework="mmcv",
        starts=re.compile(r"\bEpoch \[(?P<epoch>\d+)\]\[(?P<batch>\d+)/(?P<batches>\d+)\]\s"),
    ),
    LinePattern(
        name="mmcv iterations", framework="mmcv", starts=re.compile(r"\bIter \[(?P<iter>\d+)/(?P<total>\d+)\]\t")
    ),
    LinePattern(
        name="timm",
        framework="timm",
        pairs=SPOKEN,
        starts=re.compile(r"\bTrain: (?P<epoch>\d+) \[\s*(?P<batch>\d+)/(?P<batches>\d+) \(\s*\d+%\)\]"),
    ),
    LinePattern(
        name="torchvision",
        pairs=SPOKEN,
        starts=re.compile(r"\bEpoch: \[(?P<epoch>\d+)\] *\[ *(?P<batch>\d+)/(?P<batches>\d+)\]"),
    ),
    LinePattern(  # pytorch-CycleGAN-and-pix2pix, util/visualizer.py: the count goes up by the batch size
        name="cyclegan",
        framework="cyclegan",
        starts=re.compile(r"^\(epoch: (?P<epoch>\d+), iters: (?P<samples>\d+), time: [\d.]+, data: [\d.]+\) "),
    ),
    LinePattern(
        name="openclip evaluation",  # its label counts the epochs done: no label of an epoch, which training has
        framework="openclip",
        starts=re.compile(r"\bEval Epoch: (?P<epochs_done>\d+)\s"),
    ),
    LinePattern(
        name="caffe",
        framework="caffe",
        starts=re.compile(r"\bIteration (?P<iteration>\d+)(?: \([^)]{0,400}+\))?, (?=(?:loss|lr) = )"),
    ),
    LinePattern(  # espnet2/train/trainer.py
        name="espnet",
        framework="espnet",
        pairs=None,
        entry=espnet_batches,
        starts=re.compile(r"\b(?P<epoch>\d{1,9})epoch:(?P<phase>train|valid):\d{1,15}-(?P<batch>\d{1,15})batch: "),
    ),
    LinePattern(
        name="espnet results",
        framework="espnet",
        pairs=None,
        entry=espnet_results,
        starts=re.compile(r"\b(?P<epoch>\d{1,9})epoch results: (?=\[)"),
    ),
    LinePattern(  # marian-dev, src/training/scheduler.h: sentences of the epoch, the mean cost of a label
        name="marian",
        framework="marian",
        pairs=SPOKEN,
        renamed={"Sen.": "sentences", "L.r.": "lr"},
        starts=re.compile(
            rf"\bEp\. (?P<epoch>\d+) : Up\. (?P<update>\d+) : Sen\. (?P<samples_in_epoch>[\d,]{{1,20}}) : "
            rf"Cost (?P<cost>{NUMBER}) \* [\d,]{{1,20}}(?: after [\d,]{{1,20}})? :"
        ),
    ),
    LinePattern(
        name="marian validation",
        framework="marian",
        pairs=None,
        entry=lambda found, line: {
            **{name: int(found[name]) for name in ("epoch", "update")}, f"valid/{found['name']}": float(found["value"])
        },
        starts=re.compile(
            r"\[valid\] Ep\. (?P<epoch>\d{1,9}) : Up\. (?P<update>\d{1,15}) : (?P<name>[\w-]{1,40}) : "
            r"(?P<value>-?\d{1,15}(?:\.\d{1,15})?)(?![\w.])"
        ),
    ),
    LinePattern(  # RWKV-LM, src/trainer.py: a line for each (mini) epoch, without names
        name="rwkv",
        framework="rwkv",
        pairs=None,
        starts=re.compile(
            rf"^(?P<epoch>\d{{1,9}}) (?P<loss>{NUMBER}) (?P<perplexity>{NUMBER}) (?P<lr>{NUMBER}) {{1,3}}(?P=epoch)$"
        ),
    ),
    LinePattern(  # adap/flower, server.py
        name="flower", framework="flower", entry=flower,
        starts=re.compile(rf"fit progress: \((?P<round>\d{{1,9}}), (?P<loss>{NUMBER}), (?=\{{)"),
    ),
    LinePattern(  # jaywalnut310/vits, train_ms.py
        name="vits",
        framework="vits",
        pairs=None,
        entry=vits,
        starts=re.compile(
            r"(?:^|\s)\[(?P<losses>(?:\d{1,9}\.\d{1,20}(?:e-?\d{1,3})?, ){6})(?P<step>\d{1,15}), "
            r"(?P<rate>\d{1,2}\.\d{1,30}(?:e-\d{1,3})?|\d{1,2}e-\d{1,3})\]$"
        ),
    ),
    LinePattern(  # vwxyzjn/cleanrl: a line an episode, at the steps of its environment
        name="cleanrl",
        framework="cleanrl",
        pairs=None,
        starts=re.compile(
            rf"^global_step=(?P<env_steps>\d{{1,15}}), episodic_return=\[?(?P<episodic_return>{NUMBER})(?![\w.])"
        ),
    ),
    LinePattern(  # deeplearning4j, ScoreIterationListener: its score is the loss
        name="dl4j",
        framework="deeplearning4j",
        pairs=None,
        starts=re.compile(rf"\bScore at iteration (?P<iteration>\d{{1,15}}) is (?P<loss>{NUMBER})(?![\w.])"),
    ),
    LinePattern(  # the tutorial of PyTorch on translation: time since, iteration, share, mean loss
        name="seq2seq tutorial",
        pairs=None,
        starts=re.compile(
            r"^\d{1,6}m \d{1,2}s \(- \d{1,6}m \d{1,2}s\) "
            rf"\((?P<iter>\d{{1,12}}) \d{{1,3}}%\) (?P<loss>{NUMBER})$"
        ),
    ),
    LinePattern(  # results.txt of YOLOv5 up to release 4 and of YOLOv7, train.py: a line of columns without names
        name="yolo results",
        framework="yolo",
        pairs=None,
        starts=re.compile(
            r"^\s*+(?P<epoch>\d{1,6})/(?P<last>\d{1,6})\s++[\d.]{1,9}G\s++(?P<box>[\d.]{1,12})\s++(?P<obj>[\d.]{1,12})\s++"
            r"(?P<cls>[\d.]{1,12})\s++(?P<loss>[\d.]{1,12})\s++\d{1,9}\s++\d{1,6}\s++(?P<precision>[\d.e-]{1,12})\s++"
            r"(?P<recall>[\d.e-]{1,12})\s++(?P<mAP50>[\d.e-]{1,12})\s++(?P<mAP>[\d.e-]{1,12})\s++(?P<val_box>[\d.e-]{1,12})\s++"
            r"(?P<val_obj>[\d.e-]{1,12})\s++(?P<val_cls>[\d.e-]{1,12})"
        ),
        renamed={"last": "last_epoch", "box": "box_loss", "obj": "obj_loss", "cls": "cls_loss",
                 "val_box": "val_box_loss", "val_obj": "val_obj_loss", "val_cls": "val_cls_loss"},
    ),
    LinePattern(
        name="bars",
        pairs=SPOKEN,
        starts=re.compile(r"^\s*+step\s++(?P<step>\d+)\s*+/\s*+(?P<total>\d+)\s*+\|", re.I),
    ),
)

BELOW_AN_EPOCH = frozenset({"vits"})  # patterns of lines whose label stands alone above them
_DIGITS = re.compile(r"\d{1,15}")  # longer numbers are none to some patterns: their shape is another
LONGEST_SHAPE, MOST_SHAPES = 1_000, 4_000  # signs, and how many are remembered
# Every pattern above needs one of these words; most lines of prose and source have none.
_ANY_WORD = re.compile(
    r"\bEp\. \d|fit progress|step|iter|epoch|batch|update|:::ML|train|valid|^s:\d|\{'|, \S+ avg|\[\d{1,9}\.\d"
    r"|^\d+m \d+s|^ *\d+/\d+ +[\d.]+G|^\d+ [\d.]+ [\d.]+ \S+ +\d+$",
    re.I,
)


def begins_as_known(text: str) -> bool:
    """Whether a line counts something in the way of a program, whatever else it says."""
    return _ANY_WORD.search(text) is not None and any(line.starts.search(text) for line in LINES)


class Patterns:
    """The table of patterns, tried on lines one after another: most lines of a log differ in their digits only.

    Whether a pattern begins in a line does not depend on its digits, so a shape that none began is not tried again.
    """

    def __init__(self) -> None:
        self._order = list(LINES)
        self._hits: Counter[str] = Counter()
        self._of_no_program: set[str] = set()

    def first_match(self, text: str) -> tuple[str, Entry] | None:
        """Name of the pattern, and what the line says by it; None where none knows it."""
        shape = _DIGITS.sub("0", text)
        if shape in self._of_no_program:
            return None
        begun = False
        for pattern in self._order if _ANY_WORD.search(text) else ():
            found = pattern.starts.search(text)
            if not found or (pattern.behind and text.find(pattern.behind, found.end()) < 0):
                continue
            begun = True
            entry = pattern.entry(found, text) if pattern.entry is not None else entry_by(pattern, found, text)
            if entry:
                self._count(pattern.name)
                return pattern.name, entry
        if not begun and len(text) <= LONGEST_SHAPE and len(self._of_no_program) < MOST_SHAPES:
            self._of_no_program.add(shape)
        return None

    def _count(self, name: str) -> None:
        self._hits[name] += 1
        if self._hits[name] == 1000:  # most lines of one log are alike: try that pattern first
            self._order.sort(key=lambda one: -(self._hits[one.name] // 1000))
