"""What follows a try that failed: the next provider, then the next channel, each in its time."""

from dataclasses import replace
from itertools import groupby

import pytest

from otp_messaging_agent.flow import route as routing
from otp_messaging_agent.flow.route import ends_message, next_try, out_of_time
from otp_messaging_agent.flow.way import TypeRules
from otp_messaging_agent.message import Channel, MessageType, Outcome, Priority, Status
from otp_messaging_agent.retry import RetryPolicy

from .lessons import history, in_order, taught
from .routes import (
    CALL,
    EMAIL,
    IN_BOTH_MODES,
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


@IN_BOTH_MODES
def test_a_failed_try_is_followed_by_its_retries_on_the_same_channel(policy):
    for tries in (1, 2, 3):
        assert ways(route(tried=[attempt(CALL)] * tries, policy=policy))[0] is CALL


@IN_BOTH_MODES
def test_after_its_retries_a_channel_is_out_and_the_next_has_its_own(policy):
    used_up = [attempt(SMS)] * 4
    decision = route(tried=used_up, policy=policy)
    assert ways(decision) == [WHATSAPP, CALL, EMAIL]
    assert reasons(decision) == {(SMS, "main"): "retries used up"}
    assert ways(route(tried=[*used_up, *[attempt(WHATSAPP)] * 3], policy=policy))[0] is WHATSAPP
    assert ways(route(tried=[*used_up, *[attempt(WHATSAPP)] * 4], policy=policy)) == [CALL, EMAIL]


@IN_BOTH_MODES
def test_a_preferred_channel_comes_back_to_nobody_once_used_up(policy):
    asked = message(preferred_channel=CALL)
    assert ways(route(asked, [attempt(CALL)] * 4, policy=policy)) == [SMS, WHATSAPP, EMAIL]


def turns(options, policy, **given):
    """Return which providers a message takes in turn while every try fails."""
    tried = []
    while ranked := route(tried=tried, options=options, policy=policy, **given).ranked:
        tried.append(attempt(ranked[0].option.channel, ranked[0].option.provider))
    return [a.provider for a in tried]


@pytest.mark.parametrize("retries", [3, 5, 20])
@IN_BOTH_MODES
def test_each_retry_takes_the_next_provider_and_comes_round_again(policy, retries):
    policy = replace(policy, retries=RetryPolicy(max_retries=retries))
    order = turns(siblings(SMS, "a", "b", "c"), policy)
    assert order == [order[i % 3] for i in range(retries + 1)]
    assert set(order) == {"a", "b", "c"}
    if policy.adaptive is False:
        assert order[:3] == ["a", "b", "c"]


@pytest.mark.parametrize("retries", [3, 20])
def test_it_does_so_whatever_is_known_of_that_one(retries):
    policy = replace(POLICY, retries=RetryPolicy(max_retries=retries))
    policy = replace(policy, types={MessageType.NOTIFICATION: TypeRules(target=0.5)})
    bad, good = history(0.0, provider="bad"), history(1.0, provider="good")
    learned = taught(*in_order(bad, good))
    good, bad = siblings(SMS, "good", "bad")
    options = [good, replace(bad, cost=0.5, used=1.0), option(WHATSAPP)]
    order = turns(options, policy, learned=learned, asked=message(priority=Priority.LOW))
    sms = [provider for provider in order if provider != "main"]
    assert sms == (["good", "bad"] * 11)[: retries + 1]


@pytest.mark.parametrize("retries", [0, 3, 20])
@IN_BOTH_MODES
def test_a_channel_uses_up_its_retries_before_the_next_one_begins(policy, retries):
    policy = replace(policy, retries=RetryPolicy(max_retries=retries))
    options = [*siblings(SMS, "sms"), *siblings(WHATSAPP, "chat"), *siblings(CALL, "voice")]
    learned = taught(*history(0.0, provider="sms"), *history(1.0, WHATSAPP, provider="chat"))
    order = turns(options, policy, learned=learned, asked=message(preferred_channel=SMS))
    runs = [(name, len(list(run))) for name, run in groupby(order)]
    assert runs == [("sms", retries + 1), ("chat", retries + 1), ("voice", retries + 1)]


@IN_BOTH_MODES
def test_a_channel_that_cannot_reach_the_recipient_is_out_with_all_its_providers(policy):
    options = [*siblings(SMS, "a", "b"), option(WHATSAPP)]
    tried = [attempt(SMS, "a", permanent=True, scope="channel", error_code="not_mobile")]
    decision = route(tried=tried, options=options, policy=policy)
    assert ways(decision) == [WHATSAPP]
    why = "cannot reach this recipient: not_mobile"
    assert reasons(decision) == {(SMS, "a"): why, (SMS, "b"): why}


@IN_BOTH_MODES
def test_a_provider_that_refuses_is_out_and_its_sibling_goes_on(policy):
    options = [*siblings(SMS, "a", "b"), option(WHATSAPP)]
    tried = [attempt(SMS, "a", permanent=True, scope="provider", error_code="auth_failed")]
    decision = route(tried=tried, options=options, policy=policy)
    assert decision.ranked[0].option.provider == "b"
    assert reasons(decision) == {(SMS, "a"): "the provider refused: auth_failed"}


@IN_BOTH_MODES
def test_the_same_provider_of_another_channel_is_not_judged_by_that(policy):
    tried = [attempt(SMS, permanent=True, scope="provider")]
    assert ways(route(tried=tried, policy=policy)) == [WHATSAPP, CALL, EMAIL]


@pytest.mark.parametrize("scope", ["recipient", "message"])
def test_what_says_something_of_the_recipient_or_the_text_ends_the_message(scope):
    failed = attempt(SMS, permanent=True, scope=scope)
    assert ends_message(failed)
    assert not ends_message(replace(failed, permanent=False))
    assert not ends_message(replace(failed, outcome=Outcome.AMBIGUOUS))


@pytest.mark.parametrize("scope", ["channel", "provider"])
def test_what_says_something_of_the_way_does_not_end_it(scope):
    assert not ends_message(attempt(SMS, permanent=True, scope=scope))


@IN_BOTH_MODES
def test_the_deadline_leaves_out_a_retry_that_would_come_too_late(policy):
    asked = message(expires_at=NOW + 1)
    decision = route(asked, [attempt(SMS)], policy=policy)
    assert ways(decision) == [WHATSAPP, CALL, EMAIL]
    assert reasons(decision) == {(SMS, "main"): routing.NO_TIME}
    assert ways(route(message(expires_at=NOW + 1.01), [attempt(SMS)], policy=policy))[0] is SMS
    slow = attempt(SMS, finished_at=NOW + 5)
    assert ways(route(message(expires_at=NOW + 6), [slow], policy=policy))[0] is WHATSAPP


@IN_BOTH_MODES
def test_a_long_retry_after_past_the_deadline_goes_to_the_next_channel(policy):
    asked = message(expires_at=NOW + 300)
    assert ways(route(asked, [attempt(SMS, retry_after=300)], policy=policy))[0] is WHATSAPP
    assert ways(route(asked, [attempt(SMS, retry_after=299)], policy=policy))[0] is SMS


@IN_BOTH_MODES
def test_only_where_time_is_all_that_lacks_a_message_counts_as_expired(policy):
    asked = message(expires_at=NOW + 0.5, email=None)
    options = [option(SMS), option(EMAIL)]
    assert out_of_time(route(asked, [attempt(SMS)], options, policy=policy))
    assert not out_of_time(route(asked, [attempt(SMS)] * 4, options, policy=policy))
    assert not out_of_time(route(asked, (), options, policy=policy))


@IN_BOTH_MODES
def test_a_retry_waits_its_backoff_and_a_fallback_begins_at_once(policy):
    failed = attempt(SMS, finished_at=NOW + 5)
    assert next_try([failed], route(tried=[failed], policy=policy), POLICY, 0.0) == NOW + 6
    assert next_try([failed] * 2, route(tried=[failed] * 2, policy=policy), POLICY, 0.0) == NOW + 7
    assert next_try([failed], route(tried=[failed], policy=policy), POLICY, 0.8) == pytest.approx(
        NOW + 6.2
    )
    unreachable = replace(failed, permanent=True, scope="channel")
    assert (
        next_try([unreachable], route(tried=[unreachable], policy=policy), POLICY, 0.5) == NOW + 5
    )
    used_up = [failed] * 4
    assert next_try(used_up, route(tried=used_up, policy=policy), POLICY, 0.5) == NOW + 5


@IN_BOTH_MODES
def test_a_retry_waits_as_long_as_the_provider_asked(policy):
    failed = attempt(SMS, retry_after=45.0)
    assert next_try([failed], route(tried=[failed], policy=policy), POLICY, 0.9) == NOW + 45


@IN_BOTH_MODES
def test_the_next_channel_counts_its_own_waits(policy):
    tried = [*[attempt(SMS)] * 4, attempt(WHATSAPP)]
    assert next_try(tried, route(tried=tried, policy=policy), POLICY, 0.0) == NOW + 1


@IN_BOTH_MODES
def test_where_nothing_is_left_there_is_no_next_try(policy):
    tried = [attempt(c) for c in Channel for _ in range(4)]
    decision = route(tried=tried, policy=policy)
    assert decision.ranked == []
    assert next_try(tried, decision, POLICY, 0.0) is None


@IN_BOTH_MODES
def test_without_retries_every_channel_is_tried_once(policy):
    once = replace(policy, retries=RetryPolicy(max_retries=0))
    tried = []
    while decision := route(tried=tried, policy=once).ranked:
        tried.append(attempt(decision[0].option.channel))
    assert [a.channel for a in tried] == FALLBACK


@pytest.mark.parametrize("scope", ["channel", "recipient", "message"])
def test_what_a_receipt_says_of_the_recipient_no_sibling_makes_good(scope):
    told = attempt(
        SMS,
        "a",
        outcome=Outcome.SENT,
        receipt_status=Status.UNDELIVERED,
        scope=scope,
        error_code="opted_out",
    )
    options = [*siblings(SMS, "a", "b"), option(WHATSAPP)]
    assert ways(route(tried=[told], options=options)) == [WHATSAPP]
    of_provider = replace(told, scope="provider")
    left = route(tried=[of_provider], options=options)
    assert {(s.option.channel, s.option.provider) for s in left.ranked} == {
        (SMS, "b"),
        (WHATSAPP, "main"),
    }
