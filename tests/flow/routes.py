"""What the tests of routing are made of: messages, attempts, options and a policy."""

from dataclasses import replace

import pytest

from otp_messaging_agent import plugins
from otp_messaging_agent.flow.learned import Learned
from otp_messaging_agent.flow.lesson import Prior, place_of
from otp_messaging_agent.flow.route import decide
from otp_messaging_agent.flow.way import Option, Policy
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

SMS, WHATSAPP, CALL, EMAIL = Channel.SMS, Channel.WHATSAPP, Channel.CALL, Channel.EMAIL
MEDIA = {c: plugins.load("channels", c.value.lower()).MEDIUM for c in Channel}
PRIORS = {c: Prior(m.reliability, m.latency) for c, m in MEDIA.items()}
MAPPING = {
    Priority.CRITICAL: CALL,
    Priority.HIGH: SMS,
    Priority.MEDIUM: WHATSAPP,
    Priority.LOW: EMAIL,
}
POLICY = Policy(MAPPING, RetryPolicy())
FIXED = replace(POLICY, adaptive=False)
IN_BOTH_MODES = pytest.mark.parametrize("policy", [POLICY, FIXED], ids=["adaptive", "fixed"])
NOW = 1_800_000_000.0


def option(channel, provider="main", **fields):
    return Option(channel, provider, MEDIA[channel], MEDIA[channel].cost, **fields)


def siblings(channel, *providers):
    return [option(channel, p, index=i, siblings=len(providers)) for i, p in enumerate(providers)]


ALL = [option(c) for c in Channel]


def message(**fields):
    given = {
        "id": "msg_1",
        "type": MessageType.NOTIFICATION,
        "priority": Priority.HIGH,
        "status": Status.ACCEPTED,
        "created_at": NOW,
        "due_at": NOW,
        "phone_number": "+447700900001",
        "email": "ada@example.com",
        "content": "hello",
    }
    return Message(**{**given, **fields})


def attempt(channel, provider="main", **fields):
    given = {
        "id": "msg_1.1",
        "message_id": "msg_1",
        "number": 1,
        "channel": channel,
        "provider": provider,
        "started_at": NOW,
        "finished_at": NOW,
        "outcome": Outcome.FAILED,
        "error_code": "provider_unavailable",
        "permanent": False,
        "scope": "provider",
    }
    return Attempt(**{**given, **fields})


def route(asked=None, tried=(), options=ALL, policy=POLICY, learned=None, blocked=(), now=NOW):
    """Decide with nothing learned, or with *learned*."""
    asked = asked or message()
    outlook = (learned or Learned(PRIORS)).outlook(place_of(asked.phone_number), now)
    return decide(asked, tried, options, policy, outlook, blocked)


def ways(decision):
    """Return the channels of a decision, best first."""
    return [s.option.channel for s in decision.ranked]


def providers(decision):
    """Return the providers of a decision, best first."""
    return [s.option.provider for s in decision.ranked]


def reasons(decision):
    return {(s.option.channel, s.option.provider): s.out for s in decision.excluded}
