"""Which files are logs, and which logs are one run: every shape of folder, what joins and what must stay apart."""

from __future__ import annotations

import gzip
import json
import math
import os
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from analyzer.discovery import discover, find_groups, read_group
from analyzer.grouping import own_name
from analyzer.model import Run
from tests.event_files import write_events


def loss_at(step: float) -> float:
    return 0.5 + 2.0 * math.exp(-step / 40.0) + 0.01 * math.sin(7.0 * step)


def rows(first: int, last: int, *, state_from: int = 0, **extra: float) -> Iterator[tuple[int, Mapping[str, float]]]:
    """Rows of a run whose model is ``state_from`` steps further than its counter says."""
    for step in range(first, last + 1):
        yield step, {"loss": loss_at(step + state_from), "lr": 1e-3 * (1 - (step + state_from) / 400), **extra}


def csv(path: Path, first: int, last: int, *, shift: float = 0.0, epoch_length: int = 20) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{s},{s // epoch_length},{loss_at(s) + shift},0.001" for s in range(first, last + 1)]
    path.write_text("\n".join(["step,epoch,loss,lr", *lines]) + "\n")
    return path


def state(path: Path, last: int, *, shift: float = 0.0, shift_from: int = 0, max_steps: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    log = [
        {"epoch": s / 50, "learning_rate": 1e-3 * (1 - s / max_steps), "step": s,
         "loss": round(loss_at(s) + (shift if s > shift_from else 0.0), 4)}
        for s in range(5, last + 1, 5)
    ]
    content = {"global_step": last, "max_steps": max_steps, "num_train_epochs": 2, "log_history": log}
    path.write_text(json.dumps(content))
    return path


def found(*paths: Path, **options: object) -> tuple[Run, ...]:
    return discover(paths, **options).runs  # type: ignore[arg-type]


def names(runs: tuple[Run, ...]) -> list[str]:
    return [run.name for run in runs]


def said(run: Run) -> str:
    return " | ".join(run.notes)


# Event files of one folder


def test_a_later_event_file_that_goes_on_is_the_same_run(tmp_path: Path) -> None:
    write_events(tmp_path, rows(1, 60), start=1e9)
    write_events(tmp_path, rows(61, 100), start=1e9 + 500)
    (run,) = found(tmp_path)
    assert len(run.sources) == 2
    (view,) = run.views
    assert view.series["loss"].step.tolist() == list(range(1, 101))


STAY_ONE = {
    "replayed steps": ((1, 60, 0), (41, 100, 0), 500.0),
    "the counter restarts while the model goes on": ((1, 60, 0), (1, 60, 60), 500.0),
    "written at the same time by two processes": ((1, 60, 0), (1, 60, 0), 3.0),
    "a life that logged nothing": ((1, 60, 0), (1, 0, 0), 500.0),
    "too short to judge": ((1, 4, 0), (1, 60, 0), 500.0),
    "resumed, weights lost": ((1, 60, 0), (61, 120, -60), 500.0),
}


@pytest.mark.parametrize("why", STAY_ONE)
def test_event_files_that_stay_one_run(tmp_path: Path, why: str) -> None:
    (begin, end, state_from), second, later = STAY_ONE[why]
    write_events(tmp_path, rows(begin, end, state_from=state_from), start=1e9, pid=1)
    write_events(tmp_path, rows(second[0], second[1], state_from=second[2]), start=1e9 + later, pid=2)
    (run,) = found(tmp_path)
    assert len(run.sources) == 2
    assert len(run.views) == 1


def test_a_file_that_starts_everything_over_is_another_run(tmp_path: Path) -> None:
    write_events(tmp_path, rows(1, 60, epoch=0.0), start=1e9)
    write_events(tmp_path, rows(1, 80, epoch=0.0), start=1e9 + 500)
    first, second = found(tmp_path)
    assert "another run in the same folder" in said(second)
    assert len(first.sources) == len(second.sources) == 1


def test_loss_that_never_fell_does_not_show_another_run(tmp_path: Path) -> None:
    flat = [(step, {"loss": 2.0 + 0.1 * math.sin(5.0 * step)}) for step in range(1, 61)]
    write_events(tmp_path, flat, start=1e9)
    write_events(tmp_path, flat, start=1e9 + 500)
    assert len(found(tmp_path)) == 1


def test_a_byte_copy_is_read_once_and_named(tmp_path: Path) -> None:
    path = write_events(tmp_path, rows(1, 30))
    (tmp_path / (path.name + ".copy")).write_bytes(path.read_bytes())
    (run,) = found(tmp_path)
    assert len(run.sources) == 1
    assert "copy" in said(run)


def test_the_same_values_at_other_times_are_no_copy(tmp_path: Path) -> None:
    write_events(tmp_path, rows(1, 30), start=1e9, pid=1)
    write_events(tmp_path, rows(1, 30), start=1e9 + 2, pid=2)
    (run,) = found(tmp_path)
    assert len(run.sources) == 2


# Folders that loggers make


def test_keras_train_and_validation_are_one_run(tmp_path: Path) -> None:
    per_epoch = [(e, {"epoch_loss": loss_at(20 * e)}) for e in range(9)]
    write_events(tmp_path / "tb" / "train", per_epoch, start=1e9, seconds_per_row=30)
    write_events(tmp_path / "tb" / "validation", per_epoch, start=1e9 + 9, seconds_per_row=30)
    (run,) = found(tmp_path)
    assert set(run.views[0].series) == {"epoch_loss", "validation/epoch_loss"}


def test_add_scalars_folders_belong_to_the_run_above(tmp_path: Path) -> None:
    write_events(tmp_path, rows(1, 30))
    for name in ("train", "val"):
        write_events(tmp_path / f"losses_all_{name}", [(s, {"losses/all": 1.0 / s}) for s in range(1, 9)], start=1e9)
    (run,) = found(tmp_path)
    assert [view.name for view in run.views] == ["events", "add_scalars"]
    assert set(run.views[1].series) == {"losses/all/train", "losses/all/val"}


def test_runs_below_a_folder_with_a_log_of_its_own_are_runs(tmp_path: Path) -> None:
    write_events(tmp_path, rows(1, 30), pid=1)
    write_events(tmp_path / "other", rows(1, 30), pid=2)
    assert names(found(tmp_path)) == [tmp_path.name, "other"]


def test_hparams_subfolder_is_part_of_its_run(tmp_path: Path) -> None:
    write_events(tmp_path / "run", rows(1, 30))
    write_events(tmp_path / "run" / "1700000000.123", [])
    (tmp_path / "run" / "1700000000.123" / "hparams.yml").write_text("lr: 0.001\n")
    (run,) = found(tmp_path)
    assert len(run.sources) == 2
    assert any(fact.key == "base_lr" and fact.value == 0.001 for fact in run.facts)


def test_two_loggers_of_one_run_are_two_views(tmp_path: Path) -> None:
    csv(tmp_path / "csv_logs" / "version_0" / "metrics.csv", 1, 60)
    write_events(tmp_path / "lightning_logs" / "version_0", rows(1, 60))
    (run,) = found(tmp_path)
    assert len(run.views) == 2
    assert "one run seen 2 times" in said(run)


def test_versions_are_runs_of_their_own(tmp_path: Path) -> None:
    for version in (0, 1, 2, 10):
        csv(tmp_path / "lightning_logs" / f"version_{version}" / "metrics.csv", 0, 40, shift=0.01 * version)
    assert names(found(tmp_path)) == [f"lightning_logs/version_{version}" for version in (0, 1, 2, 10)]


def test_a_resumed_run_goes_on_in_the_next_version(tmp_path: Path) -> None:
    csv(tmp_path / "version_0" / "metrics.csv", 0, 40)
    csv(tmp_path / "version_1" / "metrics.csv", 41, 80)
    csv(tmp_path / "version_2" / "metrics.csv", 0, 80, shift=0.1)
    resumed, alone = found(tmp_path)
    assert [Path(source.path).parent.name for source in resumed.sources] == ["version_0", "version_1"]
    assert "goes on where" in said(resumed)
    assert alone.name == "version_2"


def test_a_compressed_life_goes_on_as_well(tmp_path: Path) -> None:
    for version, (first, last) in enumerate([(0, 40), (41, 80)]):
        made = tmp_path / f"version_{version}" / "metrics.csv"
        csv(made, first, last)
        made.with_name("metrics.csv.gz").write_bytes(gzip.compress(made.read_bytes()))
        made.unlink()
    assert len(found(tmp_path)) == 1


@pytest.mark.parametrize(("first", "runs"), [(41, 1), (0, 2), (52, 2)])
def test_a_loss_that_starts_over_is_the_resumes_where_no_step_is_missing(tmp_path: Path, first: int, runs: int) -> None:
    for version, begin in ((0, 0), (1, first)):
        place = tmp_path / f"version_{version}" / "metrics.csv"
        place.parent.mkdir()
        lines = (f"{step},{5 / (1 + 0.3 * (step - begin)):.6f}" for step in range(begin, begin + 41))
        place.write_text("\n".join(["step,loss", *lines]) + "\n")
    assert len(found(tmp_path)) == runs


def test_other_hyperparameters_do_not_continue(tmp_path: Path) -> None:
    for version, (first, last, rate) in enumerate([(0, 40, 0.1), (21, 80, 0.2)]):
        csv(tmp_path / f"version_{version}" / "metrics.csv", first, last)
        (tmp_path / f"version_{version}" / "hparams.yaml").write_text(f"lr: {rate}\n")
    assert len(found(tmp_path)) == 2


def test_without_a_seam_other_hyperparameters_are_a_resume(tmp_path: Path) -> None:
    for version, (first, last, rate) in enumerate([(0, 40, 0.1), (41, 80, 0.2)]):
        csv(tmp_path / f"version_{version}" / "metrics.csv", first, last)
        (tmp_path / f"version_{version}" / "hparams.yaml").write_text(f"lr: {rate}\n")
    (run,) = found(tmp_path)
    assert len(run.sources) == 2


# Trainer states and checkpoints


def test_nested_checkpoints_are_one_run(tmp_path: Path) -> None:
    for last in (30, 60, 100):
        state(tmp_path / f"checkpoint-{last}" / "trainer_state.json", last)
    state(tmp_path / "trainer_state.json", 100)
    (run,) = found(tmp_path)
    assert [Path(source.path).parent for source in run.sources] == [tmp_path]
    assert "3 earlier states" in said(run)


def test_a_checkpoint_that_tells_otherwise_is_kept(tmp_path: Path) -> None:
    state(tmp_path / "checkpoint-60" / "trainer_state.json", 60, shift=0.2, shift_from=40)
    state(tmp_path / "trainer_state.json", 100)
    (run,) = found(tmp_path)
    assert len(run.views) == 2
    assert "kept as another view" in said(run)


def test_a_checkpoint_alone_does_not_tell_how_the_run_ended(tmp_path: Path) -> None:
    state(tmp_path / "checkpoint-60" / "trainer_state.json", 60)
    (run,) = found(tmp_path)
    assert run.sources[0].unfinished
    assert "may have gone on" in said(run)
    for last in (tmp_path / "checkpoint-100" / "trainer_state.json", tmp_path / "trainer_state.json"):
        state(last, 100)
        (run,) = found(tmp_path)
        assert not run.sources[0].unfinished


def test_checkpoints_of_different_runs_stay_apart(tmp_path: Path) -> None:
    state(tmp_path / "checkpoint-60" / "trainer_state.json", 60, shift=0.3, max_steps=60)
    state(tmp_path / "checkpoint-100" / "trainer_state.json", 100)
    assert len(found(tmp_path)) == 2


def test_trainer_state_and_its_event_files_are_one_run(tmp_path: Path) -> None:
    state(tmp_path / "trainer_state.json", 100)
    logged = [(s, {"train/loss": round(loss_at(s), 4)}) for s in range(5, 101, 5)]
    write_events(tmp_path / "runs" / "Nov22_00-14-50_node", logged[:10], start=1e9)
    write_events(tmp_path / "runs" / "Nov22_01-14-50_node", logged[10:], start=1e9 + 3600)
    (run,) = found(tmp_path)
    assert [len(view.sources) for view in run.views] in ([1, 2], [2, 1])


def test_a_life_that_logged_nothing_in_a_folder_of_its_own(tmp_path: Path) -> None:
    state(tmp_path / "trainer_state.json", 100)
    logged = [(s, {"train/loss": round(loss_at(s), 4)}) for s in range(5, 101, 5)]
    write_events(tmp_path / "runs" / "Nov22_00-14-50_node", logged, start=1e9, pid=1)
    write_events(tmp_path / "runs" / "Nov22_01-14-50_node", [], start=1e9 + 3600, pid=2)
    (run,) = found(tmp_path)
    assert sorted(len(view.sources) for view in run.views) == [1, 2]


# Tables side by side


def test_tables_of_many_runs_in_one_folder_stay_apart(tmp_path: Path) -> None:
    for number in range(3):
        csv(tmp_path / f"history_{number}.csv", 1, 50, shift=0.1 * number)
    assert names(found(tmp_path)) == [f"{tmp_path.name}/history_{number}" for number in range(3)]


def test_the_same_numbers_twice_are_read_once(tmp_path: Path) -> None:
    csv(tmp_path / "log.csv", 1, 50)
    csv(tmp_path / "log (copy).csv", 1, 50)
    (run,) = found(tmp_path)
    assert len(run.sources) == 1
    assert "same numbers" in said(run)


def test_train_and_validation_tables_are_one_run(tmp_path: Path) -> None:
    csv(tmp_path / "train_log.csv", 1, 50)
    csv(tmp_path / "val_log.csv", 1, 50, shift=0.4)
    (run,) = found(tmp_path)
    (view,) = run.views
    assert {tag for tag in view.series if tag.startswith("val/")}


def test_a_file_a_tag_is_one_view(tmp_path: Path) -> None:
    for tag in ("lr", "train_loss"):
        lines = [f"{s},{loss_at(s)}" for s in range(1, 30)]
        (tmp_path / f"Train_Samples_{tag}.csv").write_text("\n".join([f"step,{tag}", *lines]) + "\n")
    (run,) = found(tmp_path)
    (view,) = run.views
    assert {tag.rsplit("/", 1)[-1] for tag in view.series} == {"lr", "train_loss"}


def test_a_file_a_tag_of_two_runs(tmp_path: Path) -> None:
    for run, shift in (("one", 0.0), ("two", 0.3)):
        for tag in ("loss", "lr"):
            lines = [f"{s},{loss_at(s) + shift}" for s in range(1, 30)]
            (tmp_path / f"{run}_{tag}.csv").write_text("\n".join([f"step,{tag}", *lines]) + "\n")
    runs = found(tmp_path)
    assert [len(run.sources) for run in runs] == [2, 2]


def test_two_loggers_of_several_runs_in_one_folder_are_matched_by_their_numbers(tmp_path: Path) -> None:
    for number, shift in enumerate((0.0, 0.3, 0.6)):
        csv(tmp_path / f"history_{number}.csv", 1, 50, shift=shift)
        entries = [{"step": s, "loss": loss_at(s) + shift, "lr": 0.001} for s in range(1, 51)]
        (tmp_path / f"{2 - number}.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    pairs = {frozenset(Path(source.path).stem for source in run.sources) for run in found(tmp_path)}
    assert pairs == {frozenset(pair) for pair in (("history_0", "2"), ("history_1", "1"), ("history_2", "0"))}


# Facts beside the logs


def test_a_sidecar_speaks_for_its_own_run_only(tmp_path: Path) -> None:
    for name, rate in (("a", 0.1), ("b", 0.2)):
        csv(tmp_path / name / "log.csv", 1, 30)
        (tmp_path / name / "args.yaml").write_text(f"lr: {rate}\n")
    (tmp_path / "config.yaml").write_text("max_epochs: 7\n")
    facts = {run.name: {fact.key: fact.value for fact in run.facts} for run in found(tmp_path)}
    assert (facts["a"]["base_lr"], facts["b"]["base_lr"]) == (0.1, 0.2)
    assert "epochs" not in facts["a"]


def test_a_sidecar_beside_several_runs_speaks_for_none(tmp_path: Path) -> None:
    csv(tmp_path / "one.csv", 1, 30)
    csv(tmp_path / "two.csv", 1, 30, shift=0.3)
    (tmp_path / "config.yaml").write_text("max_epochs: 7\n")
    runs = found(tmp_path)
    assert len(runs) == 2
    assert not any(fact.key == "epochs" for run in runs for fact in run.facts)


def test_a_sidecar_beside_a_single_file_is_used(tmp_path: Path) -> None:
    path = csv(tmp_path / "metrics.csv", 1, 30)
    (tmp_path / "hparams.yaml").write_text("max_epochs: 7\n")
    (run,) = found(path)
    assert ("epochs", 7) in {(fact.key, fact.value) for fact in run.facts}


def test_only_the_checkpoint_that_tells_the_run_brings_its_sidecars(tmp_path: Path) -> None:
    for last in (30, 60, 90):
        state(tmp_path / f"checkpoint-{last}" / "trainer_state.json", last)
        (tmp_path / f"checkpoint-{last}" / "training_args.bin").write_bytes(b"x")
    (run,) = found(tmp_path)
    assert [Path(p.source).parent.name for p in run.problems if p.kind == "not-read"] == ["checkpoint-90"]


def test_hydra_and_wandb_folders_hold_the_configuration_of_the_run_above(tmp_path: Path) -> None:
    csv(tmp_path / "a" / "log.csv", 1, 30)
    csv(tmp_path / "b" / "log.csv", 1, 30)
    (tmp_path / "a" / ".hydra").mkdir()
    (tmp_path / "a" / ".hydra" / "config.yaml").write_text("optimizer: {lr: 0.5}\n")
    first, second = found(tmp_path)
    assert [(fact.key, fact.value) for fact in first.facts] == [("base_lr", 0.5)]
    assert second.facts == ()


HIDDEN = {".summary": True, ".runs": True, ".hydra": True, ".git": False, ".venv": False, ".ipynb_checkpoints": False,
          ".ruff_cache": False, ".cache": False}


@pytest.mark.parametrize("folder", HIDDEN)
def test_hidden_folders_are_entered_but_those_of_tools(folder: str, tmp_path: Path) -> None:
    csv(tmp_path / folder / "0" / "log.csv", 1, 30)
    assert bool(found(tmp_path)) == HIDDEN[folder]


def test_the_nearest_sidecar_is_the_strongest_and_one_of_another_script_speaks_for_none(tmp_path: Path) -> None:
    csv(tmp_path / "out" / "exp" / "tb" / "log.csv", 1, 30)
    (tmp_path / "params.yaml").write_text("max_steps: 4\nlr: 0.9\n")
    (tmp_path / "out" / "exp" / "params.yaml").write_text("lr: 0.2\nmax_epochs: 7\n")
    (tmp_path / "out" / "exp" / "tb" / "hparams.yaml").write_text("lr: 0.1\n")
    for typed in (tmp_path, tmp_path / "out" / "exp", tmp_path / "out" / "exp" / "tb"):
        (run,) = found(typed)
        assert [(fact.key, fact.value) for fact in run.facts] == [("base_lr", 0.1), ("base_lr", 0.2), ("epochs", 7)]


def test_a_folder_of_dvclive_is_one_run_with_its_own_parameters(tmp_path: Path) -> None:
    for tag in ("loss", "train/loss", "train/lr"):
        path = tmp_path / "dvclive" / "plots" / "metrics" / f"{tag}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        name = tag.rsplit("/")[-1]
        path.write_text(f"step\t{name}\n" + "".join(f"{s}\t{loss_at(s)}\n" for s in range(20)))
    (tmp_path / "params.yaml").write_text("max_steps: 4\n")
    (tmp_path / "dvclive" / "params.yaml").write_text("max_steps: 7500\n")
    (run,) = found(tmp_path)
    assert run.name == "dvclive"
    assert [sorted(view.series) for view in run.views] == [["loss", "train/loss", "train/lr"]]
    assert [(fact.key, fact.value) for fact in run.facts] == [("max_steps", 7500)]
    assert {source.step_axis for source in run.sources} == {"call"}


def test_a_pickle_is_named_and_never_opened(tmp_path: Path) -> None:
    state(tmp_path / "trainer_state.json", 100)
    (tmp_path / "training_args.bin").write_bytes(pickle.dumps({"lr": 1}))
    (run,) = found(tmp_path)
    (problem,) = [problem for problem in run.problems if problem.kind == "not-read"]
    assert "json.dump" in problem.message


# Paths


def test_several_roots_are_told_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        csv(tmp_path / name / "run" / "log.csv", 1, 30)
    assert names(found(tmp_path / "a", tmp_path / "b")) == ["a/run", "b/run"]


def test_a_run_below_two_paths_is_read_once(tmp_path: Path) -> None:
    csv(tmp_path / "a" / "log.csv", 1, 30)
    csv(tmp_path / "b" / "log.csv", 1, 30)
    assert len(found(tmp_path, tmp_path / "a", tmp_path / "a" / "log.csv")) == 2


def test_a_resume_in_the_next_dated_folder_is_the_same_run(tmp_path: Path) -> None:
    write_events(tmp_path / "runs" / "Nov22_00-14-50_node", rows(1, 60), start=1e9)
    write_events(tmp_path / "runs" / "Nov22_01-14-50_node", rows(61, 120), start=1e9 + 3600)
    write_events(tmp_path / "runs" / "Nov22_02-14-50_node", rows(1, 120), start=1e9 + 9000)
    resumed, alone = found(tmp_path)
    assert (len(resumed.sources), len(alone.sources)) == (2, 1)


def test_what_may_not_be_read_is_named_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("open", "closed", "file"):
        csv(tmp_path / name / "log.csv", 1, 30)
    listed, opened = os.scandir, os.open

    def scandir(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    def open_file(path: Path, *args: int, **kwargs: int) -> int:
        if Path(path).parent.name == "file":
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "open", open_file)
    result = discover([tmp_path])
    assert names(result.runs) == ["open"]
    assert [("permission denied" in p.message, Path(p.source).name) for p in result.unreadable] == [
        (True, "closed"), (True, "log.csv")
    ]


def test_include_and_exclude(tmp_path: Path) -> None:
    for name in ("keep/log.csv", "keep/other.log", "skip/log.csv"):
        csv(tmp_path / name, 1, 30)
    assert names(found(tmp_path, include=["*.csv"])) == ["keep", "skip"]
    assert names(found(tmp_path, include=["*.csv"], exclude=["skip"])) == ["keep"]
    assert names(found(tmp_path, include=["keep/*.csv"])) == ["keep"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: folder / "missing", "no such file"),
        (lambda folder: folder, "no training log"),
    ],
)
def test_a_path_without_logs_is_one_clear_line(tmp_path: Path, make: object, says: str) -> None:
    (problem,) = discover([make(tmp_path)]).unreadable  # type: ignore[operator]
    assert says in problem.message


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "log.csv").touch()
    (problem,) = discover([tmp_path / "log.csv"]).unreadable
    assert "empty" in problem.message


def test_one_bad_path_does_not_cost_the_others(tmp_path: Path) -> None:
    csv(tmp_path / "log.csv", 1, 30)
    result = discover([tmp_path / "missing", tmp_path / "log.csv"])
    assert len(result.runs) == len(result.unreadable) == 1


def test_links_that_loop_are_not_followed(tmp_path: Path) -> None:
    csv(tmp_path / "logs" / "version_0" / "metrics.csv", 1, 30)
    os.symlink(tmp_path, tmp_path / "logs" / "loop")
    os.symlink(tmp_path / "logs" / "version_0", tmp_path / "logs" / "latest")
    os.symlink(tmp_path / "nowhere", tmp_path / "dangling")
    assert len(found(tmp_path)) == 1


def test_links_into_a_store_of_nameless_files_are_read_once(tmp_path: Path) -> None:
    state(tmp_path / "blobs" / "3f2a", 100)
    for revision in ("one", "two"):
        (tmp_path / "snapshots" / revision).mkdir(parents=True)
        os.symlink(tmp_path / "blobs" / "3f2a", tmp_path / "snapshots" / revision / "trainer_state.json")
    csv(tmp_path / "log.csv", 1, 30)
    os.symlink(tmp_path / "log.csv", tmp_path / "latest.csv")
    assert [Path(source.path).name for run in found(tmp_path) for source in run.sources] == [
        "log.csv", "trainer_state.json"
    ]


def test_a_link_to_the_whole_disk_is_not_followed(tmp_path: Path) -> None:
    csv(tmp_path / "log.csv", 1, 30)
    os.symlink("/", tmp_path / "disk")
    assert len(found(tmp_path)) == 1


def test_a_link_to_a_run_elsewhere_is_followed(tmp_path: Path) -> None:
    csv(tmp_path / "elsewhere" / "metrics.csv", 1, 30)
    (tmp_path / "here").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "here" / "run")
    assert names(found(tmp_path / "here")) == ["run"]


def test_files_that_are_no_logs_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    csv(tmp_path / "log.csv", 1, 30)
    for name in ("LICENSE.md", "train.py", "model.pt", "curve.png", "tokenizer.json", "hparams.yaml"):
        (tmp_path / name).write_text("x")
    opened: list[str] = []
    real = os.open

    def noted(path: Path, *args: int, **kwargs: int) -> int:
        opened.append(Path(path).name)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", noted)
    find_groups([tmp_path])
    assert opened == ["log.csv"]


def test_a_large_table_without_steps_is_taken_for_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.walking.LARGE_TABLE_BYTES", 1000)
    (tmp_path / "train.csv").write_text("pixel_1,pixel_2,loss\n" + "0.5,0.25,1\n" * 500)
    csv(tmp_path / "log.csv", 1, 300)
    result = discover([tmp_path])
    assert [run.name for run in result.runs] == [tmp_path.name]
    assert ["taken for data" in problem.message for problem in result.unreadable] == [True]


def test_groups_are_small_and_can_be_sent_to_workers(tmp_path: Path) -> None:
    for number in range(4):
        csv(tmp_path / f"run{number}" / "log.csv", 1, 30)
    groups = find_groups([tmp_path]).groups
    assert len(groups) == 4
    sent = pickle.loads(pickle.dumps(groups[2]))
    assert names(read_group(sent).runs) == ["run2"]


def test_progress_counts_files(tmp_path: Path) -> None:
    for number in range(3):
        csv(tmp_path / f"run{number}" / "log.csv", 1, 30)
    seen: list[tuple[int, int]] = []
    discover([tmp_path], progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/runs/resnet", "resnet"),
        ("/data/resnet/version_0", "resnet/version_0"),
        ("/data/resnet/lightning_logs/version_3", "resnet/lightning_logs/version_3"),
        ("/data/resnet/logs/", "resnet/logs"),
        ("/data/resnet/seed_1/../seed_2/.", "resnet/seed_2"),
        ("/logs", "logs"),
        ("/", "/"),
    ],
)
def test_a_folder_that_says_nothing_is_named_with_those_above_it(path: str, name: str) -> None:
    assert own_name(Path(path)) == name
