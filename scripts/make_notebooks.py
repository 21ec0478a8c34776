"""Write and execute the notebooks: one question each. They import analyzer and define nothing.

python scripts/make_notebooks.py        (needs: pip install nbformat nbclient ipykernel)
"""

from __future__ import annotations

from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"

CELLS: dict[str, list[tuple[str, str]]] = {
    "audit_a_resumed_run": [
        (
            "markdown",
            "# What happened when this run was resumed?\n\n"
            "PyTorch Lightning wrote two event files: the process was killed and started again. "
            "We know what its owner would declare; the rest is in the log.",
        ),
        (
            "code",
            "import analyzer\n\n"
            'run = analyzer.read("../fixtures/runs/lightning-data-position-lost")[0]\n'
            "declared = dict(dataset_size=480, batch_size=12, world_size=1, grad_accumulation=1, epochs=6,\n"
            '                drop_last=False, scheduler="linear", warmup_steps=30, base_lr=0.05)\n'
            "report = analyzer.audit(run, declared=declared)\n"
            "report",
        ),
        ("markdown", "The rows that prove it: every finding carries them, with file and record number."),
        (
            "code",
            "finding = report.runs[0].findings[0]\n"
            "print(finding.message)\n"
            "finding.to_frame()[['tag', 'step', 'value', 'row', 'why']]",
        ),
        (
            "markdown",
            "The raw rows around the join, straight from the log: nothing was sorted, dropped or repaired.",
        ),
        (
            "code",
            "frame = run.to_frame()\n"
            "epoch = frame[frame.tag == 'epoch']\n"
            "epoch[epoch.step.between(finding.first_step - 3, finding.first_step + 3)]"
            "[['step', 'value', 'source', 'row']].assign(source=lambda f: f.source.str[-20:])",
        ),
    ],
    "identify_a_schedule": [
        (
            "markdown",
            "# Which learning-rate schedule really ran?\n\n"
            "The learning rate is a noise-free function of the scheduler's own counter. Identify the function, "
            "invert it, and the counter can be read at every row.",
        ),
        (
            "code",
            "import analyzer\n\n"
            'run = analyzer.read("../fixtures/runs/accelerate-scheduler-stepped-twice")[0]\n'
            "declared = dict(dataset_size=640, batch_size=8, world_size=2, grad_accumulation=1, epochs=5,\n"
            '                drop_last=False, scheduler="linear", warmup_steps=20, base_lr=0.04)\n'
            "report = analyzer.audit(run, declared=declared)\n"
            "report",
        ),
        (
            "markdown",
            "The scheduler's clock: family, parameters, and how many positions it moves per optimizer update.",
        ),
        (
            "code",
            "clock = report.runs[0].timeline.schedulers[0]\n"
            "print(f'{clock.family}, peak {clock.peak_lr:g}, rate {clock.rate:g} scheduler steps per update')\n"
            "print(f'{clock.explained:.0%} of the rows lie within their written precision')",
        ),
        (
            "code",
            "import matplotlib.pyplot as plt\n\n"
            "figure, panel = plt.subplots(figsize=(6, 3))\n"
            "panel.plot(clock.series.step, clock.series.value, '.', label='logged')\n"
            "panel.plot(clock.series.step, 0.04 * (clock.series.step.clip(0, 20) / 20).clip(0, 1)\n"
            "           * ((200 - clock.series.step).clip(0, 180) / 180), '--', label='declared')\n"
            "panel.set(xlabel='step', ylabel='learning rate')\n"
            "panel.legend();",
        ),
    ],
    "compare_runs_fairly": [
        (
            "markdown",
            "# Is the larger batch better?\n\n"
            "Two runs of one model on the same data, with batches of 16 and of 64. Which one looks better depends on "
            "what is held equal: after the same number of updates the larger batch has seen four times the data.",
        ),
        (
            "code",
            "import analyzer\n\n"
            'runs = [analyzer.read(f"../fixtures/compare/batch-{batch}")[0] for batch in (16, 64)]\n'
            "declared = [dict(dataset_size=1920, batch_size=batch, world_size=1, grad_accumulation=1, epochs=8) "
            "for batch in (16, 64)]\n"
            "for run, facts in zip(runs, declared):\n"
            "    frame = run.to_frame()\n"
            "    print(run.name, int(frame.step.max()), 'updates;', "
            "analyzer.plan(**facts).readings[0].steps_per_epoch, 'a lap')",
        ),
        ("markdown", "On equal footing, each axis for itself. First by updates:"),
        ("code", 'analyzer.compare(*runs, by=["updates"])'),
        ("markdown", "Then by epochs, which here is the same as by samples. The order turns round."),
        ("code", 'analyzer.compare(*runs, by=["epochs"])'),
        ("markdown", "Both logs are sound: the difference is no artefact of a clock."),
        (
            "code",
            "for run, facts in zip(runs, declared):\n"
            "    report = analyzer.audit(run, declared=facts)\n"
            "    print(run.name, len(report.findings[report.findings.severity != 'note']), 'findings')",
        ),
    ],
}


def main() -> None:
    import nbformat
    from nbclient import NotebookClient

    for name, cells in CELLS.items():
        notebook = nbformat.v4.new_notebook()
        for number, (kind, text) in enumerate(cells):
            make = nbformat.v4.new_markdown_cell if kind == "markdown" else nbformat.v4.new_code_cell
            notebook.cells.append(make(text, id=f"{name[:20]}-{number}"))
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
        notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(notebook, NOTEBOOKS / f"{name}.ipynb")


if __name__ == "__main__":
    main()
