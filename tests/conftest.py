"""Nothing that a test audits is remembered, or was: unless it asks for it. Warnings about numbers are errors."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from collections.abc import Iterator
from typing import Any

import click.testing
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings

# Trainings of real frameworks have an environment of their own: `make test-frameworks`.
collect_ignore = [] if importlib.util.find_spec("transformers") else ["frameworks"]


# A gate looks at the same examples each time, and fails by what was changed, not by chance; other runs look at new
# ones. A busy machine is no fault of a strategy.
settings.register_profile(
    "ours",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ours")

if "mix_stderr" in inspect.signature(CliRunner).parameters:  # click below 8.2: both streams apart, or both in one

    class _Apart(CliRunner):
        def __init__(self, **wanted: Any) -> None:
            super().__init__(**{"mix_stderr": False, **wanted})

    click.testing.CliRunner = _Apart  # type: ignore[misc]
    Result.output = property(lambda self: self.stdout + (self.stderr if self.stderr_bytes else ""))  # type: ignore


@pytest.fixture(autouse=True, scope="session")
def _audit_anew() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANALYZER_CACHE", "0")
        patch.setattr(sys, "warnoptions", ["error::RuntimeWarning"])  # the command line hides none from the tests
        yield
