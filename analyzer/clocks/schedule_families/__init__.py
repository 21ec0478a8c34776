"""Families of learning-rate schedules: every module of this folder that ends in FAMILY, found by walking it.

A family knows its names as frameworks spell them, its rates at counters, and the schedules that a declaration admits:
its parameters under every convention of the frameworks. A new family is one new file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from analyzer.model import Floats

if TYPE_CHECKING:
    from analyzer.clocks.schedules import Schedule


class Family(Struct, frozen=True, kw_only=True):
    """One family. Counters and rates are arrays of one shape."""

    name: str
    spelled: str  # without case and punctuation, separated by blanks
    value: Callable[[Schedule, Floats], Floats]  # rates behind the warmup
    admitted: Callable[..., Iterator[Schedule]]  # (blank, claim, total, floors, extras): what a declaration admits
    ends: bool = False  # it comes down to its floor at T
    covers_warmup: bool = False  # ``value`` is the whole curve, its rise included


@cache
def families() -> Mapping[str, Family]:
    """All families by name."""
    found: dict[str, Family] = {}
    for module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
        family: Any = getattr(importlib.import_module(module.name), "FAMILY", None)
        if family is not None:
            found[family.name] = family
    return found


@cache
def family_names() -> Mapping[str, str]:
    """Names as frameworks spell them, without case and punctuation, and the family that each means."""
    return {spelled: family.name for family in families().values() for spelled in family.spelled.split()}


@cache
def ending() -> frozenset[str]:
    """Families that come down to their floor at T."""
    return frozenset(family.name for family in families().values() if family.ends)
