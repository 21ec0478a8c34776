"""Columns under a header with units, counters that are none, and what tables of plays count."""

# ruff: noqa: E501

from __future__ import annotations

import numpy as np
import pytest

from analyzer.readers import csv_table


def table(header: str, *rows: str) -> bytes:
    return "\n".join((header, *rows, "")).encode()


UNITS = [
    # title, header, cell, tag, value
    ("a rate in ten thousandths", "Iteration [-],LR [1e-4],Loss [nats]", "25,7.99965,2.5", "LR", 0.000799965),
    ("the same as a power", "Iteration,LR (x10^-4),Loss", "25,7.99965,2.5", "LR", 0.000799965),
    ("milliseconds", "step,loss,time (ms)", "25,1.5,250", "time", 0.25),
    ("minutes", "step,loss,Elapsed [min]", "25,1.5,2.5", "Elapsed", 150.0),
    ("hours, minutes and seconds", "Iteration [-],Elapsed [h:m:s],Loss", "25,1:02:03,2.5", "Elapsed", 3723.0),
    ("a day and more", "step,elapsed,loss", '25,"1 day, 0:00:07",2.5', "elapsed", 86407.0),
    ("minutes and seconds without an hour", "epoch,train_loss,valid_loss,time", "0,1.2,1.3,01:05", "time", 65.0),
    ("a speed keeps its numbers", "step,loss,Speed [img/s]", "25,1.5,105.6", "Speed", 105.6),
    ("tokens in thousands", "step,loss,tokens [k]", "25,1.5,16", "tokens", 16000.0),
    ("no unit: the second of a list", "step,loss[0],loss[1]", "25,1.5,0.1", "loss[1]", 0.1),
    ("no unit: a mean is none", "step,loss (avg),lr", "25,1.5,0.1", "loss (avg)", 1.5),
    ("no unit: a name that would stand twice", "step,loss,loss [1e-3]", "25,1.5,2.5", "loss [1e-3]", 2.5),
]


@pytest.mark.parametrize(("header", "cells", "tag", "value"), [one[1:] for one in UNITS], ids=[one[0] for one in UNITS])
def test_a_unit_of_the_header(header: str, cells: str, tag: str, value: float) -> None:
    first, _, rest = cells.partition(",")
    reading = csv_table.parse(table(header, *(f"{int(first) * at},{rest}" for at in range(1, 4))), "log.csv")
    series = next(one for one in reading.series if one.tag == tag)
    np.testing.assert_allclose(series.value, [value] * 3, rtol=1e-15)


SCALED = [
    # title, unit, cells, values: each by its own digits, whatever stands in other rows
    ("beside a huge one", "ms", ["1500.0", "1.7e308", "18446744073709551616"], [1.5, 1.7e305, 1.8446744073709552e16]),
    ("beside tiny ones", "ms", ["1500.0", "5e-324", "2.5"], [1.5, 0.0, 0.0025]),
    ("of many digits", "ms", ["1234.5", "1234.567890123456", "0.1"], [1.2345, 1.234567890123456, 0.0001]),
    ("beside no numbers", "ms", ["nan", "250.5", "inf"], [np.nan, 0.2505, np.inf]),
    ("below zero", "ns", ["-250", "5.5", "0"], [-2.5e-7, 5.5e-9, 0.0]),
    ("made larger", "min", ["0.1", "1e300", "2.55"], [6.0, 6e301, 153.0]),
]


@pytest.mark.parametrize(("unit", "cells", "values"), [one[1:] for one in SCALED], ids=[one[0] for one in SCALED])
def test_each_number_of_a_unit_is_scaled_by_itself(unit: str, cells: list[str], values: list[float]) -> None:
    rows = (f"{25 * (at + 1)},1.5,{cell}" for at, cell in enumerate(cells))
    series = csv_table.parse(table(f"step,loss,time ({unit})", *rows), "log.csv").series
    told = next(one for one in series if one.tag == "time").value
    np.testing.assert_allclose(told, values, rtol=2.3e-16)  # one unit of a double's last digit


def test_times_left_are_no_clock() -> None:
    reading = csv_table.parse(table("step,loss,remaining_time", "1,0.5,1:00:00", "2,0.4,0:59:00"), "log.csv")
    assert [one.tag for one in reading.series] == ["loss"]


EPISODES = range(1, 13)
LENGTHS = [640, 763, 630, 1126, 391, 856, 378, 525, 2072, 3602, 410, 777]
COUNTED = [
    # title, header, rows, column, what it counts
    ("lengths of episodes are no counter", "episode,reward,steps", [f"{n},{n * 1.5},{s}" for n, s in zip(EPISODES, LENGTHS, strict=True)], "episode", "episode"),
    ("a length falls, and nothing else counts", "loss,steps", [f"{3 / n},{s}" for n, s in zip(EPISODES, LENGTHS, strict=True)], None, "row"),
    ("steps of an environment beside episodes", "step,episode,loss", [f"{200 * n},{n},{3 / n}" for n in EPISODES], "step", "environment"),
    ("epsilon tells of play", "total_steps,epsilon,loss", [f"{200 * n},{1 / n},{3 / n}" for n in EPISODES], "total_steps", "environment"),
    ("iterations are no steps of an environment", "iteration,ep_rew_mean,loss", [f"{n},{n},{3 / n}" for n in EPISODES], "iteration", "step"),
    ("a reward alone is that of a language model", "step,reward,loss", [f"{n},{n},{3 / n}" for n in EPISODES], "step", "step"),
    ("a place in the epoch falls to where it fell before", "step,loss", [f"{n % 4},{3 / n}" for n in EPISODES], "step", "step"),
    ("two writers in turn", "step,loss", [f"{n if n % 2 else n + 1000},{3 / n}" for n in EPISODES], "step", "step"),
    ("Monitor of Stable-Baselines3", '#{"t_start": 1751999596.76, "env_id": "None"}\nr,l,t', [f"{n}.5,{s},{n * 2.5}" for n, s in zip(EPISODES, LENGTHS, strict=True)], None, "episode"),
    ("rates beside losses", "learning_rate,loss", [f"{0.1 / n},{3 / n}" for n in EPISODES], None, "row"),
]  # fmt: skip


@pytest.mark.parametrize(("header", "rows", "column", "counts"), [one[1:] for one in COUNTED], ids=[one[0] for one in COUNTED])
def test_what_a_table_counts(header: str, rows: list[str], column: str | None, counts: str) -> None:
    reading = csv_table.parse(table(header, *rows), "monitor.csv")
    assert reading.series
    assert (reading.source.step_column, reading.source.step_axis) == (column, counts)


NO_LOG = [
    ("settings that somebody tried", "hidden_size,n_layers,learning_rate,total_time", [f"100,{n},0.01,{13 + n}" for n in EPISODES], "no column counts"),
    ("losses named by the rate of their run", "learning_rate_0.005,learning_rate_0.01", [f"{4 / n},{3 / n}" for n in EPISODES], "no column counts"),
    ("no header", "0.85,0.84,0.001", [f"{4 / n},{3 / n},{2 / n}" for n in EPISODES], "its first line holds numbers"),
    ("no header, a large file", "0.85,0.84,0.001", ["0.123456,0.234567,0.345678"] * 60_000, "its first line holds numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("header", "rows", "reason"), [one[1:] for one in NO_LOG], ids=[one[0] for one in NO_LOG])
def test_no_log(header: str, rows: list[str], reason: str) -> None:
    reading = csv_table.parse(table(header, *rows), "table.csv")
    assert not reading.series
    assert reason in reading.problems[-1].message


def rows_of(names: list[str], starts: list[int], count: int = 8) -> list[str]:
    return [f"{start + at},{name},{3 / (at + 1):.4f}" for name, start in zip(names, starts, strict=True) for at in range(count)]


RUNS = [
    # title, header, rows, names of the runs
    ("variants", "epoch,variant,loss", rows_of(["small", "medium", "large"], [1, 1, 1]), ["small", "medium", "large"]),
    ("folds by number", "epoch,fold,loss", rows_of(["0", "1", "2"], [0, 0, 0]), ["fold 0", "fold 1", "fold 2"]),
    ("one after the other, in rounds", "step,model,loss", rows_of(["a", "b", "c", "a", "b", "c"], [1, 1, 1, 9, 9, 9]), ["a", "b", "c"]),
    ("hosts of a run that was resumed", "step,host,loss", rows_of(["node1", "node2", "node3"], [1, 6, 11]), []),
    ("phases of a curriculum", "step,phase,loss", rows_of(["easy", "hard", "easy", "hard"], [1, 1, 1, 1]), []),
    ("a number that means something else", "epoch,layers,loss", rows_of(["1", "2", "3"], [1, 1, 1]), []),
    ("one fall", "epoch,name,loss", rows_of(["a", "b"], [1, 1]), []),
]  # fmt: skip


@pytest.mark.parametrize(("header", "rows", "names"), [one[1:] for one in RUNS], ids=[one[0] for one in RUNS])
def test_a_column_that_says_of_which_run_a_row_is(header: str, rows: list[str], names: list[str]) -> None:
    reading = csv_table.parse(table(header, *rows), "log.csv")
    assert [run.source.view for run in reading.runs] == names
    told = sum(len(series) for one in reading.runs or (reading,) for series in one.series if series.tag == "loss")
    assert told == len(rows)
