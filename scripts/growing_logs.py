"""Let labelled logs grow under ``analyzer watch``: what it tells, and what of that the rows that come later disprove.

    python scripts/growing_logs.py LABELLED... [--parts 15] [--only TEXT] [--every N] [--jobs N]

LABELLED holds folders with ``logs/`` and ``case.json``, as for ``invariance.py``. Text and events grow by bytes, lists
of a JSON document by entries; several files grow as the times of their rows tell, those of one name and without times
one after the other.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.invariance import asking_for_cases, cases_asked_for, facts_of, files_of  # noqa: E402

LARGEST = 3_000_000  # bytes of a case
AT_ONCE = (".yaml", ".yml", ".toml", ".ini", ".py", ".db", ".sqlite", ".xlsx", ".zip", ".gz")  # not written row by row


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that a watch told, and the parts of the log at which it did so and took it back."""

    case: str
    sound: bool
    severity: str
    code: str
    message: str
    at: int
    back: int | None = None
    then: str = ""  # another rule told the same rows when there were more


def grown(name: str, data: bytes, share: float) -> bytes | None:
    """What of a file was written when so much of its time had passed; None: it is not there yet."""
    if share <= 0:
        return None
    if share >= 1 or name.endswith(AT_ONCE):
        return data
    if name.endswith(".json"):
        try:
            whole = json.loads(data)
        except ValueError:
            return data[: int(share * len(data))]
        return json.dumps(_begun(whole, share)).encode()
    return data[: int(share * len(data))]


def _begun(value: Any, share: float) -> Any:
    """A document whose lists have only so many of their entries; a trainer's state says where it stands."""
    if isinstance(value, list):
        return value[: max(1, round(share * len(value)))] if len(value) > 2 else value
    if not isinstance(value, dict):
        return value
    begun = {key: _begun(one, share) for key, one in value.items()}
    rows = begun.get("log_history")
    if isinstance(rows, list) and rows and isinstance(rows[-1], dict):
        begun |= {mine: rows[-1][key] for mine, key in (("global_step", "step"), ("epoch", "epoch")) if key in rows[-1]}
    return begun


def lives(files: dict[str, bytes], folder: Path) -> dict[str, tuple[float, float]]:
    """When each file was begun and ended, as shares of the time of all, by the times of their rows."""
    from analyzer.readers import reader_for

    spans: dict[str, tuple[float, float]] = {}
    for name, data in files.items():
        path = folder / name
        reader = reader_for(path, data[:4096])
        if reader is None or name.endswith(AT_ONCE):
            continue
        reading = reader.read(path)
        series = [one for part in (reading, *reading.runs) for one in part.series]
        times = np.concatenate([one.wall_time for one in series]) if series else np.array([])
        times = times[np.isfinite(times) & (times > 1e8)]
        if len(times):
            spans[name] = (float(times.min()), float(times.max()))
    if not spans:  # files of one name in several folders are lives, one after the other
        alike = [
            [name for name in sorted(files) if Path(name).name == one] for one in {Path(name).name for name in files}
        ]
        return {
            name: (at / len(names), (at + 1) / len(names)) for names in alike for at, name in enumerate(names)
        }  # fmt: skip
    first, last = min(one for one, _ in spans.values()), max(one for _, one in spans.values())
    length = max(last - first, 1e-9)
    return {name: ((a - first) / length, (b - first) / length) for name, (a, b) in spans.items()}


def watched(case: Path, parts: int) -> list[Told]:
    """What ``watch`` tells of a log that grows in so many parts."""
    from analyzer.checking import Request
    from analyzer.config.declared import checked_fact
    from analyzer.watch import follow

    label = json.loads((case / "case.json").read_text())
    files = files_of(case)
    if sum(map(len, files.values())) > LARGEST:
        return []
    given = tuple(checked_fact(key, value, "--declare") for key, value in facts_of(label).items())
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "logs"
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        spans = lives(files, folder) if len(files) > 1 else {}
        part = 0

        def grow(_: float = 0.0) -> None:
            nonlocal part
            part += 1
            if part > parts:
                return
            for name, data in files.items():
                begun, ended = spans.get(name, (0.0, 1.0))
                share = (part / parts - begun) / max(ended - begun, 1e-3) if part < parts else 1.0
                written = grown(name, data, share)
                if written is None:
                    (folder / name).unlink(missing_ok=True)
                else:
                    (folder / name).write_bytes(written)

        grow()
        request = Request(paths=(folder,), facts=given)
        looks = follow(request, every=1.0, idle=0.5, now=lambda: float(part), sleep=grow)
        return list(_followed(looks, case, label, lambda: part))


def _followed(looks: Iterator[Any], case: Path, label: dict[str, Any], part: Callable[[], int]) -> Iterator[Told]:
    standing: dict[tuple[str, str], Told] = {}
    sound = not label.get("truth", {}).get("faults")

    def taken(finding: Any) -> Told | None:
        key = next((key for key in standing if key == (finding.code, finding.message)), None)
        key = key or next((key for key in standing if key[0] == finding.code), None)
        return standing.pop(key) if key else None

    for news in looks:
        for finding, now in [(one, None) for _, one in news.withdrawn] + [(was, one) for _, one, was in news.renamed]:
            one = taken(finding)
            if one is not None and now is None:
                yield msgspec.structs.replace(one, back=part())
            elif one is not None:
                standing[now.code, now.message] = msgspec.structs.replace(
                    one, then=one.then if now.code == one.code else now.code
                )
        for _, finding in () if news.over else news.new:
            if finding.severity != "note":
                standing[finding.code, finding.message] = Told(
                    case=case.name, sound=sound, severity=finding.severity, code=finding.code,
                    message=finding.message, at=part(),
                )  # fmt: skip
    yield from standing.values()


def main() -> int:
    parser = asking_for_cases(__doc__)
    parser.add_argument("--parts", type=int, default=15)
    options = parser.parse_args()
    cases = cases_asked_for(options)
    told: list[Told] = []
    with multiprocessing.get_context("fork").Pool(options.jobs, maxtasksperchild=50) as pool:
        for answer in pool.imap(_watched, [(case, options.parts) for case in cases]):
            told += answer
            for one in answer:
                if one.back is not None or one.then:
                    what = f"taken back at {one.back}" if one.back is not None else f"became {one.then}"
                    print(f"  {one.case}{' (sound)' if one.sound else ''}: {one.severity} {one.code} told at {one.at}, "
                          f"{what}: {one.message[:150]}", flush=True)  # fmt: skip
    print(f"{len(cases)} logs")
    for title, ones in (
        ("sound", [one for one in told if one.sound]),
        ("faulty", [one for one in told if not one.sound]),
        *((f"  {code}", [one for one in told if one.code == code]) for code in sorted({one.code for one in told})),
    ):
        back = [one for one in ones if one.back is not None]
        became = sum(bool(one.then) for one in ones)
        errors = sum(one.severity == "error" for one in back)
        print(f"{title}: {len(ones)} told, {len(back)} taken back ({errors} errors), {became} told as another later")
    return 0


def _watched(asked: tuple[Path, int]) -> list[Told]:
    return watched(*asked)


if __name__ == "__main__":
    sys.exit(main())
