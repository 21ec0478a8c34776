"""Audits of a log directory that go on in the background: only what has changed is audited again.

Nothing runs until somebody looks, and nothing once nobody does. What is kept of a run is its part of the page, as
text, and the report without its long series.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from analyzer.checking import Request, audit_group, told_together
from analyzer.condensed import condensed
from analyzer.discovery import Group, find_groups
from analyzer.model import Problem, RunReport
from analyzer.remembered import files_of
from analyzer.renderers.html_report import cards, template, totals_of
from analyzer.renderers.page_parts import RunSummary, differing_columns, rules_found, section_of, summary_of
from analyzer.version import __version__
from analyzer.watch import NOT_WHILE_LIVE

SECONDS_BETWEEN_LOOKS = 10.0
SECONDS_ALIVE = 240.0  # without a write: twice what TensorBoard's writers keep back before they flush

States = tuple[tuple[Any, ...], ...]


class Audited(Struct, frozen=True, kw_only=True):
    """One run as the tab shows it."""

    report: RunReport  # without its long series
    summary: RunSummary
    section: str  # its part of the page, escaped
    stamp: int  # rises with every audit
    hosts: tuple[str, ...]  # what TensorBoard calls it


class Entry(Struct, frozen=True, kw_only=True):
    """The audits of one group of logs, and what its files were like."""

    states: States
    live: bool
    runs: tuple[Audited, ...]
    unreadable: tuple[Problem, ...]


Key = tuple[str, str, tuple[str, ...]]


class Audits:
    """Every run below some folders, by the last look at them.

    Args:
        roots: what TensorBoard calls a folder ("" where it has no name) -> the folder.
    """

    def __init__(self, roots: dict[str, Path], *, now: Callable[[], float] = time.time) -> None:
        self._roots = roots
        self._now = now
        self._lock = threading.Lock()
        self._entries: dict[Key, Entry] = {}
        self._unreadable: tuple[Problem, ...] = ()
        self._anchors: dict[tuple[Key, str], str] = {}
        self._stamp = 0
        self._done = self._of = 0
        self._looked = -SECONDS_BETWEEN_LOOKS
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Look for changes in the background, unless that is being done or was done a moment ago."""
        with self._lock:
            if self._thread is not None or self._now() - self._looked < SECONDS_BETWEEN_LOOKS:
                return
            self._thread = threading.Thread(target=self._work, name="analyzer-audits", daemon=True)
            self._thread.start()

    def settled(self, timeout: float) -> bool:
        """Wait until the look that is under way has ended; whether it has."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return self._thread is None

    def _work(self) -> None:
        try:
            self.look()
        except Exception as error:  # the tab tells it; TensorBoard goes on
            problem = Problem(source=", ".join(map(str, self._roots.values())), kind="unreadable", message=f"{error!r}")
            with self._lock:
                self._unreadable, self._stamp = (problem,), self._stamp + 1
        finally:
            with self._lock:
                self._looked, self._thread = self._now(), None

    def look(self) -> None:
        """Audit what is new or has changed since the last look, and forget what is gone."""
        found = find_groups(self._roots.values())
        with self._lock:
            self._done, self._of = 0, len(found.groups)
            if found.unreadable != self._unreadable:
                self._unreadable, self._stamp = found.unreadable, self._stamp + 1
        groups = {key_of(group): group for group in found.groups}
        for key in [key for key in self._entries if key not in groups]:
            with self._lock:
                del self._entries[key]
                self._stamp += 1
        for key, group in groups.items():
            states = states_of(group)
            live = self._now() - max((state[2] / 1e9 for state in states if len(state) > 2), default=0) < SECONDS_ALIVE
            known = self._entries.get(key)
            if known is None or known.states != states or known.live != live:
                entry = self._audit(key, group, states, live)
                with self._lock:
                    self._entries[key] = entry
            with self._lock:
                self._done += 1

    def _audit(self, key: Key, group: Group, states: States, live: bool) -> Entry:
        request = Request(paths=tuple(self._roots.values()), ignore=NOT_WHILE_LIVE if live else ())
        answer = audit_group(group, request, datetime.date.today(), keep_series=True)
        with self._lock:
            self._stamp += 1
            stamp = self._stamp
        runs = tuple(self._shown(key, one, stamp) for one in answer.runs)
        return Entry(
            states=states, live=live, runs=runs, unreadable=(*answer.unreadable, *told_together(answer.refused))
        )

    def _shown(self, key: Key, one: RunReport, stamp: int) -> Audited:
        anchor = self._anchors.setdefault((key, one.run.name), f"run-{len(self._anchors) + 1}")
        summary = summary_of(one, anchor)
        section = template("parts.html.j2").module.run_section(section_of(one, summary), True)
        hosts = tuple(dict.fromkeys(self._host_names(one)))
        return Audited(report=condensed(one), summary=summary, section=str(section), stamp=stamp, hosts=hosts)

    def _host_names(self, one: RunReport) -> Iterator[str]:
        """TensorBoard calls a run after the folder of its event files, below the folder that it was given."""
        for source in one.run.sources:
            for name, root in self._roots.items():
                with contextlib.suppress(ValueError):
                    below = Path(source.path).parent.relative_to(root).as_posix()
                    yield "/".join(part for part in (name, below) if part and part != ".") or "."

    # ---- what the tab asks for -----------------------------------------------------------------------------------

    def _runs(self) -> list[Audited]:
        with self._lock:
            runs = [one for entry in self._entries.values() for one in entry.runs]
        return sorted(runs, key=lambda one: (-one.summary.badness, one.summary.name))

    def state(self) -> dict[str, Any]:
        """What there is, worst first; a stamp that differs from the last one means that something is new."""
        runs = self._runs()
        with self._lock:
            working, done, of, stamp = self._thread is not None, self._done, self._of, self._stamp
        return {
            "version": __version__,
            "auditing": working and (done < of or not of),
            "done": done,
            "of": of,
            "stamp": stamp,
            "runs": [
                {
                    "anchor": one.summary.anchor,
                    "name": one.summary.name,
                    "verdict": one.summary.verdict,
                    "counts": one.summary.counts,
                    "hosts": one.hosts,
                    "stamp": one.stamp,
                }
                for one in runs
            ],
        }

    def overview(self) -> str:
        """Counts, what could not be read, the table of runs, and the texts of the rules that found something."""
        runs = self._runs()
        summaries, reports = [one.summary for one in runs], [one.report for one in runs]
        with self._lock:
            unreadable = [*self._unreadable, *(p for entry in self._entries.values() for p in entry.unreadable)]
        parts = template("parts.html.j2").module
        return "\n".join(
            [
                f'<p id="totals">{parts.totals_of(summaries, totals_of(reports))}</p>',
                str(parts.not_read(unreadable)),
                str(parts.index(summaries, differing_columns(summaries), rules_found(reports))) if runs else "",
                f'<div id="cards">{parts.rule_cards(cards(reports))}</div>',
            ]
        )

    def section(self, anchor: str) -> str | None:
        """A run's part of the page; None when there is no such run (any more)."""
        return next((one.section for one in self._runs() if one.summary.anchor == anchor), None)


def key_of(group: Group) -> Key:
    """What makes a group the same one at the next look: more logs make it another."""
    return str(group.root), group.name, tuple(str(log.path) for log in group.logs)


def states_of(group: Group) -> States:
    """What changes when a file does that the audit of the group reads or looks for: path, size, time in ns."""
    states: list[tuple[Any, ...]] = []
    for path in files_of(group):
        try:
            found = os.stat(path)
        except OSError:
            continue
        states.append((str(path), found.st_size, found.st_mtime_ns))
    return tuple(states)


def roots_of(logdir: str | None, spec: str | None) -> dict[str, Path]:
    """Folders by TensorBoard's names for them, from ``--logdir`` and ``--logdir_spec`` ("a:/runs/a,/runs/b")."""
    if logdir:
        return {"": Path(os.path.expanduser(logdir))}
    roots = {}
    for part in (spec or "").split(","):
        name, colon, folder = part.partition(":")
        if not colon or "/" in name or "\\" in name or folder.startswith("//"):
            name, folder = "", part
        if folder.strip():
            roots[name.strip() or folder.strip()] = Path(os.path.expanduser(folder.strip()))
    return roots
