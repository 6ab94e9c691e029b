"""The words of routing: an option, its score, a decision, and what the configuration says. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..channels.base import Medium
from ..message import Channel, Message, MessageType, Priority
from ..prices import Prices
from ..retry import RetryPolicy
from ..safety.addresses import country

DIGITS = 9
"""Decimal places of money, as in the table of prices."""


@dataclass(frozen=True, slots=True)
class Option:
    """One way to send: a channel by one of its providers.

    cost: money per message (SMS: per part) where the configuration says it; None: by *prices*,
    under the name of the vendor, else the medium's own.
    wait: seconds until its limit is free; rest: seconds until its provider is tried again;
    used: share of its rate limit used in the last minute.
    weight: its part of the load among equals; patience: seconds after which a missing receipt
    sends the message another way, None: the medium's.
    """

    channel: Channel
    provider: str
    medium: Medium
    cost: float | None
    index: int = 0
    siblings: int = 1
    wait: float = 0.0
    rest: float = 0.0
    used: float = 0.0
    weight: float = 1.0
    patience: float | None = None
    vendor: str = ""
    prices: Prices | None = None

    def price(self, message: Message, parts: int) -> float:
        """Return what *message* costs this way before it is sent, to the last unit counted."""
        return round(self._price(message, parts), DIGITS)  # 3 x 0.1 is not over 0.3

    def _price(self, message: Message, parts: int) -> float:
        if self.cost is not None:
            return self.cost * parts
        known = None
        if self.prices is not None:
            to = country(message.phone_number) if message.phone_number else None
            known = self.prices.of(self.channel, self.vendor, to)
        if known is None:
            return self.medium.cost * parts
        return known.price * (parts if known.per == "part" else 1)


class Scored(NamedTuple):
    """An option with its score's parts, or the reason why it is out."""

    option: Option
    parts: Mapping[str, float]
    out: str | None = None
    cost: float = 0.0
    segments: int = 1

    @property
    def score(self) -> float:
        """The sum of the parts."""
        return sum(self.parts.values())

    def as_json(self) -> dict[str, Any]:
        """Return the shape in which decisions are stored and shown."""
        return {
            "channel": self.option.channel.value,
            "provider": self.option.provider,
            "score": None if self.out else round(self.score, 6),
            "parts": {k: round(v, 6) for k, v in self.parts.items()},
            "out": self.out,
            "cost": round(self.cost, 6),
            "segments": self.segments,
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """The options best first, and those that are out."""

    ranked: Sequence[Scored]
    excluded: Sequence[Scored]

    def as_json(self) -> dict[str, Any]:
        """Return `{"ranked": [...], "excluded": [...]}`."""
        return {
            "ranked": [s.as_json() for s in self.ranked],
            "excluded": [s.as_json() for s in self.excluded],
        }


@dataclass(frozen=True, slots=True)
class TypeRules:
    """What holds for one message type.

    channels: the only ones, where there are any; ceiling: the most that one message may cost;
    target: share that has to arrive; stop: not sent where no way brings more than it costs.
    """

    channels: Collection[Channel] = ()
    ceiling: float | None = None
    target: float = 0.0
    stop: bool = False


WORTH = {Priority.CRITICAL: 1.0, Priority.HIGH: 0.4, Priority.MEDIUM: 0.15, Priority.LOW: 0.04}
"""Money that a delivery in time is worth."""
HURRY = {
    Priority.CRITICAL: 1.0 / 300,
    Priority.HIGH: 0.4 / 1200,
    Priority.MEDIUM: 0.15 / 36_000,
    Priority.LOW: 0.04 / 1_000_000,
}
"""Money that each second of delay costs."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the configuration says about routing.

    ceiling: the most that a message may cost; sample: a text as codes are sent in, which tells
    the parts of one before there is a code.
    adaptive: whether evidence may overrule the mapping; evidence: tries of a channel in a
    country that it takes for that. worth: money that a delivery is worth; hurry: money that a
    second of delay costs. max_attempts: the most tries of one message, over all channels.
    """

    mapping: Mapping[Priority, Channel]
    retries: RetryPolicy
    stop_types: Collection[MessageType] = ()
    ceiling: float | None = None
    sample: str = ""
    adaptive: bool = True
    evidence: float = 10.0
    worth: Mapping[Priority, float] = field(default_factory=lambda: WORTH)
    hurry: Mapping[Priority, float] = field(default_factory=lambda: HURRY)
    max_attempts: int | None = None
    types: Mapping[MessageType, TypeRules] = field(default_factory=dict)

    def rules(self, type_: MessageType) -> TypeRules:
        """Return what holds for messages of a type."""
        return self.types.get(type_, _NO_RULES)


_NO_RULES = TypeRules()
