"""Apply truth-preserving changes to labelled logs: what appears on sound ones, what is no longer found.

    python scripts/invariance.py LABELLED... [--change TEXT] [--only TEXT] [--every N] [--jobs N]

LABELLED holds folders with ``logs/`` and ``case.json`` (``declared``; ``truth.faults`` empty where the log is sound).
A change that may rightly cost a finding (thinning, facts withheld) is counted apart.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.truth_preserving import CHANGES, Change  # noqa: E402

Verdict = set[tuple[str, str]]  # (severity, rule) of errors and warnings


def verdict(files: dict[str, bytes], facts: dict[str, Any]) -> Verdict:
    """What ``check`` says of these files: errors and warnings, by rule."""
    from analyzer.checking import Request, check
    from analyzer.config.declared import checked_fact

    with tempfile.TemporaryDirectory() as place:
        for path, data in files.items():
            target = Path(place) / "logs" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        given = tuple(checked_fact(key, value, "--declare") for key, value in facts.items())
        report = check(Request(paths=(Path(place) / "logs",), facts=given))
    found = [finding for run in report.runs for finding in run.findings]
    return {(finding.severity, finding.name) for finding in found if finding.severity != "note"}


def files_of(case: Path) -> dict[str, bytes]:
    logs = case / "logs"
    return {str(path.relative_to(logs)): path.read_bytes() for path in sorted(logs.rglob("*")) if path.is_file()}


def facts_of(label: dict[str, Any]) -> dict[str, Any]:
    from analyzer.config.keys import KEYS

    return {key: value for key, value in label.get("declared", {}).items() if key in KEYS and value is not None}


def tried(asked: tuple[Path, tuple[Change, ...]]) -> list[tuple[str, str, str, list[str]]]:
    """(change, case, what, rules) for every change that applies: alarm, lost, kept or sound."""
    case, changes = asked
    label = json.loads((case / "case.json").read_text())
    files, facts = files_of(case), facts_of(label)
    if sum(map(len, files.values())) > 3_000_000:
        return []
    sound = not label.get("truth", {}).get("faults")
    before = verdict(files, facts)
    rows = []
    for change in changes:
        made = change.make(dict(files), dict(facts))
        if made is None:
            continue
        after = verdict(*made)
        names_before, names_after = {name for _, name in before}, {name for _, name in after}
        if sound:
            new = sorted(f"{s}:{n}" for s, n in after if n not in names_before | change.may_add)
            rows.append((change.name, case.name, "alarm" if new else "sound", new))
        else:
            lost = sorted(names_before - names_after)
            rows.append((change.name, case.name, "lost" if lost else "kept", lost))
    return rows


def asking_for_cases(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that choose labelled cases, and the number of processes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labelled", nargs="+", type=Path)
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--every", type=int, default=1, help="every N-th case")
    parser.add_argument("--jobs", type=int, default=1)
    return parser


def cases_asked_for(options: argparse.Namespace) -> list[Path]:
    cases = sorted({path.parent for root in options.labelled for path in root.rglob("case.json")})
    return [case for case in cases if options.only in case.name][:: options.every]


def main() -> int:
    parser = asking_for_cases(__doc__)
    parser.add_argument("--change", default="", help="only changes whose name contains this")
    options = parser.parse_args()
    cases = cases_asked_for(options)
    changes = tuple(change for change in CHANGES if options.change in change.name)
    asked = [(case, changes) for case in cases]
    if options.jobs > 1:
        with multiprocessing.Pool(options.jobs) as pool:
            answers = pool.map(tried, asked, chunksize=2)
    else:
        answers = [tried(one) for one in asked]
    counts: dict[str, Counter[str]] = {change.name: Counter() for change in changes}
    for name, case, what, rules in (row for answer in answers for row in answer):
        counts[name][what] += 1
        if what in ("alarm", "lost"):
            print(f"  {name}: {case}: {what} {', '.join(rules)}")
    print(f"\n{'change':26s} sound  new alarm  faulty  lost")
    total: Counter[str] = Counter()
    for change in changes:
        c = counts[change.name]
        total.update(c)
        total["must keep"] += 0 if change.may_lose else c["kept"] + c["lost"]
        total["lost though there"] += 0 if change.may_lose else c["lost"]
        mark = " (may rightly lose)" if change.may_lose else ""
        sound, faulty = c["sound"] + c["alarm"], c["kept"] + c["lost"]
        print(f"{change.name:26s} {sound:5d}  {c['alarm']:9d}  {faulty:6d}  {c['lost']:4d}{mark}")
    print(f"\n{total['sound'] + total['alarm']} copies of sound logs, {total['alarm']} with a new alarm")
    print(f"{total['must keep']} copies of faulty logs with evidence, {total['lost though there']} lost a finding")
    return 0


if __name__ == "__main__":
    sys.exit(main())
