"""``nan`` and ``inf`` in printed lines are numbers wherever a number may stand, and words everywhere else."""

from __future__ import annotations

import math

import pytest

from analyzer.readers.stdout import parse
from analyzer.readers.stdout.spelled import as_spelled, in_digits

LINES = {
    "train: nan, valid: -inf": 2,
    "TRAIN: nan 0.30 0.60 | nan 0.51": 2,
    "259 1.2169 nan nan nan": 3,
    "loss=nan, lr=1e-3": 1,
    "[nan, 0.2] (NaN)": 2,
    "loss: nan lr: 0.1": 1,
    "epoch 3 loss nan": 1,
    "acc: nan%": 1,
    "number of skipped iterations: 0 | number of nan iterations: 0": 0,
    "WARNING: inf in the gradients": 0,
    "nan: 3, inf = 2": 0,
    "nan-check is on, saved to /tmp/inf/model, info: 3": 0,
    '{"epoch": "nan", "lr": "-inf", "loss": NaN}': 1,
    "{'loss': 'nan', 'lr': '1e-05'}": 0,
    "torch.nan_to_num, nan.": 1,
}


@pytest.mark.parametrize("line", LINES)
def test_a_spelled_number_has_digits_in_its_place(line: str) -> None:
    assert in_digits(line).count("1.0e-2") == LINES[line]


def test_the_digits_become_what_was_spelled_also_behind_a_unit() -> None:
    entry = as_spelled({"a": 1e-280, "b": -1e-250 / 1000, "c": 1e-250 * 60, "d": 0.0, "e": 1e-30, "f": 3})
    assert math.isnan(entry["a"]) and entry["b"] == -math.inf and entry["c"] == math.inf
    assert (entry["d"], entry["e"], entry["f"]) == (0.0, 1e-30, 3)


FORMS = {
    "a pair of phases": "epoch: {i}, step: {step}, train: {v}, valid: {v}, train_acc: 0.5",
    "phases that head numbers": "Epoch: {i:04d} | TRAIN: {v} 0.3012 0.6012 | TEST: {v} 0.2912 | Time: 61.2",
    "numbers without a name": "{i} {time} {v} {v}",
    "names and numbers in turn": "iter;{step};loss;{v}",
    "names before as many numbers": "step {step} train, acc ===> {v}, 0.95",
    "spoken": "step {step} loss {v} lr 0.1",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_keeps_its_rows_where_the_loss_is_lost(form: str) -> None:
    def points(values: list[str]) -> dict[str, int]:
        text = "".join(
            FORMS[form].format(i=i, step=45 * i, time=f"{1.2 + i % 3 / 10:.4f}", v=value) + "\n"
            for i, value in enumerate(values)
        )
        return {series.tag: len(series) for series in parse(text.encode(), "train.log").series}

    finite = [f"{1 + 3 / (i + 1):.4f}" for i in range(40)]
    assert points(finite)
    assert points(finite[:25] + ["nan"] * 15) == points(finite)
