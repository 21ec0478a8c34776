"""A declared length that counts what the axis counts: samples, or steps of an environment, of no known size."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.auditing import audit_run
from analyzer.config.declared import facts_from_options, merge
from analyzer.discovery import discover
from analyzer.rules.examples import table

ROWS, EACH = 200, 4000
END = ROWS * EACH
LINEAR = ("scheduler=linear", "base_lr=0.0005", "min_lr=1e-5")


def told(folder: Path, speed: float, declared: tuple[str, ...], column: str = "timesteps_total") -> list[str]:
    """A rate that comes down ``speed`` times as fast as the run goes."""
    rate = [5e-4 - (5e-4 - 1e-5) * min(1.0, speed * n / ROWS) for n in range(ROWS)]
    rows = [(EACH * (n + 1), f"{0.1 + 0.01 * (n % 7):.3f}", f"{one:.9g}") for n, one in enumerate(rate)]
    (folder / "progress.csv").write_text(table((column, "total_loss", "cur_lr"), rows))
    (run,) = discover([folder]).runs
    report = audit_run(run, merge(facts_from_options(declared), run.facts), select=("SCH",))
    return [one.code for one in report.findings if one.severity != "note"]


@pytest.mark.parametrize("column", ["timesteps_total", "samples", "env_steps"])
@pytest.mark.parametrize("speed", [4.0, 2.0, 8.0])
def test_the_rate_is_read_with_another_counter(tmp_path: Path, speed: float, column: str) -> None:
    found = told(tmp_path, speed, (*LINEAR, f"max_steps={END}"), column)
    assert len(found) == 1 and found[0] in ("SCH001", "SCH002")


@pytest.mark.parametrize(
    ("speed", "declared"),
    [
        pytest.param(1.0, (f"max_steps={END}",), id="as declared"),
        pytest.param(4.0, (f"max_steps={2 * END}",), id="the run ends elsewhere: the length may be one in updates"),
        pytest.param(4.0, (f"max_steps={END}", "warmup_steps=100"), id="a warmup that may be one in updates"),
        pytest.param(4.0, (f"max_steps={END}", 'scheduler_params={"total_iters": 50}'), id="another length besides"),
        pytest.param(4.0, (), id="no length"),
    ],
)
def test_no_length_in_the_axis_own_count(tmp_path: Path, speed: float, declared: tuple[str, ...]) -> None:
    assert told(tmp_path, speed, (*LINEAR, *declared)) == []
