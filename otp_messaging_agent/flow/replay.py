"""What other settings would have chosen for messages that were sent. Pure.

Each message is decided again as it stood before its first try, by what was known by then. What
is kept of that moment is the messages and what became of their tries; limits that were used up,
providers that rested and opt-outs are not, so they play no part here.

What would have come of a way that was not taken, nobody knows. So the plan of then and that of
now are both judged by the same estimates, and what really came of it is told beside them.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..channels.base import Medium
from ..message import Attempt, Channel, Message, MessageType, Outcome, Status
from . import report, route
from .learned import Learned, Outlook
from .lesson import Lesson, place_of
from .way import Decision, Option, Policy

NOT_REPLAYED = "rate limits, resting providers and opt-outs of then"

Past = tuple[Message, Sequence[Attempt]]


class Way(NamedTuple):
    """A channel by one of its providers."""

    channel: Channel
    provider: str

    def __str__(self) -> str:
        return f"{self.channel.value}/{self.provider}"


class Expected(NamedTuple):
    """What a plan promises. cost: money; delivered: the probability that one of its tries is."""

    cost: float = 0.0
    delivered: float = 0.0


NOTHING = Expected()


@dataclass(frozen=True, slots=True)
class Trial:
    """The settings to try.

    media: of every channel that is or was in use; tries_then: the most tries of one message
    before, None for no bound.
    """

    options: Sequence[Option]
    policy: Policy
    media: Mapping[Channel, Medium]
    tries_then: int | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """One message: what was tried first then and would be now, and what each plan promises.

    country: ISO 3166-1 alpha-2, "" where there is none. now: None where nothing would be sent.
    cost: what it really took; arrived: whether it really did, None while that is open.
    """

    country: str
    type: MessageType
    then: Way
    now: Way | None
    expected_then: Expected
    expected_now: Expected
    cost: float
    arrived: bool | None


def replay(
    history: Iterable[Past], lessons: Iterable[Lesson], learned: Learned, trial: Trial
) -> Iterator[Replayed]:
    """Decide every message of *history* again, in the order in which they were first tried.

    history: by when they were created; lessons: by when they became known, from far enough back.
    *learned* takes them in, up to the first try of each message; it needs a prior of every channel.
    """
    coming = iter(lessons)
    ahead = next(coming, None)
    for message, attempts in in_order(history):
        now = attempts[0].started_at
        while ahead is not None and ahead.at <= now:
            learned.add(ahead)
            ahead = next(coming, None)
        outlook = learned.outlook(place_of(message.phone_number), now)
        yield _replayed(message, attempts, outlook, trial)


def in_order(history: Iterable[Past]) -> Iterator[Past]:
    """Return *history*, which is by when messages were created, by when they were first tried.

    None is tried before it is created, so only those are held back that waited meanwhile.
    """
    held: list[tuple[float, str, Past]] = []
    for message, attempts in history:
        while held and held[0][0] <= message.created_at:
            yield heapq.heappop(held)[-1]
        if attempts:
            begun = attempts[0].started_at
            heapq.heappush(held, (begun, message.id, (message, attempts)))
    while held:
        yield heapq.heappop(held)[-1]


def _replayed(
    message: Message, attempts: Sequence[Attempt], outlook: Outlook, trial: Trial
) -> Replayed:
    first = attempts[0]
    decision = route.decide(message, (), trial.options, trial.policy, outlook)
    now = [(Way(s.option.channel, s.option.provider), s.cost) for s in decision.ranked]
    then = _plan_then(first, decision)
    media = trial.media
    return Replayed(
        country=place_of(message.phone_number).country,
        type=message.type,
        then=then[0][0],
        now=now[0][0] if now else None,
        expected_then=expected(then, outlook, media, trial.tries_then),
        expected_now=expected(now, outlook, media, trial.policy.max_attempts),
        cost=sum(a.cost for a in attempts if a.outcome is Outcome.SENT),
        arrived=_arrived(message),
    )


def _plan_then(first: Attempt, decision: Decision) -> list[tuple[Way, float]]:
    """Return what was tried first and then the ranking of that moment, each with its price.

    At today's prices, as the other plan is; what is not for sale any more at that of then.
    """
    today = {
        Way(s.option.channel, s.option.provider): s.cost
        for s in (*decision.ranked, *decision.excluded)
    }
    ranked = first.decision.get("ranked", ())
    stored = {Way(Channel(o["channel"]), o["provider"]): float(o["cost"]) for o in ranked}
    began = Way(first.channel, first.provider)
    plan = {began: stored.get(began, first.cost), **stored}
    return [(way, today.get(way, price)) for way, price in plan.items()]


def expected(
    plan: Iterable[tuple[Way, float]],
    outlook: Outlook,
    media: Mapping[Channel, Medium],
    most: int | None = None,
) -> Expected:
    """Return what trying the ways of *plan* in turn until one arrives promises.

    plan: each way with its price; the first of each channel counts, *most* of them, and each
    arrives or fails by itself. A channel that bills what arrived costs nothing else.
    """
    cost, missed = 0.0, 1.0
    tried: set[Channel] = set()
    for way, price in plan:
        if way.channel in tried:
            continue
        if most is not None and len(tried) >= most:
            break
        tried.add(way.channel)
        e = outlook.of(way.channel, way.provider)
        billed = e.reach * (e.success if media[way.channel].billed_on_arrival else 1.0)
        cost += missed * billed * price
        missed *= 1.0 - e.reach * e.success
    return Expected(cost, 1.0 - missed)


def _arrived(message: Message) -> bool | None:
    """Return whether it did, as `report.success_rate` counts it, None where that is open."""
    final = message.status is Status.SENT and message.finished_at is not None
    if final or message.status in report.GOOD:
        return True
    return False if message.status in report.BAD else None


@dataclass(slots=True)
class Tally:
    """Sums over some messages. known: of how many it is known whether they arrived."""

    messages: int = 0
    changes: Counter[tuple[Way, Way | None]] = field(default_factory=Counter)
    then: Expected = NOTHING
    now: Expected = NOTHING
    cost: float = 0.0
    known: int = 0
    arrived: int = 0

    @property
    def changed(self) -> int:
        """How many would have been tried another way first."""
        return self.changes.total()

    def add(self, one: Replayed) -> None:
        """Count one message."""
        self.messages += 1
        if one.now != one.then:
            self.changes[one.then, one.now] += 1
        self.then = _sum(self.then, one.expected_then)
        self.now = _sum(self.now, one.expected_now)
        self.cost += one.cost
        self.known += one.arrived is not None
        self.arrived += bool(one.arrived)


def _sum(a: Expected, b: Expected) -> Expected:
    return Expected(a.cost + b.cost, a.delivered + b.delivered)


def tallied(replayed: Iterable[Replayed]) -> tuple[Tally, dict[tuple[str, MessageType], Tally]]:
    """Return the sums of all, and those by country and type, most messages first."""
    total, parts = Tally(), dict[tuple[str, MessageType], Tally]()
    for one in replayed:
        total.add(one)
        parts.setdefault((one.country, one.type), Tally()).add(one)
    return total, dict(sorted(parts.items(), key=lambda p: (-p[1].messages, p[0])))
