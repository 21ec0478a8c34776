"""Nothing that a test audits is remembered, or was: unless it asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _audit_anew() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANALYZER_CACHE", "0")
        yield
