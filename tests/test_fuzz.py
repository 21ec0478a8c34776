"""A short run of ``scripts/fuzz.py``: the same changed logs each time. The long run is in docs/reliability.md."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
TIMED = "slow"  # by the processor's clock, which is no test's business


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", ROOT / "scripts" / "fuzz.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("inputs", "audits", "seed"), [(600, 0, 11), (0, 25, 12), (300, 10, 13)])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_changed_logs_cost_themselves(fuzz: ModuleType, inputs: int, audits: int, seed: int) -> None:
    failures, seen = fuzz.run(inputs=inputs, audits=audits, seed=seed)
    assert [one for one in failures if one.what != TIMED] == []
    assert sum(count for what, count in seen.items() if what.startswith("reader")) == inputs
    assert seen["audits"] == audits
