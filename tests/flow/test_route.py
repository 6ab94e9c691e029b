"""Which channel and provider come next, and why: a pure function of what is known."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otp_messaging_agent.message import Channel, Priority

from .routes import (
    ALL,
    CALL,
    EMAIL,
    IN_BOTH_MODES,
    MAPPING,
    SMS,
    WHATSAPP,
    message,
    reasons,
    route,
    ways,
)

FALLBACK = [SMS, WHATSAPP, CALL, EMAIL]


@IN_BOTH_MODES
@pytest.mark.parametrize(("priority", "mapped"), MAPPING.items())
def test_without_evidence_the_mapped_channel_is_first_then_the_usual_order(
    policy, priority, mapped
):
    expected = [mapped, *(c for c in FALLBACK if c is not mapped)]
    assert ways(route(message(priority=priority), policy=policy)) == expected


@IN_BOTH_MODES
@settings(deadline=None)
@given(
    st.permutations(list(Channel)),
    st.sampled_from(Priority),
    st.lists(st.floats(0, 100), min_size=4, max_size=4),
)
def test_no_price_changes_that(policy, channels, priority, prices):
    mapping = dict(zip(Priority, channels, strict=True))
    options = [replace(o, cost=p) for o, p in zip(ALL, prices, strict=True)]
    policy = replace(policy, mapping=mapping)
    ranked = ways(route(message(priority=priority), options=options, policy=policy))
    first = mapping[priority]
    assert ranked == [first, *(c for c in FALLBACK if c is not first)]


@IN_BOTH_MODES
@pytest.mark.parametrize("preferred", Channel)
@pytest.mark.parametrize("priority", Priority)
def test_the_preferred_channel_goes_first(policy, preferred, priority):
    assert (
        ways(route(message(priority=priority, preferred_channel=preferred), policy=policy))[0]
        is preferred
    )


@IN_BOTH_MODES
def test_a_preferred_channel_that_cannot_go_leaves_the_usual_order(policy):
    asked = message(preferred_channel=EMAIL, email=None)
    decision = route(asked, policy=policy)
    assert ways(decision) == [SMS, WHATSAPP, CALL]
    assert reasons(decision) == {(EMAIL, "main"): "no email"}


@IN_BOTH_MODES
def test_a_preferred_channel_that_is_off_is_as_if_not_named(policy):
    assert ways(route(message(preferred_channel=CALL), options=ALL[:2], policy=policy)) == [
        SMS,
        WHATSAPP,
    ]


@IN_BOTH_MODES
def test_a_channel_without_its_address_is_out(policy):
    assert ways(route(message(phone_number=None), policy=policy)) == [EMAIL]
    assert ways(route(message(email=None), policy=policy)) == [SMS, WHATSAPP, CALL]


@IN_BOTH_MODES
def test_a_channel_that_cannot_carry_the_text_is_out(policy):
    assert ways(route(message(content="x" * 1601), policy=policy)) == [EMAIL]
    assert ways(route(message(content="x" * 1001), policy=policy)) == [SMS, WHATSAPP, EMAIL]
