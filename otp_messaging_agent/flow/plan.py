"""Which ways a message should try, and in which order: most gained, least paid. Pure.

With tries that fail or succeed by themselves the best *order* of a set of ways is by cost over
probability of success (W. E. Smith, Various optimizers for single-stage production, 1956): what
is gained does not depend on the order, what is paid does. Which *set* is best with a bounded
number of tries follows by dynamic programming over that order, in O(ways x tries).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Prospect(NamedTuple):
    """What one try promises. success: probability; cost: money expected, delay included."""

    success: float
    cost: float


def worthwhile(prospects: Sequence[Prospect], worth: float, tries: int) -> list[int]:
    """Return the indices of the ways to try, first to last.

    worth: money that a success is worth; tries: the most that can be made. A way that costs
    more than it can bring is not among them.
    """
    order = sorted(
        range(len(prospects)), key=lambda i: prospects[i].cost / max(prospects[i].success, _LEAST)
    )
    n = len(order)
    # Row m, column i: what the ways from the i-th in order on bring with m tries left.
    best = [0.0] * (n + 1)
    taken: list[list[bool]] = []
    for _ in range(min(tries, n)):
        row, take = [0.0] * (n + 1), [False] * n
        for i in range(n - 1, -1, -1):
            p = prospects[order[i]]
            gain = p.success * worth - p.cost + (1.0 - p.success) * best[i + 1]
            take[i] = gain > row[i + 1]
            row[i] = max(gain, row[i + 1])
        best = row
        taken.append(take)
    chosen = []
    for i, way in enumerate(order):
        if taken and taken[-1][i]:
            chosen.append(way)
            taken.pop()
    return chosen


_LEAST = 1e-9
