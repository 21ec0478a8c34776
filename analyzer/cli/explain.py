"""``analyzer explain``: a rule's documentation."""

from __future__ import annotations

import click

from analyzer.console import CannotAudit
from analyzer.console.options import rule_codes
from analyzer.spelling import did_you_mean, nearest


@click.command("explain")
@click.argument("rule", shell_complete=rule_codes)
def command(rule: str) -> None:
    """Print what a rule checks, why it matters, when it is silent and what to do.

    RULE is a code (EPO001) or a name (epoch-off-by-one).
    """
    from analyzer.console.output import look_of_stdout, say
    from analyzer.renderers.rule_card import card
    from analyzer.rules import catalogue

    wanted = rule.strip()
    for one in catalogue():
        if wanted.upper() == one.code or wanted.lower() == one.name:
            say(card(one, look_of_stdout()))
            return
    names = [name for one in catalogue() for name in (one.code, one.name)]
    spelt = wanted.upper() if nearest(wanted.upper(), names) else wanted.lower()
    raise CannotAudit(
        f"there is no rule {rule!r}; {did_you_mean(spelt, names, otherwise='`analyzer rules` lists them')}"
    )
