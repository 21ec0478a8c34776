"""CSV tables: every odd shape that a real log has, and the promise that no half-written number becomes a value."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.model import NO_STEP
from analyzer.readers import Reading
from analyzer.readers.csv_table import parse, recognises
from analyzer.readers.csv_table.cells import number_of, plain_numbers, sniff_delimiter


def read(text: str | bytes, name: str = "log.csv") -> Reading:
    return parse(text if isinstance(text, bytes) else text.encode(), name)


def points(reading: Reading, tag: str) -> list[tuple[int, float, int]]:
    series = next(one for one in reading.series if one.tag == tag)
    return list(zip(series.step.tolist(), series.value.tolist(), series.row.tolist(), strict=True))


def tags(reading: Reading) -> list[str]:
    return [one.tag for one in reading.series]


def kinds(reading: Reading) -> list[str]:
    return [problem.kind for problem in reading.problems]


def test_values_keep_their_written_order_step_and_line() -> None:
    reading = read("step,loss\n20,2.0\n10,1.5\n10,1.5\n")
    assert points(reading, "loss") == [(20, 2.0, 2), (10, 1.5, 3), (10, 1.5, 4)]
    assert not reading.problems


def test_sparse_rows_of_lightning() -> None:
    text = "epoch,lr-SGD,step,train_loss,val_loss\n,0.8,4,,\n0,,4,1148.1,\n,0.55,9,,\n0,,9,,520345.9\n"
    reading = read(text, "version_0/metrics.csv")
    assert reading.source.framework == "pytorch-lightning"
    assert reading.source.step_column == "step"
    assert points(reading, "lr-SGD") == [(4, 0.8, 2), (9, 0.55, 4)]
    assert points(reading, "val_loss") == [(9, 520345.9, 5)]
    assert points(reading, "epoch") == [(4, 0.0, 3), (9, 0.0, 5)]


def test_keras_counts_epochs_and_writes_na() -> None:
    reading = read("epoch,accuracy,loss,val_accuracy,val_loss\n0,0.5,2.0,NA,NA\n1,0.6,1.5,0.4,1.8\n")
    assert reading.source.framework == "keras"
    assert reading.source.step_axis == "epoch"
    assert points(reading, "val_loss") == [(1, 1.8, 3)]
    assert not reading.problems


AXES = [
    ("step,epoch,loss", "1,0,3\n2,0,2\n3,1,1\n", "step", "step"),
    ("epoch,iter,train_loss", "0,10,3\n0,20,2\n1,30,1\n", "iter", "step"),
    (
        "epoch,update,num_updates,loss,wall",
        "1,0.5,700,3,9\n1,0.75,1400,2,18\n2,1.02,2100,1,27\n",
        "num_updates",
        "step",
    ),
    ("Global Step,Loss", "1,3\n2,2\n3,1\n", "Global Step", "step"),
    ("globalStep,loss", "1,3\n2,2\n3,1\n", "globalStep", "step"),
    ("_step,_timestamp,iter,loss", "0,1700000000,0,3\n1,1700000001,5,2\n2,1700000002,10,1\n", "iter", "step"),
    ("_step,_timestamp,loss", "0,1700000000,3\n1,1700000001,2\n2,1700000002,1\n", "_step", "call"),
    ("step_time,epoch,loss", "0.5,1,3\n0.6,2,2\n0.4,3,1\n", "epoch", "epoch"),
    ("batch,loss", "1,3\n2,2\n3,1\n", "batch", "step"),
    ("consumed_samples,loss", "32,3\n64,2\n96,1\n", "consumed_samples", "samples"),
    ("tokens_seen,loss", "512,3\n1024,2\n1536,1\n", "tokens_seen", "tokens"),
    ("total_steps,current_steps,loss", "90,10,3\n90,20,2\n90,30,1\n", "current_steps", "step"),
    (
        "Timesteps,loss",
        "327,3\n34317,2\n45526,2\n43427,2\n36454,1\n",
        None,
        "row",
    ),  # steps of each iteration, no counter
    ("epoch,step,loss", "0,0,3\n0,1,2\n1,0,2\n1,1,2\n2,0,1\n2,1,1\n", "place in the epoch", "batch"),
    ("epoch,loss", "0,3\n0,2\n0,2\n1,1\n1,1\n1,1\n", None, "row"),  # a label, several rows an epoch
    ("epoch,loss", "0.1,3\n0.2,2\n0.3,1\n", None, "row"),
    ("round_num,train/loss,training_secs", "0,3,6.5\n1,2,6.8\n2,1,6.6\n", "round_num", "epoch"),  # TensorFlow Federated
    ("rounds_per_sec,train/loss", "1,3\n2,2\n3,1\n", None, "row"),
    ("val_loss,loss", "3,3\n2,2\n1,1\n", None, "row"),
]


@pytest.mark.parametrize(("header", "rows", "column", "counts"), AXES, ids=[f"{one[0]}:{one[3]}" for one in AXES])
def test_step_axis(header: str, rows: str, column: str | None, counts: str) -> None:
    reading = read(f"{header}\n{rows}")
    assert (reading.source.step_column, reading.source.step_axis) == (column, counts)


DELIMITERS = [
    ("step,loss\n1,0.5\n2,0.4\n", ","),
    ("step;loss\n1;0,5\n2;0,4\n", ";"),
    ("step\tloss\n1\t0.5\n2\t0.4\n", "\t"),
    ("step|loss\n1|0.5\n2|0.4\n", "|"),
    ("step loss\n1   0.5\n2   0.4\n", " "),
    ("               step,     loss\n                  1,      0.5\n                  2,      0.4\n", ","),
    ("\ufeffstep,loss\r\n1,0.5\r\n2,0.4\r\n", ","),
]


@pytest.mark.parametrize(("text", "delimiter"), DELIMITERS)
def test_delimiters_padding_marks_and_line_ends(text: str, delimiter: str) -> None:
    assert sniff_delimiter(text.splitlines()) == delimiter
    reading = read(text)
    assert points(reading, "loss") == [(1, 0.5, 2), (2, 0.4, 3)]
    assert not reading.problems


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
def test_blank_lines_cost_nothing(delimiter: str) -> None:
    rows = [["step", "loss"], ["1", "0.5"], ["2", "0.4"], ["3", "0.3"]]
    lines = [delimiter.join(row) for row in rows]
    reading = read("\n".join([*lines[:2], "", "   ", *lines[2:]]) + "\n")
    assert points(reading, "loss") == [(1, 0.5, 2), (2, 0.4, 5), (3, 0.3, 6)]
    assert not reading.problems


def test_comments_before_the_table_and_a_header_in_one() -> None:
    table = "step loss\n1 0.5\n2 0.4\n3 0.3\n"
    for text in ("# made by me\n" + table, "# " + table, "#" + table):
        assert [value for _, value, _ in points(read(text), "loss")] == [0.5, 0.4, 0.3]
        assert recognises(Path("log.txt"), text.encode())


def test_utf16_of_a_powershell_redirect() -> None:
    assert points(read("step,loss\n1,0.5\n2,0.4\n".encode("utf-16")), "loss") == [(1, 0.5, 2), (2, 0.4, 3)]


def test_repeated_header_marks_a_new_life_of_the_process() -> None:
    reading = read("step,lr\n64,0.1\n128,0.2\nstep,lr\n128,0.2\n192,0.3\n", "Train_Samples_lr.csv")
    assert [(mark.kind, mark.row) for mark in reading.markers] == [("header-repeated", 5)]
    assert reading.source.framework == "deepspeed"
    assert reading.source.step_axis == "samples"
    assert points(reading, "Train/Samples/lr") == [(64, 0.1, 2), (128, 0.2, 3), (128, 0.2, 5), (192, 0.3, 6)]


@pytest.mark.parametrize(("blocks", "rows", "marks"), [
    (9, 1, 0),  # pandas, `to_csv(path, mode="a")` at every row
    (60, 1, 0),
    (3, 1, 2),  # as well three lives that crashed
    (9, 2, 8),
    (2, 40, 1),
])  # fmt: skip
def test_a_header_before_every_row_is_no_new_life(blocks: int, rows: int, marks: int) -> None:
    lines = [f"{block * rows + row},{1 / (1 + row)}\n" for block in range(blocks) for row in range(rows)]
    text = "".join("step,loss\n" + "".join(lines[at : at + rows]) for at in range(0, len(lines), rows))
    reading = read(text)
    assert len(reading.series[0]) == blocks * rows
    assert [mark.kind for mark in reading.markers] == ["header-repeated"] * marks


def test_a_repeated_header_may_change_the_columns() -> None:
    reading = read("step,loss\n1,3\n2,2\nstep,loss,lr\n3,1,0.1\n4,0.5,0.2\n")
    assert [mark.row for mark in reading.markers] == [5]
    assert points(reading, "loss") == [(1, 3, 2), (2, 2, 3), (3, 1, 5), (4, 0.5, 6)]
    assert points(reading, "lr") == [(3, 0.1, 5), (4, 0.2, 6)]
    assert not reading.problems


def test_two_row_shapes_alternate() -> None:
    reading = read("loss,episodes,kl\n3,1,0.1\nmean_gate,max_gate\n0.2,0.8\n2,2,0.2\n0.3,0.7\n1,3,0.3\n")
    assert [row for _, _, row in points(reading, "loss")] == [2, 5, 7]
    assert [value for _, value, _ in points(reading, "mean_gate")] == [0.2, 0.3]
    assert not reading.markers
    assert not reading.problems


ODD_ROWS = [
    ("a glued row", "step,loss,lr\n1,3,0.1\n2,2.13,1,0.1\n4,1,0.1\n", "row", 3, [1, 4]),
    ("text in a number column", "step,loss,lr\n1,3,0.1\n2,oops,0.1\n3,1,0.1\n", "row", 3, [1, 3]),
    ("NUL bytes", "step,loss,lr\n1,3,0.1\n\0\0\0\0\0,2,0.1\n3,1,0.1\n", "corrupt", 3, [1, 3]),
    ("NUL bytes before a row", "step,loss,lr\n1,3,0.1\n\0\0\0\x0012,2,0.1\n3,1,0.1\n", "corrupt", 3, [1, 3]),
    (
        "a step that is no whole number",
        "step,loss,lr\n" + "".join(f"{i},1,0.1\n" for i in range(1, 19)) + "19.5,1,0.1\n",
        "row",
        20,
        [*range(1, 19), NO_STEP],
    ),
    (
        "a step beyond all integers",
        "step,loss,lr\n" + "".join(f"{i},1,0.1\n" for i in range(1, 19)) + f"{10**40},1,0.1\n",
        "row",
        20,
        [*range(1, 19), NO_STEP],
    ),
]


@pytest.mark.parametrize(
    ("text", "kind", "row", "steps"), [one[1:] for one in ODD_ROWS], ids=[one[0] for one in ODD_ROWS]
)
def test_odd_rows_are_named_and_cost_themselves(text: str, kind: str, row: int, steps: list[int]) -> None:
    reading = read(text)
    assert [(problem.kind, problem.row) for problem in reading.problems] == [(kind, row)]
    assert [step for step, _, _ in points(reading, "loss")] == steps


def test_a_single_short_row_loses_its_last_cell_and_a_habit_of_short_rows_does_not() -> None:
    once = read("step,loss,lr,acc\n1,3,0.1,0.5\n2,2,0.\n3,1,0.1,0.7\n")
    assert points(once, "lr") == [(1, 0.1, 2), (3, 0.1, 4)]
    assert [problem.row for problem in once.problems] == [3]
    habit = read("step,loss,lr,acc\n" + "1,3,0.1,0.5\n2,2,0.2\n" * 3)
    assert len(points(habit, "lr")) == 6
    assert not habit.problems


NUMBERS = [
    ("1", 1.0),
    (" 1.5 ", 1.5),
    ("+1e-5", 1e-5),
    (".5", 0.5),
    ("5.", 5.0),
    ("inf", np.inf),
    ("-Infinity", -np.inf),
    ("1.#INF", np.inf),
    ("tensor(0.25)", 0.25),
    ("tensor(2.5, device='cuda:0', grad_fn=<NllLossBackward>)", 2.5),
    ("1_000", None),
    ("0x1F", None),
    ("1,5", None),
    ("", None),
    ("-", None),
    ("abc", None),
    ("1.5.2", None),
    ("[1.0 2.0]", None),
    ("True", None),
    ("١٢", None),
    ("1e", None),
]


@pytest.mark.parametrize(("cell", "value"), NUMBERS)
def test_what_a_number_is(cell: str, value: float | None) -> None:
    assert number_of(cell) == value


@pytest.mark.parametrize("cell", ["nan", "NaN", "-nan", "1.#QNAN", "tensor(nan)"])
def test_nan_is_a_value(cell: str) -> None:
    assert np.isnan(number_of(cell))  # type: ignore[arg-type]


WALL = [
    ("timestamp", "1700000000", 1700000000.0),
    ("timestamp", "1700000000123", 1700000000.123),
    ("Wall time", "1700000000.5", 1700000000.5),
    ("date", "2023-11-14T22:13:20", 1700000000.0),
    ("time", "2023-11-14 22:13:20,500", 1700000000.5),
]


@pytest.mark.parametrize(("name", "cell", "seconds"), WALL)
def test_absolute_times_become_wall_time(name: str, cell: str, seconds: float) -> None:
    quoted = f'"{cell}"'
    reading = read(f"step,{name},loss\n1,{quoted},3\n2,{quoted},2\n")
    assert tags(reading) == ["loss"]
    assert reading.series[0].wall_time.tolist() == pytest.approx([seconds, seconds])
    assert reading.source.start_time == pytest.approx(seconds)


def test_elapsed_seconds_stay_a_series() -> None:
    reading = read("step,wall_time,loss\n1,10.5,3\n2,21.0,2\n")
    assert tags(reading) == ["wall_time", "loss"]
    assert np.isnan(reading.series[0].wall_time).all()


def test_phase_column_splits_the_tags() -> None:
    reading = read("epoch,phase,loss\n0,train,3\n0,val,4\n1,train,2\n1,val,3\n")
    assert points(reading, "train/loss") == [(0, 3, 2), (1, 2, 4)]
    assert points(reading, "val/loss") == [(0, 4, 3), (1, 3, 5)]


@pytest.mark.parametrize(("labels", "tags"), [
    (("train_loss", "eval_loss"), {"train/elbo", "eval/elbo"}),
    (("train_step", "train_epoch"), {"train_step/elbo", "train_epoch/elbo"}),  # one phase: the labels tell them apart
    (("warm_up", "main"), {"elbo"}),
])
def test_labels_that_begin_with_their_phase(labels: tuple[str, str], tags: set[str]) -> None:
    rows = "".join(f"{step},{labels[step % 2]},{9 - step}\n" for step in range(8))
    assert {one.tag for one in read("step,type,elbo\n" + rows).series} & {*tags, "elbo"} == tags


def test_long_table_of_several_runs() -> None:
    reading = read(
        "run_id,key,value,timestamp,step\na1,loss,3,1700000000000,0\nb2,loss,9,1700000000000,0\n"
        "a1,loss,2,1700000001000,1\nb2,loss,8,1700000001000,1\n"
    )
    assert [run.source.view for run in reading.runs] == ["a1", "b2"]
    assert points(reading.runs[0], "loss") == [(0, 3, 2), (1, 2, 4)]
    assert reading.runs[1].series[0].wall_time.tolist() == [1700000000.0, 1700000001.0]


UNREADABLE = [
    ("", "empty file"),
    ("\n\n", "empty file"),
    ("\0" * 100, "only NUL bytes"),
    ("step,loss\n", "a header without rows"),
    (bytes(range(256)) * 20, "binary data"),
    ("1,0.5,0.7\n2,0.4,0.8\n3,0.3,0.9\n", "no header"),
    ("model,accuracy,loss\nA,0.5,1\nB,0.6,2\nC,0.7,3\n", "table of results"),
    ("metric,value\nruns,3\nmean_loss,2.8\np_value,0.04\n", "table of results"),
    ("x,y\n1,2\n5,3\n2,2\n", "no column counts steps"),
    ("name,colour\na,red\nb,blue\n", "no column holds numbers"),
]


@pytest.mark.parametrize(("content", "reason"), UNREADABLE, ids=[one[1] for one in UNREADABLE])
def test_what_is_no_log_is_named_so(content: str | bytes, reason: str) -> None:
    reading = read(content)
    assert kinds(reading) == ["unreadable"]
    assert reason in reading.problems[0].message
    assert not reading.series


def test_tensorboard_export_with_random_gaps_is_sampled() -> None:
    steps = np.cumsum(np.random.default_rng(0).integers(1, 40, 200))
    rows = "".join(f"{1700000000 + step},{step},0.5\n" for step in steps)
    reading = read("Wall time,Step,Value\n" + rows, "run-train-tag-loss.csv")
    assert reading.source.sampled
    assert reading.source.framework == "tensorboard"
    assert tags(reading) == ["loss"]
    regular = "".join(f"{1700000000 + step},{step},0.5\n" for step in range(0, 4000, 20))
    assert not read("Wall time,Step,Value\n" + regular, "run-train-tag-loss.csv").source.sampled


def test_wandb_chart_export_drops_its_bands() -> None:
    rows = "".join(f'"{step}","{step * 0.1:.3f}","0","9"\n' for step in range(1, 30))
    reading = read(
        '"Step","run-1 - train/loss","run-1 - train/loss__MIN","run-1 - train/loss__MAX"\n' + rows.rstrip("\n")
    )
    assert tags(reading) == ["train/loss"]
    assert len(reading.series[0]) == 29
    assert not reading.problems  # the last cell is closed by its quote


def test_ultralytics_pads_its_header() -> None:
    text = (
        "                  epoch,         train/box_loss,   metrics/precision(B),                 lr/pg0\n"
        "                      1,                 1.2345,                0.56789,               0.000333\n"
        "                      2,                 1.1345,                0.66789,               0.000665\n"
    )
    reading = read(text, "results.csv")
    assert reading.source.framework == "ultralytics"
    assert reading.source.step_axis == "epoch"
    assert points(reading, "lr/pg0") == [(1, 0.000333, 2), (2, 0.000665, 3)]


def test_gzip_is_read_and_a_cut_one_as_far_as_it_goes() -> None:
    text = "step,loss\n" + "".join(f"{step},{1 / step:.6f}\n" for step in range(1, 2000))
    packed = gzip.compress(text.encode())
    assert len(points(read(packed, "log.csv.gz"), "loss")) == 1999
    cut = read(packed[: len(packed) // 2], "log.csv.gz")
    whole = {step: value for step, value, _ in points(read(text), "loss")}
    assert "truncated" in kinds(cut)
    assert 0 < len(points(cut, "loss")) < 1999
    assert all(whole[step] == value for step, value, _ in points(cut, "loss"))


def test_quoted_cells_may_span_lines_and_a_stray_quote_costs_one_row() -> None:
    reading = read('step,text,loss\n1,"two\nlines",3\n2,plain,2\n')
    assert points(reading, "loss") == [(1, 3, 2), (2, 2, 4)]
    stray = read('step,loss\n1,3\n2,"2\n3,1\n4,0.5\n')
    assert [step for step, _, _ in points(stray, "loss")][-2:] == [3, 4]


RECOGNISED = [
    ("metrics.csv", b"anything", True),
    ("metrics.csv.gz", gzip.compress(b"anything", mtime=0), True),
    ("monitor.log", b"checktype,current_epoch,time\nepoch,0,17.3\nepoch,3,49.8\nepoch,6,82.6\n", True),
    ("log.txt", b"step loss\n1 0.5\n2 0.4\n3 0.3\n4 0.2\n", True),
    ("README.md", b"step,loss\n1,2\n", False),
    ("notes.txt", b"Dear reader,\nthis is no log, is it?\nNo, it is not.\n", False),
    ("requirements.txt", b"numpy\npandas\nscipy\n", False),
    ("metric", b"1700000000000 0.5 0\n1700000000001 0.4 1\n", False),
    ("log.txt", b'{"epoch": 1, "loss": 2}\n{"epoch": 2, "loss": 1}\n', False),
]


@pytest.mark.parametrize(("name", "head", "expected"), RECOGNISED)
def test_recognised(name: str, head: bytes, expected: bool) -> None:
    assert recognises(Path(name), head) is expected


LOG = "step,epoch,loss,lr\n" + "".join(
    f"{step},{step // 7},{3.0 / step:.4f},{0.001 * step:.5f}\n" for step in range(1, 40)
)
WHOLE = {
    (one.tag, step, row): value
    for one in read(LOG).series
    for step, value, row in zip(one.step.tolist(), one.value.tolist(), one.row.tolist(), strict=True)
}


@pytest.mark.parametrize("end", range(len(LOG)))
def test_cut_at_every_byte_never_gives_a_value_that_was_not_completely_written(end: int) -> None:
    reading = read(LOG[:end])
    for one in reading.series:
        for step, value, row in zip(one.step.tolist(), one.value.tolist(), one.row.tolist(), strict=True):
            assert WHOLE[one.tag, step, row] == value
    if end and not LOG[:end].endswith("\n") and LOG[:end].count("\n") > 1 and LOG[end] != "\n":
        assert "truncated" in kinds(reading)


def test_a_whole_last_row_without_a_line_end_is_no_damage() -> None:
    reading = read(LOG[:-1])
    assert "truncated" not in kinds(reading)
    assert points(reading, "lr") == points(read(LOG), "lr")
    values = "step,loss\n" + "".join(f"{step},{1 / step!r}\n" for step in range(1, 40))
    assert "truncated" in kinds(read(values[:-1]))  # nobody can say whether digits are missing


CELLS = st.one_of(
    st.integers(-5, 10**20).map(str),
    st.floats(allow_nan=True).map(repr),
    st.sampled_from(
        [
            "",
            "NA",
            "nan",
            "inf",
            "text",
            '"',
            '"a,b"',
            "\0",
            "step",
            "loss",
            "1.5",
            "[1 2]",
            "2023-11-14",
            " ",
            "é",
            "\t",
        ]
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(CELLS, max_size=5).map(",".join), max_size=12), st.sampled_from(["\n", "\r\n", ";", "\0"]))
def test_no_garbage_raises(lines: list[str], end: str) -> None:
    reading = read(end.join(lines))
    assert reading.series or reading.runs or reading.problems


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_raise(data: bytes) -> None:
    reading = read(data)
    assert reading.series or reading.runs or reading.problems


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**40), st.floats(allow_nan=False)), min_size=3, max_size=30))
def test_every_number_reads_back_bit_for_bit(rows: list[tuple[int, float]]) -> None:
    reading = read("step,loss\n" + "".join(f"{step},{value!r}\n" for step, value in rows))
    if reading.source.step_column:
        assert [(step, value) for step, value, _ in points(reading, "loss")] == rows


def test_a_large_data_set_is_told_by_its_header() -> None:
    reading = read("pixel0,pixel1,label\n" + "0,255,7\n" * 150_000)
    assert kinds(reading) == ["unreadable"]
    assert "not a training log" in reading.problems[0].message


def test_a_validation_row_stands_at_the_step_that_its_own_column_tells() -> None:
    rows = "1,0.9,,\n2,0.8,,\n,,2,0.85\n3,0.7,,\n4,0.6,,\n,,4,0.65\n"
    reading = read("num_updates,loss,valid_num_updates,valid_loss\n" + rows)
    steps = {one.tag: one.step.tolist() for one in reading.series}
    assert steps["valid_loss"] == [2, 4] and steps["loss"] == [1, 2, 3, 4]


def test_an_export_whose_step_is_never_raised_is_a_log() -> None:
    rows = "".join(f"{name},{1 / n:.3f},1\n" for n in range(1, 13) for name in ("train_loss", "val_loss"))
    reading = read("metric,value,step\n" + rows)
    assert {"train_loss", "val_loss"} <= {one.tag for one in reading.series}
    results = "".join(f"{name},{n}\n" for n, name in enumerate(("acc", "f1", "loss", "auc")))
    assert not read("metric,value\n" + results).series, "a table of results has no step"


@pytest.mark.parametrize(
    ("cells", "plain"),
    [
        (["1", " 2.5", "3e-4\t", "-.5", "+7."], [1.0, 2.5, 3e-4, -0.5, 7.0]),
        ([], None),
        (["1", ""], None),
        (["1", "nan"], None),
        (["1,5", "2,5"], None),
        (["1\n2", "3"], None),
        (["1", "1e999"], None),  # beyond a double
        (["1_000"], None),
        (["\u0661"], None),  # a digit of another script
    ],
)
def test_a_column_of_plain_numbers_is_told_at_once(cells: list[str], plain: list[float] | None) -> None:
    found = plain_numbers(cells)
    assert (found if found is None else found.tolist()) == plain
    if plain is not None:
        assert plain == [number_of(cell) for cell in cells]


def test_a_header_in_a_comment_may_be_repeated() -> None:
    header = "#  step  loss  lr\n"
    text = header + "0 3.0 0.1\n1000 2.0 0.1\n" + header + "500 2.5 0.1\n1500 2.0 0.1\n"
    reading = parse(text.encode(), "lcurve.out")
    assert not reading.problems
    assert [int(one) for one in reading.series[0].step] == [0, 1000, 500, 1500]
