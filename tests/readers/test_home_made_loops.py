"""Lines of loops that people write for themselves: what is read of them, and what must not be."""

# ruff: noqa: E501  (lines as the programs print them)

from __future__ import annotations

import math

import pytest

from analyzer.readers import Reading
from analyzer.readers.csv_table import parse as parse_csv
from analyzer.readers.json_lines import parse as parse_json_lines
from analyzer.readers.json_table import parse as parse_json
from analyzer.readers.stdout import parse
from analyzer.readers.stdout.counters import counters_of
from analyzer.readers.stdout.entries import entries_of
from analyzer.readers.stdout.languages import in_english, name_in_english
from analyzer.readers.stdout.values import values_of
from analyzer.readers.text_file import lines_of
from analyzer.roles import is_an_error, role_of_tag


def said(text: str) -> list[dict[str, object]]:
    return [{key: value for key, value in entry.items() if key[:1] != "="} for _, _, entry in entries_of(lines_of(text))]


def series(reading: Reading) -> dict[str, list[tuple[int, float]]]:
    return {one.tag: list(zip(one.step.tolist(), one.value.tolist(), strict=True)) for one in reading.series}


RECORDS = [
    ("a dictionary below its counter",  # orbit
     "train | step:     47 | steps/sec:    5.2 | output: \n    {'learning_rate': 0.0099,\n     'training_loss': 0.718}\n",
     [{"step": 47, "steps/sec": 5.2, "learning_rate": 0.0099, "training_loss": 0.718}]),
    ("a dictionary of its own",
     '{\n  "epoch": 3,\n  "train": {\n    "loss": 0.5\n  },\n  "lr": 0.001\n}\n',
     [{"epoch": 3, "loss": 0.5, "lr": 0.001}]),
    ("names indented below a headline",  # Ray Tune
     "Result for PPO_CartPole_0:\n  date: 2022-07-27_15-41-10\n  info:\n    learner:\n      total_loss: 8.17\n      cur_lr: 5.0e-05\n  training_iteration: 1\n\n",
     [{"info/learner/total_loss": 8.17, "info/learner/cur_lr": 5e-05, "training_iteration": 1}]),
    ("two columns between edges",  # dowel
     "-----------------  ------\nAverageReturn       21\nTotalEnvSteps     4000\nvf/LossAfter       0.3\n-----------------  ------\n",
     [{"AverageReturn": 21, "TotalEnvSteps": 4000, "vf/LossAfter": 0.3}]),
    ("a list without names, of a writer that is known",  # VITS
     "Train Epoch: 2 [3%]\n[2.68, 2.38, 3.06, 37.92, 1.80, 3.79, 200, 0.000199975]\n",
     [{"step": 200, "loss/d/total": 2.68, "loss/g/gen": 2.38, "loss/g/fm": 3.06, "loss/g/mel": 37.92, "loss/g/dur": 1.8,
       "loss/g/kl": 3.79, "lr": 0.000199975, "heading": 2}]),
    ("a phase that stands alone", "Epoch 2\n-----\nloss: 0.5  [   64/60000]\nTest Error: \n Accuracy: 44.7%, Avg loss: 2.15\n",
     [{"samples": 64, "of": 60000, "loss": 0.5, "heading": 2}, {"samples": 64, "of": 60000, "epoch": 2, "Test Accuracy": 44.7, "Test Avg loss": 2.15}]),
    ("tensors", "epoch 1 loss tensor(0.5323, device='cuda:0', grad_fn=<NllLossBackward0>) val loss tensor(0.6)\n",
     [{"epoch": 1, "loss": 0.5323, "val loss": 0.6}]),
    ("numbers of NumPy", "epoch 1: loss=np.float64(0.5323), acc=np.float32(0.81)\n", [{"epoch": 1, "loss": 0.5323, "acc": 0.81}]),
    ("dictionaries in a dictionary", "{'epoch': 1, 'train': {'loss': 0.5, 'best': None}, 'val': {'loss': nan}, 'lr': 0.1}\n",
     [{"epoch": 1, "train/loss": 0.5, "val/loss": pytest.approx(float("nan"), nan_ok=True), "lr": 0.1}]),
    ("a rate for the next row", "Adjusting learning rate of group 0 to 1.0000e-02.\nEpoch: 01, Loss: 0.5\nEpoch: 02, Loss: 0.4\n",
     [{"epoch": 1, "Loss": 0.5, "lr": 0.01}, {"epoch": 2, "Loss": 0.4}]),
    ("a score that is a loss", "o.d.o.l.ScoreIterationListener - Score at iteration 10 is 2.42\n", [{"iteration": 10, "loss": 2.42}]),
    ("a dictionary behind a logger's words, below a step, with the copy of a second handler",
     "INFO:tensorflow:Step 100 per-step time 0.387s\nINFO:tensorflow:{'Loss/total_loss': nan,\n 'learning_rate': 0.03}\n"
     "I0107 13:51:18.106454 140056 model_lib_v2.py:708] {'Loss/total_loss': nan,\n 'learning_rate': 0.03}\n",
     [{"step": 100, "Loss/total_loss": math.nan, "learning_rate": 0.03}]),
    ("a dictionary that says the same at the next step",
     "".join(f"INFO:tensorflow:Step {step} per-step time 0.387s\nINFO:tensorflow:{{'loss': nan,\n 'lr': 0.03}}\n" for step in (100, 200, 300)),
     [{"step": step, "loss": math.nan, "lr": 0.03} for step in (100, 200, 300)]),
    ("an episode at a step of its environment", "global_step=74, episodic_return=[74.]\n", [{"env_steps": 74, "episodic_return": 74.0}]),
]


@pytest.mark.parametrize(("text", "entries"), [case[1:] for case in RECORDS], ids=[case[0] for case in RECORDS])
def test_what_some_lines_say(text: str, entries: list[dict[str, object]]) -> None:
    assert said(text) == [pytest.approx(entry, abs=0, nan_ok=True) for entry in entries]


SILENT = [
    ("a configuration", "config:\n{'epochs': 100,\n 'lr': 0.1,\n 'batch_size': 64}\n"),
    ("one that is printed as JSON", '{\n  "epoch": 100,\n  "lr": 0.1,\n  "loss": 1.0\n}\nepoch 1 is next\n'),
    ("settings below a headline", "Optimizer:\n  lr: 0.1\n  momentum: 0.9\n  nesterov: true\n"),
    ("a program", "void step()\n{\n  int loss = 5;\n  lr = 3;\n}\n"),
    ("a dictionary that is never closed", "{'epoch': 1,\n 'loss': 0.5\nand so on\n"),
    ("edges without a counter", "----  ----\nAccuracy  0.9\nloss      0.1\n----  ----\n"),
    ("a list that is no list of losses", "Train Epoch: 2 [3%]\n[1, 2, 3, 4, 5, 6, 200, 7]\n"),
    ("a configuration below a step of something", "Step 2: settings\n{'lr': 0.1,\n 'batch_size': 64}\n"),
    ("bars alone", "".join(f"\r {n}%|##   | {n}/100 [00:01<00:09]" for n in range(100)) + "\n"),
    ("how many there will be", "Total optimization steps = 3000\nTotal train batch size = 64\nlr: 0.1\n"),
]


@pytest.mark.parametrize("text", [case[1] for case in SILENT], ids=[case[0] for case in SILENT])
def test_what_is_no_record_of_a_training(text: str) -> None:
    assert not parse(text.encode(), "train.log").series


COUNTERS = [
    ("Step 100/20,000 | loss 3.2", {"step": 100, "total": 20000}),
    ("Step 1,200/60,000 | loss 3.2", {"step": 1200, "total": 60000}),
    ("E3 S100 | total 2.3", {"epoch": 3, "batch": 100}),
    ("Step... (50 | Loss: 8.8)", {"step": 50}),
    ("Total optimization steps = 3000", {}),
    ("Maximum number of training steps: 5000", {}),
    ("Step/Epoch [4820/7][320/750]: lr 0.1", {"step": 4820, "epoch": 7, "batch": 320, "batches": 750}),
    ("epoch/iter: 3/120 loss 2.0", {"epoch": 3, "iter": 120}),
    ("loss/step: 3/120", {}),
    ("EfficientNet E3 S100", {}),  # not where a line begins
    ("E3SM run 5", {}),
    ("step 5/6 of 1,000", {"step": 5, "total": 6}),
    ("epoch 3,281.5", {"epoch": 3281.5}),
]


@pytest.mark.parametrize(("line", "counters"), COUNTERS, ids=[line for line, _ in COUNTERS])
def test_the_counters_of_a_line(line: str, counters: dict[str, int]) -> None:
    assert counters_of(line)[0] == counters


VALUES = [
    ("done. train=0.53 val=0.61", {"train": 0.53, "val": 0.61}),
    ("Avg. loss: 0.5", {"Avg. loss": 0.5}),
    ("loss nan lr 4.387e-04", {"loss": math.nan, "lr": 4.387e-4}),  # no name goes on over a value
    ("train loss inf val loss nan", {"train loss": math.inf, "val loss": math.nan}),
    ("Train 11.522 | Val 11.780", {"Train": 11.522, "Val": 11.78}),
    ("Train 11.522", {}),  # of one phase alone it may be anything
    ("print0(f'val_loss:{val_loss:.4f} lr:{lr:.2e}')", {}),  # a program that prints its own source
    ("{'loss': 0.5}", {"loss": 0.5}),
    ("elapsed: 0h5m", {}),
    ("mse for iRPROP+:\t\t0.23    mse for SGD (batch-learning): \t0.25", {"mse for iRPROP+": 0.23, "mse for SGD (batch-learning)": 0.25}),
]


@pytest.mark.parametrize(("line", "values"), VALUES, ids=[line for line, _ in VALUES])
def test_the_values_of_a_line(line: str, values: dict[str, float]) -> None:
    assert values_of(line) == pytest.approx(values, abs=0, nan_ok=True)


def test_phases_without_a_word_are_losses_where_training_falls() -> None:
    falls = "".join(f"Ep 1 (Step {20 * i:06d}): Train {3 - i / 10:.3f} | Val {3.1 - i / 10:.3f}\n" for i in range(12))
    rises = "".join(f"Ep 1 (Step {20 * i:06d}): Train {i / 20:.3f} | Val {i / 21:.3f}\n" for i in range(12))
    beside = falls.replace(" | Val", " | loss 2.0 | Val")
    assert {"train loss", "val loss"} <= series(parse(falls.encode(), "a.log")).keys()
    assert {"Train", "Val"} <= series(parse(rises.encode(), "a.log")).keys()
    assert {"Train", "Val", "loss"} <= series(parse(beside.encode(), "a.log")).keys()


def test_trials_by_headline_are_runs_where_each_starts_over() -> None:
    epochs = "".join(f"epoch {i}: train_loss={2 - i / 9:.3f}\n" for i in range(1, 6))
    later = "".join(f"epoch {i}: train_loss={2 - i / 9:.3f}\n" for i in range(6, 11))
    assert [one.source.view for one in parse(f"### Trial 1/2: lr=0.1\n{epochs}## Trial 2/2: lr=0.2\n{epochs}".encode(), "a").runs] == ["trial 1", "trial 2"]
    assert not parse(f"Run 1\n{epochs}Run 2\n{later}".encode(), "a").runs  # a process that went on
    assert not parse(f"Seed: 42\n{epochs}".encode(), "a").runs


def test_a_label_that_closes_an_epoch_is_none_of_the_rows_below_it() -> None:
    text = "".join(
        f"iteration {10 * i} loss 2.{9 - i}\n" + (f"*** Completed epoch {i // 3} ***\n" if i % 3 == 2 else "") for i in range(9)
    )
    assert "epoch" not in series(parse(text.encode(), "a.log"))


def test_counters_with_their_total_in_one_cell() -> None:
    lines = "".join(f'{{"loss": {2 - i / 9:.3f}, "global_step/max_steps": "{5 * i}/615"}}\n' for i in range(1, 6))
    read = parse_json_lines(lines.encode(), "logging.jsonl")
    assert [step for step, _ in series(read)["loss"]] == [5, 10, 15, 20, 25]
    assert [(fact.key, fact.value) for fact in read.facts] == [("max_steps", 615)]
    table = parse_csv(b"epoch,loss\n1/3,0.5\n2/3,0.4\n3/3,0.3\n", "log.csv")
    assert [step for step, _ in series(table)["loss"]] == [1, 2, 3]
    other = parse_csv(b"step,loss,score\n1,0.5,3/4\n2,0.4,2/5\n3,0.3,1/9\n", "log.csv")  # no counter, and no one total
    assert series(other).keys() == {"loss"}


def test_entries_keyed_by_an_episode_or_an_epoch() -> None:
    rewards = ",".join(f'"ep_{i}": {{"loss": 0.{i}, "reward": {i}.5}}' for i in range(1, 6))
    losses = ",".join(f'"ep_{i}": {{"loss": 0.{i}}}' for i in range(1, 6))
    assert parse_json(f"{{{rewards}}}".encode(), "a.json").source.step_axis == "episode"
    assert "epoch" in series(parse_json(f"{{{losses}}}".encode(), "a.json"))


def test_names_in_other_languages() -> None:
    read = parse_csv(b"Epoche;Trainingsverlust;Lernrate\n1;0,953;0,001\n2;0,900;0,001\n3;0,850;0,001\n", "verlauf.csv")
    assert series(read).keys() >= {"train loss", "learning rate"}
    assert name_in_english("pérdida_val") == "loss_val"
    assert name_in_english("val_loss") == "val_loss"
    assert in_english("Epoche 001: Loss=0.97, R²=0.05") == "epoch 001: Loss=0.97, R²=0.05"  # beyond ASCII, but no letters
    untouched = parse_csv(b"Name;Verlust\na;1,5\nb;2,5\nc;3,5\n", "verlust.csv")  # no counter in any language
    assert not untouched.series


@pytest.mark.parametrize(
    ("tag", "error"),
    [("mse", False), ("rmse", True), ("mae", True), ("mse for Adam", True), ("val rmse", False), ("error rate", False), ("maximum", False)],
)
def test_errors_that_stand_for_a_loss(tag: str, error: bool) -> None:
    assert (is_an_error(tag) and role_of_tag(tag) is None) == error
