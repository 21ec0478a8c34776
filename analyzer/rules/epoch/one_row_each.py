"""Labels of logs that have a row for each epoch: no step tells where an epoch ends, but which labels there are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.distinct import distinct
from analyzer.model import Finding
from analyzer.timeline import Timeline

MOST_BY_CHANCE = 4  # rows of either kind: of fewer the first validation and the last training row may just be lost


def bases_of_rows(timeline: Timeline) -> Iterator[Finding]:
    """Validations at every k-th of the labels one higher than the training's, in a log of a row for each epoch.

    On one base the validation of the first epochs would be missing, and the last one of an epoch that was not trained.
    """
    training = timeline.roles.first("loss")
    for validation in timeline.roles.all("validation_loss"):
        if training is None or min(len(training), len(validation)) < MOST_BY_CHANCE:
            continue
        own, other = distinct(training.step), distinct(validation.step)
        every = int(other[1] - other[0]) if len(other) > 1 else 0
        one_each = np.array_equal(own, np.arange(own[0], own[0] + len(own)))
        if not one_each or own[0] not in (0, 1) or not every or other[-1] <= own[-1]:
            continue
        if not np.array_equal(other, np.arange(own[0] + every, own[-1] + 2, every)):
            continue
        yield Finding(
            severity="warning",
            message=f"validation rows number epochs one higher than training rows: {len(own)} rows of {training.tag} "
            f"are labelled {own[0]} to {own[-1]}, {len(other)} of {validation.tag} {other[0]} to {other[-1]}",
            tag=validation.tag,
            first_step=int(other[0]),
            last_step=int(other[-1]),
            numbers={"difference": 1, "rows": len(other)},
            evidence=(
                timeline.row(training, 0, "the first epoch that was trained"),
                timeline.row(validation, 0, "the first that was validated"),
                timeline.row(training, len(training) - 1, "the last that was trained"),
                timeline.row(validation, len(validation) - 1, "the last that was validated"),
            ),
        )
