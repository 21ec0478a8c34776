"""How long it takes to list and to read a tree of many tiny runs: python scripts/bench_discovery.py [RUNS]

A sweep as people leave it behind: a folder a run with a table, its configuration, a checkpoint and a note.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from analyzer.discovery import find_groups, read_group

ROWS = 20


def make_tree(root: Path, runs: int) -> None:
    for number in range(runs):
        folder = root / f"sweep_{number % 25:02d}" / f"run_{number:05d}"
        folder.mkdir(parents=True)
        rows = "".join(f"{step},{step // 10},{2 / (step + 1) + number * 1e-4:.6f},0.001\n" for step in range(ROWS))
        (folder / "metrics.csv").write_text("step,epoch,loss,lr\n" + rows)
        (folder / "hparams.yaml").write_text(f"lr: 0.001\nseed: {number}\n")
        (folder / "last.ckpt").write_bytes(b"\0" * 100)
        (folder / "README.md").write_text("a run\n")


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_tree(root, runs)
        begin = time.perf_counter()
        groups = find_groups([root]).groups
        listed = time.perf_counter() - begin
        print(f"{len(groups)} groups of {4 * runs} files listed in {listed:.2f} s, {1e6 * listed / runs:.0f} us a run")
        begin = time.perf_counter()
        found = sum(len(read_group(group).runs) for group in groups[: runs // 10])
        read = time.perf_counter() - begin
        print(f"{found} of them read in {read:.2f} s, {1e3 * read / max(found, 1):.2f} ms a run")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
