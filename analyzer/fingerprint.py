"""A name for a finding that stays the same from one audit to the next, as long as the finding does."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from analyzer.model import Finding

SIGNIFICANT_DIGITS = 2  # a finding may move by a few rows between two versions and is still the same


def step_bucket(step: int | None) -> str:
    """The step to two significant digits."""
    if not step:
        return str(step)
    unit = 10 ** max(0, math.floor(math.log10(abs(step))) - SIGNIFICANT_DIGITS + 1)
    return str(step // unit * unit)


def fingerprints(run_name: str, findings: Iterable[Finding]) -> Iterator[tuple[Finding, str]]:
    """Each finding of a run with its fingerprint: rule, run, tag and step bucket, and a count among equals."""
    import hashlib

    seen: dict[str, int] = {}
    for finding in findings:
        key = "\0".join((finding.code, run_name, finding.tag or "", step_bucket(finding.first_step)))
        seen[key] = seen.get(key, 0) + 1
        text = f"{key}\0{seen[key]}".encode("utf-8", "surrogateescape")
        yield finding, hashlib.sha256(text).hexdigest()[:16]
