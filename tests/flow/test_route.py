"""Which channel and provider come next, and why: a pure function of what is known."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otp_messaging_agent.flow import route as routing
from otp_messaging_agent.flow.way import Policy
from otp_messaging_agent.flow.route import ends_message, next_try, out_of_time
from otp_messaging_agent.message import Channel, Outcome, Priority
from otp_messaging_agent.retry import RetryPolicy

from .routes import (
    ALL,
    CALL,
    EMAIL,
    MAPPING,
    NOW,
    POLICY,
    SMS,
    WHATSAPP,
    attempt,
    message,
    option,
    reasons,
    route,
    siblings,
    ways,
)

FALLBACK = [SMS, WHATSAPP, CALL, EMAIL]


@pytest.mark.parametrize(("priority", "mapped"), MAPPING.items())
def test_without_evidence_the_mapped_channel_is_first_then_the_usual_order(priority, mapped):
    expected = [mapped, *(c for c in FALLBACK if c is not mapped)]
    assert ways(route(message(priority=priority))) == expected


@settings(deadline=None)
@given(
    st.permutations(list(Channel)),
    st.sampled_from(Priority),
    st.lists(st.floats(0, 100), min_size=4, max_size=4),
)
def test_no_price_changes_that(channels, priority, prices):
    mapping = dict(zip(Priority, channels, strict=True))
    options = [replace(o, cost=p) for o, p in zip(ALL, prices, strict=True)]
    ranked = ways(
        route(message(priority=priority), options=options, policy=Policy(mapping, POLICY.retries))
    )
    first = mapping[priority]
    assert ranked == [first, *(c for c in FALLBACK if c is not first)]


@pytest.mark.parametrize("preferred", Channel)
@pytest.mark.parametrize("priority", Priority)
def test_the_preferred_channel_goes_first(preferred, priority):
    assert ways(route(message(priority=priority, preferred_channel=preferred)))[0] is preferred


def test_a_preferred_channel_that_cannot_go_leaves_the_usual_order():
    asked = message(preferred_channel=EMAIL, email=None)
    decision = route(asked)
    assert ways(decision) == [SMS, WHATSAPP, CALL]
    assert reasons(decision) == {(EMAIL, "main"): "no email"}


def test_a_preferred_channel_that_is_off_is_as_if_not_named():
    assert ways(route(message(preferred_channel=CALL), options=ALL[:2])) == [SMS, WHATSAPP]


def test_a_channel_without_its_address_is_out():
    assert ways(route(message(phone_number=None))) == [EMAIL]
    assert ways(route(message(email=None))) == [SMS, WHATSAPP, CALL]


def test_a_channel_that_cannot_carry_the_text_is_out():
    assert ways(route(message(content="x" * 1601))) == [EMAIL]
    assert ways(route(message(content="x" * 1001))) == [SMS, WHATSAPP, EMAIL]


def test_a_failed_try_is_followed_by_its_retries_on_the_same_channel():
    for tries in (1, 2, 3):
        assert ways(route(tried=[attempt(CALL)] * tries))[0] is CALL


def test_after_its_retries_a_channel_is_out_and_the_next_has_its_own():
    used_up = [attempt(SMS)] * 4
    decision = route(tried=used_up)
    assert ways(decision) == [WHATSAPP, CALL, EMAIL]
    assert reasons(decision) == {(SMS, "main"): "retries used up"}
    assert ways(route(tried=[*used_up, *[attempt(WHATSAPP)] * 3]))[0] is WHATSAPP
    assert ways(route(tried=[*used_up, *[attempt(WHATSAPP)] * 4])) == [CALL, EMAIL]


def test_a_preferred_channel_comes_back_to_nobody_once_used_up():
    asked = message(preferred_channel=CALL)
    assert ways(route(asked, [attempt(CALL)] * 4)) == [SMS, WHATSAPP, EMAIL]


def test_each_retry_takes_the_next_provider_and_comes_round_again():
    options = siblings(SMS, "a", "b", "c")
    tried, order = [], []
    for _ in range(4):
        best = route(tried=tried, options=options).ranked[0].option.provider
        order.append(best)
        tried.append(attempt(SMS, best))
    assert order == ["a", "b", "c", "a"]
    assert route(tried=tried, options=options).ranked == []


def test_a_channel_that_cannot_reach_the_recipient_is_out_with_all_its_providers():
    options = [*siblings(SMS, "a", "b"), option(WHATSAPP)]
    tried = [attempt(SMS, "a", permanent=True, scope="channel", error_code="not_mobile")]
    decision = route(tried=tried, options=options)
    assert ways(decision) == [WHATSAPP]
    why = "cannot reach this recipient: not_mobile"
    assert reasons(decision) == {(SMS, "a"): why, (SMS, "b"): why}


def test_a_provider_that_refuses_is_out_and_its_sibling_goes_on():
    options = [*siblings(SMS, "a", "b"), option(WHATSAPP)]
    tried = [attempt(SMS, "a", permanent=True, scope="provider", error_code="auth_failed")]
    decision = route(tried=tried, options=options)
    assert decision.ranked[0].option.provider == "b"
    assert reasons(decision) == {(SMS, "a"): "the provider refused: auth_failed"}


def test_the_same_provider_of_another_channel_is_not_judged_by_that():
    tried = [attempt(SMS, permanent=True, scope="provider")]
    assert ways(route(tried=tried)) == [WHATSAPP, CALL, EMAIL]


@pytest.mark.parametrize("scope", ["recipient", "message"])
def test_what_says_something_of_the_recipient_or_the_text_ends_the_message(scope):
    failed = attempt(SMS, permanent=True, scope=scope)
    assert ends_message(failed)
    assert not ends_message(replace(failed, permanent=False))
    assert not ends_message(replace(failed, outcome=Outcome.AMBIGUOUS))


@pytest.mark.parametrize("scope", ["channel", "provider"])
def test_what_says_something_of_the_way_does_not_end_it(scope):
    assert not ends_message(attempt(SMS, permanent=True, scope=scope))


def test_the_deadline_leaves_out_a_retry_that_would_come_too_late():
    asked = message(expires_at=NOW + 1)
    decision = route(asked, [attempt(SMS)])
    assert ways(decision) == [WHATSAPP, CALL, EMAIL]
    assert reasons(decision) == {(SMS, "main"): routing.NO_TIME}
    assert ways(route(message(expires_at=NOW + 1.01), [attempt(SMS)]))[0] is SMS
    slow = attempt(SMS, finished_at=NOW + 5)
    assert ways(route(message(expires_at=NOW + 6), [slow]))[0] is WHATSAPP


def test_a_long_retry_after_past_the_deadline_goes_to_the_next_channel():
    asked = message(expires_at=NOW + 300)
    assert ways(route(asked, [attempt(SMS, retry_after=300)]))[0] is WHATSAPP
    assert ways(route(asked, [attempt(SMS, retry_after=299)]))[0] is SMS


def test_only_where_time_is_all_that_lacks_a_message_counts_as_expired():
    asked = message(expires_at=NOW + 0.5, email=None)
    options = [option(SMS), option(EMAIL)]
    assert out_of_time(route(asked, [attempt(SMS)], options))
    assert not out_of_time(route(asked, [attempt(SMS)] * 4, options))
    assert not out_of_time(route(asked, (), options))


def test_a_retry_waits_its_backoff_and_a_fallback_begins_at_once():
    failed = attempt(SMS, finished_at=NOW + 5)
    assert next_try([failed], route(tried=[failed]), POLICY, 0.0) == NOW + 6
    assert next_try([failed] * 2, route(tried=[failed] * 2), POLICY, 0.0) == NOW + 7
    assert next_try([failed], route(tried=[failed]), POLICY, 0.8) == pytest.approx(NOW + 6.2)
    unreachable = replace(failed, permanent=True, scope="channel")
    assert next_try([unreachable], route(tried=[unreachable]), POLICY, 0.5) == NOW + 5
    used_up = [failed] * 4
    assert next_try(used_up, route(tried=used_up), POLICY, 0.5) == NOW + 5


def test_a_retry_waits_as_long_as_the_provider_asked():
    failed = attempt(SMS, retry_after=45.0)
    assert next_try([failed], route(tried=[failed]), POLICY, 0.9) == NOW + 45


def test_the_next_channel_counts_its_own_waits():
    tried = [*[attempt(SMS)] * 4, attempt(WHATSAPP)]
    assert next_try(tried, route(tried=tried), POLICY, 0.0) == NOW + 1


def test_where_nothing_is_left_there_is_no_next_try():
    tried = [attempt(c) for c in Channel for _ in range(4)]
    decision = route(tried=tried)
    assert decision.ranked == []
    assert next_try(tried, decision, POLICY, 0.0) is None


def test_without_retries_every_channel_is_tried_once():
    once = Policy(MAPPING, RetryPolicy(max_retries=0))
    tried = []
    while decision := route(tried=tried, policy=once).ranked:
        tried.append(attempt(decision[0].option.channel))
    assert [a.channel for a in tried] == FALLBACK
