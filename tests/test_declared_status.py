"""Each declared fact is confirmed, contradicted, or not testable by this log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analyzer.auditing import audit_run
from analyzer.config.declared import checked_fact, merge
from analyzer.discovery import discover
from analyzer.model import Fact, FactStatus


def statuses(
    folder: Path, steps_per_epoch: int = 50, last: int = 200, header: str = "step", **facts: Any
) -> dict[str, FactStatus]:
    rows = [f"{s},{(s - 1) // steps_per_epoch},{0.5 + 2 / (1 + s / 20):.6f},{s * 2048}" for s in range(1, last + 1)]
    if header != "step":  # else the tokens are the better axis
        rows = [row.rsplit(",", 1)[0] for row in rows]
    names = f"{header},epoch,loss" + (",tokens_seen" if header == "step" else "")
    (folder / "log.csv").write_text("\n".join([names, *rows]) + "\n")
    (run,) = discover([folder]).runs
    own = [checked_fact(key, value, "--declare") for key, value in facts.items()]
    return dict(audit_run(run, merge(own, run.facts)).declared)


SOUND = {
    "dataset_size": 800, "batch_size": 16, "world_size": 1, "grad_accumulation": 1, "epochs": 4, "drop_last": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("log", "facts", "key", "status", "words"),
    [
        pytest.param({}, SOUND, "batch_size", "confirmed", "50 steps per epoch", id="a batch that gives the epochs"),
        pytest.param({}, SOUND, "epochs", "confirmed", "step 200", id="as many epochs"),
        pytest.param({}, SOUND, "drop_last", "untested", "no difference", id="nothing is left over"),
        pytest.param({"steps_per_epoch": 25}, SOUND, "dataset_size", "contradicted", "EPO002", id="half the data"),
        pytest.param({"last": 300}, SOUND, "epochs", "contradicted", "EPO004", id="two epochs more"),
        pytest.param({}, {"batch_size": 16}, "batch_size", "untested", "alone", id="a batch alone"),
        pytest.param({"header": "_step"}, SOUND, "batch_size", "confirmed", "50", id="calls that are updates"),
        pytest.param({}, {"tokens_per_step": 2048}, "tokens_per_step", "confirmed", "2048", id="tokens of an update"),
        pytest.param({}, {"tokens_per_step": 4096}, "tokens_per_step", "contradicted", "2048", id="half the tokens"),
        pytest.param({}, {"logging_steps": 1}, "logging_steps", "confirmed", "every 1", id="a row every step"),
        pytest.param({}, {"base_lr": 0.1}, "base_lr", "untested", "no learning rate", id="a rate that is not logged"),
        pytest.param({}, {"num_classes": 10}, "num_classes", "untested", "nothing", id="what no clock shows"),
    ],
)
def test_status(log: dict[str, Any], facts: dict[str, Any], key: str, status: str, words: str, tmp_path: Path) -> None:
    found = statuses(tmp_path, **log, **facts)[key]
    assert found.status == status and words in found.reason


def test_a_file_beside_the_log_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    rows = [f"{s},{0.5 + 2 / s:.6f}" for s in range(1, 60)]
    (tmp_path / "log.csv").write_text("\n".join(["step,loss", *rows]) + "\n")
    (run,) = discover([tmp_path]).runs
    beside = [Fact(key="batch_size", value="many", found_in="config.yaml")]
    report = audit_run(run, merge([], beside), select=("CFG001",))
    assert any("config.yaml" in one.reason and "'many'" in one.reason for one in report.skipped)


def rates(rows_per_epoch: int, per_epoch: bool, last: int = 200) -> str:
    at = [(s, (s - 1) // rows_per_epoch) for s in range(1, last + 1)]
    rows = [f"{s},{e},{0.9 ** (e if per_epoch else s):.8g},{2 / s:.5f}" for s, e in at]
    return "\n".join(["step,epoch,lr,loss", *rows])


@pytest.mark.parametrize(
    ("log", "interval", "status", "words"),
    [
        pytest.param(rates(25, False), "epoch", "contradicted", "192 of 192 rows inside", id="stepped per batch"),
        pytest.param(rates(25, False), "step", "confirmed", "192 of 192", id="stepped per batch, as declared"),
        pytest.param(rates(25, True), "epoch", "confirmed", "where an epoch ends", id="stepped per epoch"),
        pytest.param(rates(25, True), "step", "untested", "stays the same", id="no change inside: a rule's business"),
        pytest.param(rates(1, True, 40), "epoch", "untested", "one learning rate an epoch", id="a row an epoch"),
        pytest.param(
            rates(25, False).replace(",epoch", ",note"), "epoch", "untested", "no epochs", id="nothing to hold against"
        ),
    ],
)
def test_interval_of_the_scheduler(log: str, interval: str, status: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(log + "\n")
    (run,) = discover([tmp_path]).runs
    own = [checked_fact("scheduler_interval", interval, "--declare")]
    found = audit_run(run, merge(own, run.facts)).declared["scheduler_interval"]
    assert found.status == status and words in found.reason


def test_what_a_finding_rests_on_is_not_called_untested(tmp_path: Path) -> None:
    steps = [*range(1, 151), *range(151, 301)]
    lr = [0.5 * 0.1 ** (((s - 1) if s < 151 else s - 76) // 100) for s in steps]  # not restored at the resume
    text = [f"{s},{(s - 1) // 25},{rate:.8g},{2 / s + 0.1:.5f}" for s, rate in zip(steps, lr, strict=True)]
    for name, part in (("version_0", text[:150]), ("version_1", text[150:])):
        (tmp_path / "run" / name).mkdir(parents=True)
        (tmp_path / "run" / name / "metrics.csv").write_text("\n".join(["step,epoch,lr,loss", *part]) + "\n")
    (run,) = discover([tmp_path]).runs
    facts = {"scheduler": "StepLR", "scheduler_params": {"step_size": 100, "gamma": 0.1}, "base_lr": 0.5}
    report = audit_run(run, merge([checked_fact(k, v, "--declare") for k, v in facts.items()], run.facts))
    codes = {finding.code for finding in report.findings}
    assert codes & {"RES006", "SCH006", "SCH008"}
    assert all("nothing in this log depends" not in one.reason for one in report.declared.values())
