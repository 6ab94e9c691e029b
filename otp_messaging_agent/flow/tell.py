"""What the router knows, told: of every country, and of one message. Changes nothing."""

from __future__ import annotations

import phonenumbers
from phonenumbers import PhoneNumberFormat

from .. import routing
from ..answer import Expected, Explanation, Mode, as_time
from ..message import Message, MessageType, Priority, Status
from ..stores.base import Work
from .learned import TRACE, Outlook
from .lesson import NOWHERE, Estimate, Place, place_of
from .verdict import Ways
from .way import Option

_SHARES, _SECONDS, _TRIALS, _MONEY = 4, 3, 2, 6
"""Decimal places."""


def explanation(work: Work, ways: Ways) -> Explanation:
    """Return how *work* would be routed now, with what is expected of each way that may be used."""
    decision = ways.decide(work, [])
    outlook = ways.learned.outlook(place_of(work.message.phone_number), ways.clock())
    told = decision.as_json()
    for shown, way in zip(told["ranked"], decision.ranked, strict=True):
        shown["estimate"] = _expected(_of(outlook, way.option))
    return Explanation(mode=_mode(ways), **told)


def learned(ways: Ways) -> routing.Routing:
    """Return what is known of the ways to each country that there is evidence of, sorted."""
    now = ways.clock()
    return routing.Routing(
        mode=_mode(ways),
        as_of=as_time(now),
        countries=[_country(country, ways, now) for country in sorted(_countries(ways, now))],
    )


def _mode(ways: Ways) -> Mode:
    return "adaptive" if ways.policy.adaptive else "fixed"


def _countries(ways: Ways, now: float) -> set[str]:
    """Return the countries with evidence; "" where there is some of ways that need no number."""
    found = {country for _, _, country in ways.learned.known(now)}
    anywhere = ways.learned.outlook(NOWHERE, now)
    mailed = (o for o in ways.options if o.medium.address != "phone_number")
    if any(_of(anywhere, o).trials > TRACE for o in mailed):
        found.add(NOWHERE.country)
    return found


def _country(country: str, ways: Ways, now: float) -> routing.CountryView:
    place = Place(country, "")
    outlook = ways.learned.outlook(place, now)
    chooses = {}
    for priority in Priority:
        ranked = ways.decide(Work(_sample(country, priority, now)), [], place).ranked
        first = ranked[0].option if ranked else None
        chooses[priority] = first and routing.Choice(channel=first.channel, provider=first.provider)
    sample = _sample(country, Priority.MEDIUM, now)
    return routing.CountryView(
        country=country,
        ways=[_way(o, outlook, o.price(sample, 1)) for o in ways.now()],
        chooses=chooses,
    )


def _way(option: Option, outlook: Outlook, price: float) -> routing.WayView:
    return routing.WayView(
        channel=option.channel,
        provider=option.provider,
        price=round(price, _MONEY),
        resting_seconds=round(option.rest, _SECONDS),
        waiting_seconds=round(option.wait, _SECONDS),
        **_expected(_of(outlook, option)).model_dump(),
    )


def _of(outlook: Outlook, option: Option) -> Estimate:
    return outlook.of(option.channel, option.provider)


def _expected(e: Estimate) -> Expected:
    return Expected(
        reach=round(e.reach, _SHARES),
        rate=round(e.rate, _SHARES),
        health=round(e.health, _SHARES),
        trust=round(e.trust, _SHARES),
        success=round(e.success, _SHARES),
        latency_seconds=round(e.seconds, _SECONDS),
        trials=round(e.trials, _TRIALS),
    )


def _sample(country: str, priority: Priority, now: float) -> Message:
    """Return a short notification to somebody in *country*, without a number where it is ""."""
    example = phonenumbers.example_number(country)
    number = phonenumbers.format_number(example, PhoneNumberFormat.E164) if example else None
    return Message(
        id="",
        type=MessageType.NOTIFICATION,
        priority=priority,
        status=Status.ACCEPTED,
        created_at=now,
        due_at=now,
        phone_number=number,
        email="somebody@example.com",
        content="x",
    )
