"""The loss behind a resume is not what the session before had reached.

What it checks
    At every join, the first rows of the new session: against the rows that the old session logged at the same steps,
    where steps were replayed, else against its last rows: a few on either side, and up to 400. Also rows that a resume
    leaves where no join is visible: one loss divided by the global step, and a curve that starts over at its first
    value.

Why it matters
    A checkpoint restores weights, optimizer moments, scheduler, data position and scaler. What was forgotten shows
    here: a loss back at its start is another set of weights (a wrong key, ``strict=False``), a bump that heals in
    tens of rows is a lost optimizer state, a lasting offset is another data mixture or precision.

When it is silent
    When the rows agree within the run's own scatter, when the new session repeats the old rows exactly, and at joins
    that start another run. A clean factor is told as loss-scale-jump.

What to do
    Load the checkpoint and evaluate it before the first update; compare with the loss that was logged when it was
    written. Check the messages about missing and unexpected keys, and that the optimizer state is loaded too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analyzer.clocks.loss_baseline import JoinChange, LossBaseline
from analyzer.clocks.loss_joins import other_losses_at_joins
from analyzer.model import Finding, Row
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import falling_loss, lives, wobble
from analyzer.rules.judged_loss import judged_loss
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    loss = judged_loss(timeline)
    if isinstance(loss, Unchecked):
        yield loss
        return
    told = set()
    for change in loss.events.joins:
        told.add(change.join)
        yield _finding(timeline, loss, change)
    for other, change in other_losses_at_joins(timeline):
        if change.join not in told:
            told.add(change.join)
            yield _finding(timeline, other, change)
    if not timeline.joins:
        yield Unchecked(reason="the log shows one session")


def _finding(timeline: Timeline, loss: LossBaseline, change: JoinChange) -> Finding:
    step = loss.step(change.position)
    return Finding(
        severity="warning",
        message=f"{_where(timeline, loss, change)}: {_what(loss, change)}",
        tag=loss.series.tag,
        first_step=step,
        last_step=loss.step(change.last),
        numbers={"before": change.before, "after": change.after, "ratio": round(change.after / change.before, 4)},
        evidence=_rows(timeline, loss, change),
        join=change.join,
    )


def _where(timeline: Timeline, loss: LossBaseline, change: JoinChange) -> str:
    step = loss.step(change.position)
    if change.join is None:
        return f"at step {step}, where the log shows no resume"
    join = timeline.joins[change.join]
    return f"resumed at step {step} after step {join.last_step_before}" + (
        f" ({join.how_known})" if join.how_known else ""
    )


def _what(loss: LossBaseline, change: JoinChange) -> str:
    tag, before, after = loss.series.tag, f"{change.before:.4g}", f"{change.after:.4g}"
    if change.kind == "row":
        early, late = change.pairs[0]
        return (
            f"{tag} at step {loss.step(late)} is {after} where the first session has {before};"
            " other rows of the replay are identical"
        )
    if change.kind == "transient":
        early, late = change.pairs[0]
        return (
            f"{tag} at step {loss.step(late)} is {after} where the first session has {loss.value[early]:.4g},"
            f" and the two come together again by step {loss.step(change.last)}"
        )
    if change.kind == "divided":
        return (
            f"{tag} is {after} in one row, {change.after / change.before:.3g} of the {before} around it:"
            " the logging interval over the step, as when the first mean behind a resume is divided by all steps"
        )
    if change.kind == "fresh":
        return f"{tag} jumps from about {before} back to {after}, near where it began, and falls again"
    if change.kind == "offset":
        return f"{tag} stands above the first session at the same steps, {after} against {before} at its worst"
    back = f", back at step {loss.step(change.last)}" if change.recovered else ", and it does not come back"
    return f"{tag} goes from about {before} to {after}, {change.units:.0f} noise units{back}"


def _rows(timeline: Timeline, loss: LossBaseline, change: JoinChange) -> tuple[Row, ...]:
    series, rows = loss.series, loss.rows
    if change.pairs:
        found = []
        for early, late in change.pairs[:2]:
            found.append(timeline.row(series, int(rows[early]), "first session"))
            found.append(timeline.row(series, int(rows[late]), "same step, second session"))
        return tuple(found)
    found = [
        timeline.row(series, int(rows[change.position - 1]), "the last row before"),
        timeline.row(series, int(rows[change.position]), "the first row behind"),
    ]
    if change.recovered and change.last < len(rows):
        found.append(timeline.row(series, int(rows[change.last]), "back at its level"))
    return tuple(found)


def _sessions(extra: float, tau: float = 15.0) -> Mapping[str, str]:
    """Two files of one run, resumed at step 151 with ``extra`` loss that decays."""

    def loss(step: int) -> float:
        more = extra * 2.718281828 ** (-(step - 151) / tau) if step > 150 else 0.0
        return round((falling_loss(step) + more) * (1 + 0.05 * wobble(step)), 6)

    rows = [(step, loss(step)) for step in range(1, 301)]
    return lives(("step", "loss"), rows[:150], rows[150:])


RULE = Rule(
    code="RES007",
    name="loss-jump-at-resume",
    severity="warning",
    check=check,
    help="evaluate the checkpoint before the first update and compare with the loss logged when it was written",
    sources=(
        "https://github.com/pytorch/torchtitan/issues/1213",
        "https://github.com/pytorch/torchtitan/issues/1136",
        "https://github.com/huggingface/transformers/pull/9818",
    ),
    bad=(Example(title="weights lost", files=lambda: _sessions(1.8)),),
    good=(
        Example(
            title="clean resume", files=lambda: _sessions(0.0), why="the new session goes on where the old one ended"
        ),
        Example(title="a small bump", files=lambda: _sessions(0.03), why="5 % is within the run's own scatter"),
    ),
)
