"""Tables of one metric without a header: the file's name is the tag."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.readers.csv_table import parse, recognises

TORCHRL = "".join(f"{step},{0.0003 * (1 - step / 6000)}\n" for step in range(10, 400, 10))
D3RLPY = "".join(f"{epoch},{500 * epoch},{1 / epoch}\n" for epoch in range(1, 40))


@pytest.mark.parametrize(
    ("name", "text", "tags", "steps"),
    [
        ("scalars/lr.csv", TORCHRL, {"lr"}, (10, 390)),
        ("scalars/loss.csv", TORCHRL, {"loss"}, (10, 390)),
        ("DiscreteCQL/td_loss.csv", D3RLPY, {"epoch", "td_loss"}, (500, 19500)),
        ("scalars/lr.csv", TORCHRL[:-1], {"lr"}, (10, 390)),  # the last line was not ended
        ("G_loss.log", TORCHRL.replace(",", ": "), {"G_loss"}, (10, 390)),  # BigGAN
        ("loss.txt", TORCHRL.replace(",", " "), {"loss"}, (10, 390)),
        ("loss.txt", TORCHRL.replace(",", "\t") + "400\tnan\n", {"loss"}, (10, 400)),
    ],
)
def test_the_name_of_the_file_is_the_tag(name: str, text: str, tags: set[str], steps: tuple[int, int]) -> None:
    reading = parse(text.encode(), name)
    assert {one.tag for one in reading.series} == tags
    metric = next(one for one in reading.series if one.tag != "epoch")
    assert (int(metric.step[0]), int(metric.row[0])) == (steps[0], 1)
    assert int(metric.step[-1]) <= steps[1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("scalars/environment.csv", TORCHRL),  # a name that says nothing
        ("lr.csv", TORCHRL.replace("\n", ",1\n")),  # its counter does not rise in the third cell
        ("lr.csv", "".join(f"{x / 7},{x}\n" for x in range(1, 50))),  # no count
        ("lr.csv", "".join(f"{x % 5},{x}\n" for x in range(1, 50))),  # a class
        ("lr.csv", "1,0.1\n2,0.2\n"),
        ("lr.log", "".join(f"12:00:{x} {x}\n" for x in range(10, 50))),  # the time of day
    ],
)
def test_other_numbers_are_no_metric(name: str, text: str) -> None:
    assert not [one for one in parse(text.encode(), name).series if one.tag in ("lr", "environment")]


def test_a_header_is_read_as_one() -> None:
    reading = parse(("step,lr\n" + TORCHRL).encode(), "lr.csv")
    assert [(one.tag, int(one.row[0])) for one in reading.series] == [("lr", 2)]


@pytest.mark.parametrize(
    ("name", "text", "taken"),
    [
        ("G_loss.log", TORCHRL.replace(",", ": "), True),
        ("notes.log", TORCHRL.replace(",", ": "), False),
        ("loss.txt", "".join(f"step {x} loss {1 / x}\n" for x in range(1, 50)), False),  # lines that say what they hold
    ],
)
def test_text_files_that_are_named_as_what_they_hold(name: str, text: str, taken: bool) -> None:
    assert recognises(Path(name), text.encode()) is taken
