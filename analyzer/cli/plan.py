"""``analyzer plan``: the arithmetic of a declaration, every reading of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from analyzer.config.keys import KEYS
from analyzer.console import CannotAudit


def _one_option_per_key(command: Callable[..., Any]) -> Callable[..., Any]:
    for key, meaning in reversed(KEYS.items()):
        command = click.option(
            f"--{key.replace('_', '-')}", key, metavar="VALUE", help=f"{meaning[0].upper()}{meaning[1:]}."
        )(command)
    return command


@click.command("plan")
@_one_option_per_key
@click.option("--declare", "-d", multiple=True, metavar="KEY=VALUE", help="The same, as on the other commands.")
@click.option("--config", type=click.Path(path_type=Path), help="Take what is declared in this file, too.")
@click.option(
    "--format",
    "-f",
    "output_format",
    type=click.Choice(["terminal", "json"]),
    default="terminal",
    show_default=True,
    help="How to print it.",
)
def command(declare: tuple[str, ...], config: Path | None, output_format: str, **facts: str | None) -> None:
    """Print every reading of a declaration: steps per epoch, steps in all, warmup.

    Frameworks differ in what they do with the last batch of an epoch and with an accumulation window that it leaves
    incomplete; each consistent convention is one reading.
    """
    from analyzer.config.declared import facts_from_options, merge
    from analyzer.config.files import BadConfig, settings_for
    from analyzer.console.output import look_of_stdout, say
    from analyzer.planning import plan_of
    from analyzer.renderers.plan_text import as_json, as_text

    given = [f"{key}={value}" for key, value in facts.items() if value is not None]
    try:
        own = (*facts_from_options(given, "option"), *facts_from_options(declare))
        below = settings_for(Path(), config).facts if config else ()
    except (BadConfig, ValueError) as error:
        raise CannotAudit(str(error)) from error
    declared = merge(own, below)
    plan = plan_of(declared)
    if not plan.readings:
        words = [f"{key} = {fact.value!r}" for key, fact in declared.facts.items() if _is_word(key, fact.value)]
        if words:
            raise CannotAudit(f"{', '.join(words)}: a number is needed")
        raise CannotAudit(
            "too little is declared; give --dataset-size and --batch-size, or --steps-per-epoch, or --max-steps"
        )
    say(as_json(declared, plan) if output_format == "json" else as_text(declared, plan, look_of_stdout()))


def _is_word(key: str, value: object) -> bool:
    """Whether text stands where the arithmetic needs a number."""
    return isinstance(value, str) and key not in ("scheduler", "scheduler_interval", "accumulation_remainder")
