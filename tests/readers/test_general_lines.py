"""Lines that no pattern is written for: counters with their unit, names beside numbers, headlines, bars, and prose."""

# ruff: noqa: E501  (lines as the programs print them)

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.readers import Reading
from analyzer.readers.stdout import parse, recognises
from analyzer.readers.stdout.entries import entries_of
from analyzer.readers.stdout.general import entry_of
from analyzer.readers.stdout.places import is_whole
from analyzer.readers.text_file import lines_of

# where from, the line, what it says
LINES = [
    ("mlx-lm", "Iter 10: Train loss 0.972, Learning Rate 1.585e-06, It/sec 0.079, Trained Tokens 1578, Peak mem 46.288 GB",
     {"iter": 10, "Train loss": 0.972, "Learning Rate": 1.585e-06, "It/sec": 0.079, "Trained Tokens": 1578, "Peak mem": 46.288}),
    ("minGPT", "iter_dt 12.34ms; iter 100: train loss 2.33456", {"iter": 100, "iter_dt": 12.34, "train loss": 2.33456}),
    ("build-nanogpt", "step    10 | loss: 6.512345 | lr 1.2000e-05 | norm: 1.2345 | dt: 300.12ms | tok/sec: 174512.32",
     {"step": 10, "loss": 6.512345, "lr": 1.2e-05, "norm": 1.2345, "dt": 300.12, "tok/sec": 174512.32}),
    ("a print of one's own", "step 222 lr 1.87e-05", {"step": 222, "lr": 1.87e-05}),
    ("Swin", "(main.py 185): INFO Train: [0/300][10/1251]\teta 1:20:30 lr 0.000001\ttime 3.8123 (3.8123)\tloss 6.9123 (6.9100)\tgrad_norm 1.5 (1.5)\tmem 10123MB",
     {"epoch": 0, "epochs": 300, "batch": 10, "batches": 1251, "lr": 1e-06, "loss": 6.9123, "grad_norm": 1.5}),
    ("PyTorch tutorials", "Epoch [1/5], Step [100/600], Loss: 0.5123", {"epoch": 1, "epochs": 5, "step": 100, "total": 600, "Loss": 0.5123}),
    ("PyTorch-GAN", "[Epoch 0/200] [Batch 10/938] [D loss: 0.698123] [G loss: 0.712312]",
     {"epoch": 0, "epochs": 200, "batch": 10, "batches": 938, "D loss": 0.698123, "G loss": 0.712312}),
    ("OpenCLIP", "Train Epoch: 0 [  512/10000 (5%)] Data (t): 1.2 Batch (t): 2.3, 222.1/s, 222.1/s/gpu LR: 0.000001 Logit Scale: 14.286 Loss: 6.2345 (6.2345)",
     {"epoch": 0, "samples": 512, "of": 10000, "LR": 1e-06, "Logit Scale": 14.286, "Loss": 6.2345, "Data (t)": 1.2, "Batch (t)": 2.3}),
    ("Flair", "epoch 1 - iter 100/1000 - loss 0.51234567 - time (sec): 12.22 - samples/sec: 10.20 - lr: 0.000005",
     {"epoch": 1, "iter": 100, "total": 1000, "loss": 0.51234567, "time (sec)": 12.22, "samples/sec": 10.2, "lr": 5e-06}),
    ("detectron2", "[05/17 12:34:56 d2.utils.events]:  eta: 0:01:02  iter: 19  total_loss: 2.168  loss_cls: 1.321  data_time: 0.01  lr: 4.9953e-06  max_mem: 1234M",
     {"iter": 19, "total_loss": 2.168, "loss_cls": 1.321, "data_time": 0.01, "lr": 4.9953e-06}),
    ("torchtitan", "[titan] - root - INFO - step: 10  loss:  7.2345  grad_norm:  1.2345  memory: 40.12GiB(50.66%)  tps: 7,123  mfu: 30.12%",
     {"step": 10, "loss": 7.2345, "grad_norm": 1.2345, "tps": 7123, "mfu": 30.12}),
    ("CycleGAN", "(epoch: 1, iters: 100, time: 0.312, data: 0.203) G_GAN: 0.698 G_L1: 12.312", {"epoch": 1, "iter": 100, "G_GAN": 0.698, "G_L1": 12.312}),
    ("CIFAR tutorial", "[1,  2000] loss: 2.212", {"epoch": 1, "batch": 2000, "loss": 2.212}),
    ("quickstart tutorial", "loss: 2.301233  [ 6400/60000]", {"samples": 6400, "of": 60000, "loss": 2.301233}),
    ("PyTorch Geometric", "Epoch: 001, Loss: 0.1234, Train: 0.5, Val: 0.6, Test: 0.7", {"epoch": 1, "Loss": 0.1234, "Train": 0.5, "Val": 0.6, "Test": 0.7}),
    ("BasicSR", "[EDSR_..][epoch:  6, iter:   2,700, lr:(2.000e-04,)] [eta: 0:23:04, time (data): 0.012 (0.001)] l_pix: 4.2341e-02",
     {"epoch": 6, "iter": 2700, "lr": 0.0002, "l_pix": 0.042341, "time (data)": 0.012}),
    ("arrows", "02/14/2025 02:27:21 - INFO - Main - [train] Step --> 100 out of 16384 | Loss --> 8.466 | Lr ==> 0.002 | Grad_l2 -> 0.5",
     {"step": 100, "total": 16384, "Loss": 8.466, "Lr": 0.002, "Grad_l2": 0.5}),
    ("commas are no thousands", "step: 12,loss: 0.5,acc: 0.25", {"step": 12, "loss": 0.5, "acc": 0.25}),
    ("a place beside the global step", "STEP: 25/275 -- GLOBAL_STEP: 1,125 -- loss: 0.5",
     {"batch": 25, "batches": 275, "global_step": 1125, "loss": 0.5}),
    ("a headline sentence", "Training loss at step 100: 0.512", {"step": 100, "Training loss": 0.512}),
    ("a number that is", "Epoch 0, Step 25, total used time 7.178 (s), avg loss so far is 0.1097", {"epoch": 0, "step": 25, "total used time": 7.178, "avg loss so far": 0.1097}),
    ("a GAN's own loop", "[  1/75] it    160  d  -8.5937  g   0.5654  gp 0.1163  lr 1.999e-04  3.6s", {"it": 160, "d": -8.5937, "g": 0.5654, "gp": 0.1163, "lr": 1.999e-04}),
    ("another phase", "INFO:root:Evaluation Epoch 3 - Average Loss: 1.5558, Average Accuracy: 0.3043", {"epoch": 3, "Evaluation Average Loss": 1.5558, "Evaluation Average Accuracy": 0.3043}),
    ("a bar", "Epoch 3:  10%|█         | 10/100 [00:01<00:11,  8.01it/s, train_loss=0.512]", {"epoch": 3, "train_loss": 0.512}),
]  # fmt: skip
# lines that count by what stands above them, and what the rows say
TABLES = [
    ("wav2letter", """# date\ttime\tepoch\tnupdates\tlr\truntime\tbch(ms)\tloss\ttrain-LER\n"""
     """2025-04-17 00:30:20        1         2000 0.050000 00:08:00 240.12 36.00940 68.43
2025-04-17 00:40:12        1         4000 0.100000 00:08:16 248.49 27.91461 53.14
""", [{"epoch": 1, "nupdates": 2000, "lr": 0.05, "bch(ms)": 240.12, "loss": 36.0094, "train-LER": 68.43, "timestamp": 1744849820.0},
      {"epoch": 1, "nupdates": 4000, "lr": 0.1, "bch(ms)": 248.49, "loss": 27.91461, "train-LER": 53.14, "timestamp": 1744850412.0}]),
    ("spaCy", """E    #       LOSS TOK2VEC  LOSS NER  ENTS_F  SCORE
---  ------  ------------  --------  ------  ------
  0       0          3.22      7.37    0.30    0.00
  0     200        533.51   1569.15   14.83    0.15
  1     400        361.56   1063.40   42.92    0.43
""", [{"epoch": 0, "step": 0, "LOSS TOK2VEC": 3.22, "LOSS NER": 7.37, "ENTS_F": 0.3, "SCORE": 0.0},
      {"epoch": 0, "step": 200, "LOSS TOK2VEC": 533.51, "LOSS NER": 1569.15, "ENTS_F": 14.83, "SCORE": 0.15},
      {"epoch": 1, "step": 400, "LOSS TOK2VEC": 361.56, "LOSS NER": 1063.4, "ENTS_F": 42.92, "SCORE": 0.43}]),
    ("DeePMD-kit", """#  step      rmse_val    rmse_trn         lr
# If there is no available reference data, rmse_*_{val,trn} will print nan
      0      2.86e+01    2.75e+01    1.0e-03
   1000           nan    5.05e+01    9.5e-04
""", [{"step": 0, "rmse_val": 28.6, "rmse_trn": 27.5, "lr": 1e-3}, {"step": 1000, "rmse_trn": 50.5, "lr": 9.5e-4}]),
    ("ParlAI", """10:31:21 | time:24s total_exs:3200
    clip   loss     lr  total_train_updates   ups
      .9  5.048  2e-05                  100  4.23

10:31:45 | time:48s total_exs:6400
    clip  loss     lr  total_train_updates   ups
      .9  4.86  4e-05                  200  4.23
""", [{"clip": 0.9, "loss": 5.048, "lr": 2e-5, "total_train_updates": 100, "ups": 4.23},
      {"clip": 0.9, "loss": 4.86, "lr": 4e-5, "total_train_updates": 200, "ups": 4.23}]),
    ("Detectron", 'json_stats: {"eta": "1:01:30", "iter": 20, "loss": "1.590359", "lr": 0.0009, "time": "0.41"}\n',
     [{"iter": 20, "loss": 1.590359, "lr": 0.0009, "time": 0.41}]),
    ("DLLogger", 'DLLL {"timestamp": "1700168795.92", "datetime": "2023-11-16 21:06:35", "step": [0, 20], "data": {"train.loss": 6.7}}\n',
     [{"timestamp": 1700168795.92, "data/train.loss": 6.7, "epoch": 0, "batch": 20}]),
    ("a table of results", "model  size  params\nresnet  25  4.1\n  18   25  4.1\n", []),
    ("numbers of another table", "step  loss  lr\n1 2\n1 2 3 4\n", []),
    ("names that count nothing", "loss  lr  acc\n 0.5 0.1 0.2\n", []),
    ("a configuration in one object", 'INFO config {"batch_size": 32, "epochs": 10}\n', []),
]  # fmt: skip
NOTHING = [
    "Number of train images: 49,400, iters: 6,175",
    "Total Epoch:300 Image_size:(256, 256) Training num:288  Validation num:72",
    "We trained step 3 of the pipeline and found 7 errors",
    "Num epochs = 3, batch size = 32",
    "epochs: 10, lr: 0.001, batch_size: 32",
    "Saving model every step 500, see Table 2",
    "Epoch 00004: val_loss improved from inf to 0.51234, saving model to weights.04-0.51.hdf5",
    "Epoch 00005: val_loss did not improve from 0.51234",
    "see issue 12 and step 3, 4 or 5",
    "1.2.3 -> 1.2.4 update 5 packages",
]


@pytest.mark.parametrize(("line", "said"), [(line, said) for _, line, said in LINES], ids=[name for name, _, _ in LINES])
def test_what_a_line_says(line: str, said: dict[str, float]) -> None:
    assert entry_of(line) == said


@pytest.mark.parametrize(("text", "said"), [(text, said) for _, text, said in TABLES], ids=[row[0] for row in TABLES])
def test_what_lines_say_by_the_names_above_them(text: str, said: list[dict[str, float]]) -> None:
    found = [entry for _, _, entry in entries_of(lines_of(text))]
    assert [{key: value for key, value in entry.items() if value == value} for entry in found] == said


@pytest.mark.parametrize("line", NOTHING)
def test_prose_and_settings_say_nothing(line: str) -> None:
    assert not entry_of(line)


def read(text: str) -> Reading:
    return parse(text.encode(), "train.log")


def points(reading: Reading, tag: str) -> list[tuple[int, float]]:
    series = next(one for one in reading.series if one.tag == tag)
    return list(zip(series.step.tolist(), series.value.tolist(), strict=True))


def printed(line: str, epochs: range, places: range) -> str:
    return "".join(line.format(e=e, i=i, loss=f"{9 / (10 * e + i + 1):.4f}") + "\n" for e in epochs for i in places)


def broken(rate: Callable[[int, int, int], int]) -> str:
    """An epoch, 60 of 100 batches of the next, and that one from its beginning."""
    places = [(e, i) for e, n in ((1, 100), (2, 60), (2, 100)) for i in range(10, n + 1, 10)]
    line = "Epoch {e}:  10%|█  | {i}/100 [00:01<00:11,  8.01it/s, loss={loss:.4f}, lr={rate:.3e}]\n"
    return "".join(line.format(e=e, i=i, loss=9 / (r + 1), rate=1 / rate(e, i, r + 1)) for r, (e, i) in enumerate(places))


TUTORIAL = "Epoch [{e}/3], Step [{i}/600], Loss: {loss}"
# what counts, the text, the axis, the first and last steps, declared facts
AXES = [
    ("batches of the epoch are no length of the run", printed(TUTORIAL, range(1, 4), range(100, 601, 100)), "batch", (100, 1800), {"epochs": 3}),
    ("0-based epochs", printed("Train: [{e}/3][{i}/50]\tlr 0.1\tloss {loss}", range(3), range(0, 50, 10)), "batch", (0, 140), {"epochs": 3}),
    ("samples inside the epoch", printed("Train Epoch: {e} [{i}/60000 (7%)]\tLoss: {loss}", range(1, 4), range(0, 60000, 12800)), "samples", (0, 171200), {}),
    ("a total of the run", "".join(f"Epoch [{1 + s // 300}/2], Step [{s}/600], Loss: {9 / s:.4f}\n" for s in range(50, 601, 50)), "step", (50, 600), {"epochs": 2, "max_steps": 600}),
    ("the first epoch alone", printed(TUTORIAL, range(1, 2), range(100, 601, 100)), "batch", (100, 600), {"epochs": 3}),
    ("all places of each epoch, without a total", "".join(f"Epoch {e}\n" + "".join(f"step {i} loss {9 / (9 * e + i + 1):.4f}\n" for i in range(5)) for e in (1, 2, 3)), "batch", (1, 15), {}),
    ("places without a total", printed("[{e}, {i}] loss: {loss}", range(1, 4), range(2000, 12001, 2000)), "place", (2000, 36000), {}),
    ("an epoch that begins again", printed(TUTORIAL, range(1, 3), range(100, 601, 100)) + printed(TUTORIAL, range(2, 4), range(100, 601, 100)), "batch", (100, 2400), {"epochs": 3}),
    ("a bar that goes once through the run", "".join(f"Steps:  2%|▏         | {s}/500 [00:11<09:11,  1.01s/it, lr=0.0001, step_loss={9 / s:.4f}]\n" for s in range(1, 30)), "step", (1, 29), {"max_steps": 500}),
    ("a bar for each epoch", printed("Epoch {e}:  10%|█         | {i}/100 [00:01<00:11,  8.01it/s, loss={loss}]", range(3), range(1, 100, 9)), "batch", (1, 291), {}),
    ("a bar of Lightning, which may hold batches of validation", printed("Epoch {e}:  10%|█         | {i}/100 [00:01<00:11,  8.01it/s, loss={loss}, v_num=0]", range(3), range(1, 100, 9)), "redraw", (1, 33), {}),
    ("states that were painted over", "".join("".join(f"\rEpoch {e}:  10%|█  | {i}/100 [00:01<00:11,  8.01it/s, loss={9 / (10 * e + i):.4f}]" for i in (4, 50, 100, 100)) + "\n\rValidating: 100%|█| 9/9 [00:01, loss=7.1]\n" for e in (1, 2, 3)), "batch", (4, 300), {}),
    ("bars without a label, one after another", "".join(f"\r 10%|█  | {i}/100 [00:01<00:11,  8.01it/s, loss={9 / (10 * e + i):.4f}]\n" for e in range(3) for i in (4, 50, 100)), "batch", (4, 300), {}),
    ("an epoch that breaks off and begins again under a rate that goes on", broken(lambda e, i, row: row), "batch", (10, 260), {}),
    ("an epoch that breaks off and is logged twice", broken(lambda e, i, row: 100 * e + i), "batch", (10, 200), {}),
    ("an epoch that breaks off, and no rate tells what goes on", broken(lambda e, i, row: 1), "batch", (10, 200), {}),
    ("an epoch and its batch with a slash between them", "".join(f"DEBUG TRAIN Batch {e}/{i} loss {9 / (9 * e + i + 1):.6f} lr 0.00000133 rank 0\n" for e in range(3) for i in range(0, 900, 100)), "place", (0, 2600), {}),
    ("places that go on over the ends of epochs", "".join(f"(epoch: {1 + s // 1334}, iters: {s % 1334}) G_A: {9 / s:.3f} loss: {9 / s:.3f}\n" for s in range(100, 5000, 100)), "batch", (100, 4900), {}),
    ("a place that is always the first", "".join(f"[train] epoch:{e} iter:0/18 0.00% lr:0.001 loss:{9 / (e + 1):.6f}\n" for e in range(6)), "epoch", (0, 5), {}),
    ("bars of two phases that take turns", "".join("".join(f"loss: {9 / (10 * e + i):.4f} ||: 10%|#  | {i}/{n} [00:01<00:11,  8.01it/s]\n" for i in range(n // 10, n + 1, n // 10)) for e in range(4) for n in (100, 10)), "batch", (10, 400), {}),
    ("bars below the line that closed the epoch before", "".join("".join(f"\r 10%|█  | {i}/100 [00:01<00:11,  8.01it/s, loss={9 / (10 * e + i):.4f}]" for i in (4, 50, 100)) + f"\nepoch {e} val_acc 0.5{e}\n" for e in (1, 2, 3)), "batch", (4, 300), {}),
    ("the two phases of AllenNLP", "".join(f"2022-09-19 20:3{e}:43,879 - INFO - allennlp.training.trainer - Epoch {e}/9\n2022-09-19 20:3{e}:49,622 - INFO - allennlp.training.tensorboard_writer -                   Training |  Validation\n2022-09-19 20:3{e}:49,623 - INFO - allennlp.training.tensorboard_writer - loss          |     0.51{e}  |     0.543\n2022-09-19 20:3{e}:49,623 - INFO - allennlp.training.tensorboard_writer - memory        |    1580.6  |       N/A\n" for e in range(5)), "epoch", (0, 4), {}),
    ("dictionaries under the bar of a notebook", "".join(f" 10% {s}/100 [00:10<01:30,  1.0s/it]\n{{'loss': {9 / s:.4f}, 'learning_rate': 5e-05, 'epoch': {s / 50}}}\n" for s in range(10, 101, 10)), "step", (10, 100), {"max_steps": 100}),
    ("dictionaries with a place in brackets", "".join(f"{{'epoch': {e}, 'iter': '[{i}/40]', 'avg_loss': {9 / (e * 40 + i + 1):.4f}, 'loss': {8 / (e * 40 + i + 1):.4f}}}\n" for e in range(4) for i in range(0, 40, 10)), "batch", (0, 150), {}),
    ("dictionaries under a bar", "".join(f" 10%|#     | {s}/100 [00:10<01:30,  1.0s/it]\n{{'loss': {9 / s:.4f}, 'learning_rate': 5e-05, 'epoch': {s / 50}}}\n" for s in range(10, 101, 10)), "step", (10, 100), {"max_steps": 100}),
    ("dictionaries under a bar that was started again", "".join(f" 10%|#     | {s}/100 [00:10<01:30,  1.0s/it]\n{{'loss': {9 / s:.4f}, 'learning_rate': 5e-05, 'epoch': {s / 50}}}\n" for s in (*range(10, 71, 10), *range(50, 101, 10))), "step", (10, 100), {"max_steps": 100}),
    ("places of every batch, half as many from the fourth epoch on", "".join(f"epoch: {e} step: {i}, loss is {1 / (e * 40 + i):.5f}\n" for e in range(1, 7) for i in range(1, 41 if e < 4 else 21)), "batch", (1, 180), {}),
    ("dictionaries that come late", " 99%|#     | 99/100 [00:10<01:30,  1.0s/it]\n" + "".join(f"{{'loss': {9 / s:.4f}, 'learning_rate': 5e-05, 'epoch': {s / 50}}}\n" for s in range(10, 101, 10)), "row", (1, 10), {}),
    ("a headline and numbers below it", "".join(f"Epoch {e}/24\n----------\ntrain Loss: {1 / (e + 1):.4f} Acc: 0.7{e}\nval Loss: 0.5 Acc: 0.8{e}\n\n" for e in range(5)), "epoch", (0, 4), {}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "axis", "ends", "facts"), [row[1:] for row in AXES], ids=[row[0] for row in AXES])
def test_the_axis_as_it_is_written(text: str, axis: str, ends: tuple[int, int], facts: dict[str, int]) -> None:
    reading = read(text)
    loss = next(one for one in reading.series if "loss" in one.tag.lower())
    assert (reading.source.step_axis, (int(loss.step[0]), int(loss.step[-1]))) == (axis, ends)
    assert {fact.key: fact.value for fact in reading.facts} == facts
    assert recognises(Path("train.log"), text.encode()[:4096])


def test_the_phase_in_front_belongs_to_every_number_of_its_line() -> None:
    reading = read("".join(f"Epoch {e}/9\ntrain Loss: 0.5 Acc: 0.7\nval Loss: 0.4 Acc: 0.8\n" for e in range(3)))
    assert {one.tag for one in reading.series} == {"epoch", "train Loss", "train Acc", "val Loss", "val Acc"}


def test_a_phase_behind_the_name_of_a_logger() -> None:
    reading = read("".join(f"INFO:root:\nEpoch: {e} | Epoch Time: 13.63 s\nINFO:root:\tTrain: loss = 0.{9 - e}\nINFO:root:\tTest: loss = 0.5\n" for e in range(4)))
    assert (reading.source.step_axis, points(reading, "Train loss")[1]) == ("epoch", (1, 0.8))
    assert {one.tag for one in reading.series} == {"epoch", "Epoch Time", "Train loss", "Test loss"}


def test_lines_below_a_counter_belong_to_it() -> None:
    dsfd = read("".join(
        f"epoch:0 || iter:{i} || Loss:{9 / (i + 1):.4f}\n->> pal1 conf loss:1.{i} || pal1 loc loss:4.9553\n->>lr:0.001\n" for i in range(0, 60, 10)
    ))
    assert points(dsfd, "pal1 conf loss")[2] == (20, 1.20)
    ordinal = read("".join(f"current step: {i}th step\nbatch loss:{9 / i:.4f}\n" for i in range(1, 9)))
    assert points(ordinal, "batch loss")[1] == (2, 4.5)
    steps = read("".join(f"Step {s} | Loss: {9 / s:.4f} | LR: 1e-05\n" + f"Validation loss: {8 / s:.4f}\n" * (s % 20 == 0) for s in range(10, 90, 10)))
    assert points(steps, "Validation loss")[1] == (40, 0.2)


def test_blocks_of_nn_unet() -> None:
    reading = read("".join(
        f"2023-05-01 10:0{e}:00.123456: \n2023-05-01 10:0{e}:00.123456: Epoch {e}\n2023-05-01 10:0{e}:00.2: Current learning rate: 0.0{9 - e}\n"
        f"2023-05-01 10:0{e}:30.1: train_loss -0.{e}234\n2023-05-01 10:0{e}:30.1: val_loss -0.{e}111\n2023-05-01 10:0{e}:30.2: Pseudo dice [0.51, 0.62]\n"
        for e in range(5)
    ))
    assert points(reading, "train_loss")[1] == (1, -0.1234)
    assert points(reading, "Current learning rate")[4] == (4, 0.05)
    assert points(reading, "Pseudo dice[1]")[4] == (4, 0.62)
    assert {one.tag for one in reading.series if "dice" not in one.tag} == {"epoch", "Current learning rate", "train_loss", "val_loss"}


def test_blocks_of_coqui() -> None:
    reading = read("".join(
        f"\n\x1b[1m   --> STEP: {s}/36 -- GLOBAL_STEP: {s + 100}\x1b[0m\n     | > loss: 0.{s}1234  (0.61234)\n     | > current_lr: 0.0025 \n"
        for s in (25, 30, 35)
    ))
    assert points(reading, "loss") == [(125, 0.251234), (130, 0.301234), (135, 0.351234)]


def test_ranks_are_told_apart() -> None:
    reading = read("".join(
        f"[rank{r}]:[titan] 2025-01-01 00:00:0{s},123 - root - INFO - step: {s}  loss:  7.{s}{r}  grad_norm:  1.2\n"
        for s in range(1, 6) for r in (0, 1)
    ))
    assert points(reading, "loss")[0] == (1, 7.10)
    assert points(reading, "rank1/loss")[0] == (1, 7.11)
    assert float(reading.series[0].wall_time[0]) == 1735689601.123


@pytest.mark.parametrize("line", ["step " * 2000, "Epoch [" + " " * 9000, "loss: " * 1600 + "x", "a.b " * 2400, "[1/" * 3000,
                                  "1%|" + "█" * 9000, "Train Epoch: 1 [" * 600, "x at step 1 " * 800, "9," * 4900])  # fmt: skip
def test_hostile_lines_take_linear_time(line: str) -> None:
    begin = time.process_time()
    entry_of(line)
    assert time.process_time() - begin < 0.5


def test_a_step_under_an_epoch_that_stands_alone_has_both() -> None:
    lines = "".join(
        f" > EPOCH: {epoch}/3\n   --> STEP: {at}/50 -- GLOBAL_STEP: {50 * epoch + at}\n     | > loss: {'nan  (nan)' if at == 50 else '0.5  (0.6)'}\n"
        for epoch in range(3)
        for at in (25, 50)
    )
    read = parse(lines.encode(), "log.txt")
    series = {one.tag: one for one in read.series}
    assert series["epoch"].value.tolist() == [0, 0, 1, 1, 2, 2]
    assert series["loss"].step.tolist() == [25, 50, 75, 100, 125, 150]
    assert [value != value for value in series["loss"].value.tolist()] == [False, True] * 3, "a line of nan has no digit"


EVALUATED = "| INFO | Eval Epoch: {} clip_val_loss: {}\n"
TRAINED = "| INFO | Train Epoch: {} [{}/1000 ({}%)] LR: 0.001 Loss: {}\n"


@pytest.mark.parametrize("labels", [(0, 1, 2, 3), (0, 1, 3, 4)], ids=["sound", "a label left out: laps are counted"])
def test_rows_without_a_counter_stand_where_they_were_printed(labels: tuple[int, ...]) -> None:
    text = "".join(
        "".join(TRAINED.format(label, at, at // 10, 0.5) for at in (250, 500, 750, 1000)) + EVALUATED.format(label + 1, 0.6)
        for label in labels
    )
    read = parse(text.encode(), "out.log")
    assert read.source.step_axis == "samples"
    series = {one.tag: one for one in read.series}
    assert series["clip_val_loss"].step.tolist() == [1000, 2000, 3000, 4000]
    assert len(series["epoch"]) == 16, "epochs done are no label of an epoch"


@pytest.mark.parametrize(
    ("end", "cut"),
    [
        ("INFO:learning_rate = 0.0588245, l", True),
        ("INFO:learning_rate = 0.05, loss = 0.5, step = 1", True),
        ("INFO:Loss for final step: 0.5.", False),
        ("done", False),
    ],
)
def test_a_cut_last_line_is_named_where_it_begins_as_the_rows_do(end: str, cut: bool) -> None:
    rows = "".join(f"INFO:learning_rate = 0.05, loss = 0.{step}, step = {step} (12.0 sec)\n" for step in range(100, 900, 100))
    read = parse((rows + end).encode(), "train.log")
    assert [problem.kind for problem in read.problems] == ["truncated"] * cut


HEADLINED = "".join(
    f"Epoch {e} | Step {i}/60 | Loss: {9 / (e * 60 + i):.4f} | LR: 1.5e-04\n"
    + ("INFO: Evaluation Results:\nINFO:    Loss: 0.5301\n" if i == 60 else "")
    for e in range(3) for i in range(10, 61, 10)
)  # fmt: skip
BY_EPOCH = "".join(
    f"Epoch {e} Batch {i}/60 Loss: {9 / (e * 60 + i):.4f}\n" + (f"Epoch {e} Loss: 0.53\n" if i == 60 else "")
    for e in range(3) for i in range(10, 61, 10)
)  # fmt: skip


@pytest.mark.parametrize(("text", "other"), [(HEADLINED, "summary Loss"), (BY_EPOCH, "epoch Loss")])
def test_lines_of_two_kinds_that_name_a_loss_alike_are_two_series(text: str, other: str) -> None:
    reading = read(text)
    assert len(points(reading, "Loss")) == 18
    assert [value for _, value in points(reading, other)] == ([0.5301] * 3 if other == "summary Loss" else [0.53] * 3)


def test_rows_of_an_evaluation_are_not_counted_as_steps() -> None:
    train = "{'loss': 0.6935, 'learning_rate': 0.004, 'epoch': %s}\n"
    text = "".join(train % e for e in (0.1, 0.2, 0.3)) + "{'eval_loss': 0.69, 'epoch': 0.3}\n" + train % 0.4
    reading = read(text)
    assert [step for step, _ in points(reading, "loss")] == [1, 2, 3, 4]
    assert [step for step, _ in points(reading, "eval_loss")] == [3]


def test_a_step_of_minus_one_behind_others_is_none() -> None:
    from analyzer.readers import csv_table

    text = "epoch,steps,loss\n" + "".join(f"{e},{s},0.5\n" for e in (0, 1) for s in (100, 200, -1))
    reading = csv_table.parse(text.encode(), "eval_results.csv")
    step = next(one for one in reading.series if one.tag == "loss").step
    assert [int(one) for one in step if one >= 0] == [100, 200, 100, 200]


@pytest.mark.parametrize(
    ("label", "whole"),
    [(3, True), (3.0, True), (0, True), (2.5, False), (float("nan"), False), (float("inf"), False), (1e300, False), (10**40, False)],
)
def test_a_label_that_steps_can_be_made_of(label: float, whole: bool) -> None:
    assert is_whole(label) is whole


@pytest.mark.parametrize("labels", [[0], [0, 1], [0, 0]], ids=["a single headline", "two", "one twice"])
def test_a_headline_that_counts_from_0_is_no_error(labels: list[int]) -> None:
    text = "".join(f"Epoch {label}/1\nloss: 0.{9 - at}\n" for at, label in enumerate(labels))
    assert all(fact.key in ("epochs", "max_steps") for fact in parse(text.encode(), "train.log").facts)
