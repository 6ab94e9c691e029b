"""The parts of a score by the configuration: they add up to it. Pure.

Of every score:

* `preferred` the request names this channel
* `underway`  a try on this channel failed and its retries are not used up
* `resting`   the provider failed in a row and is left alone for now

Of ways ranked by the configuration: all with `routing.mode` "fixed", else those that too little
is known of:

* `mapped`    `priority_channel_mapping` names this channel
* `order`     the fallback order: SMS, WhatsApp, Call, Email
* `cost`      money per message, relative to the dearest option
* `turn`      providers of one channel, in their configured order, each retry the next one; where
              one has a weight of its own, in an order that each message draws
* `wait`      the rate limit is used up for so many seconds; how bad that is goes by priority
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..message import Attempt, Message, Outcome, Priority
from .way import Option, Policy, Scored

UNDERWAY = 1000.0
"""Above all that evidence may take off a way that was tried as often as is possible (20 times)."""
PREFERRED = 2500.0
"""Above `UNDERWAY` and that again."""
RESTING = 5000.0
"""Above both and that again: a preferred channel that is down, even one that was tried, is not
waited for while another is up."""

MAPPED = 1.0
ORDER = 0.1
COST = 0.05
TURN = 0.01
LONGEST_WAIT = 3.0
"""The most a rate limit takes off: below `PREFERRED`, so a preferred channel is waited for."""

PATIENCE = {Priority.CRITICAL: 2.0, Priority.HIGH: 5.0, Priority.MEDIUM: 60.0, Priority.LOW: 3600.0}
"""Seconds of waiting for a rate limit that outweigh being the mapped channel."""


class Open(NamedTuple):
    """A way that may be used: its cost and parts of this message.

    place: among all providers of its channel, from 0.
    """

    option: Option
    cost: float
    segments: int
    place: int


def fixed(
    message: Message, attempts: Sequence[Attempt], ways: Sequence[Open], policy: Policy
) -> list[Scored]:
    """Score *ways* by the configuration."""
    dearest = max((w.cost for w in ways), default=0.0) or 1.0
    return [
        scored(
            w,
            {
                **common(message, attempts, w.option),
                **configured(message, attempts, w, policy, dearest),
            },
        )
        for w in ways
    ]


def scored(way: Open, parts: dict[str, float], out: str | None = None) -> Scored:
    """Return *way* with the parts that are not zero, or with the reason why it is out."""
    if out is not None:
        return Scored(way.option, {}, out, way.cost, way.segments)
    return Scored(way.option, {k: v for k, v in parts.items() if v}, None, way.cost, way.segments)


def common(message: Message, attempts: Sequence[Attempt], option: Option) -> dict[str, float]:
    """Return the parts of every score."""
    last = attempts[-1] if attempts else None
    retrying = (
        last is not None and last.channel is option.channel and last.outcome is not Outcome.SENT
    )
    return {
        "preferred": PREFERRED * (option.channel is message.preferred_channel),
        "underway": UNDERWAY * retrying,
        "resting": -RESTING * (option.rest > 0),
    }


def configured(
    message: Message, attempts: Sequence[Attempt], way: Open, policy: Policy, dearest: float
) -> dict[str, float]:
    """Return the parts of a way ranked by the configuration."""
    option = way.option
    tries = sum(a.channel is option.channel for a in attempts)
    return {
        "mapped": MAPPED * (option.channel is policy.mapping.get(message.priority)),
        "order": -ORDER * option.medium.order,
        "cost": -COST * way.cost / dearest,
        "turn": -TURN * ((way.place - tries) % option.siblings),
        "wait": -min(LONGEST_WAIT, option.wait / PATIENCE[message.priority]),
    }
