"""Sums of what happened, faded by age, and what they say. Pure.

A share is estimated as a binomial rate with a beta prior, each level's prior being what the
level above says: channel -> provider -> country -> prefix (Gelman et al., Bayesian Data
Analysis, chapter 5). Sums that fade exponentially do not depend on the order of their terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

HEALTH_HALF_LIFE = 90.0
"""Seconds in which half of what says how a way goes *now* is forgotten."""
PACE_HALF_LIFE = 300.0
"""Seconds in which half of the evidence of how fast a way is, is forgotten."""

LEVEL = 20.0
"""Tries that weigh as much as what the level above says."""
SURE = 6.0
"""The same for the health of one country beside that of the provider: few say little."""
DOUBT = 1.0
"""Arrivals as expected that a provider's health starts with: three failures in a row say much."""
SLACK = 0.5
"""Missing arrivals that say nothing: what is left of old failures must not keep probes away."""
SICKEST = 0.02
"""Least health: what is never tried could never be seen to be well again."""
PACED = 5.0
"""Arrivals that weigh as much as what the level above says of the seconds they take."""
REACHES = 10.0
"""Tries that weigh as much as what the level above says of who has a channel."""
CODES = 50.0
"""Codes that weigh as much as the usual share of codes that people type in."""


class Sums(NamedTuple):
    """What is counted of one way, faded to `at`.

    Over hours: tries and arrivals; codes that had their time, and those typed in. Over minutes:
    expected and real arrivals; arrivals that were timed, and their seconds.
    """

    at: float = 0.0
    tries: float = 0.0
    arrived: float = 0.0
    expected: float = 0.0
    real: float = 0.0
    timed: float = 0.0
    seconds: float = 0.0
    asked: float = 0.0
    confirmed: float = 0.0


NONE = Sums()


def faded(s: Sums, now: float, half_life: float) -> Sums:
    """Return *s* as it counts at *now*; half_life: seconds, of tries and codes."""
    age = now - s.at
    if age <= 0:
        return s
    long, minutes = 0.5 ** (age / half_life), 0.5 ** (age / HEALTH_HALF_LIFE)
    pace = 0.5 ** (age / PACE_HALF_LIFE)
    _, tries, arrived, expected, real, timed, seconds, asked, confirmed = s
    return tuple.__new__(  # a third of the constructor's time, some fifty times a decision
        Sums,
        (
            now,
            tries * long,
            arrived * long,
            expected * minutes,
            real * minutes,
            timed * pace,
            seconds * pace,
            asked * long,
            confirmed * long,
        ),
    )


def added(a: Sums, b: Sums, half_life: float) -> Sums:
    """Return both together, faded to the later of them."""
    late = max(a.at, b.at)
    old, new = faded(a, late, half_life), faded(b, late, half_life)
    return Sums(late, *(x + y for x, y in zip(old[1:], new[1:], strict=True)))


def repaired(s: Sums) -> Sums:
    """Return *s* with no more arrivals than tries: what recovers makes good what was lost."""
    return s._replace(arrived=min(s.arrived, s.tries), real=min(s.real, s.expected))


def share(prior: float, levels: Sequence[Sums], weight: float) -> float:
    """Return the share that arrives, by the levels from the widest to the nearest."""
    for s in levels:
        prior = (weight * prior + s.arrived) / (weight + s.tries)
    return prior


def health(levels: Sequence[Sums]) -> float:
    """Return real over expected arrivals of the last minutes, 1 at most."""
    well, weight = 1.0, DOUBT
    for s in levels:
        if s.expected:
            real = min(s.real + SLACK, s.expected)
            well = min(1.0, (weight * well + real) / (weight + s.expected))
        weight = SURE
    return max(SICKEST, well)


def seconds(prior: float, levels: Sequence[Sums]) -> float:
    """Return the seconds until one arrives."""
    for s in levels:
        prior = (PACED * prior + s.seconds) / (PACED + s.timed)
    return prior


def trust(own: Sequence[Sums], every: Sequence[Sums]) -> float:
    """Return the share of codes typed in over what it is by all other ways, 1 at most.

    own: of one way, from everywhere to the nearest; every: of all ways, as far as compared.
    """
    ratio = 1.0
    for mine, all_ in zip(own, every, strict=False):
        others, typed = all_.asked - mine.asked, all_.confirmed - mine.confirmed
        had = mine.confirmed / mine.asked if mine.asked else 0.0
        # With nobody to compare with here: what it has, made good by what the level above says.
        usual = CODES * min(1.0, had / ratio) + max(0.0, typed)
        usual /= CODES + max(0.0, others)
        if usual > 0:
            ratio = (CODES * ratio + mine.confirmed / usual) / (CODES + mine.asked)
            ratio = min(1.0, ratio)
    return ratio
