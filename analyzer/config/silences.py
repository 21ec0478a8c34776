"""One ``[[silence]]`` of a configuration: a finding that is known and accepted, with its reason."""

from __future__ import annotations

import datetime
import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from analyzer.model import Finding
from analyzer.spelling import did_you_mean

SILENCE_KEYS = ("rule", "run", "steps", "reason", "expires")


class BadConfig(ValueError):
    """A configuration that cannot be followed: which file, what is wrong, what to do."""


class Silence(Struct, frozen=True, kw_only=True):
    """A known finding: which, in which runs and steps, why it is accepted, and until when."""

    rule: str  # code, prefix of codes or name
    run: str = "*"  # glob on the run's name
    first_step: int | None = None
    last_step: int | None = None
    reason: str
    expires: datetime.date | None = None
    found_in: str = ""

    def covers(self, run_name: str, finding: Finding, today: datetime.date) -> bool:
        if self.expires is not None and today > self.expires:
            return False
        if not (finding.code.startswith(self.rule) or finding.name == self.rule):
            return False
        if not fnmatch.fnmatchcase(run_name, self.run):
            return False
        if self.first_step is None or finding.first_step is None:
            return True
        last = finding.last_step if finding.last_step is not None else finding.first_step
        return finding.first_step <= (self.last_step or self.first_step) and last >= self.first_step


def known_keys(table: Mapping[str, Any], keys: Iterable[str], name: str, where: str) -> None:
    """Pass a table whose keys are known.

    Raises:
        BadConfig: for a key that is not, with the nearest that is.
    """
    keys = tuple(keys)
    for key in table:
        if key not in keys:
            hint = did_you_mean(key, keys, otherwise=f"known here: {', '.join(keys)}")
            raise BadConfig(f"{name}: unknown key {key!r}{f' in [{where}]' if where else ''}; {hint}")


def silence_of(entry: Mapping[str, Any], name: str) -> Silence:
    """The silence of one entry.

    Raises:
        BadConfig: for an unknown key, or a value that is not what its key needs.
    """
    known_keys(entry, SILENCE_KEYS, name, "[silence]")
    rule, reason = entry.get("rule"), entry.get("reason")
    if not isinstance(rule, str) or not rule:
        raise BadConfig(f'{name}: a [[silence]] needs rule = "CODE"')
    if not isinstance(reason, str) or not reason.strip():
        raise BadConfig(f'{name}: [[silence]] {rule}: needs reason = "...": why this finding is accepted')
    run = entry.get("run", "*")
    if not isinstance(run, str):
        raise BadConfig(f"{name}: [[silence]] {rule}: run must be a glob on the run's name, not {run!r}")
    steps = entry.get("steps")
    if isinstance(steps, int) and not isinstance(steps, bool):
        steps = [steps, steps]
    if steps is not None and not (isinstance(steps, list) and len(steps) == 2 and all(type(s) is int for s in steps)):
        raise BadConfig(f"{name}: [[silence]] {rule}: steps must be [first, last], not {steps!r}")
    first, last = steps or (None, None)
    return Silence(
        rule=rule,
        run=run,
        first_step=first,
        last_step=last,
        reason=reason,
        expires=_date(entry.get("expires"), rule, name),
        found_in=name,
    )


def _date(value: Any, rule: str, name: str) -> datetime.date | None:
    if value is None:
        return None
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    try:
        return datetime.date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise BadConfig(f"{name}: [[silence]] {rule}: expires must be a date like 2027-01-31, not {value!r}") from error
