"""What other settings would have chosen: histories in which the evidence leaves no doubt."""

from dataclasses import replace

import pytest

from otp_messaging_agent.flow.learned import Learned
from otp_messaging_agent.flow.lesson import Kind, Lesson, Place, place_of
from otp_messaging_agent.flow.replay import (
    Expected,
    Trial,
    Way,
    expected,
    in_order,
    replay,
    tallied,
)
from otp_messaging_agent.flow.way import TypeRules
from otp_messaging_agent.message import MessageType, Outcome, Priority, Status

from .routes import (
    ALL,
    CALL,
    EMAIL,
    MEDIA,
    NOW,
    POLICY,
    PRIORS,
    SMS,
    WHATSAPP,
    attempt,
    message,
    option,
    route,
    siblings,
)

GB = place_of("+447700900001")
FIXED = replace(POLICY, adaptive=False)
MAIN = Way(SMS, "main")


def sent(at, channel=SMS, provider="main", *, ranked=(), status=Status.DELIVERED, **fields):
    """Return a message tried once, at *at*; ranked: (channel, provider, cost) of that moment."""
    m = message(id=f"msg_{at:015.3f}", created_at=at, status=status, finished_at=at + 9, **fields)
    decision = {
        "ranked": [{"channel": c.value, "provider": p, "cost": cost} for c, p, cost in ranked]
    }
    tried = attempt(
        channel, provider, started_at=at, outcome=Outcome.SENT, cost=0.0083, decision=decision
    )
    return m, [tried]


def lesson(at, kind=Kind.ARRIVED, channel=SMS, provider="main"):
    return Lesson(channel, provider, GB, kind, at)


def replayed(history, lessons=(), options=ALL, policy=POLICY, **fields):
    trial = Trial(options, policy, MEDIA, **fields)
    return list(replay(history, lessons, Learned(PRIORS), trial))


def two_texts():
    """Return two providers of one channel, the second dearer."""
    first, second = siblings(SMS, "main", "backup")
    return [first, replace(second, cost=0.02)]


def minutes(count, start=0):
    return [NOW + 60.0 * i for i in range(start, start + count)]


# ------------------------------------------------------------------ what is chosen


def test_a_cheaper_provider_that_is_as_good_takes_over():
    dear, cheap = siblings(SMS, "main", "cheap")
    options = [replace(dear, cost=0.02), replace(cheap, cost=0.01)]
    lessons = [lesson(NOW - 60, provider=p) for p in ("main", "cheap") for _ in range(30)]
    found = replayed([sent(at) for at in minutes(5)], lessons, options)
    assert {r.now for r in found} == {Way(SMS, "cheap")}
    for r in found:
        assert r.expected_now.cost == pytest.approx(r.expected_then.cost / 2, rel=1e-6)
        assert r.expected_now.delivered == pytest.approx(r.expected_then.delivered)


def test_a_provider_that_fails_is_left_when_that_became_known_and_not_before():
    options = two_texts()
    broke = NOW + 301
    lessons = [lesson(NOW - 60) for _ in range(30)]
    lessons += [lesson(broke + i, Kind.FAILED) for i in range(20)]
    found = replayed([sent(at) for at in minutes(10)], lessons, options)
    assert [r.now.provider for r in found] == ["main"] * 6 + ["backup"] * 4
    assert [r.expected_now.delivered > r.expected_then.delivered + 0.5 for r in found] == (
        [False] * 6 + [True] * 4
    )


def test_fixed_settings_stay_where_evidence_would_leave():
    options = two_texts()
    lessons = [lesson(NOW - 60, Kind.FAILED) for _ in range(20)]
    history = [sent(at) for at in minutes(3)]
    adaptive = replayed(history, lessons, options)
    fixed = replayed(history, lessons, options, FIXED)
    assert {r.now for r in adaptive} == {Way(SMS, "backup")}
    assert {r.now for r in fixed} == {MAIN}
    assert fixed[0].expected_now.delivered < 0.5 < adaptive[0].expected_now.delivered


def test_only_the_channels_of_a_type_are_chosen_for_it():
    policy = replace(FIXED, types={MessageType.OTP: TypeRules(channels={WHATSAPP})})
    history = [sent(NOW, type=MessageType.OTP), sent(NOW + 1, type=MessageType.ALERT)]
    code, alert = replayed(history, policy=policy)
    assert code.now == Way(WHATSAPP, "main")
    assert alert.now == MAIN
    assert code.expected_now.delivered == pytest.approx(0.95 * 0.92)


def test_where_nothing_may_be_used_nothing_is_sent():
    policy = replace(FIXED, types={MessageType.OTP: TypeRules(channels={EMAIL})})
    [one] = replayed([sent(NOW, type=MessageType.OTP, email=None)], policy=policy)
    assert one.then == MAIN
    assert one.now is None
    assert one.expected_now == Expected(0.0, 0.0)


@pytest.mark.parametrize("policy", [POLICY, FIXED], ids=["adaptive", "fixed"])
def test_the_settings_that_were_in_use_change_nothing(policy):
    lessons = [lesson(at - 1, kind) for at in minutes(6) for kind in (Kind.ARRIVED, Kind.FAILED)]
    learned, history = Learned(PRIORS), []
    for i, at in enumerate(minutes(6)):
        for one in lessons[2 * i : 2 * i + 2]:
            learned.add(one)
        m = message(id=f"msg_{i}", created_at=at)
        decision = route(m, policy=policy, learned=learned, now=at)
        best = decision.ranked[0]
        history.append(
            (
                m,
                [
                    attempt(
                        best.option.channel,
                        best.option.provider,
                        started_at=at,
                        decision=decision.as_json(),
                    )
                ],
            )
        )
    found = replayed(history, lessons, policy=policy)
    assert len(found) == 6
    for r in found:
        assert r.now == r.then
        assert r.expected_now == pytest.approx(r.expected_then)


# ------------------------------------------------------------------ in which order


def test_a_message_that_waited_is_decided_when_it_was_tried_not_when_it_came():
    late = sent(NOW)
    late[1][0] = replace(late[1][0], started_at=NOW + 100)
    early = sent(NOW + 50)
    assert [m.id for m, _ in in_order([late, early])] == [early[0].id, late[0].id]
    known = [lesson(NOW + 70, Kind.FAILED) for _ in range(20)]
    found = replayed([late, early], known, two_texts())
    assert [r.now.provider for r in found] == ["main", "backup"]


def test_no_more_messages_are_held_back_than_wait():
    taken = []

    def history():
        for at in minutes(50):
            taken.append(at)
            yield sent(at)

    ordered = in_order(history())
    next(ordered)
    assert len(taken) == 2


def test_lessons_are_asked_for_only_as_far_as_the_last_message():
    def lessons():
        yield lesson(NOW - 1)
        yield lesson(NOW + 1)
        pytest.fail("went on")

    assert len(replayed([sent(NOW)], lessons())) == 1


def test_what_was_never_tried_has_no_part():
    assert replayed([(message(), [])]) == []


# ------------------------------------------------------------------ what a plan promises


def promised(*plan, most=None):
    return expected(plan, Learned(PRIORS).outlook(Place("GB", ""), NOW), MEDIA, most)


def test_a_plan_pays_each_try_only_where_those_before_failed():
    sms, whatsapp = 0.95 * 0.92, 0.95 * 0.92
    both = promised((MAIN, 0.01), (Way(WHATSAPP, "main"), 0.005))
    # A text costs when the phone can be reached, WhatsApp when the message arrives.
    assert both.cost == pytest.approx(0.95 * 0.01 + (1 - sms) * whatsapp * 0.005)
    assert both.delivered == pytest.approx(1 - (1 - sms) * (1 - whatsapp))


def test_one_way_of_each_channel_counts_and_no_more_than_are_tried():
    one = promised((MAIN, 0.01))
    assert promised((MAIN, 0.01), (Way(SMS, "backup"), 0.02)) == one
    assert promised((MAIN, 0.01), (Way(CALL, "main"), 0.02), most=1) == one
    assert promised() == Expected(0.0, 0.0)


def test_then_is_the_ranking_that_was_stored_at_the_prices_of_today():
    ranked = [(SMS, "main", 5.0), (CALL, "gone", 0.5)]
    options = [option(WHATSAPP), replace(option(SMS), cost=0.01)]
    [one] = replayed([sent(NOW, ranked=ranked)], options=options, policy=FIXED)
    assert one.expected_then == pytest.approx(promised((MAIN, 0.01), (Way(CALL, "gone"), 0.5)))
    assert one.expected_now == pytest.approx(promised((MAIN, 0.01), (Way(WHATSAPP, "main"), 0.005)))


def test_then_begins_with_what_was_tried_also_where_it_was_not_ranked_first():
    ranked = [(WHATSAPP, "main", 0.005), (SMS, "main", 0.0083)]
    [one] = replayed([sent(NOW, ranked=ranked)], policy=FIXED)
    assert one.then == MAIN
    assert one.expected_then == pytest.approx(
        promised((MAIN, 0.0083), (Way(WHATSAPP, "main"), 0.005))
    )


def test_each_plan_ends_after_the_tries_of_its_own_settings():
    ranked = [(SMS, "main", 1.0), (WHATSAPP, "main", 1.0), (CALL, "main", 1.0)]
    alone, policy = promised((MAIN, 0.0083)), replace(FIXED, max_attempts=1)
    [one] = replayed([sent(NOW, ranked=ranked)], policy=policy)
    assert one.expected_now == pytest.approx(alone)
    assert one.expected_then.delivered > 0.99
    [one] = replayed([sent(NOW, ranked=ranked)], policy=FIXED, tries_then=1)
    assert one.expected_then == pytest.approx(alone)
    assert one.expected_now.delivered > 0.99


# ------------------------------------------------------------------ what really came of it


@pytest.mark.parametrize(
    ("status", "finished", "arrived"),
    [
        (Status.DELIVERED, True, True),
        (Status.READ, True, True),
        (Status.SENT, True, True),
        (Status.SENT, False, None),
        (Status.UNDELIVERED, True, False),
        (Status.UNKNOWN, True, False),
        (Status.EXPIRED, True, False),
        (Status.QUEUED, False, None),
        (Status.CANCELED, True, None),
    ],
    ids=str,
)
def test_what_arrived_is_counted_as_the_success_rate_counts_it(status, finished, arrived):
    m, tries = sent(NOW, status=status)
    [one] = replayed([(replace(m, finished_at=NOW if finished else None), tries)])
    assert one.arrived is arrived


def test_what_was_paid_is_what_providers_took():
    m, [first] = sent(NOW)
    tries = [
        replace(first, outcome=Outcome.FAILED, cost=9.0),
        replace(first, outcome=Outcome.AMBIGUOUS, cost=9.0),
        replace(first, cost=0.25),
        replace(first, cost=0.5),
    ]
    [one] = replayed([(m, tries)])
    assert one.cost == 0.75


def test_sums_are_by_country_and_type_the_largest_first():
    history = [
        *[sent(at, type=MessageType.OTP, phone_number="+33600000001") for at in minutes(3)],
        sent(NOW + 1, priority=Priority.LOW, phone_number=None, status=Status.UNDELIVERED),
        sent(NOW + 2, priority=Priority.LOW, phone_number=None, status=Status.QUEUED),
    ]
    total, parts = tallied(replayed(history, policy=FIXED))
    assert list(parts) == [("FR", MessageType.OTP), ("", MessageType.NOTIFICATION)]
    mail = parts["", MessageType.NOTIFICATION]
    assert (mail.messages, mail.changed, mail.known, mail.arrived) == (2, 2, 1, 0)
    assert mail.changes == {(MAIN, Way(EMAIL, "main")): 2}
    assert (total.messages, total.changed, total.known, total.arrived) == (5, 2, 4, 3)
    assert total.cost == pytest.approx(5 * 0.0083)
    assert total.then.cost == pytest.approx(sum(p.then.cost for p in parts.values()))
