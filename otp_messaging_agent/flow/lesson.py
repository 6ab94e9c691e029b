"""The words of learning: a place, a lesson, what is promised and what is to be expected. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from ..message import Channel
from ..safety import addresses


class Place(NamedTuple):
    """Where a message goes. country: ISO 3166-1 alpha-2, or ""; prefix: of its number, or ""."""

    country: str
    prefix: str


NOWHERE = Place("", "")


def place_of(number: str | None) -> Place:
    """Return where an E.164 number is."""
    if number is None:
        return NOWHERE
    return Place(addresses.country(number) or "", addresses.prefix(number) or "")


class Kind(StrEnum):
    """What became known of a try."""

    ARRIVED = "arrived"
    FAILED = "failed"
    RECOVERED = "recovered"  # it arrived after all: it had counted as failed
    UNREACHABLE = "unreachable"  # the recipient has no such channel, which is nobody's fault
    ASKED = "asked"  # the time is over in which its code could be typed in
    CONFIRMED = "confirmed"  # its code was typed in


class Lesson(NamedTuple):
    """One thing that became known of one try. seconds: from its send, where it arrived."""

    channel: Channel
    provider: str
    place: Place
    kind: Kind
    at: float
    seconds: float | None = None


class Estimate(NamedTuple):
    """What is to be expected of one way.

    reach: share of recipients there who have the channel; rate: share of those that arrives,
    over hours; health: how the last minutes were, of that; trust: how many of the codes that
    should have arrived are typed in, of what is usual there; seconds: until one arrives.
    trials: tries of this way in this country that speak, faded.
    """

    reach: float
    rate: float
    health: float
    trust: float
    seconds: float
    trials: float

    @property
    def success(self) -> float:
        """The share that arrives, of those that can."""
        return self.rate * self.health * self.trust


class Prior(NamedTuple):
    """What a channel promises before anything is known of it: share, and seconds it takes."""

    reliability: float
    latency: float
