"""Lines of programs nobody knew: which counter, which loss, which phase; and what is none of them, although it looks so."""

# ruff: noqa: E501  (lines as the programs print them)

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analyzer.model import View
from analyzer.readers import Reading
from analyzer.readers.stdout import parse, recognises
from analyzer.readers.stdout.general import entry_of
from analyzer.readers.stdout.languages import in_english
from analyzer.roles import assign_roles, role_of_tag


def read(text: str) -> Reading:
    return parse(text.encode(), "train.log")


def ends(reading: Reading, tag: str) -> tuple[int, int, int]:
    """First and last step of a series, and its rows."""
    series = next(one for one in reading.series if one.tag == tag)
    return int(series.step[0]), int(series.step[-1]), len(series)


def lines(line: str, counts: range) -> str:
    return "".join(line.format(n=n, e=n // 10, loss=f"{9 / (n + 1):.5f}", acc=f"{n}.25") + "\n" for n in counts)


# where from, the text, the loss, what its steps count, the first and last step and the rows
COUNTED = [
    ("Tacotron 2", lines("Train loss {n} {loss} Grad Norm 9.561634 1.59s/it", range(12)), "Train loss", "step", (0, 11, 12)),
    ("an evaluation that counts the same", lines("Train loss {n} {loss} Grad Norm 1.5 1.59s/it", range(12)) + "Validation loss 10:  0.900\n", "Validation loss", "step", (10, 10, 1)),
    ("gpt-2-simple", lines("[{n} | 16.52] loss={loss} avg=3.37", range(1, 13)), "loss", "step", (1, 12, 12)),
    ("char-rnn", lines("{n}/210 (epoch 0.{n}), train_loss = {loss}, time/batch = 0.1251s", range(10, 22)), "train_loss", "step", (10, 21, 12)),
    ("DGL-KE", lines("[proc 0][Train]({n}/40000) average loss: {loss}", range(1000, 13000, 1000)), "average loss", "step", (1000, 12000, 12)),
    ("candle, each line with a test: epochs", lines("{n:4} train loss:  {loss} test acc: {acc}%", range(1, 13)), "train loss", "epoch", (1, 12, 12)),
    ("dlib", lines("step#: {n}   learning rate: 0.1   average loss: {loss}  steps without apparent progress: 5", range(90, 210, 10)), "average loss", "step", (90, 200, 12)),
    ("Flax examples", lines("Step... ({n} | Loss: {loss}, Learning Rate: 7.3e-05)", range(50, 650, 50)), "Loss", "step", (50, 600, 12)),
    ("a global step beside samples of the epoch", "".join(f"Global Steps: {10 * n}/438 | Train Epoch: {1 + n // 6} [{1024 * (n % 6 + 1)}/14919 (7%)] | Loss: {9 / (n + 1):.4f}\n" for n in range(1, 13)), "Loss", "step", (10, 120, 12)),
    ("a count of the run beside a place and its total", "".join(f"epoch: {n // 6}, step: {50 * n + 49}, loss: {9 / (n + 1):.4f}, iter: {100 * (n % 6 + 1)}, total: 1876\n" for n in range(12)), "loss", "step", (49, 599, 12)),
    ("two words for one count", "".join(f"[Rank 0] step={n}, skipped=4, lr=[0.0006, 0.0006]\nsteps: {n} loss: {9 / n:.4f} iter time (s): 0.322\n iteration {n:6}/ 1000 | elapsed time per iteration (ms): 321.8 | lm_loss: {9 / n:.6E}\n" for n in range(10, 130, 10)), "loss", "step", (10, 120, 12)),
    ("samples of the epoch, a batch of 16 at first", "".join(f"Train Epoch: {e} {16 + 160 * n}/1281\tLoss: {9 / (8 * e + n + 1):.4f}\n" for e in (1, 2) for n in range(8)), "Loss", "samples", (16, 2417, 16)),
    ("states that a program painted over", "".join("".join(f"\r| Epoch: {e}/3 ({n}/40) | Loss: {9 / (40 * e + n):.4f} | 2.6 steps/s | Step: 0k | " for n in range(1, 41)) + "\n" for e in (1, 2, 3)), "Loss", "batch", (1, 120, 120)),
    ("an evaluation's own places", "".join(f"Epoch {e} | Training | Steps: {n} | Loss: {9 / (10 * e + n + 1):.4f}\n" for e in range(3) for n in range(1, 11)) + "".join(f"Epoch {e} | Validation | Steps: 3 | Loss: 0.9\n" for e in (1, 2)), "Loss", "batch", (1, 30, 30)),
    ("a place before its word", "".join(f"| epoch {e:3} | {100 * n:5}/  663 batches | lr 30.00 | ms/batch 95.90 | loss {9 / (6 * e + n):.2f} |\n" for e in (1, 2, 3) for n in range(1, 7)), "loss", "batch", (100, 1926, 18)),
    ("a share of the run is no counter", "".join(f"\rProgress: {n / 2:.1f}% words/sec/thread: 71378 lr:  0.0{100 - n} avg.loss:  {9 / (n + 1):.6f} ETA:   0h 8m 0s" for n in range(1, 20)) + "\n", "avg.loss", "redraw", (1, 19, 19)),
    ("epochs by an ordinary word of German", lines("Epoche: {n} Loss: {loss}", range(1, 13)), "Loss", "epoch", (1, 12, 12)),
    ("Chinese", "".join(f"第{n:3}轮\n训练loss：{9 / n:.4f}，准确率：26.26%\n验证loss：{10 / n:.4f}，准确率：36.37%\n" for n in range(1, 13)), "train loss", "epoch", (1, 12, 12)),
    ("Japanese", "".join(f"エポック {n:02}/60 | 訓練損失: {9 / n:.4f} | 検証損失: {10 / n:.4f} | 時間: 8.40s\n" for n in range(1, 13)), "validation loss", "epoch", (1, 12, 12)),
    ("Russian", "".join(f"Эпоха {n}/60, Потери обучения: {9 / n:.4f}, Потери валидации: {10 / n:.4f}\n" for n in range(1, 13)), "train loss", "epoch", (1, 12, 12)),
    ("MATLAB", "|  Epoch  |  Iteration  |  Time Elapsed  |  Mini-batch  |  Base Learning  |\n|         |             |   (hh:mm:ss)   |     Loss     |      Rate       |\n" + "".join(f"| {1 + n // 5} | {50 * n} | 00:01:59 | {9 / n:.4f} | 0.0100 |\n" for n in range(1, 13)), "Mini-batch Loss", "step", (50, 600, 12)),
    ("DeepXDE", "Step      Train loss              Test loss               Test metric\n" + "".join(f"{1000 * n}         [{9 / (n + 1):.2e}, 1.37e-01]    [1.86e+00, 1.40e-01]    []  \n" for n in range(12)), "Train loss[0]", "step", (0, 11000, 12)),
    ("scikit-learn", "      Iter       Train Loss   Remaining Time \n" + "".join(f"      {n:4}           {9 / n:.4f}           41.98s\n" for n in range(1, 13)), "Train Loss", "step", (1, 12, 12)),
    ("OpenPCDet", "".join(f"Train:    {e}/12 ( 50%) [ {n}/464 ( 71%)]  Loss: {9 / (464 * e + n):.4f} (1.28)  LR: 9.6e-03\n" for e in (1, 2, 3) for n in (0, 50, 463)), "Loss", "batch", (0, 1391, 9)),
    ("three counters in brackets", "".join(f"[epoch][s/s_per_e/gs]: [{n // 4}][{n % 4}/4/{n}], lr: 0.0001, loss: {9 / (n + 1):.6f}\n" for n in range(12)), "loss", "step", (0, 11, 12)),
    ("label and place in one bracket", "".join(f"[{n // 4}: {n % 4}/4] train loss: {9 / (n + 1):.6f} accuracy: 0.5\n" for n in range(12)), "train loss", "batch", (0, 11, 12)),
    ("SlowFast", "".join(f'json_stats: {{"_type": "train_iter_", "epoch": "{1 + n // 4}/3", "iter": "{10 * (n % 4 + 1)}/40", "loss": {9 / (n + 1):.5f}, "lr": 0.1}}\n' for n in range(12)), "loss", "batch", (10, 120, 12)),
    ("laps without a label", "".join(f"[{n}/40] loss: {9 / (n + 40 * e):.4f}\n" for e in range(3) for n in (10, 20, 30, 40)), "loss", "batch", (10, 120, 12)),
    ("few places without a name, one for each line", lines("[{n:03}/50] train loss {loss} | lr 5.00e-05", range(1, 13)), "train loss", "epoch", (1, 12, 12)),
    ("many places without a name, one for each line", lines("[{n}/50000] train loss {loss} | lr 5.00e-05", range(1, 13)), "train loss", "step", (1, 12, 12)),
    ("samples of every batch, the last of an epoch smaller", "".join(f"Training Epoch: {e} [{min(16 * n, 70)}/70]\tLoss: {9 / (5 * e + n):.4f}\tLR: 0.1\n" for e in (1, 2, 3) for n in range(1, 6)), "Loss", "batch", (1, 15, 15)),
    ("EfficientZero", lines("[2023-02-26 05:29:31,305][train][INFO][log.py>_log] ==> #{n}      Total Loss: {loss}    [weighted Loss:4.198 ]", range(0, 12000, 1000)), "Total Loss", "step", (0, 11000, 12)),
    ("an epoch in a sentence above", "".join(f"2022-02-20 07:47:48,763 - root - INFO - Time taken for epoch {n} is 1831.92 sec\n2022-02-20 07:47:48,763 - root - INFO - Train loss: {9 / n:.5f}. Valid loss: 0.24\n" for n in range(1, 13)), "Train loss", "epoch", (1, 12, 12)),
    ("the translation tutorial of PyTorch", lines("1m 34s (- 12m 53s) ({n} 47%) {loss}", range(500, 6500, 500)), "loss", "step", (500, 6000, 12)),
    ("a table behind times, with a tab too many", "[2023/11/01 09:24:16] - Epoch \t Seconds \t LR \t \t Train Loss\n" + "".join(f"[2023/11/01 09:24:41] - {n} \t 24.5 \t \t 0.0125 \t {9 / (n + 1):.4f}\n" for n in range(12)), "Train Loss", "epoch", (0, 11, 12)),
    ("fold 2 of a cross-validation", "".join(f"Fold {f} Epoch {e}/100 | Train Loss: {9 / e:.4f} | Val Loss: 0.93\n" for f in (1, 2) for e in range(1, 7)), "", "", (0, 0, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tag", "axis", "told"), [row[1:] for row in COUNTED[:-1]], ids=[row[0] for row in COUNTED[:-1]])
def test_what_lines_count(text: str, tag: str, axis: str, told: tuple[int, int, int], tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    assert recognises(path, text.encode())
    reading = read(text)
    assert (reading.source.step_axis, ends(reading, tag)) == (axis, told)


def test_folds_are_runs() -> None:
    runs = read(COUNTED[-1][1]).runs
    assert [(one.source.view, ends(one, "Train Loss")) for one in runs] == [("fold 1", (1, 6, 6)), ("fold 2", (1, 6, 6))]


# a line, a name that it must say, and whether that name may be a loss, a rate or a counter
NAMES = [
    ("epoch 3 | Cost: 675.8 sec", "Cost in sec", None),
    ("epoch 3 | Cost: 675.8", "Cost", "loss"),
    ("epoch 3 | step 7 ms | loss 0.5", "loss", "loss"),
    ("Epoch: 0 Update: 100 Loss/word: 8.189 Words/sec: 6549.8", "Loss/word", "loss"),
    ("Validation Metrics (step 1500) - Loss: 1.41 | Data Time: <1s", "Validation Loss", "validation_loss"),
    ("Train Metrics (step 1500) - Loss: 1.41 | Data Time: <1s", "Loss", "loss"),
    ("Epoch 2 | Validation | Steps: 1 | Loss: 28.6", "Validation Loss", "validation_loss"),
    ("Epoch 2 | Training | Steps: 1 | Loss: 28.6", "Loss", "loss"),
    ("Evaluation result for step 5000: loss = 2.23 ; perplexity = 9.33", "Evaluation loss", "validation_loss"),
    ("epoch 3 train: loss 0.5 acc 0.8 | valid: loss 0.6 acc 0.7", "valid loss", "validation_loss"),
    ("epoch 3 train_loss 0.5 valid_loss 0.6", "train_loss", "loss"),
    ("epoch 3 val loss: 0.5, loss: 0.7", "loss", "loss"),
    ("step=10, lr=[0.0006, 0.0005], mom=[[0.9, 0.95]]", "lr[0]", "learning_rate"),
    ("(:epoch, 1, :dloss, 1.187584f0, :gloss, 1.19249f0)", "dloss", "loss"),
]
SILENT = [
    "Best epoch: 12, val loss 0.3",
    "Saving state, iter: 6",
    "epoch3.pth loss: 0.5",
    "It took 3 epochs of 4 minutes",
    "fold 3: 0.5",
    "Progress: 13% of 7 files",
    "1/3 of the loss is noise",
    "ep: a word",
    "11/23 10:41:40 loss is a word",
    "Minibatch[no]: ce",
    "round the loss 0.5",
    "train: 0.5 | valid: 0.6",
    "Rank 3 is not the first",
    "version 3.2 of step 4: done",
    "11m 34s (- 12m 53s) and no more",
    "第 轮",
]


@pytest.mark.parametrize(
    ("name", "role"),
    [("num_loss_tokens", None), ("loss_samples", None), ("loss/token", "loss"), ("Run Train/Epoch", "epoch"),
     ("eval/epoch", None), ("Data Epoch", "epoch"), ("val/lr", None), ("gstep", "step"), ("VLA Train/Step", "step")],
)  # fmt: skip
def test_what_a_tag_is_called(name: str, role: str | None) -> None:
    assert role_of_tag(name) == role


@pytest.mark.parametrize(("line", "name", "role"), NAMES)
def test_what_a_number_is_called(line: str, name: str, role: str | None) -> None:
    said = entry_of(line)
    assert said is not None
    assert name in said
    assert role_of_tag(name) == role


@pytest.mark.parametrize("line", SILENT)
def test_lines_that_count_nothing(line: str) -> None:
    assert not entry_of(line)


@pytest.mark.parametrize(
    ("line", "english"),
    [
        ("loss 0.5", "loss 0.5"),
        ("Ω loss 0.5", "Ω loss 0.5"),
        ("平均训练损失: 0.5", "average train loss: 0.5"),
        ("Pérdida de validación: 0.5", "validation loss: 0.5"),
        ("第 3 轮 损失：0.5", "epoch 3 loss:0.5"),
    ],
)
def test_words_of_other_languages(line: str, english: str) -> None:
    assert in_english(line) == english


def test_an_error_is_a_loss_only_where_nothing_else_is() -> None:
    def main(text: str) -> str | None:
        reading = read(text)
        found = assign_roles(View(name="", sources=(0,), series={one.tag: one for one in reading.series}), [reading.source]).first("loss")
        return found.tag if found else None

    assert main(lines("iterations: {n}, training error: {loss}", range(0, 1200, 100))) == "training error"
    assert main(lines("iterations: {n}, loss: {loss}, training error: 0.5", range(0, 1200, 100))) == "loss"


def test_a_validation_that_no_row_has_is_left_out() -> None:
    text = "Iter   TrainDeviance   ValidDeviance   StepSize\n" + "".join(f"{n}  {9 / n:.4f}  nan  0.1\n" for n in range(1, 9))
    assert [one.tag for one in read(text).series] == ["TrainDeviance", "StepSize"]


def test_arguments_of_a_program_are_no_line_of_it() -> None:
    text = "Namespace(itr=2, batch_size=32, loss='mse', lr=0.0001)\n" + lines("iter {n}: loss {loss}", range(12))
    assert [one.tag for one in read(text).series] == ["loss"]


def test_a_table_that_was_exported_newest_first() -> None:
    from analyzer.readers.json_table import parse as parse_document

    rows = [{"metricName": "train_loss", "metricValue": str(9 / n), "timestamp": 1644614000000 + n, "step": n} for n in range(1, 13)]
    for written in (rows, rows[::-1]):
        assert ends(parse_document(json.dumps(written).encode(), "metrics.json"), "train_loss") == (1, 12, 12)
    series = parse_document(json.dumps(rows[::-1]).encode(), "metrics.json").series[0]
    assert series.row.tolist() == list(range(11, -1, -1))
