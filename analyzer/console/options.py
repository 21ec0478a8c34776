"""Options that mean the same on every command."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analyzer.console import CannotAudit
from analyzer.spelling import did_you_mean

if TYPE_CHECKING:
    from analyzer.checking import Request



def rule_codes(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Codes of rules for the shell's completion, after a comma too."""
    from analyzer.rules import catalogue

    before, comma, last = begun.rpartition(",")
    return [before + comma + rule.code for rule in catalogue() if rule.code.startswith(last.upper())]


def fact_keys(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Keys of facts for the shell's completion."""
    from analyzer.config.keys import KEYS

    return [f"{key}=" for key in KEYS if key.startswith(begun)]


_READING_OPTIONS = {
    "paths": click.argument("paths", nargs=-1, required=True, metavar="PATH..."),
    "declare": click.option(
        "--declare", "-d", multiple=True, metavar="KEY=VALUE", shell_complete=fact_keys,
        help="A fact that you know of the run (repeatable).",
    ),
    "role": click.option(
        "--role", multiple=True, metavar="ROLE=TAG", help="Which tag plays a role: learning_rate=my/lr (also lr=...)."
    ),
    "config": click.option(
        "--config", type=click.Path(path_type=Path), help="This configuration file alone, not those beside the runs."
    ),
    "isolated": click.option("--isolated", is_flag=True, help="No configuration file, not even those beside the runs."),
    "include": click.option(
        "--include", multiple=True, metavar="GLOB", help="Read only files that match (repeatable)."
    ),
    "exclude": click.option(
        "--exclude", multiple=True, metavar="GLOB", help="Leave out files and folders that match (repeatable)."
    ),
}
_AUDIT_OPTIONS = {
    **_READING_OPTIONS,
    "select": click.option(
        "--select", "-s", multiple=True, metavar="CODES", shell_complete=rule_codes,
        help="Rules to check, by code, prefix or name: EPO,SCH001.",
    ),
    "ignore": click.option(
        "--ignore", multiple=True, metavar="CODES", shell_complete=rule_codes,
        help="Rules to leave out, besides the configured ones.",
    ),
    "baseline": click.option(
        "--baseline", type=click.Path(path_type=Path), help="Known findings: only new ones count."
    ),
    "against": click.option(
        "--against", type=click.Path(path_type=Path), help="A reference run to keep to, or a folder of them."
    ),
    "jobs": click.option(
        "--jobs", "-j", type=click.IntRange(min=0), default=1, show_default=True, help="Processes; 0: one per core."
    ),
    "cache": click.option(
        "--cache/--no-cache",
        default=True,
        show_default=True,
        envvar="ANALYZER_CACHE",
        help="Take over earlier audits of what has not changed since.",
    ),
    "scheduler": click.option("--scheduler", metavar="ADDRESS", help="Audit on a Dask cluster: tcp://host:8786."),
}


def audit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the paths and the audit's options to a command that checks rules, which gets them as one ``request``."""
    return _with_request(command, _AUDIT_OPTIONS)


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a command that only reads and reconstructs; options about rules are refused there."""
    return _with_request(command, _READING_OPTIONS)


def _with_request(command: Callable[..., Any], options: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    @wraps(command)
    def with_request(**typed: Any) -> Any:
        asked = {name: typed.pop(name) for name in options}
        return command(request=requested(**asked), **typed)

    for option in reversed(tuple(options.values())):
        with_request = option(with_request)
    return with_request


def requested(
    paths: Iterable[str],
    *,
    declare: Iterable[str] = (),
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    role: Iterable[str] = (),
    config: Path | None = None,
    isolated: bool = False,
    baseline: Path | None = None,
    against: Path | None = None,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    jobs: int = 1,
    cache: bool = False,
    scheduler: str | None = None,
) -> Request:
    """Options as they were typed, checked.

    Raises:
        CannotAudit: for a fact, rule or role that nobody knows.
    """
    import os

    from analyzer.checking import Request
    from analyzer.config.declared import facts_from_options

    paths = tuple(paths)
    if "" in paths:
        raise CannotAudit("a PATH is empty: is a variable of the shell not set? The current folder is '.'")
    try:
        facts = facts_from_options(declare)
    except ValueError as error:
        raise CannotAudit(str(error)) from error
    if isolated and config is not None:
        raise CannotAudit("--isolated reads no configuration file, --config names one: leave one of them out")
    if against is not None and "://" not in str(against) and not against.exists():
        raise CannotAudit(f"--against {against}: no such file or folder; check the path")
    chosen = checked_codes(codes(select), "--select")
    return Request(
        paths=tuple(Path(path) for path in paths),
        facts=facts,
        select=chosen or None,
        ignore=checked_codes(codes(ignore), "--ignore"),
        roles=chosen_roles(role),
        config=config,
        isolated=isolated,
        baseline=baseline,
        against=against,
        include=tuple(include),
        exclude=tuple(exclude),
        jobs=jobs or os.cpu_count() or 1,
        cache=cache,
        scheduler=scheduler,
    )


def codes(values: Iterable[str]) -> tuple[str, ...]:
    """Codes from options that each hold one or several, separated by commas."""
    words = (word.strip() for value in values for word in value.split(","))
    return tuple(word.upper() if re.fullmatch(r"[A-Za-z]{3}\d{0,3}", word) else word for word in words if word)


def checked_codes(chosen: tuple[str, ...], option: str) -> tuple[str, ...]:
    """The codes of an option; the catalogue is read only when there are any.

    Raises:
        CannotAudit: for a code that no rule has.
    """
    if not chosen:
        return ()
    from analyzer.auditing import checked_codes as known

    try:
        return known(chosen, option)
    except ValueError as error:
        raise CannotAudit(str(error)) from error


def chosen_roles(pairs: Iterable[str]) -> dict[str, str]:
    """Roles from ``ROLE=TAG`` options."""
    from analyzer.roles import ROLES, SHORT_ROLES

    chosen = {}
    for pair in pairs:
        role, sign, tag = pair.partition("=")
        role = SHORT_ROLES.get(role, role)
        if not sign or not tag:
            raise CannotAudit(f"--role {pair!r}: expected ROLE=TAG")
        if role not in ROLES:
            hint = did_you_mean(role, ROLES, otherwise=f"roles: {', '.join(ROLES)}")
            raise CannotAudit(f"--role: there is no role {role!r}; {hint}")
        chosen[role] = tag
    return chosen
