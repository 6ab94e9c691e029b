"""When a message may reach people: quiet hours in the recipient's own zone. Pure.

Times are Unix seconds; a quiet window is [start, end) of the wall clock and may pass midnight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from phonenumbers.timezone import (
    UNKNOWN_TIMEZONE,
    time_zones_for_geographical_number,
    time_zones_for_number,
)

_ROUNDS = 12
"""Zones answer each other at most this often; each round moves on by a window, so days pass."""


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return the IANA zone *name*; ValueError where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        msg = "must be an IANA time zone such as Europe/London"
        raise ValueError(msg) from None


@lru_cache(maxsize=8192)
def _zones_of(phone_number: str) -> tuple[str, ...]:
    try:
        number = phonenumbers.parse(phone_number, None)
    except phonenumbers.NumberParseException:
        return ()
    found = time_zones_for_number(number)
    if found == (UNKNOWN_TIMEZONE,):  # possible but not valid: its prefix may still tell
        found = time_zones_for_geographical_number(number)
    return tuple(name for name in found if name != UNKNOWN_TIMEZONE)


def zones_of(phone_number: str | None) -> list[str]:
    """Return the IANA zones a number may be in; none for no number and for those of no place."""
    return list(_zones_of(phone_number)) if phone_number else []


def wait_until(
    at: float,
    phone_number: str | None,
    timezone: str | None,
    default: ZoneInfo,
    start: time,
    end: time,
) -> float:
    """Return the earliest time >= *at* that is quiet for no zone the recipient may be in.

    The zone is *timezone* where given (ValueError for an unknown one), else those of the number,
    else *default*. Where several zones leave no time in common the first one counts.
    """
    zones = [zone(timezone)] if timezone else _known(zones_of(phone_number)) or [default]
    return _in_all(at, zones, start, end)


def next_allowed(at: float, zone: ZoneInfo, start: time, end: time) -> float:
    """Return the earliest time >= *at* outside the quiet window; start == end means no window."""
    if not _quiet(at, zone, start, end):
        return at
    return min(
        c for c in _edges(at, zone, start, end) if c >= at and not _quiet(c, zone, start, end)
    )


def parse_local(moment: datetime, zone: ZoneInfo) -> float:
    """Return *moment* in Unix seconds; without an offset it is the wall clock of *zone*.

    A time the clocks skip is moved on by what they skip, one they repeat is the first of both
    (PEP 495 with fold=0).
    """
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone, fold=0)
    return moment.timestamp()


def _known(names: Sequence[str]) -> list[ZoneInfo]:
    """Return the zones this system has data for."""
    zones = []
    for name in names:
        try:
            zones.append(zone(name))
        except ValueError:
            continue
    return zones


def _in_all(at: float, zones: Sequence[ZoneInfo], start: time, end: time) -> float:
    when = at
    for _ in range(_ROUNDS):
        latest = max(next_allowed(when, z, start, end) for z in zones)
        if latest == when:
            return when
        when = latest
    return next_allowed(at, zones[0], start, end)


def _quiet(at: float, zone: ZoneInfo, start: time, end: time) -> bool:
    wall = datetime.fromtimestamp(at, zone).time()
    if start <= end:
        return start <= wall < end
    return wall >= start or wall < end


def _edges(at: float, zone: ZoneInfo, start: time, end: time) -> Iterator[float]:
    """Yield every moment of the next days at which quiet can end.

    That is the wall clock's *end*, both times where it is repeated, and the clock change itself
    where it skips *end* or goes back to before *start*. One day more than the next, since a zone
    may skip a day.
    """
    today = datetime.fromtimestamp(at, zone).date()
    for days in range(3):
        for edge in (start, end):
            wall = datetime.combine(today + timedelta(days), edge, zone)
            times = sorted(wall.replace(fold=fold).timestamp() for fold in (0, 1))
            yield from times
            if times[0] != times[1]:
                yield _change(times[0], times[1], zone)


def _change(low: float, high: float, zone: ZoneInfo) -> float:
    """Return the second in (low, high] at which the clocks of *zone* change."""
    before = datetime.fromtimestamp(low, zone).utcoffset()
    first, last = int(low), int(high)
    while last - first > 1:
        middle = (first + last) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == before:
            first = middle
        else:
            last = middle
    return float(last)
