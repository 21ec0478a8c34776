"""What an explanation costs: the cheapest that passes through every row is told.

The unit is one coincidence: something that the explanation leaves to chance. Each price has its reason beside it.
"""

from __future__ import annotations

# --- why a counter falls (analyzer.clocks.falls) --------------------------------------------------------------------

LIFE = 1.0
"""A process that ended and began again without leaving another trace: a fall of its own each time."""
LIFE_WITH_A_TRACE = 0.0
"""A header, a start marker, a pause or a clock of the process that starts over stands at the fall: nothing is left."""
HABIT = 1.5
"""A habit that makes every fall (laps, passes, turns of two writers) is dearer than one life and cheaper than two."""
LAPS_IN_STEP_WITH_LABELS = 0.0
"""Laps of which the epoch label goes up at every fall are what a batch counter is."""
LAPS_WITH_LATE_LABELS = 0.5
"""The label goes up a row or three beside the fall: a slip of its own, but one for all laps."""
MISFIT = 1.0
"""A fall that a habit does not predict, or a return to the end of earlier rows that lives do not predict."""

# --- where epoch labels leave their clock (analyzer.clocks.epoch_search) -------------------------------------------

AT_JOIN = 1.0
"""A clock that breaks at a known join: shifted, moved by whole laps, or from then on of another length."""
INSIDE = 1.5
"""The same inside a session, where nothing was restored."""
RETURNS = 0.25
"""The end of a break: the clock is back where it was before, which nothing but the true clock gives."""
AGAIN = 1.0
"""The same break once more: labels that move by as many laps as the last time, or a length that changes where an epoch
ends as the last one did, have one cause."""
AMID = 0.5
"""Added when a label moves by whole laps where no epoch ends and no process was restored."""
FURTHER_LAP = 0.5
"""Every whole epoch more by which a label moves: counters skip or repeat one as a rule."""
ANOTHER_LENGTH = 1.6
"""Another length of the epoch from a boundary inside a session on; dearer than a label moved once, which it can
imitate in the first and the last epoch."""
MIXED_LAP = 0.25
"""Added when the change lies inside an epoch that has neither length: its place is one more unknown."""
ELSEWHERE = 1.25
"""All boundaries lie a few steps off from where the log begins: one cause, in every epoch."""
ALTERNATING = 0.6
"""Epochs that alternate in length (a ratio of batches to accumulation that nobody declared): less than any break inside
a session; with ``UNDECLARED`` more than one."""
UNDECLARED = 1.0
"""The plan names other values: the declaration would be wrong as well."""
AGAINST_WITNESS = 1.5
"""Rows that close epochs, or the end of the run, bear another value out: one more break to explain."""

# --- which schedule wrote the learning rates (analyzer.clocks.scheduler) --------------------------------------------

CONVENTION = 0.5
"""A phase, a form or a length that differs by a step, as frameworks differ: not one that this log's is known for."""
FORGOTTEN = 1.0
"""A usual floor that nobody declared: people forget to say so."""
ODD_VALUE = 3.25
"""A floor or a peak that no row shows and nobody would choose: dearer than one parameter that a row does show."""
HIGH_FLOOR = 3.5
"""A floor that nobody declared and no row holds, above a fifth of the peak: any straight line has one."""
LATE_FROM_THE_START = 1.0
"""The first rate was used twice: one call, at a place that is known."""
SKIPPED = 2.0
"""Updates that a loss scaler skipped: a known cause at free places."""
BREAK = 3.0
"""A break inside a session: its place and its size are free."""
PARAMETER = 3.0
"""One declared parameter (rate, horizon, warmup, peak, floor, gamma, ...) is another."""
KNOWN_COUNT = 0.5
"""Off the price of a rate that is a count of the declaration: processes, micro-batches, epochs, calls in two places."""
FAMILY = 3.5
"""Another family: its parameters are free as well."""
ONCE_MORE = 0.02
"""Each further break of one kind and size: skipped updates, a step at every epoch's end."""
BEGINNING = 2.0
"""The first rows follow a warmup of a form that is not known here, and all that follow are exact."""
ANY_RISE = 3.75
"""A warmup of a form that is not known here, taken as it was logged: dearer than any parameter or family by itself."""
DEAREST = 7.0
"""Two breaks of different kinds and a convention: what costs more can be told of any rows."""
