"""Read a real file of every format, compare with a reference reader where one is installed, write docs/formats.md.

    pip install -e . tbparse pandas mlflow-skinny sqlalchemy alembic trackio
    python scripts/try_formats.py --write

"equal" means: the same points, number for number, as the reference reader gives for the same file.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from analyzer.discovery import discover
from analyzer.model import Run

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "formats.md"
START, END = "<!-- tried -->", "<!-- end of tried -->"

Points = dict[str, list[float]]  # tag -> values in written order


def points_of(run: Run) -> Points:
    """Every value of every tag of a run, views together."""
    found: Points = {}
    for view in run.views:
        for tag, series in view.series.items():
            found.setdefault(tag, []).extend(series.value.tolist())
    return found


def by_pandas_csv(path: Path) -> Points:
    import pandas as pd

    table = pd.read_csv(path, skipinitialspace=True, on_bad_lines="skip")
    return _columns(table.select_dtypes("number"))


def by_pandas_lines(path: Path) -> Points:
    import pandas as pd

    return _columns(pd.read_json(path, lines=True, precise_float=True).select_dtypes("number"))


def _columns(table: Any) -> Points:
    return {str(name).strip(): column.dropna().astype(float).tolist() for name, column in table.items()}


def by_json(path: Path) -> Points:
    found: Points = {}
    for entry in json.loads(path.read_text())["log_history"]:
        for tag, value in entry.items():
            if isinstance(value, int | float):
                found.setdefault(tag, []).append(float(value))
    return found


def by_tbparse(path: Path) -> Points:
    from tbparse import SummaryReader

    reader = SummaryReader(str(path))
    found: Points = {}
    for table in (reader.scalars, reader.tensors):
        for tag, part in table.groupby("tag", sort=False) if len(table) else ():
            found[str(tag)] = [float(np.asarray(value)) for value in part["value"] if np.asarray(value).size == 1]
    return found


def by_mlflow(uri: str) -> Points:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found: Points = {}
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            for key in run.data.metrics:
                found[key] = [metric.value for metric in client.get_metric_history(run.info.run_id, key)]
    return found


def by_mlflow_files(path: Path) -> Points:
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    return by_mlflow(next(path.rglob("mlruns")).as_uri())


def by_mlflow_database(path: Path) -> Points:
    return by_mlflow(f"sqlite:///{path / 'mlflow.db'}")


def by_what_was_logged(path: Path) -> Points:
    """The same run as a plain table: for a format whose own package has no reader any more (wandb 0.31)."""
    return by_pandas_csv(ROOT / "fixtures" / "same_run" / "plain-csv" / "log.csv")


def by_trackio(path: Path) -> Points:
    os.environ["TRACKIO_DIR"] = str(path)
    from trackio.sqlite_storage import SQLiteStorage

    found: Points = {}
    for row in SQLiteStorage.get_logs("same-run", "run"):
        for key, value in row.items():
            if isinstance(value, int | float):
                found.setdefault(key, []).append(float(value))
    return found


TRIALS: tuple[tuple[str, str, tuple[str, Callable[[Path], Points]] | None], ...] = (
    ("torch SummaryWriter", "same_run/torch-summarywriter", ("tbparse", by_tbparse)),
    ("tensorboardX", "same_run/tensorboardx", ("tbparse", by_tbparse)),
    ("TensorFlow 2 tensor scalars", "same_run/tensor-scalars", ("tbparse", by_tbparse)),
    ("Lightning TensorBoardLogger", "same_run/lightning-tensorboard/lightning_logs/version_0", ("tbparse", by_tbparse)),
    ("Lightning CSVLogger", "same_run/lightning-csv/lightning_logs/version_0/metrics.csv", ("pandas", by_pandas_csv)),
    ("plain CSV", "same_run/plain-csv/log.csv", ("pandas", by_pandas_csv)),
    ("CSV, gzip", "same_run/gzipped-csv/log.csv.gz", ("pandas", by_pandas_csv)),
    ("Keras CSVLogger", "formats/keras-csvlogger/log.csv", ("pandas", by_pandas_csv)),
    ("timm summary.csv", "formats/timm/summary.csv", ("pandas", by_pandas_csv)),
    ("Stable-Baselines3 progress.csv", "formats/stable-baselines3/progress.csv", ("pandas", by_pandas_csv)),
    ("improved-diffusion progress.csv", "formats/improved-diffusion/progress.csv", ("pandas", by_pandas_csv)),
    ("W&B history export", "formats/wandb-history", None),
    ("JSON lines", "same_run/json-lines/log.jsonl", ("pandas", by_pandas_lines)),
    ("mmengine scalars.json", "same_run/mmengine/vis_data/scalars.json", ("pandas", by_pandas_lines)),
    ("detectron2 metrics.json", "runs/detectron2-started-twice/metrics.json", ("pandas", by_pandas_lines)),
    ("DETR log.txt", "formats/detr/log.txt", None),
    ("Trainer state", "same_run/trainer-state/trainer_state.json", ("json", by_json)),
    ("Trainer state, public", "runs/transformers-30-epochs/trainer_state.json", ("json", by_json)),
    ("MLflow file store", "same_run/mlflow-files", ("mlflow client", by_mlflow_files)),
    ("MLflow database", "same_run/mlflow-database", ("mlflow client", by_mlflow_database)),
    ("W&B offline run", "same_run/wandb-offline", ("what was logged", by_what_was_logged)),
    ("Trackio store", "same_run/trackio", ("trackio", by_trackio)),
    ("the Trainer's printed dictionaries", "same_run/printed-dictionaries/train.log", None),
    ("nanoGPT output", "formats/nanogpt/output.log", None),
    ("llm.c output", "formats/llm.c/f66d43d7.log", None),
    ("modded-nanogpt output", "formats/modded-nanogpt/76ee9a40.txt", None),
    ("MLPerf result", "formats/mlperf/result_0.txt", None),
)


def judged(run: Run, name: str, reference: Callable[[Path], Points], path: Path) -> str:
    """One cell: whether all points of a run are those of the reference reader."""
    try:
        expected = reference(path)
    except ImportError as missing:
        return f"{name} not installed ({missing.name})"
    ours = points_of(run)
    step_columns = {source.step_column for source in run.sources}
    compared = [tag for tag in expected if tag in ours and tag not in step_columns]
    differ = [tag for tag in compared if not same(ours[tag], expected[tag])]
    count = sum(len(expected[tag]) for tag in compared)
    if differ:
        return f"{name}: {', '.join(differ)} differ"
    missing = [tag for tag in expected if tag not in ours and tag not in step_columns and not tag.startswith("_")]
    left = f"; not taken as series: {', '.join(sorted(missing))}" if missing else ""
    return f"{name}: equal, {count} values of {len(compared)} tags{left}"


def same(ours: Iterable[float], theirs: Iterable[float]) -> bool:
    """Number for number, NaN equal to NaN; a reference that rounds to float32 is compared in float32."""
    a, b = list(ours), list(theirs)
    return len(a) == len(b) and all(
        x == y or (math.isnan(x) and math.isnan(y)) or np.float32(x) == np.float32(y) for x, y in zip(a, b, strict=True)
    )


def table() -> str:
    """A line per format: the file it was tried on, what was read, and the comparison."""
    lines = ["| format | tried on | reader | rows | points | against a reference reader |", "|---|---|---|---|---|---|"]
    for title, place, reference in TRIALS:
        path = ROOT / "fixtures" / place
        found = discover([path])
        if not found.runs:
            reason = found.unreadable[0].message if found.unreadable else "no run found"
            lines.append(f"| {title} | `{place}` | - | - | - | {reason} |")
            continue
        run = found.runs[0]
        rows = sum(source.records for source in run.sources)
        points = sum(len(series) for view in run.views for series in view.series.values())
        verdict = "no reference reader" if reference is None else judged(run, reference[0], reference[1], path)
        lines.append(f"| {title} | `{place}` | {run.sources[0].format} | {rows:,} | {points:,} | {verdict} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into docs/formats.md")
    options = parser.parse_args()
    text = table()
    print(text)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        block = f"{START}\n{text}\n{END}"
        if START in page:
            page = page[: page.index(START)] + block + page[page.index(END) + len(END) :]
        else:
            page += f"\n## Tried on real files\n\nWritten by `python scripts/try_formats.py --write`.\n\n{block}\n"
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
