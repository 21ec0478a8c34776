"""How the level of a loss differs at a row that is known: all lengths of windows looked at, and corrected for."""

from __future__ import annotations

import math

from msgspec import Struct

from analyzer.clocks.loss_scan import Scan

SHORTEST, LONGEST = 5, 400  # rows on either side that a scan compares
MANY = 200  # known rows; what one of more does to the noise of all is not worth the time of measuring it anew
LOOKS = 0.5  # independent looks at a known place for each length, of which two make an octave: p-values are uniform


class KnownLevel(Struct, frozen=True, kw_only=True):
    """How the level differs at a known row: on ``length`` rows on either side, all lengths corrected for."""

    length: int
    rise: float
    units: float
    p_value: float
    noise: float  # of single rows there


def level_at(scan: Scan, position: int, first: int, end: int, *, one_of: int = 1) -> KnownLevel | None:
    """The difference at a known row that chance explains least, in rows [first, end); None where they are few.

    ``one_of``: known rows of the curve.
    """
    longest = min(position - max(scan.first, first), end - position)
    lengths = [length for length in scan.lengths if SHORTEST <= length <= min(longest, LONGEST)]
    if not lengths:
        return None
    largest = max((scan.at(position, length, scan.plain) for length in lengths), key=lambda one: abs(one[1]))
    noise = scan.plain if one_of > MANY else scan.noise_without(position, largest[0])
    (rise, units, chance), length = min(
        ((scan.at(position, length, noise), length) for length in lengths), key=lambda one: one[0][2]
    )
    single = max(float(noise.error[0]) / math.sqrt(2), 1e-12) * scan.noise_at(position)
    return KnownLevel(
        length=length, rise=rise, units=units, p_value=min(chance * max(LOOKS * len(lengths), 1.0), 1.0), noise=single
    )
