"""4. Message x options x what was learned -> the ranked ways to send it, scored. Pure.

Why an option is out is decided here; how those that are not are scored, in `score`; in which
order they are worth trying, in `plan`; what is known of each, in `learned`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..message import Attempt, Channel, Message, MessageType, Outcome, Status
from ..retry import delay
from ..safety import consent
from . import configured, score
from .balance import places
from .learned import Outlook
from .way import Decision, Option, Policy, Scored

NO_TIME = "no time before the deadline"
OPTED_OUT = "the recipient has opted out"
TOO_DEAR = "over spend.max_per_message"
NOT_FOR_TYPE = "not among routing.types.*.channels of its type"
DEAR_FOR_TYPE = "over routing.types.*.max_cost of its type"
DEAR = frozenset({TOO_DEAR, DEAR_FOR_TYPE})


def decide(
    message: Message,
    attempts: Sequence[Attempt],
    options: Sequence[Option],
    policy: Policy,
    outlook: Outlook,
    blocked: Sequence[tuple[Channel | None, MessageType | None]] = (),
) -> Decision:
    """Rank *options* for the next try of *message* after *attempts*.

    outlook: what was learned of the ways to where it goes; blocked: what the recipient has
    opted out of.
    """
    text = policy.sample if message.content is None else message.content
    open_, excluded = [], []
    for option, place in zip(options, places(message.id, options), strict=True):
        segments = option.medium.parts(text)
        cost = option.price(message, segments)
        reason = (
            option.medium.unusable(message)
            or _barred(message, option, cost, policy, blocked)
            or _spent(message, attempts, option, policy)
        )
        if reason:
            excluded.append(Scored(option, {}, reason, cost, segments))
        else:
            open_.append(configured.Open(option, cost, segments, place))
    if policy.adaptive:
        scored = score.adaptive(message, attempts, open_, policy, outlook)
    else:
        scored = configured.fixed(message, attempts, open_, policy)
    excluded += [s for s in scored if s.out]
    ranked = sorted((s for s in scored if not s.out), key=lambda s: -s.score)
    return Decision(ranked, excluded)


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
    rules = policy.rules(message.type)
    if rules.channels and option.channel not in rules.channels:
        return NOT_FOR_TYPE
    if policy.ceiling is not None and cost > policy.ceiling:
        return TOO_DEAR
    return DEAR_FOR_TYPE if rules.ceiling is not None and cost > rules.ceiling else None


NOT_ARRIVED = frozenset({Status.UNDELIVERED, Status.UNKNOWN})
"""What a receipt says, or that none came, of a try that another may make good."""


_OF_ALL = frozenset({"channel", "recipient", "message"})
"""What a receipt may say something of that no other provider of the channel makes good."""


def _spent(
    message: Message, attempts: Sequence[Attempt], option: Option, policy: Policy
) -> str | None:
    """Return why earlier attempts rule *option* out, or None."""
    if policy.max_attempts is not None and len(attempts) >= policy.max_attempts:
        return "tries used up (routing.max_attempts)"
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
    everybody = a.receipt_status is Status.UNDELIVERED and a.scope in _OF_ALL
    if a.receipt_status in NOT_ARRIVED and (everybody or a.provider == option.provider):
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
