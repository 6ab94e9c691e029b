"""The agent's router as a policy of `routing_judge`; see docs/benchmarks.md.

    cd benchmarks/routing_judge
    python -m routing_sim --policy-file ../routing_adapter.py:make --scenarios public

`make` leaves the first channel to evidence alone; `make_mapped` has a mapping from priority to
channel to start with, as the shipped configuration has. Everything that decides is the agent's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import phonenumbers

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from otp_messaging_agent import plugins
from otp_messaging_agent.flow import route
from otp_messaging_agent.flow.learned import Learned
from otp_messaging_agent.flow.lesson import Kind, Lesson, Place, Prior
from otp_messaging_agent.flow.way import Option, Policy, TypeRules
from otp_messaging_agent.message import (
    Attempt,
    Channel,
    Message,
    MessageType,
    Outcome,
    Priority,
    Status,
)
from otp_messaging_agent.retry import RetryPolicy
from otp_messaging_agent.safety.breaker import HOLD, Breaker

TYPES = {
    "otp": MessageType.OTP,
    "alert": MessageType.ALERT,
    "transactional": MessageType.NOTIFICATION,
    "marketing": MessageType.MARKETING,
}
PRIORITIES = dict(zip(("critical", "high", "normal", "low"), Priority, strict=True))
CHANNELS = {c.value.lower(): c for c in Channel}
# Here a receipt says that the message was seen, for e-mail too, and long after it arrived.
SEEN = {"email": {"reliability": 0.65, "latency": 60.0, "seen": 1.0, "noticed": 0.0}}
MEDIA = {
    name: replace(plugins.load("channels", name).MEDIUM, **SEEN.get(name, {})) for name in CHANNELS
}
MAPPING = {
    Priority.CRITICAL: Channel.SMS,
    Priority.HIGH: Channel.SMS,
    Priority.MEDIUM: Channel.WHATSAPP,
    Priority.LOW: Channel.EMAIL,
}
STOP = dict.fromkeys(MessageType, TypeRules(stop=True))
ENDED = {
    "failed": (Outcome.SENT, Status.UNDELIVERED),
    "timeout": (Outcome.SENT, Status.UNKNOWN),
    "rejected": (Outcome.FAILED, None),
}


class Adapter:
    """Translates between the simulator's words and the agent's."""

    def __init__(self, mapping: dict[Priority, Channel]) -> None:
        priors = {CHANNELS[n]: Prior(m.reliability, m.latency) for n, m in MEDIA.items()}
        self.learned = Learned(priors)
        self.now = 0.0
        self.held = Breaker(1, 1.0, lambda: self.now)
        self.policy = Policy(mapping, RetryPolicy(), types=STOP)
        self.policies: dict[Any, Policy] = {}
        self.tried: dict[int, dict[str, Attempt]] = {}
        self.numbers: dict[str, str] = {}

    def rank(self, context: Any, now: float, candidates: Sequence[Any]) -> list[str]:
        """Return the arms, best first."""
        self.now = now
        options = [self._option(c) for c in candidates]
        # Where the agent waits for a place under a limit, the simulator answers 429.
        options = [o for o in options if not o.wait] or options
        message = self._message(context, has_email=any(c.channel == "email" for c in candidates))
        tried = list(self.tried.get(context.message_id, {}).values())
        decision = route.decide(
            message,
            tried,
            options,
            self._policy(context),
            self.learned.outlook(Place(context.country, ""), now),
        )
        return [f"{s.option.channel.lower()}:{s.option.provider}" for s in decision.ranked]

    def _option(self, c: Any) -> Option:
        wait = self.held.held(c.arm)
        if c.rate_used >= c.rate_limit:
            wait = max(wait, 60.0 / c.rate_limit)
        return Option(
            CHANNELS[c.channel],
            c.provider,
            MEDIA[c.channel],
            c.price,
            wait=wait,
            used=c.rate_used / c.rate_limit,
            patience=c.ack_timeout,
        )

    def _message(self, context: Any, *, has_email: bool) -> Message:
        number = self.numbers.get(context.country)
        if number is None:
            example = phonenumbers.example_number(context.country)
            number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            self.numbers[context.country] = number
        return Message(
            f"msg_{context.message_id}",
            TYPES[context.message_type],
            PRIORITIES[context.priority],
            Status.ACCEPTED,
            context.created_at,
            context.created_at,
            number,
            "ada@example.com" if has_email else None,
            "x",
            expires_at=context.deadline_at,
        )

    def _policy(self, context: Any) -> Policy:
        key = context.priority, context.attempts_left + context.attempt
        policy = self.policies.get(key)
        if policy is None:
            priority = PRIORITIES[context.priority]
            policy = self.policies[key] = replace(
                self.policy,
                worth={priority: context.value},
                hurry={priority: context.delay_cost_per_s},
                max_attempts=key[1],
            )
        return policy

    def update(self, arm: str, context: Any, now: float, outcome: Any) -> None:
        """Learn from what became known of one try."""
        self.now = now
        channel, provider = CHANNELS[arm.partition(":")[0]], arm.partition(":")[2]
        if outcome.status == "rate_limited":
            self.held.hold(arm, HOLD)
            return
        if outcome.status in ENDED:
            how, receipt = ENDED[outcome.status]
            tried = self.tried.setdefault(context.message_id, {})
            tried[arm] = Attempt(
                f"msg_{context.message_id}.{len(tried) + 1}",
                f"msg_{context.message_id}",
                len(tried) + 1,
                channel,
                provider,
                outcome.sent_at,
                now,
                how,
                receipt_status=receipt,
                permanent=False,
                scope="provider",
            )
        kind = _kind(outcome)
        if kind is not None:
            place = Place(context.country, "")  # the simulator knows of no prefixes
            self.learned.add(Lesson(channel, provider, place, kind, now, outcome.latency))


def _kind(outcome: Any) -> Kind | None:
    if outcome.status == "delivered":
        return Kind.RECOVERED if outcome.late else Kind.ARRIVED
    if outcome.status == "hard_error":
        return Kind.UNREACHABLE
    return Kind.FAILED if outcome.status in ENDED and not outcome.late else None


def make(seed: int) -> Adapter:
    """Return the router with no mapping: evidence and the channels' priors decide."""
    del seed
    return Adapter({})


def make_mapped(seed: int) -> Adapter:
    """Return the router that starts with a mapping, as the shipped configuration does."""
    del seed
    return Adapter(MAPPING)
