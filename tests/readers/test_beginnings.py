"""Where printed output says that its process began again, and where it only repeats itself."""

from __future__ import annotations

import pytest

from analyzer.readers.stdout.beginnings import Beginnings, beginnings
from analyzer.readers.text_file import Lines

BANNER = ["2024-01-01 10:00:00 Training model: resnet50 on 2 devices", "seed 17 chosen by hand"]


def found(*blocks: list[str] | int) -> Beginnings:
    """Blocks of other lines, and of so many records."""
    lines: list[str] = []
    rows: list[int] = []
    for block in blocks:
        if isinstance(block, int):
            rows += range(len(lines) + 1, len(lines) + 1 + block)
            lines += ["iter 20, loss 0.7"] * block
        else:
            lines += block
    return beginnings(Lines(lines=lines, complete=True), rows)


@pytest.mark.parametrize(
    "blocks, repeated, loaded",
    [
        ((BANNER, 10, BANNER, 25), 1, 0),
        ((BANNER, 10, ["2024-01-02 08:30:11 Training model: resnet50 on 4 devices", BANNER[1]], 25), 1, 0),
        ((BANNER, 10, BANNER, 25, BANNER, 7), 2, 0),
        ((BANNER, 10, ["Restored model from networks/t60-12000"], 25), 0, 1),
        ((BANNER, 10, ["=> loaded checkpoint 'model_last.pth' (iteration 400)"], 25), 0, 1),
        ((["Resuming from step 100"], 10, 25), 0, 0),  # above the first record
    ],
)
def test_a_new_life_is_seen(blocks: tuple[list[str] | int, ...], repeated: int, loaded: int) -> None:
    seen = found(*blocks)
    assert (len(seen.repeated), len(seen.loaded)) == (repeated, loaded)


@pytest.mark.parametrize(
    "blocks",
    [
        (BANNER, 30),
        (BANNER, 10, BANNER, 10),  # equal parts: printed by each epoch
        (BANNER, 10, BANNER, 10, BANNER, 10, BANNER, 3),
        (BANNER, 10, BANNER, 25, BANNER, 7, BANNER, 9, BANNER, 31, BANNER, 8, BANNER, 5),  # too often for lives
        (BANNER, 10, BANNER[:1], 2),  # two rows are none of a life
        (BANNER, 30, BANNER),  # nothing follows
        (["Epoch 1 of training begins"], 10, ["Epoch 2 of training begins"], 25),
        (["OVERFLOW! Rank 0 skipping step, reducing to 65536"], 10, ["OVERFLOW! Rank 0 skipping step"], 25),
        ([*BANNER, "gradients are accumulated"], 10, ["gradients are accumulated"], 25),  # one line of three
        (BANNER, 10, ["Loading best model from epoch 3"], 25),
        (BANNER, 10, ["Loading validation data from cache"], 25),
        (BANNER, 10, ["restoring failed: no checkpoint"], 25),
    ],
)
def test_a_running_process_is_left_alone(blocks: tuple[list[str] | int, ...]) -> None:
    assert found(*blocks) == Beginnings()
