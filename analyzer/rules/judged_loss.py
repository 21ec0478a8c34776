"""What the rules on the loss share: is there one that statistics apply to, where else a loss stands, what moved too."""

from __future__ import annotations

from collections.abc import Iterable

from analyzer.clocks.loss_baseline import LossBaseline
from analyzer.clocks.loss_company import Moved, what_moved
from analyzer.model import Series
from analyzer.roles import assign_roles
from analyzer.rules import Unchecked
from analyzer.timeline import Timeline


def judged_loss(timeline: Timeline, *, fewest_rows: int = 0) -> LossBaseline | Unchecked:
    """The loss with its level and noise, or why there is none to judge."""
    loss = timeline.loss
    if loss is None:
        return Unchecked(reason="no training loss in the log")
    if loss.unfit:
        return Unchecked(reason=loss.unfit)
    if len(loss.value) < fewest_rows:
        return Unchecked(reason=f"fewer than {fewest_rows} rows of the loss")
    return loss


def series_of_every_account(timeline: Timeline, *roles: str) -> list[Series]:
    """Series of these roles, those of the view that the clocks are read from first: no account hides another's."""
    found = [series for role in roles for series in timeline.roles.all(role)]
    for view in timeline.views:
        if view.name != timeline.view.name:
            assigned = assign_roles(view, timeline.run.sources, timeline.role_overrides)
            found += [series for role in roles for series in assigned.all(role)]
    return [series for series in found if len(series)]


def spoken(loss: LossBaseline) -> str:
    """How a message names the curve that was judged: where the log shows running means its numbers are in no row."""
    tag = loss.series.tag
    return f"the batch loss behind {tag} (a mean over the epoch so far)" if loss.running_mean else tag


def company(timeline: Timeline, loss: LossBaseline, first: int, last: int) -> str:
    """What else moved at these positions of the curve, as the end of a message; "" when nothing did."""
    said = list(_words(what_moved(timeline, loss, first, last)))
    return f"; {', '.join(said)}" if said else ""


def _words(moved: Moved) -> Iterable[str]:
    if moved.learning_rate is not None:
        yield f"the learning rate jumps there, to {moved.learning_rate:.3g} times its value"
    if moved.gradient_norm is not None:
        yield f"the gradient norm is {moved.gradient_norm:.3g} times its level"
    if moved.data is not None:
        yield f"{moved.data[0]} is {moved.data[1]:.3g} times its level from there on"
    if moved.resumed:
        yield "the run was resumed there"
    if moved.epoch_starts:
        yield "an epoch begins there"


def chance(p_value: float) -> str:
    """The p-value as a message says it."""
    return "p < 1e-12" if p_value < 1e-12 else f"p = {p_value:.1g}"
