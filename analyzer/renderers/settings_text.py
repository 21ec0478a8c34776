"""What a run is audited under: files, rules, declared facts with their places, roles, expectations, silences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analyzer.config.declared import Declared
from analyzer.config.files import Settings
from analyzer.renderers.escaping import visible


def as_text(run: str, settings: Settings, declared: Declared, asked: Any) -> str:
    """The settings of one run; ``asked`` holds what was said on the command line (``select``, ``ignore``, ...)."""
    return "".join(f"{visible(line)}\n" for line in _lines(run, settings, declared, asked))


def _lines(run: str, settings: Settings, declared: Declared, asked: Any) -> Iterator[str]:
    yield f"run {run}"
    yield f"  configuration: {', '.join(settings.files) or 'none'}"
    select = asked.select if asked.select is not None else settings.select or ("ALL",)
    yield f"  select: {', '.join(select)}" + (" (command line)" if asked.select is not None else "")
    yield f"  ignore: {', '.join((*settings.ignore, *asked.ignore)) or 'nothing'}"
    for key, fact in sorted(declared.facts.items()):
        yield f"  declared {key} = {fact.value!r}  ({fact.found_in})"
    for role, tag in {**settings.roles, **asked.roles}.items():
        yield f"  role {role} = {tag}" + (" (command line)" if role in asked.roles else "")
    for one in settings.expectations:
        place = f" {one.place:g}" if one.place is not None else ""
        yield f"  expect {one.tag} at {one.at}{place}: {_bounds(one.minimum, one.maximum)}  ({one.found_in})"
    for silence in settings.silences:
        until = f" until {silence.expires}" if silence.expires else ""
        yield f"  silence {silence.rule} for {silence.run}{until}  ({silence.found_in})"
    against = asked.against or settings.against
    if against is not None:
        yield f"  against: {against}"


def _bounds(minimum: float | None, maximum: float | None) -> str:
    low = [f"at least {minimum:g}"] if minimum is not None else []
    high = [f"at most {maximum:g}"] if maximum is not None else []
    return " and ".join(low + high)
