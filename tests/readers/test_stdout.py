"""Printed output: real lines of every program in the table, and prose that must not be taken for a log."""

# ruff: noqa: E501  (lines as the programs print them)

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.model import NO_STEP
from analyzer.readers import Reading
from analyzer.readers.stdout import parse, recognises


def read(text: str) -> Reading:
    return parse(text.encode(), "train.log")


def points(reading: Reading, tag: str) -> list[tuple[int, float, int]]:
    series = next(one for one in reading.series if one.tag == tag)
    return list(zip(series.step.tolist(), series.value.tolist(), series.row.tolist(), strict=True))


# program, lines as printed, framework, then for some tags the points (step, value, line)
INFINITE = float("inf")
PROGRAMS = [
    ("nanogpt", """step 0: train loss 10.9888, val loss 10.9902
iter 0: loss 10.9777, time 93930.24ms, mfu -100.00%
saving checkpoint to out
iter 10: loss 9.5345, time 2942.94ms, mfu 22.88%
""", "nanogpt", {"loss": [(0, 10.9777, 2), (10, 9.5345, 4)], "val/loss": [(0, 10.9902, 1)], "mfu": [(0, -100, 2), (10, 22.88, 4)]}),
    ("modded-nanogpt", """step:0/1480 val_loss:10.8258 train_time:0ms step_avg:nanms
step:1/1480 train_time:23047ms step_avg:nanms
step:125/1480 val_loss:4.3812 train_time:18478ms step_avg:160.68ms
""", "modded-nanogpt", {"val_loss": [(0, 10.8258, 1), (125, 4.3812, 3)], "step_avg": [(125, 160.68, 3)]}),
    ("llm.c", "s:0 tel:10.968871\ns:0 trl:10.965596\ns:1 trl:10.814037\n", "llm.c",
     {"val_loss": [(0, 10.968871, 1)], "train_loss": [(0, 10.965596, 2), (1, 10.814037, 3)]}),
    ("megatron", """ [2024-05-01 12:00:00] iteration      100/    1000 | consumed samples:        25600 | elapsed time per iteration (ms): 123.4 | learning rate: 1.500000E-04 | global batch size:   256 | lm loss: 8.516121E+00 | loss scale: 1.0 | grad norm: 2.123 | number of skipped iterations:   0 | number of nan iterations:   0 |
 [2024-05-01 12:00:20] iteration      200/    1000 | consumed samples:        51200 | elapsed time per iteration (ms): 120.1 | learning rate: 1.400000E-04 | global batch size:   256 | lm loss: 7.516121E+00 | loss scale: 1.0 | grad norm: 1.123 | number of skipped iterations:   1 | number of nan iterations:   0 |
-----------------------------------------------------------------------------------------------
 validation loss at iteration 200 | lm loss value: 7.400000E+00 | lm loss PPL: 1.634E+03 |
""", "megatron", {"lm loss": [(100, 8.516121, 1), (200, 7.516121, 2)], "learning-rate": [(100, 1.5e-4, 1), (200, 1.4e-4, 2)],
                  "consumed_samples": [(100, 25600, 1), (200, 51200, 2)], "lm loss validation": [(200, 7.4, 4)],
                  "number of skipped iterations": [(100, 0, 1), (200, 1, 2)],
                  "number of nan iterations": [(100, 0, 1), (200, 0, 2)]}),
    ("megatron whose loss is no number", """ iteration      100/    1000 | lm loss: inf | grad norm: 1.5 | number of nan iterations:   1 |
 iteration      200/    1000 | lm loss inf | grad norm 1.5 | number of nan iterations:   2 |
""", "megatron", {"lm loss": [(100, INFINITE, 1), (200, INFINITE, 2)], "grad-norm": [(100, 1.5, 1), (200, 1.5, 2)],
                  "number of nan iterations": [(100, 1, 1), (200, 2, 2)]}),
    ("trainer", """{'loss': 2.5, 'grad_norm': 1.25, 'learning_rate': 5e-05, 'epoch': 0.5}
 10%|#         | 10/100 [00:10<01:30,  1.0s/it]{'loss': nan, 'grad_norm': nan, 'learning_rate': 4e-05, 'epoch': 1.0}
{'eval_loss': '2.25', 'eval_runtime': '1.5', 'epoch': '1'}
""", "transformers", {"learning_rate": [(1, 5e-5, 1), (2, 4e-5, 2)], "eval_loss": [(2, 2.25, 3)]}),
    ("keras 2", """Epoch 1/2
100/100 [==============================] - 1s 2ms/step - loss: 0.5 - accuracy: 0.90 - val_loss: 0.6 - val_accuracy: 0.85
Epoch 2/2
 50/100 [============>.................] - ETA: 0s - loss: 0.45\b\b\b\b\b\r100/100 [==============================] - 1s 2ms/step - loss: 0.4 - accuracy: 0.92 - val_loss: 0.55 - val_accuracy: 0.86
""", "keras", {"loss": [(1, 0.5, 2), (2, 0.4, 4)], "val_loss": [(1, 0.6, 2), (2, 0.55, 4)]}),
    ("keras 3", """Epoch 1/2
\x1b[1m469/469\x1b[0m \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m1s\x1b[0m 2ms/step - accuracy: 0.9 - loss: 0.5
Epoch 2/2
\x1b[1m469/469\x1b[0m \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m1s\x1b[0m 2ms/step - accuracy: 0.95 - loss: 0.25
""", "keras", {"loss": [(1, 0.5, 2), (2, 0.25, 4)]}),
    ("keras verbose 2", "Epoch 1/2\n100/100 - 1s - loss: 0.5 - val_loss: 0.75 - 1s/epoch - 14ms/step\n"
     "Epoch 2/2\n100/100 - 1s - 14ms/step - loss: 0.25 - val_loss: 0.5\n", "keras", {"loss": [(1, 0.5, 2), (2, 0.25, 4)]}),
    ("fairseq json", """2024-01-01 00:00:00 | INFO | train_inner | {"epoch": 1, "update": 0.5, "loss": "14.2", "lr": "1.25e-05", "num_updates": "100", "wall": "20"}
2024-01-01 00:01:00 | INFO | train_inner | {"epoch": 1, "update": 1.0, "loss": "12.2", "lr": "2.5e-05", "num_updates": "200", "wall": "40"}
""", "fairseq", {"loss": [(100, 14.2, 1), (200, 12.2, 2)], "lr": [(100, 1.25e-5, 1), (200, 2.5e-5, 2)]}),
    ("fairseq simple", """2024-01-01 00:00:00 | INFO | train_inner | epoch 001:    100 / 1000 loss=14.2, ppl=18854, wps=9000, num_updates=100, lr=1.25e-05, gnorm=2.1, wall=20
2024-01-01 00:01:00 | INFO | train_inner | epoch 001:    200 / 1000 loss=12.2, ppl=4705, wps=9000, num_updates=200, lr=2.5e-05, gnorm=1.1, wall=40
""", "fairseq", {"loss": [(100, 14.2, 1), (200, 12.2, 2)], "gnorm": [(100, 2.1, 1), (200, 1.1, 2)]}),
    ("fairseq old", "| epoch 001 | loss 9.868 | nll_loss 9.1 | ppl 553 | lr 8.75e-05 | num_updates 700 | gnorm 0.7\n"
     "| epoch 002 | loss 8.868 | nll_loss 8.1 | ppl 276 | lr 0.000175 | num_updates 1400 | gnorm 0.6\n", "fairseq",
     {"loss": [(700, 9.868, 1), (1400, 8.868, 2)]}),
    ("mlperf", ''':::MLPv0.5.0 resnet 1541660914.304925203 (resnet/resnet_main.py:668) train_epoch: 0
:::MLPv0.5.0 resnet 1541660914.983381271 (resnet/resnet_main.py:551) input_batch_size: 1024
:::MLPv0.5.0 resnet 1541661914.303858042 (resnet/resnet_main.py:672) eval_accuracy: {"value": 0.25, "epoch": 3}
:::MLPv0.5.0 resnet 1541662914.303858042 (resnet/resnet_main.py:672) eval_accuracy: {"value": 0.5, "epoch": 7}
''', "mlperf", {"eval_accuracy": [(3, 0.25, 3), (7, 0.5, 4)]}),
    ("mlperf logging", ''':::MLLOG {"namespace": "", "time_ms": 1700000000000, "event_type": "POINT_IN_TIME", "key": "eval_accuracy", "value": 0.5, "metadata": {"epoch_num": 3}}
:::MLLOG {"namespace": "", "time_ms": 1700000009000, "event_type": "POINT_IN_TIME", "key": "eval_accuracy", "value": 0.6, "metadata": {"epoch_num": 4}}
''', "mlperf", {"eval_accuracy": [(3, 0.5, 1), (4, 0.6, 2)]}),
    ("mlperf training", ''':::MLLOG {"namespace": "", "time_ms": 1700000000000, "event_type": "POINT_IN_TIME", "key": "train_loss", "value": 10.5, "metadata": {"samples_count": 128, "lr": 0.0001}}
:::MLLOG {"namespace": "", "time_ms": 1700000009000, "event_type": "POINT_IN_TIME", "key": "train_loss", "value": 9.5, "metadata": {"samples_count": 256, "lr": 0.0002}}
''', "mlperf", {"train_loss": [(128, 10.5, 1), (256, 9.5, 2)], "lr": [(128, 0.0001, 1), (256, 0.0002, 2)]}),
    ("logging module", "2023-05-15 22:50:17,398 INFO:Epoch 1: Train Loss=0.0717, Val Loss=0.0766\n"
     "2023-05-15 22:50:21,707 INFO:Epoch 2: Train Loss=0.0578, Val Loss=0.0507\n", None,
     {"Train Loss": [(1, 0.0717, 1), (2, 0.0578, 2)], "Val Loss": [(1, 0.0766, 1), (2, 0.0507, 2)]}),
    ("tutorial", "Epoch [1/2], Step [100/600], Loss: 0.25\nEpoch [1/2], Step [200/600], Loss: 0.20\n", None,
     {"Loss": [(100, 0.25, 1), (200, 0.2, 2)], "epoch": [(100, 1, 1), (200, 1, 2)]}),
    ("caffe", "I0912 12:00:00.1 3 solver.cpp:229] Iteration 0, loss = 6.9\nI0912 12:00:00.1 3 sgd.cpp:106] Iteration 0, lr = 0.01\n"
     "I0912 12:00:09.1 3 solver.cpp:229] Iteration 20, loss = 5.9\n", "caffe", {"loss": [(0, 6.9, 1), (20, 5.9, 3)], "lr": [(0, 0.01, 2)]}),
    ("darknet", " 1: 802.517151, 802.517151 avg loss, 0.000000 rate, 3.2 seconds, 64 images\n"
     " 2: 792.517151, 801.517151 avg loss, 0.001000 rate, 3.1 seconds, 128 images\n", "darknet",
     {"loss": [(1, 802.517151, 1), (2, 792.517151, 2)], "lr": [(1, 0.0, 1), (2, 0.001, 2)]}),
    ("olmo", "[step=1/739328]\n    optim/total_grad_norm=2.5\n    train/CrossEntropyLoss=11.25\n[step=2/739328]\n"
     "    optim/total_grad_norm=2.0\n    train/CrossEntropyLoss=11.0\nsaving\n", None,
     {"train/CrossEntropyLoss": [(1, 11.25, 1), (2, 11.0, 4)]}),
    ("stable-baselines3", """---------------------------------
| rollout/           |          |
|    ep_rew_mean     | 22.2     |
| time/              |          |
|    total_timesteps | 2048     |
| train/             |          |
|    loss            | 0.5      |
---------------------------------
---------------------------------
| rollout/           |          |
|    ep_rew_mean     | 32.2     |
| time/              |          |
|    total_timesteps | 4096     |
| train/             |          |
|    loss            | 0.25     |
---------------------------------
""", None, {"train/loss": [(2048, 0.5, 2), (4096, 0.25, 10)], "rollout/ep_rew_mean": [(2048, 22.2, 2), (4096, 32.2, 10)]}),
    ("torchtune", "Step 1 | loss:2.5 lr:0.0003 tokens_per_second_per_gpu:1000 \nStep 2 | loss:2.25 lr:0.0003 tokens_per_second_per_gpu:1000 \n",
     None, {"loss": [(1, 2.5, 1), (2, 2.25, 2)], "lr": [(1, 0.0003, 1), (2, 0.0003, 2)]}),
    ("mmcv iterations", "2024-01-01 00:00:00,000 - mmseg - INFO - Iter [50/1000]\tlr: 1.0e-02, eta: 0:09:00, time: 0.5, loss: 2.5\n"
     "2024-01-01 00:00:25,000 - mmseg - INFO - Iter [100/1000]\tlr: 9.0e-03, eta: 0:08:00, time: 0.5, loss: 2.0\n", "mmcv",
     {"loss": [(50, 2.5, 1), (100, 2.0, 2)], "lr": [(50, 0.01, 1), (100, 0.009, 2)]}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "framework", "tags"), [one[1:] for one in PROGRAMS], ids=[one[0] for one in PROGRAMS])
def test_programs(text: str, framework: str | None, tags: dict[str, list[tuple[int, float, int]]]) -> None:
    reading = read(text)
    assert not reading.problems
    assert reading.source.framework == framework
    for tag, expected in tags.items():
        assert points(reading, tag) == expected
    assert recognises(Path("train.log"), text.encode() * 2)


BATCHES = [
    ("imagenet", "Epoch: [0][  10/5005]\tTime  0.509 ( 0.613)\tData  0.2 ( 0.3)\tLoss 6.9e+00 (7.0e+00)\tAcc@1   0.39 (  0.12)\n", "Loss", 6.9),
    ("torchvision", "Epoch: [0]  [  10/5005]  eta: 0:00:10  lr: 0.01  loss: 2.5 (2.6)  time: 0.1  data: 0.01  max mem: 900\n", "loss", 2.5),
    ("timm", "Train: 0 [  50/1251 (  4%)]  Loss: 6.95 (6.96)  Time: 0.9s, 300/s  LR: 1.000e-06  Data: 0.1\n", "Loss", 6.95),
    ("mnist", "Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.25\n", "Loss", 2.25),
    ("mmengine", "01/01 00:00:00 - mmengine - INFO - Epoch(train)  [1][ 50/1000]  lr: 2.0e-03  eta: 0:00:10  time: 0.5  loss: 1.25\n", "loss", 1.25),
]  # fmt: skip


@pytest.mark.parametrize(("line", "tag", "value"), [one[1:] for one in BATCHES], ids=[one[0] for one in BATCHES])
def test_batch_counters_are_no_global_step(line: str, tag: str, value: float) -> None:
    reading = read(line * 3)
    assert reading.source.step_axis == "row"
    assert [one for _, one, _ in points(reading, tag)] == [value] * 3


def test_totals_are_declared() -> None:
    reading = read("step:0/1480 val_loss:10.8\nstep:1/1480 train_loss:10.7\nstep:2/1480 train_loss:10.6\n")
    assert [(fact.key, fact.value) for fact in reading.facts] == [("max_steps", 1480)]


def test_mlperf_rows_without_epoch_keep_no_step() -> None:
    text = (':::MLPv0.5.0 resnet 1543785440.828671 (cnn.py:1202) opt_learning_rate : { "deferred": true, "value": 0.5 }\n'
            ':::MLPv0.5.0 resnet 1543785450.5 (cnn.py:1) eval_accuracy: {"value": 0.5, "epoch": 3}\n'
            ':::MLPv0.5.0 resnet 1543785460.5 (cnn.py:1) eval_accuracy: {"value": 0.6, "epoch": 4}\n')  # fmt: skip
    reading = read(text)
    assert points(reading, "learning_rate") == [(NO_STEP, 0.5, 1)]
    assert next(one for one in reading.series if one.tag == "learning_rate").wall_time.tolist() == [1543785440.828671]


def test_a_rounded_terminal_copy_is_left_to_the_table_beside_it() -> None:
    block = "------------------------\n| loss      | 13.8     |\n| step      | 2.06e+04 |\n------------------------\n"
    reading = read(block * 3)
    assert "rounded" in reading.problems[0].message


def test_the_last_line_counts_only_when_it_was_ended() -> None:
    text = "iter 0: loss 10.9777, time 1.0ms\niter 10: loss 9.5345, time 1.0ms\n"
    whole = {(tag, row): value for tag in ("loss",) for _, value, row in points(read(text), tag)}
    for end in range(len(text)):
        for one in read(text[:end]).series:
            assert all(whole.get((one.tag, row)) == value for value, row in zip(one.value.tolist(), one.row.tolist(), strict=True))
    assert [problem.kind for problem in read(text[:-5]).problems] == ["truncated"]


PROSE = [
    "Installation\n\nStep 1: install version 3.11 of the interpreter.\nStep 2: clone the repository.\nStep 3: run 5 tests.\n",
    "numpy==1.26\npandas==2.1\nscipy==1.11\n",
    "epoch 1 took 35 seconds\nepoch 2 took 34 seconds\nepoch 3 took 36 seconds\n",
    "Logging to logs_test\ncreating model and diffusion...\nsampling...\ncreated 10 samples\ncreated 20 samples\n",
    "0.55 0.5 0.5 1.0\n0.45 0.5 0.5 1.0\n",
    "/m/0abc,Person\n/m/0abd,Dog\n",
    "for step in range(10):\n    loss = 0.5\n    print(f'step {step}: loss {loss}')\n",
    "[INFO] GET /index.html 200 in 35 ms\n[INFO] GET /a.html 404 in 3 ms\n[INFO] GET /b.html 200 in 5 ms\n",
]


@pytest.mark.parametrize("text", PROSE)
def test_other_text_is_left_alone(text: str) -> None:
    assert not recognises(Path("notes.txt"), text.encode())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=40), st.sampled_from([line for one in PROGRAMS for line in one[1].split("\n")])), max_size=12))
def test_shuffled_lines_never_raise(lines: list[str]) -> None:
    reading = read("\n".join(lines))
    assert reading.series or reading.runs or reading.problems
