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
