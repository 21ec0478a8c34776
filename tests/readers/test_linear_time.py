"""No text makes a reader take more time than its length: each of these would take minutes where a pattern tries a
repeat in more than one way. Nothing is timed; a pattern that is not linear is seen by tests that do not end."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import analyzer.config
import analyzer.readers
import analyzer.renderers
from analyzer import roles
from analyzer.config import framework_names, sidecars
from analyzer.readers import all_readers
from analyzer.readers.stdout import programs
from tests.readers.linear_time import attacks

LINE_PATTERNS = {f"{line.name}: starts": line.starts for line in programs.LINES}
FROM_THE_START = ("_KEY", "_TOKEN", "_STAMP", "_TENSOR", "_MLPERF_METRIC", "_SPACE", "_BETWEEN", "LINE")  # not searched


def compiled() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Every pattern that a module of the readers keeps."""
    names = [one.name for one in pkgutil.walk_packages(analyzer.readers.__path__, "analyzer.readers.")]
    modules = [importlib.import_module(name) for name in names]
    for module in [*modules, roles, sidecars, framework_names]:
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                yield f"{module.__name__}.{name}", value


@pytest.mark.parametrize(("name", "pattern"), [*LINE_PATTERNS.items(), *dict(compiled()).items()])
def test_no_pattern_takes_more_than_linear_time(name: str, pattern: re.Pattern[str]) -> None:
    find = pattern.match if name.endswith(FROM_THE_START) else pattern.search
    for text in attacks(pattern):
        find(text)


def in_calls() -> Iterator[tuple[str, str, re.Pattern[str]]]:
    """Every pattern that stands in a call of a function of ``re``, where names of files are not what it sees."""
    for package in (analyzer.config, analyzer.readers, analyzer.renderers):
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(
                        func=ast.Attribute(value=ast.Name(id="re"), attr=function),
                        args=[ast.Constant(value=str() as pattern), _, *_],
                    ) if function != "compile":
                        find = function if function in ("match", "fullmatch") else "search"
                        yield f"{path.stem}:{node.lineno}", find, re.compile(pattern)


@pytest.mark.parametrize(("find", "pattern"), [pytest.param(*rest, id=name) for name, *rest in in_calls()])
def test_no_pattern_in_a_call_takes_more_than_linear_time(find: str, pattern: re.Pattern[str]) -> None:
    for text in attacks(pattern):
        getattr(pattern, find)(text)


@pytest.mark.parametrize(
    "pattern", dict.fromkeys(line.pairs for line in programs.LINES if line.pairs), ids=lambda one: one.pattern
)
def test_pairs_are_found_in_linear_time(pattern: re.Pattern[str]) -> None:
    for text in attacks(pattern):
        assert len(pattern.findall(text)) <= len(text)


N = 20_000
TEXTS = {
    "epoch and blanks": "epoch" + " " * N + "x",
    "step and blanks": "step" + " " * N + "x",
    "a box of blanks": "-" * 20 + "\n|" + " " * N + "x\n" + "-" * 20,
    "a Keras bar of blanks": "Epoch 1/2\n1/1 " + " " * N + "x",
    "a name of many parts": "step 1: " + "a/" * N,
    "the same of nanoGPT": "iter 1: " + "a/" * N,
    "boosting: a long name": "[1]\t" + "a" * 10 * N + ":x\n[2]\t" + "b" * 10 * N + ":1",
    "boosting: a long number": "[1]\ta:" + "1" * N + "x\n[2]\tb:" + "1" * N,
    "digits in a cell": "step,loss\n1," + "1" * 10 * N + "x\n2,0.5",
    "digits in every cell": "step;loss\n" + f"{'1' * 2000};{'2' * 2000}x\n" * 20,
    "digits in a JSON text": '{"step": 1, "loss": "' + "1" * 10 * N + 'x"}\n{"step": 2, "loss": 1}',
    "digits in JSON": '{"step": 1, "loss": ' + "1" * 10 * N + '}\n{"step": 2, "loss": 1}',
    "objects inside one another": 'x{"step":' * N,
    "lists inside one another": "[" * N,
    "quotes": '"' * N + "\n" + 'a,"' * N,
    "commas": "step,loss\n" + "," * 5 * N,
    "carriage returns": "step 1: loss 1\r" * N,
    "colours": "\x1b[" * N + "step 1: loss: 1",
    "a shell of brackets": "Iteration 1 (" * N,
    "epochs of fairseq": "epoch 1 | " * N,
    "dictionaries": "{'loss': 1" * N,
    "log lines of MLPerf": ":::MLPv0.5.0 a 1.1 (" * N,
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("reader", [one for one in all_readers() if one.parse], ids=lambda one: one.name)
def test_hostile_texts_end(reader: analyzer.readers.Reader, text: str) -> None:
    for name in ("log.txt", "log.csv", "log.json"):
        reader.recognises(Path(name), text[:4096].encode())
    assert reader.parse is not None
    for data in (text, text + "\n", f"{text}\n" * 3):
        reader.parse(data.encode(), "log.txt")
