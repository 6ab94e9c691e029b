"""4. Message x options x what was learned -> the ranked ways to send it, scored. Pure.

The score of an option is the sum of its parts, so a decision can be read and checked:

* `preferred`  the request names this channel
* `underway`   a try on this channel failed and its retries are not used up
* `mapped`     `priority_channel_mapping` names this channel
* `order`      the fallback order: SMS, WhatsApp, Call, Email
* `reliability` the share that arrives: learned, else the medium's prior
* `cost`       money per message, relative to the dearest option
* `turn`       providers of one channel, in their configured order, each retry the next one
* `wait`       the rate limit is used up for so many seconds; how bad that is depends on priority
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..channels.base import Medium
from ..message import Attempt, Channel, Message, Outcome, Priority
from ..retry import RetryPolicy, delay

PREFERRED = 100.0
UNDERWAY = 50.0
MAPPED = 1.0
ORDER = 0.1
RELIABILITY = 0.2
COST = 0.05
TURN = 0.01
LONGEST_WAIT = 3.0
"""The most a rate limit takes off: below `PREFERRED`, so a preferred channel is waited for."""

PATIENCE = {Priority.CRITICAL: 2.0, Priority.HIGH: 5.0, Priority.MEDIUM: 60.0, Priority.LOW: 3600.0}
"""Seconds of waiting for a rate limit that outweigh being the mapped channel."""

Learned = Mapping[tuple[Channel, str], float]
"""(channel, provider) -> share that arrived; what is not in it has no evidence yet."""


@dataclass(frozen=True, slots=True)
class Option:
    """One way to send: a channel by one of its providers. `wait`: s until its limit is free."""

    channel: Channel
    provider: str
    medium: Medium
    cost: float
    index: int = 0
    siblings: int = 1
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Scored:
    """An option with its score's parts, or the reason why it is out."""

    option: Option
    parts: Mapping[str, float]
    out: str | None = None

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
    """What the configuration says about routing."""

    mapping: Mapping[Priority, Channel]
    retries: RetryPolicy


NO_TIME = "no time before the deadline"


def decide(
    message: Message,
    attempts: Sequence[Attempt],
    options: Sequence[Option],
    policy: Policy,
    learned: Learned,
) -> Decision:
    """Rank *options* for the next try of *message* after *attempts*."""
    dearest = max((o.cost for o in options), default=0.0) or 1.0
    underway = attempts[-1].channel if attempts else None
    ranked, excluded = [], []
    for option in options:
        reason = option.medium.unusable(message) or _spent(message, attempts, option, policy)
        if reason:
            excluded.append(Scored(option, {}, reason))
            continue
        tries = sum(a.channel is option.channel for a in attempts)
        parts = {
            "preferred": PREFERRED * (option.channel is message.preferred_channel),
            "underway": UNDERWAY * (option.channel is underway),
            "mapped": MAPPED * (option.channel is policy.mapping.get(message.priority)),
            "order": -ORDER * option.medium.order,
            "reliability": RELIABILITY
            * learned.get((option.channel, option.provider), option.medium.reliability),
            "cost": -COST * option.cost / dearest,
            "turn": -TURN * ((option.index - tries) % option.siblings),
            "wait": -min(LONGEST_WAIT, option.wait / PATIENCE[message.priority]),
        }
        ranked.append(Scored(option, {k: v for k, v in parts.items() if v}))
    ranked.sort(key=lambda s: -s.score)
    return Decision(ranked, excluded)


def _spent(
    message: Message, attempts: Sequence[Attempt], option: Option, policy: Policy
) -> str | None:
    """Return why earlier attempts rule *option* out, or None."""
    here = [a for a in attempts if a.channel is option.channel]
    if not here:
        return None
    for a in here:
        if a.permanent and a.scope == "channel":
            return f"cannot reach this recipient: {a.error_code}"
        if a.permanent and a.scope in {"provider", "account"} and a.provider == option.provider:
            return f"the provider refused: {a.error_code}"
    wait = pause(here, policy)
    if wait is None:
        return "retries used up"
    ended = here[-1].finished_at or here[-1].started_at
    if message.expires_at is not None and ended + wait >= message.expires_at:
        return NO_TIME
    return None


def pause(here: Sequence[Attempt], policy: Policy, random: float = 0.0) -> float | None:
    """Return the seconds to wait after the last of a channel's attempts, None for no more."""
    return delay(policy.retries, len(here), retry_after=here[-1].retry_after, random=random)


def next_try(
    attempts: Sequence[Attempt], decision: Decision, policy: Policy, random: float
) -> float | None:
    """Return the Unix time of the next try that *decision* leads to, None where none is left.

    A retry on the channel underway waits its backoff; a fallback to another begins at once.
    """
    last = attempts[-1]
    ended = last.finished_at or last.started_at
    if not decision.ranked:
        return None
    if decision.ranked[0].option.channel is not last.channel:
        return ended
    here = [a for a in attempts if a.channel is last.channel]
    return ended + (pause(here, policy, random) or 0.0)


def out_of_time(decision: Decision) -> bool:
    """Whether only the deadline stands in the way of another try."""
    return not decision.ranked and any(s.out == NO_TIME for s in decision.excluded)


def ends_message(attempt: Attempt) -> bool:
    """Whether a failure says that no channel could do better."""
    failed = attempt.outcome is Outcome.FAILED and bool(attempt.permanent)
    return failed and attempt.scope in {"recipient", "message"}
