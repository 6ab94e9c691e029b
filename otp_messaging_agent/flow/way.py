"""The words of routing: an option, its score, a decision, and what the configuration says. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    wait: seconds until its limit is free; rest: seconds until its provider is tried again.
    """

    channel: Channel
    provider: str
    medium: Medium
    cost: float | None
    index: int = 0
    siblings: int = 1
    wait: float = 0.0
    rest: float = 0.0
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


@dataclass(frozen=True, slots=True)
class Scored:
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
class Policy:
    """What the configuration says about routing.

    ceiling: the most that a message may cost; sample: a text as codes are sent in, which tells
    the parts of one before there is a code.
    """

    mapping: Mapping[Priority, Channel]
    retries: RetryPolicy
    stop_types: Collection[MessageType] = ()
    ceiling: float | None = None
    sample: str = ""
