"""What was learned of every way out, as a value: lessons go in, estimates come out. Pure.

There are sums for each channel, each of its providers, and of those for each country and each
prefix of numbers. They fade with stored time. What a lesson weighs depends on what was known by
then, and on the order of the others only so far: a restart and other processes over one store
come to the same. Reading fades copies and locks nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from ..message import Channel
from ..safety import addresses
from . import evidence
from .evidence import NONE, Sums

REACHED = 0.95
"""Share of recipients who have a channel, before anything is known."""
INCIDENT = 0.1
"""Least weight in the long memory of a try whose way is sick: an outage is no usual rate."""
TRACE = 0.01
"""Less than so many tries left is as good as none."""


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


_Key = tuple[str, ...]
_REACH, _CODES = ("reach",), ("codes",)
_OF_CODES = {
    Kind.ASKED: Sums(asked=1.0),
    Kind.CONFIRMED: Sums(confirmed=1.0),
}
_UNKNOWN = Prior(0.9, 10.0)
"""Of a channel that was tried and is off now: nothing is sent by it, but it may be asked for."""
_COUNTRY = 3
"""Length of a key that names a way and a country."""


class Learned:
    """The sums of every way.

    priors: of each channel; half_life: seconds in which half of the long memory is forgotten.
    """

    def __init__(self, priors: Mapping[Channel, Prior], half_life: float = 21_600.0) -> None:
        self._priors = priors
        self.half_life = half_life
        self._sums: dict[_Key, Sums] = {}

    def afresh(self, priors: Mapping[Channel, Prior]) -> Learned:
        """Return one that knows nothing yet and forgets as fast."""
        return Learned(priors, self.half_life)

    def outlook(self, place: Place, now: float) -> Outlook:
        """Return what is to be expected of every way to a place at *now*, Unix seconds."""
        return Outlook(self, place, now)

    def known(self, now: float) -> Iterator[tuple[Channel, str, str]]:
        """Return (channel, provider, country) of everything that evidence is left of."""
        for key in list(self._sums):
            way = len(key) == _COUNTRY and key[:1] not in {_REACH, _CODES}
            if way and self.faded(key, now).tries > TRACE:
                yield Channel(key[0]), key[1], key[2]

    def prior(self, channel: Channel) -> Prior:
        """Return what a channel promises before anything is known of it."""
        return self._priors.get(channel, _UNKNOWN)

    def faded(self, key: _Key, now: float) -> Sums:
        """Return the sums of *key* as they count at *now*."""
        sums = self._sums.get(key)
        return NONE if sums is None else evidence.faded(sums, now, self.half_life)

    def add(self, lesson: Lesson) -> None:
        """Take one lesson in. One writer at a time; readers need not wait."""
        way = (lesson.channel.value, lesson.provider)
        if lesson.kind in _OF_CODES:
            told = _OF_CODES[lesson.kind]._replace(at=lesson.at)
            self._count(_CODES, lesson.place, told)
            self._count(way, lesson.place, told)
            return
        new = float(lesson.kind is not Kind.RECOVERED)
        came = float(lesson.kind is not Kind.UNREACHABLE) * new
        reach = Sums(lesson.at, tries=new, arrived=came)
        self._count((*_REACH, lesson.channel.value), lesson.place, reach)
        if lesson.kind is not Kind.UNREACHABLE:
            e = self.outlook(lesson.place, lesson.at).of(lesson.channel, lesson.provider)
            told = _told(lesson, e)
            self._count(way, lesson.place, told, repairs=not new)
            self._count(way[:1], NOWHERE, told, repairs=not new)

    def _count(self, top: _Key, place: Place, told: Sums, *, repairs: bool = False) -> None:
        for key in levels(top, place):
            sums = evidence.added(self._sums.get(key, NONE), told, self.half_life)
            self._sums[key] = evidence.repaired(sums) if repairs else sums


class Outlook:
    """What is to be expected of every way to one place at one moment."""

    def __init__(self, learned: Learned, place: Place, now: float) -> None:
        self._learned = learned
        self._place = place
        self._now = now
        self._reach: dict[Channel, list[Sums]] = {}

    def of(self, channel: Channel, provider: str) -> Estimate:
        """Return what is to be expected of one way."""
        prior = self._learned.prior(channel)
        own = self._sums((channel.value, provider))
        # What is known of its siblings lifts an unknown provider; that one of them fails does not
        # speak against it.
        whole = [self._learned.faded((channel.value,), self._now)]
        usual = evidence.share(prior.reliability, whole, evidence.LEVEL)
        return Estimate(
            reach=evidence.share(REACHED, self._reached(channel), evidence.REACHES),
            rate=evidence.share(max(prior.reliability, usual), own, evidence.LEVEL),
            health=evidence.health(own),
            trust=evidence.trust(own, self._sums(_CODES)) if own[0].asked else 1.0,
            seconds=evidence.seconds(prior.latency, [*whole, *own]),
            trials=_nearest(channel, own).tries,
        )

    def trials(self, channel: Channel) -> float:
        """Return the tries of a channel in this country that speak, faded; of mail, all."""
        return _nearest(channel, self._reached(channel)).tries

    def _reached(self, channel: Channel) -> list[Sums]:
        known = self._reach.get(channel)
        if known is None:
            known = self._reach[channel] = self._sums((*_REACH, channel.value))
        return known

    def _sums(self, top: _Key) -> list[Sums]:
        return [self._learned.faded(key, self._now) for key in levels(top, self._place)]


def _nearest(channel: Channel, sums: Sequence[Sums]) -> Sums:
    """Return those of the country, of mail those of everywhere: no mailbox is in a country."""
    return sums[0 if channel is Channel.EMAIL else min(1, len(sums) - 1)]


def levels(top: _Key, place: Place) -> list[_Key]:
    """Return the keys from everywhere over the country to the prefix, as far as known."""
    if not place.country:
        return [top]
    country = (*top, place.country)
    return [top, country, (*country, place.prefix)] if place.prefix else [top, country]


def _told(lesson: Lesson, before: Estimate) -> Sums:
    new = float(lesson.kind is not Kind.RECOVERED)
    came = float(lesson.kind is not Kind.FAILED)
    weight = max(INCIDENT, before.health)
    return Sums(
        lesson.at,
        tries=weight * new,
        arrived=weight * came,
        expected=before.rate * new,
        real=came,
        timed=float(lesson.seconds is not None),
        seconds=lesson.seconds or 0.0,
    )
