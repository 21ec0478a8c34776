"""Train one small model twice, with batches of 16 and of 64, and write both logs into fixtures/compare.

Softmax regression on made digits-like data; the losses are real. The larger batch makes a quarter of the updates.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

TARGET = Path(__file__).resolve().parents[1] / "fixtures" / "compare"
EXAMPLES, FEATURES, CLASSES, EPOCHS = 1920, 32, 10, 8


def train(batch: int, base_lr: float) -> list[tuple[int, int, float, float]]:
    """(step, epoch, loss, lr) of every update."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(CLASSES, FEATURES))
    labels = rng.integers(0, CLASSES, EXAMPLES)
    inputs = centres[labels] + 2.0 * rng.normal(size=(EXAMPLES, FEATURES))
    weights = np.zeros((FEATURES, CLASSES))
    total = EXAMPLES // batch * EPOCHS
    rows = []
    for epoch in range(EPOCHS):
        order = rng.permutation(EXAMPLES)
        for start in range(0, EXAMPLES, batch):
            chosen = order[start : start + batch]
            scores = inputs[chosen] @ weights
            chances = np.exp(scores - scores.max(axis=1, keepdims=True))
            chances /= chances.sum(axis=1, keepdims=True)
            loss = float(-np.log(chances[np.arange(len(chosen)), labels[chosen]]).mean())
            step = len(rows) + 1
            lr = base_lr * (total - step + 1) / total
            chances[np.arange(len(chosen)), labels[chosen]] -= 1
            weights -= lr * inputs[chosen].T @ chances / len(chosen)
            rows.append((step, epoch, loss, lr))
    return rows


def main() -> None:
    for batch in (16, 64):
        folder = TARGET / f"batch-{batch}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["step", "epoch", "loss", "lr"])
            writer.writerows((step, epoch, f"{loss:.6g}", f"{lr:.8g}") for step, epoch, loss, lr in train(batch, 0.05))
        (folder / "analyzer.toml").write_text(
            f"[declared]\ndataset_size = {EXAMPLES}\nbatch_size = {batch}\nworld_size = 1\ngrad_accumulation = 1\n"
            f'epochs = {EPOCHS}\nscheduler = "linear"\nwarmup_steps = 0\nbase_lr = 0.05\n'
        )


if __name__ == "__main__":
    main()
