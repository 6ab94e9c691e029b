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
* `resting`    the provider failed in a row and is left alone for now
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..message import Attempt, Channel, Message, MessageType, Outcome, Priority, Status
from ..retry import delay
from ..safety import consent
from .way import Decision, Option, Policy, Scored

PREFERRED = 100.0
UNDERWAY = 50.0
MAPPED = 1.0
ORDER = 0.1
RELIABILITY = 0.2
COST = 0.05
TURN = 0.01
RESTING = 200.0
"""Above `PREFERRED` and all that may come with it: a preferred channel that is down, even one that
was tried, is not waited for while another is up."""

LONGEST_WAIT = 3.0
"""The most a rate limit takes off: below `PREFERRED`, so a preferred channel is waited for."""

PATIENCE = {Priority.CRITICAL: 2.0, Priority.HIGH: 5.0, Priority.MEDIUM: 60.0, Priority.LOW: 3600.0}
"""Seconds of waiting for a rate limit that outweigh being the mapped channel."""

Learned = Mapping[tuple[Channel, str], float]
"""(channel, provider) -> share that arrived; what is not in it has no evidence yet."""


NO_TIME = "no time before the deadline"
OPTED_OUT = "the recipient has opted out"
TOO_DEAR = "over spend.max_per_message"


def decide(
    message: Message,
    attempts: Sequence[Attempt],
    options: Sequence[Option],
    policy: Policy,
    learned: Learned,
    blocked: Sequence[tuple[Channel | None, MessageType | None]] = (),
) -> Decision:
    """Rank *options* for the next try of *message* after *attempts*.

    blocked: what the recipient has opted out of.
    """
    text = policy.sample if message.content is None else message.content
    segments = [option.medium.parts(text) for option in options]
    costs = [o.price(message, n) for o, n in zip(options, segments, strict=True)]
    dearest = max(costs, default=0.0) or 1.0
    ranked, excluded = [], []
    for option, cost, count in zip(options, costs, segments, strict=True):
        reason = (
            option.medium.unusable(message)
            or _barred(message, option, cost, policy, blocked)
            or _spent(message, attempts, option, policy)
        )
        if reason:
            excluded.append(Scored(option, {}, reason, cost, count))
            continue
        parts = {
            **_place(message, attempts, option, policy),
            "reliability": RELIABILITY
            * learned.get((option.channel, option.provider), option.medium.reliability),
            "cost": -COST * cost / dearest,
            "wait": -min(LONGEST_WAIT, option.wait / PATIENCE[message.priority]),
            "resting": -RESTING * (option.rest > 0),
        }
        ranked.append(Scored(option, {k: v for k, v in parts.items() if v}, None, cost, count))
    ranked.sort(key=lambda s: -s.score)
    return Decision(ranked, excluded)


def _place(
    message: Message, attempts: Sequence[Attempt], option: Option, policy: Policy
) -> dict[str, float]:
    """Return the parts that say whose turn it is."""
    underway = attempts[-1].channel if attempts else None
    tries = sum(a.channel is option.channel for a in attempts)
    return {
        "preferred": PREFERRED * (option.channel is message.preferred_channel),
        "underway": UNDERWAY * (option.channel is underway),
        "mapped": MAPPED * (option.channel is policy.mapping.get(message.priority)),
        "order": -ORDER * option.medium.order,
        "turn": -TURN * ((option.index - tries) % option.siblings),
    }


def _barred(
    message: Message,
    option: Option,
    cost: float,
    policy: Policy,
    blocked: Sequence[tuple[Channel | None, MessageType | None]],
) -> str | None:
    """Return why *option* may not be used though it could, or None."""
    if message.exempt:  # an answer goes back the way the question came, opted out or not
        return None if option.channel is message.preferred_channel else "not where it was asked"
    if blocked and consent.bars(blocked, option.channel, message.type, policy.stop_types):
        return OPTED_OUT
    return TOO_DEAR if policy.ceiling is not None and cost > policy.ceiling else None


NOT_ARRIVED = frozenset({Status.UNDELIVERED, Status.UNKNOWN})
"""What a receipt says, or that none came, of a try that another may make good."""


def _spent(
    message: Message, attempts: Sequence[Attempt], option: Option, policy: Policy
) -> str | None:
    """Return why earlier attempts rule *option* out, or None."""
    here = [a for a in attempts if a.channel is option.channel]
    if not here:
        return None
    over = next((why for a in here if (why := _ended(a, option))), None)
    if over:
        return over
    wait = pause(here, policy)
    if wait is None:
        return "retries used up"
    ended = here[-1].finished_at or here[-1].started_at
    if message.expires_at is not None and ended + wait >= message.expires_at:
        return NO_TIME
    return None


def _ended(a: Attempt, option: Option) -> str | None:
    """Return why an attempt on the same channel rules *option* out for good, or None."""
    if a.receipt_status in NOT_ARRIVED:
        return f"not received this way: {a.error_code or a.receipt_status}"
    if a.permanent and a.scope == "channel":
        return f"cannot reach this recipient: {a.error_code}"
    if a.permanent and a.scope in {"provider", "account"} and a.provider == option.provider:
        return f"the provider refused: {a.error_code}"
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


def suppressed(decision: Decision) -> bool:
    """Whether it is the recipient's wish that nothing is sent."""
    return not decision.ranked and any(s.out == OPTED_OUT for s in decision.excluded)


def ends_message(attempt: Attempt) -> bool:
    """Whether a failure says that no channel could do better."""
    failed = attempt.outcome is Outcome.FAILED and bool(attempt.permanent)
    return failed and attempt.scope in {"recipient", "message"}
