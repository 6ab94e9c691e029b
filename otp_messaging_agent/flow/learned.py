"""What was learned of every way out, as a value: lessons go in, estimates come out. Pure.

There are sums for each channel, each of its providers, and of those for each country and each
prefix of numbers. They fade with stored time. What a lesson weighs depends on what was known by
then, and on the order of the others only so far: a restart and other processes over one store
come to the same. Reading fades copies and locks nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..message import Channel
from . import evidence
from .evidence import NONE, Sums
from .lesson import NOWHERE, Estimate, Kind, Lesson, Place, Prior

REACHED = 0.95
"""Share of recipients who have a channel, before anything is known."""
INCIDENT = 0.1
"""Least weight in the long memory of a try whose way is sick: an outage is no usual rate."""
TRACE = 0.01
"""Less than so many tries left is as good as none."""


_Key = tuple[str, ...]
"""(channel, provider), (channel,) for all of them, ("reach", channel) or ("codes",)."""
_REACH, _CODES = "reach", ("codes",)
_OF_CODES = {
    Kind.ASKED: Sums(asked=1.0),
    Kind.CONFIRMED: Sums(confirmed=1.0),
}
_UNKNOWN = Prior(0.9, 10.0)
"""Of a channel that was tried and is off now: nothing is sent by it, but it may be asked for."""


class Learned:
    """The sums of every way.

    priors: of each channel; half_life: seconds in which half of the long memory is forgotten.
    """

    def __init__(self, priors: Mapping[Channel, Prior], half_life: float = 21_600.0) -> None:
        self._priors = priors
        self.half_life = half_life
        self._sums: dict[Place, dict[_Key, Sums]] = {}

    def afresh(self, priors: Mapping[Channel, Prior]) -> Learned:
        """Return one that knows nothing yet and forgets as fast."""
        return Learned(priors, self.half_life)

    def outlook(self, place: Place, now: float) -> Outlook:
        """Return what is to be expected of every way to a place at *now*, Unix seconds."""
        return Outlook(self, place, now)

    def known(self, now: float) -> Iterator[tuple[Channel, str, str]]:
        """Return (channel, provider, country) of everything that evidence is left of."""
        for place in list(self._sums):
            if place.country and not place.prefix:
                for key, sums in list(self.at(place).items()):
                    a_way = len(key) > 1 and key[0] != _REACH
                    if a_way and self.faded(sums, now).tries > TRACE:
                        yield Channel(key[0]), key[1], place.country

    def prior(self, channel: Channel) -> Prior:
        """Return what a channel promises before anything is known of it."""
        return self._priors.get(channel, _UNKNOWN)

    def at(self, place: Place) -> Mapping[_Key, Sums]:
        """Return the sums of one level, as they were last added to."""
        return self._sums.get(place, {})

    def faded(self, sums: Sums, now: float) -> Sums:
        """Return *sums* as they count at *now*."""
        return evidence.faded(sums, now, self.half_life)

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
        self._count((_REACH, lesson.channel.value), lesson.place, reach)
        if lesson.kind is not Kind.UNREACHABLE:
            e = self.outlook(lesson.place, lesson.at).of(lesson.channel, lesson.provider)
            told = _told(lesson, e)
            self._count(way, lesson.place, told, repairs=not new)
            self._count(way[:1], NOWHERE, told, repairs=not new)

    def forget(self, now: float) -> None:
        """Drop what has faded to nothing, so that what is held does not grow for ever."""
        for place, level in list(self._sums.items()):
            faded = {key: self.faded(sums, now) for key, sums in level.items()}
            left = {key: s for key, s in faded.items() if s.tries + s.asked > TRACE}
            self._sums[place] = left
            if not left:
                del self._sums[place]

    def _count(self, key: _Key, place: Place, told: Sums, *, repairs: bool = False) -> None:
        for level in levels(place):
            at = self._sums.setdefault(level, {})
            sums = evidence.added(at.get(key, NONE), told, self.half_life)
            at[key] = evidence.repaired(sums) if repairs else sums


class _Whole(NamedTuple):
    """What is known of a channel by whatever provider: who has it, and what arrives of it."""

    reached: list[Sums]
    reach: float
    sums: Sums
    rate: float


class Outlook:
    """What is to be expected of every way to one place at one moment."""

    def __init__(self, learned: Learned, place: Place, now: float) -> None:
        self._learned = learned
        self._now = now
        self._at = [learned.at(level) for level in levels(place)]
        self._channels: dict[Channel, _Whole] = {}

    def of(self, channel: Channel, provider: str) -> Estimate:
        """Return what is to be expected of one way."""
        whole = self._whole(channel)
        own = self._sums((channel.value, provider))
        latency = self._learned.prior(channel).latency
        return Estimate(
            reach=whole.reach,
            rate=evidence.share(whole.rate, own, evidence.LEVEL),
            health=evidence.health(own),
            trust=evidence.trust(own, self._sums(_CODES)) if own[0].asked else 1.0,
            seconds=evidence.seconds(latency, [whole.sums, *own]),
            trials=_nearest(channel, own).tries,
        )

    def trials(self, channel: Channel) -> float:
        """Return the tries of a channel in this country that speak, faded; of mail, all."""
        return _nearest(channel, self._whole(channel).reached).tries

    def _whole(self, channel: Channel) -> _Whole:
        known = self._channels.get(channel)
        if known is None:
            reached = self._sums((_REACH, channel.value))
            sums = self._sums((channel.value,))[0]
            promised = self._learned.prior(channel).reliability
            usual = evidence.share(promised, [sums], evidence.LEVEL)
            # What is known of its siblings lifts an unknown provider; that one of them fails
            # does not speak against it.
            known = self._channels[channel] = _Whole(
                reached,
                evidence.share(REACHED, reached, evidence.REACHES),
                sums,
                max(promised, usual),
            )
        return known

    def _sums(self, key: _Key) -> list[Sums]:
        """Return the sums of *key* from everywhere to the nearest."""
        half_life, now = self._learned.half_life, self._now
        found = [at.get(key) for at in self._at]
        return [NONE if s is None else evidence.faded(s, now, half_life) for s in found]


def _nearest(channel: Channel, sums: Sequence[Sums]) -> Sums:
    """Return those of the country, of mail those of everywhere: no mailbox is in a country."""
    return sums[0 if channel is Channel.EMAIL else min(1, len(sums) - 1)]


def levels(place: Place) -> list[Place]:
    """Return everywhere, the country and the prefix of a place, as far as known."""
    if not place.country:
        return [NOWHERE]
    country = Place(place.country, "")
    return [NOWHERE, country, place] if place.prefix else [NOWHERE, country]


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
