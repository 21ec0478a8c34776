"""What the commands share: options, where output goes, the progress bar. Nothing heavier than click at this level."""

from __future__ import annotations

import click


class CannotAudit(click.ClickException):
    """The audit could not be made. (click's own exceptions exit with 1, which here means: findings.)"""

    exit_code = 2

    def format_message(self) -> str:
        """The message on lines of its own: a path in it can hold anything."""
        from analyzer.renderers.escaping import visible

        return "\n".join(visible(line) for line in self.message.split("\n"))
