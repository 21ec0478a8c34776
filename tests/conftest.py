"""Nothing that a test audits is remembered, or was: unless it asks for it. Warnings about numbers are errors."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator

import pytest

# Trainings of real frameworks have an environment of their own: `make test-frameworks`.
collect_ignore = [] if importlib.util.find_spec("transformers") else ["frameworks"]


@pytest.fixture(autouse=True, scope="session")
def _audit_anew() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANALYZER_CACHE", "0")
        patch.setattr(sys, "warnoptions", ["error::RuntimeWarning"])  # the command line hides none from the tests
        yield
