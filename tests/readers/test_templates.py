"""Lines whose template is learnt from the file: what counts in them by how it behaves, and what must count nothing."""

# ruff: noqa: E501  (lines as the programs print them)

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer.readers.csv_table import parse as parse_csv
from analyzer.readers.markdown_table import parse as parse_table
from analyzer.readers.stdout import parse, recognises
from analyzer.readers.stdout.general import entry_of
from analyzer.readers.stdout.templates import NUMBER, number_in
from analyzer.readers.stdout.values import each_named, is_a_result, values_of

ROWS = 60
NOISE = np.random.default_rng(5).normal(size=ROWS)
LOSS = [2.0 * math.exp(-i / 15) + 0.4 + 0.02 * noise for i, noise in enumerate(NOISE)]


def printed(line: Callable[[int, float], str]) -> str:
    return "".join(f"{line(i, loss)}\n" for i, loss in enumerate(LOSS))


COUNTED = [
    ("tokens with commas", lambda i, x: f"tokens: {(i + 1) * 524288:>12,} | loss: {x:.4f} | tok/s: {120000 + i * 7:,}", "tokens", [524288, 1048576]),
    ("tokens in millions", lambda i, x: f"{2 * i + 2}M tokens | loss {x:.4f}", "tokens", [2_000_000, 4_000_000]),
    ("tokens told to three digits", lambda i, x: f"tokens={(i + 1) * 52.4288:.0f}M loss={x:.4f}", "tokens", [52_000_000, 105_000_000]),
    ("examples behind a sentence", lambda i, x: f"train stats after {64 * i + 64} examples: {{'loss/train': '{x:.4f}', 'grad_norm': '3.1'}}", "samples", [64, 128]),
    ("a label and a place", lambda i, x: f"{i // 12} {i % 12} {x}", "batch", [1, 2]),
    ("a label and a place with a sign between", lambda i, x: f"{i // 12:03d}_{i % 12:03d} loss_value: {x:.4f} mean 0.5", "batch", [1, 2]),
    ("a place, and a label that no word names", lambda i, x: f"Train: [{i // 12 + 1}/5] iter: {i % 12 * 20 + 20}/240. lr: [0.001] . Loss: {x:.6f}", "batch", [20, 40]),
    ("a place without a label", lambda i, x: f"[Train] Batch {i % 12 * 10 + 1}/120 — loss: {x:.4f}", "batch", [1, 11]),
    ("a place that each of two processes tells", lambda i, x: f"Finished it {i // 2 % 10 * 32 + 32}/320 of epoch {i // 20}, {14 + x:.2f} ms/it, loss {x:.5f}", "place", [32, 32]),
    ("a letter for the epoch", lambda i, x: f"E{i + 1:03d}: Train={100 - 20 * x:.1f}% | val_loss={x:.4f} per_class=[0.1 0.2]", "epoch", [1, 2]),
    ("letters for epoch and place, and no name", lambda i, x: f"e{i // 12},s{i % 12}\t{x}", "batch", [1, 2]),
    ("a count in a sentence, without a sign", lambda i, x: f"Loss after epoch #{100 * i} {x:.6f}", "epoch", [0, 100]),
    ("an epoch in brackets above its lines", lambda i, x: f"Epoch [{i + 1}/60]\nG loss: {x:.4f}\nReal Accuracy: 0.{i + 10}", "epoch", [1, 2]),
    ("epochs with figures of no name", lambda i, x: f"Epoch {i}||{x}", "epoch", [0, 1]),
    ("epochs with names that nobody knows", lambda i, x: f"ep {i}/60 - tl {x:.5f} - vl {x:.4f} - t 3.2s", "epoch", [0, 1]),
    ("whole numbers of errors", lambda i, x: f"Epoch {i + 1}: mistakes={int(100 * x)}", "epoch", [1, 2]),
    ("dots in front of a number", lambda i, x: f"epoch:·{i + 1:·>2d}/·60 || cls:{x:.3f}", "epoch", [1, 2]),
    ("a count beside a word, and a figure behind it", lambda i, x: f"  [T256 s0] it {i * 250:5d}  val {x:.4f}  ppl 23.1  (180s)", "step", [0, 250]),
    ("a count that no word names, in thousands", lambda i, x: f"{i + 1}K iterations, loss {x:.4f}", "step", [1000, 2000]),
]  # fmt: skip


@pytest.mark.parametrize(("line", "counts", "first"), [case[1:] for case in COUNTED], ids=[case[0] for case in COUNTED])
def test_lines_count_by_how_their_numbers_behave(line: Callable[[int, float], str], counts: str, first: list[int]) -> None:
    read = parse(printed(line).encode(), "train.log")
    loss = max(read.series, key=lambda one: ("loss" in one.tag, len(one)))
    assert (read.source.step_axis, len(loss), loss.step[:2].tolist()) == (counts, ROWS, first)


def test_epochs_that_one_line_painted_over_each_other() -> None:
    text = "".join(f"\repoch:{i + 1},train_loss:{x}" + f"\repoch:{i + 1},train_loss:{x},test_loss:0.5" * (i % 2) for i, x in enumerate(LOSS))
    read = parse((text + "\n").encode(), "train.log")
    loss = next(one for one in read.series if one.tag == "train_loss")
    assert (read.source.step_axis, loss.step.tolist(), loss.value.tolist()) == ("epoch", list(range(1, ROWS + 1)), LOSS)


def test_lines_that_name_a_loss_and_count_nothing_are_rows() -> None:
    read = parse(printed(lambda i, x: f"g_loss: {x:.4f}, d_loss: 0.5, distance: 1.5").encode(), "train.log")
    assert (read.source.step_axis, {one.tag: len(one) for one in read.series}) == ("row", {"g_loss": ROWS, "d_loss": ROWS, "distance": ROWS})


@pytest.mark.parametrize("text", ["loss: 0.5\n" * 11, "cost: 3 lost files\n" * 40, "loss: 0.5\n" * 40, "the loss was great\n" * 40])
def test_a_few_losses_without_a_count_are_results(text: str) -> None:
    assert not parse(text.encode(), "train.log").series


@pytest.mark.parametrize(("name", "tags"), [("losses.csv", {"epoch", "batch", "loss (figure 1)"}), ("grid.csv", set())])
def test_a_table_without_a_header_is_read_by_its_numbers_where_its_name_says_what_it_is(name: str, tags: set[str]) -> None:
    read = parse_csv(printed(lambda i, x: f"{i // 12},{i % 12},{x}").encode(), name)
    assert {one.tag for one in read.series} == tags


@pytest.mark.parametrize(
    ("line", "column", "axis"),
    [
        ("step:{told} smpl:{told} ep:{i} epch:{share:.2f} loss:{x:.3f}", None, "row"),  # LeRobot
        ("step {told} | loss {x:.3f} | lr 1e-4", None, "row"),
        ("step:{step} ep:{i} epch:{share:.2f} loss:{x:.3f}", "step", "step"),
        ("step {told} | iter {step} | loss {x:.3f}", "iter", "step"),
    ],
)
def test_of_steps_told_in_thousands_the_order_is_known(line: str, column: str | None, axis: str) -> None:
    steps = [50 * (i + 1) for i in range(len(LOSS))]
    told = [f"{step / 1000:.0f}K" if step >= 1000 else str(step) for step in steps]
    text = "".join(line.format(i=i, step=steps[i], told=told[i], share=i / 40, x=x) + "\n" for i, x in enumerate(LOSS))
    reading = parse(text.encode(), "train.log")
    assert (reading.source.step_column, reading.source.step_axis) == (column, axis)
    assert next(len(series.value) for series in reading.series if series.tag == "loss") == len(LOSS)


FALLING = [2.0 * 0.9**at + 0.2 + 0.02 * (at % 3) for at in range(30)]
WITHOUT_A_HEADER = [
    ("a sentence above, a phase in each row",  # EchoNet's log.csv
     "Starting run from scratch\n" + "".join(f"{at},{phase},{loss},7460\n" for at, loss in enumerate(FALLING) for phase in ("train", "val")),
     "epoch", [0, 1, 2], {"loss (figure 1)", "figure 2", "val figure 1", "val figure 2"}),
    ("a loss that becomes zero",
     "".join(f"{at},{phase},{0.0 if at > 20 else loss}\n" for at, loss in enumerate(FALLING) for phase in ("train", "val")),
     "epoch", [0, 1, 2], {"loss (figure 1)", "val figure 1"}),
    ("validated at other steps than trained",
     "".join(f"{at},train,{loss}\n" + f"{at},val,{loss}\n" * (at % 2 == 0) for at, loss in enumerate(FALLING)),
     "step", [0, 1, 2], {"loss (figure 1)", "val figure 1"}),
    ("validated every 250 steps",
     "".join(f"{250 * at},{phase},{loss}\n" for at, loss in enumerate(FALLING) for phase in ("train", "val")),
     "step", [0, 250, 500], {"loss (figure 1)", "val figure 1"}),
    ("sentences above, tabs",
     "# run 7\nTraining a resnet on cuda:0\n" + "".join(f"{at}\t{loss}\t{0.1 * 0.9**at:.6f}\n" for at, loss in enumerate(FALLING)),
     "step", [0, 1, 2], {"loss (figure 1)", "lr (figure 2)"}),
    ("cells of three digits", "".join(f"{100 + at},{980 - 7 * at},{loss}\n" for at, loss in enumerate(FALLING)),
     "step", [100, 101, 102], {"figure 1", "loss (figure 2)"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "column", "steps", "tags"), [case[1:] for case in WITHOUT_A_HEADER], ids=[case[0] for case in WITHOUT_A_HEADER])
def test_what_the_columns_of_a_table_without_a_header_are(text: str, column: str, steps: list[int], tags: set[str]) -> None:
    reading = parse_csv(text.encode(), "log.csv")
    assert reading.source.step_column == column
    assert {series.tag for series in reading.series} - {"epoch"} == tags
    assert next(series for series in reading.series if "loss" in series.tag).step[:3].tolist() == steps


def read_of(line: Callable[[int, float], str]) -> dict[str, tuple[int, list[int]]]:
    return {one.tag: (len(one), one.step[:2].tolist()) for one in parse(printed(line).encode(), "train.log").series}


def test_an_epoch_behind_dashes_heads_the_lines_below_it() -> None:
    read = read_of(lambda i, x: f"--Epoch {100 * i + 100}\nTrain Loss: {x:.3f} | Accuracy: 0.5\nTest Loss: {x + 1:.3f} | Accuracy: 0.4")
    assert (read["Train Loss"], read["Test Loss"]) == ((ROWS, [100, 200]), (ROWS, [100, 200]))


def test_how_many_images_an_epoch_has_is_no_figure() -> None:
    read = read_of(lambda i, x: f"[Epoch: {i}, numImages: 11988]\nTrain Loss: {x:.3f}\n[Epoch: {i}, numImages:  1449]\nAcc:0.5, mIoU:{1 - x / 9:f}")
    assert read.keys() == {"epoch", "Train Loss", "Acc", "mIoU"} and read["Train Loss"] == (ROWS, [0, 1])


def test_a_phase_in_front_of_all_names_is_part_of_them() -> None:
    read = read_of(lambda i, x: f"[Epoch {i}] Training: accuracy={1 - x / 9:f}\n[Epoch {i}] Validation: accuracy={1 - x / 8:f}")
    assert {tag for tag in read if "acc" in tag} == {"accuracy", "Validation accuracy"}


def test_two_lines_may_tell_one_count() -> None:
    read = parse(printed(lambda i, x: f"minibatch {i + 1} loss: {x}\nUnigram Accuracy after batch {i + 1}: {1 - x / 9}").encode(), "train.log")
    assert (read.source.step_axis, len(read.series[0])) != ("row", 0) and read.series[-1].step[:2].tolist() == [1, 2]


def test_scores_of_episodes_are_a_log(tmp_path: Path) -> None:
    text = printed(lambda i, x: f"episode: {i}/60, score: {int(200 - 50 * x)}, e: 0.5")
    assert recognises(tmp_path / "train.log", text.encode())
    assert not recognises(tmp_path / "train.log", text.replace("episode", "player").encode())


@pytest.mark.parametrize(("heads", "epochs"), [(25, [25]), (10, []), (24, [])])
def test_a_headline_that_counts_from_0_tells_the_number_of_epochs_at_its_last(heads: int, epochs: list[int]) -> None:
    text = "".join(f"Epoch {i}/24\n----------\ntrain Loss: {LOSS[i]:.4f} Acc: 0.5\nval Loss: {LOSS[i] + 1:.4f} Acc: 0.4\n" for i in range(heads))
    read = parse(text.encode(), "train.log")
    assert [fact.value for fact in read.facts if fact.key == "epochs"] == epochs


NOTHING = [
    ("a grid", lambda i, x: f"{i // 12} {i % 12} {NOISE[i]:.4f}"),
    ("packets", lambda i, x: f"{i}\t{1600000000000 + i * 1000}\t1\t1400"),
    ("a label that goes up too early", lambda i, x: f"{(i + 3) // 12} {i % 12} a {NOISE[i]:.3f}"),
    ("images that are left", lambda i, x: f"Processed {i * 100} images, {6000 - i * 100} remaining, 12.3 img/s"),
    ("times of a benchmark", lambda i, x: f"Iter {i * 10}: RTT = {20 + NOISE[i]:.2f} ms"),
    ("an epoch's time", lambda i, x: f"epoch {i} took {1200 + int(9 * NOISE[i])} ms"),
    ("speeds of sizes", lambda i, x: f"batch 8 | {i * 128} tokens | {30 + NOISE[i]:.2f} ms | {4000 + i} tok/s"),
    ("labels of several rows each", lambda i, x: f"part {i // 6 + 1}/10 size {NOISE[i]:.4f} error {x:.3f}"),
    ("what is left, beside an epoch", lambda i, x: f"epoch {i} - left {60 - i} -"),
    ("a simulation", lambda i, x: f"Step {i * 100}: T = {300 + NOISE[i]:.2f} K, E = {-1000 + NOISE[i]:.4f}"),
    ("requests", lambda i, x: f'10.0.0.{i % 9} - - "GET /a/{i} HTTP/1.1" 200 {1000 + i * 3} {0.1 + x:.3f}'),
]  # fmt: skip


@pytest.mark.parametrize("line", [case[1] for case in NOTHING], ids=[case[0] for case in NOTHING])
def test_what_is_no_log_counts_nothing(line: Callable[[int, float], str]) -> None:
    read = parse(printed(line).encode(), "train.log")
    assert not [one.tag for one in read.series if "loss" in one.tag]


PAIRS = [
    ("two rates with a dash", "Loss: 0.5 Lr: 1e-6-1e-4", {"Loss": 0.5, "Lr[0]": 1e-6, "Lr[1]": 1e-4}),
    ("two rates with a slash", "loss 0.5, lr 5e-05/5e-04", {"loss": 0.5, "lr[0]": 5e-05, "lr[1]": 5e-04}),
    ("a list without a sign", "loss 0.5, lr [0.1, 0.2]", {"loss": 0.5, "lr[0]": 0.1, "lr[1]": 0.2}),
    ("a list of texts", "loss: 0.5 lr: ['1e-05', '5e-04']", {"loss": 0.5, "lr[0]": 1e-05, "lr[1]": 5e-04}),
    ("a norm between bars", "f = 1.5 ; |g| = 0.1 ; lr = 0.2", {"f": 1.5, "|g|": 0.1, "lr": 0.2}),
    ("names of other letters", "E=62 Δ=0.25", {"E": 62, "Δ": 0.25}),
    ("an index", "ELBO = -12.5, E[μ] = 1.5", {"ELBO": -12.5, "E[μ]": 1.5}),
    ("a sum of parts", "Loss (L1 + L2 + GDL) 0.76868 = 0.38434 + 0.38434", {"Loss (L1 + L2 + GDL)": 0.76868}),
    ("a number that is an index", "fold 3: 0.5, loss 0.25", {"loss": 0.25}),
    ("phases alone, with blanks", "train 1.4112 val 1.8858 (ppl 6.59)", {"train": 1.4112, "val": 1.8858, "ppl": 6.59}),
    ("two colons", "loss:: 0.5, |===|, mcc:: 0.3", {"loss": 0.5, "mcc": 0.3}),
    ("what is no pair of figures", "acc 120/200, size 3-4", {}),
    ("cells between bars", "| loss | 0.5 |", {"loss": 0.5}),
]


@pytest.mark.parametrize(("text", "values"), [case[1:] for case in PAIRS], ids=[case[0] for case in PAIRS])
def test_names_and_numbers(text: str, values: dict[str, float]) -> None:
    assert values_of(text) == values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("it;300;loss;0.78;acc;0.7", "it: 300, loss: 0.78, acc: 0.7"),
        ("epoch,3,loss,0.5", "epoch: 3, loss: 0.5"),
        ("train, round, loss ===> 3, 0.5", "train round: 3, loss: 0.5"),
        ("Task: AC, Iter:608/1140; Accuracy = 70.1%", "Task: AC, Iter:608/1140; Accuracy = 70.1%"),
        ("a,b", "a,b"),
    ],
)
def test_names_that_are_listed(text: str, said: str) -> None:
    assert each_named(text) == said


def test_a_part_of_a_line_is_of_its_phase_where_names_are_used_again() -> None:
    said = entry_of("Ep 3/30 | Train loss=0.7 MAE=38.9 | Val loss=0.8 MAE=44.3")
    assert said == {"epoch": 3, "epochs": 30, "Train loss": 0.7, "MAE": 38.9, "Val loss": 0.8, "Val MAE": 44.3}


def test_numbers_of_a_template() -> None:
    found = NUMBER.findall("002_006 786M 1.2K 16,252,928 0.5 3d_1 x2 2e-4")
    assert found == ["002", "006", "786M", "1.2K", "16,252,928", "0.5", "2e-4"]
    assert [number_in(one) for one in found[2:5]] == [786e6, 1200, 16252928]


@pytest.mark.parametrize("name", ["sequenceErr", "errors", "ELBO", "avg score", "val_ppl"])
def test_results_are_told_by_their_names(name: str) -> None:
    assert is_a_result(name)


@pytest.mark.parametrize("name", ["score", "terror", "mmap", "RTT"])
def test_other_names_are_no_results(name: str) -> None:
    assert not is_a_result(name)


def test_the_last_cell_of_a_row_may_be_empty() -> None:
    head = "Epoch    | Train Loss  | Train Acc  | Status\n----------------------------\n"
    rows = "005/150  | 2.2881      | 21.0     % | * best\n010/150  | 2.3018      | 26.6     % | \n015/150  | 1.8     | 32     % |\n"
    read = parse_table((head + rows).encode(), "train.log")
    assert {one.tag: one.value.tolist() for one in read.series if one.tag != "Epoch"} == {
        "Train Loss": [2.2881, 2.3018, 1.8], "Train Acc": [21.0, 26.6, 32.0],
    }  # fmt: skip
