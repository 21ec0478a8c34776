"""The rule catalogue: every module of the family folders that ends in RULE, and the rules of other packages.

A rule is a generator over a timeline. It yields ``Finding`` and, where it could not look, ``Unchecked``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from analyzer.extensions import accepted
from analyzer.model import Finding, Severity
from analyzer.timeline import Timeline


class Unchecked(Struct, frozen=True, kw_only=True):
    """A rule's answer when it could not look: why, and what would let it."""

    reason: str
    accident: bool = False  # an error inside the program


class Example(Struct, frozen=True, kw_only=True):
    """A small log that goes through the real readers and clocks; a test and a piece of documentation at once."""

    title: str
    files: Callable[[], Mapping[str, str | bytes]]  # file name -> contents; built when asked for
    declared: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""  # for a good example: why this must stay silent


class Rule(Struct, frozen=True, kw_only=True):
    """One rule: what it is called, what it needs, how it checks, and why anybody should believe it."""

    code: str  # "EPO001"; never changes meaning
    name: str  # "epoch-off-by-one"
    severity: Severity  # the gravest it says
    check: Callable[[Timeline], Iterator[Finding | Unchecked]]
    help: str  # one line: what to do
    sources: tuple[str, ...]  # papers, framework sources or issues that show why it matters
    bad: tuple[Example, ...] = ()  # must fire
    good: tuple[Example, ...] = ()  # must stay silent
    documentation: str = ""  # the module's docstring, filled in by the catalogue


@cache
def catalogue() -> tuple[Rule, ...]:
    """All rules, by code. Found by walking the folders: a rule is one file. Those of other packages are last."""
    others, _ = _others()
    return (*own_rules(), *sorted(others, key=lambda rule: rule.code))


@cache
def own_rules() -> tuple[Rule, ...]:
    """The rules that the analyzer brings."""
    found: list[Rule] = []
    for module_info in pkgutil.walk_packages(__path__, prefix=f"{__name__}."):
        if module_info.ispkg:
            continue
        module = importlib.import_module(module_info.name)
        rule = getattr(module, "RULE", None)
        if isinstance(rule, Rule):
            found.append(replace(rule, documentation=module.__doc__ or ""))
    return tuple(sorted(found, key=lambda rule: rule.code))


@cache
def _others() -> tuple[list[Rule], list[str]]:
    taken = [name for rule in own_rules() for name in (rule.code, rule.name)]
    found, problems = accepted("analyzer.rules", Rule, "RULE", taken, "code")
    return [
        replace(rule, documentation=rule.documentation or (module and module.__doc__) or "") for rule, module in found
    ], problems


def extension_problems() -> list[str]:
    """A line for every rule of another package that is left out, and why."""
    return _others()[1]
