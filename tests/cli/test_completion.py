"""The shell completes what the program knows: rules, formats, keys of facts."""

from __future__ import annotations

import pytest
from click.shell_completion import ShellComplete

from analyzer.cli import main


@pytest.mark.parametrize(
    ("words", "offered", "not_offered"),
    [
        (("explain", "sch00"), "SCH001", "EPO001"),
        (("check", "--select", "EPO001,SCH00"), "EPO001,SCH002", "SCH002"),
        (("check", "--format", "sa"), "sarif", "json"),
        (("check", "-d", "scheduler_"), "scheduler_interval=", "batch_size="),
    ],
)
def test_the_shell_completes(words: tuple[str, ...], offered: str, not_offered: str) -> None:
    complete = ShellComplete(main, {}, "analyzer", "_ANALYZER_COMPLETE")
    found = [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]
    assert offered in found and not_offered not in found
