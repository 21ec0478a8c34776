"""One update that the scheduler did not count: skipped, where the loss scaler's own series fell at that step."""

from __future__ import annotations

from pathlib import Path

import pytest

import analyzer


@pytest.mark.parametrize(
    ("scale", "code", "severity"),
    [
        (lambda step: 65536 if step < 60 else 32768, "SCH009", "note"),
        (lambda step: 65536 if step < 40 else 32768, "SCH004", "warning"),  # it fell elsewhere
        (lambda step: 65536, "SCH004", "warning"),
        (lambda step: 65536 if step < 60 else 131072, "SCH004", "warning"),  # it rose: nothing was skipped
    ],
)
def test_the_scaler_bears_witness(scale: object, code: str, severity: str, tmp_path: Path) -> None:
    assert callable(scale)
    rows = [
        f"{step},{2 / (1 + step / 50):.4f},{1e-3 * (1 - (step - (step >= 60)) / 200):.9f},{scale(step)}\n"
        for step in range(1, 151)
    ]
    (tmp_path / "log.csv").write_text("step,loss,lr,loss_scale\n" + "".join(rows))
    (one,) = analyzer.check(tmp_path, select=["SCH"]).runs
    assert [(finding.code, finding.severity) for finding in one.findings] == [(code, severity)]
