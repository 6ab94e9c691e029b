"""What the store knows of tries becomes lessons: each thing once, whenever it is looked at."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otp_messaging_agent.flow.lesson import NOWHERE, Place
from otp_messaging_agent.message import Channel, Status

from .experience import FACTS, Fact, every, learn
from .lessons import ARRIVED, ASKED, CONFIRMED, FAILED, RECOVERED, UNREACHABLE
from .routes import CALL, EMAIL, MEDIA, NOW, SMS

OVER = MEDIA[SMS].patience
UNDELIVERED = Status.UNDELIVERED
END = NOW + 2000


def kinds(notes):
    """Return what was learned, each with the seconds after the send it counts from."""
    return sorted((round(one.at - NOW, 3), one.kind) for one in notes.lessons)


FAILURES = {
    "down": (Fact(failed=2), FAILED),
    "cut": (Fact(failed=2, code="timeout"), FAILED),
    "account shut": (Fact(failed=2, permanent=True, scope="account"), FAILED),
    "account busy": (Fact(failed=2, scope="account"), FAILED),
    "limited": (Fact(failed=2, code="rate_limited"), None),
    "refused": (Fact(failed=2, permanent=True, scope="provider"), None),
    "no such channel": (
        Fact(failed=2, permanent=True, scope="channel", code="not_mobile"),
        UNREACHABLE,
    ),
    "text refused": (Fact(failed=2, permanent=True, scope="channel", code="content_refused"), None),
    "refused by this one": (
        Fact(failed=2, permanent=True, scope="channel", code="rejected"),
        FAILED,
    ),
    "phone off": (Fact(failed=2, scope="channel"), None),
    "no such number": (Fact(failed=2, permanent=True, scope="recipient"), None),
    "bad text": (Fact(failed=2, permanent=True, scope="message"), None),
}


@pytest.mark.parametrize(("fact", "kind"), FAILURES.values(), ids=FAILURES)
def test_what_a_try_that_was_not_taken_tells(fact, kind):
    assert kinds(learn([fact], [END])) == ([(2.0, kind)] if kind else [])


WITHIN, LATE = 20.0, 50.0
STORIES = {
    "delivered": (Fact(receipt=WITHIN), [(WITHIN, ARRIVED)]),
    "read": (Fact(receipt=WITHIN, status=Status.READ), [(WITHIN, ARRIVED)]),
    "on the last second": (Fact(receipt=OVER), [(OVER, ARRIVED)]),
    "late": (Fact(receipt=LATE), [(OVER, FAILED), (LATE, RECOVERED)]),
    "silent": (Fact(), [(OVER, FAILED)]),
    "gives no receipts": (Fact(receipts=False), []),
    "undelivered": (Fact(receipt=WITHIN, status=UNDELIVERED), [(WITHIN, FAILED)]),
    "undelivered late": (Fact(receipt=LATE, status=UNDELIVERED), [(OVER, FAILED)]),
    "undelivered to nobody": (Fact(receipt=WITHIN, status=UNDELIVERED, scope="recipient"), []),
    "undelivered there": (
        Fact(
            receipt=WITHIN, status=UNDELIVERED, scope="channel", permanent=True, code="not_mobile"
        ),
        [(WITHIN, UNREACHABLE)],
    ),
    "code not typed in": (
        Fact(receipt=WITHIN, ends=300.0),
        [(WITHIN, ARRIVED), (300.0, ASKED)],
    ),
    "typed in, no receipts": (
        Fact(receipts=False, typed=12.0),
        [(12.0, ARRIVED), (12.0, ASKED), (12.0, CONFIRMED)],
    ),
    "not typed in, no receipts": (Fact(receipts=False, ends=300.0), [(300.0, ASKED)]),
    "typed in, then told": (
        Fact(receipt=WITHIN, typed=12.0),
        [(12.0, ASKED), (12.0, CONFIRMED), (WITHIN, ARRIVED)],
    ),
    "told, then typed in": (
        Fact(receipt=12.0, typed=LATE),
        [(12.0, ARRIVED), (LATE, ASKED), (LATE, CONFIRMED)],
    ),
    "typed in, silent": (
        Fact(typed=12.0),
        [(12.0, ASKED), (12.0, CONFIRMED), (OVER, ARRIVED)],
    ),
    "typed in, told late": (
        Fact(typed=12.0, receipt=LATE),
        [(12.0, ASKED), (12.0, CONFIRMED), (OVER, ARRIVED)],
    ),
    "typed in late, silent": (
        Fact(typed=LATE),
        [(OVER, FAILED), (LATE, ASKED), (LATE, CONFIRMED), (LATE, RECOVERED)],
    ),
    "typed in late, told later": (
        Fact(typed=LATE, receipt=LATE + 100),
        [(OVER, FAILED), (LATE, ASKED), (LATE, CONFIRMED), (LATE, RECOVERED)],
    ),
    "told late, typed in later": (
        Fact(receipt=LATE, typed=LATE + 100),
        [(OVER, FAILED), (LATE, RECOVERED), (LATE + 100, ASKED), (LATE + 100, CONFIRMED)],
    ),
    "undelivered and typed in": (
        Fact(receipt=12.0, status=UNDELIVERED, typed=WITHIN),
        [(12.0, FAILED), (WITHIN, ASKED), (WITHIN, CONFIRMED), (WITHIN, RECOVERED)],
    ),
    "typed in late, undelivered": (
        Fact(typed=LATE, receipt=LATE + 9, status=UNDELIVERED),
        [(OVER, FAILED), (LATE, ASKED), (LATE, CONFIRMED), (LATE, RECOVERED)],
    ),
}


@pytest.mark.parametrize("seconds", [1.0, 7.3, 45.0, 2000.0])
@pytest.mark.parametrize(("fact", "expected"), STORIES.values(), ids=STORIES)
def test_what_became_of_a_try_is_learned_once_however_often_it_is_looked_at(
    fact, expected, seconds
):
    assert kinds(learn([fact], every(seconds, END))) == sorted(expected)


def test_each_channel_has_its_own_patience():
    for channel in Channel:
        (lesson,) = learn([Fact(channel=channel)], [END]).lessons
        assert (lesson.kind, lesson.at) == (FAILED, NOW + MEDIA[channel].patience)


def test_a_lesson_says_where_and_by_whom_and_how_long_it_took():
    (here,) = learn([Fact(receipt=9.0, provider="b")], [END]).lessons
    assert (here.channel, here.provider) == (SMS, "b")
    assert (here.place, here.seconds) == (Place("GB", "+44770"), 9.0)
    (mail,) = learn([Fact(channel=EMAIL, place=(None, None), receipt=9.0)], [END]).lessons
    assert mail.place == NOWHERE


def test_what_did_not_arrive_has_no_time():
    facts = [Fact(), Fact("x", receipt=9.0, status=UNDELIVERED), Fact("y", failed=2)]
    assert {one.seconds for one in learn(facts, [END]).lessons} == {None}


def test_a_channel_that_is_off_by_now_is_learned_of_as_far_as_it_can():
    notes = learn([Fact(channel=CALL, receipt=9.0)], [END])
    assert [one.kind for one in notes.lessons] == [ARRIVED]


@pytest.mark.parametrize("late", [3.0, 9.0])
@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_what_is_kept_a_little_late_is_not_missed(late, seconds):
    facts = [
        Fact("a", receipt=9.0, seen=late),
        Fact("b", failed=2, seen=late),
        Fact("c", receipts=False, typed=12.0, seen=late),
    ]
    told = kinds(learn(facts, every(seconds)))
    assert told == kinds(learn([replace(f, seen=0.0) for f in facts], [END]))


def test_looking_again_at_once_teaches_nothing():
    facts = [Fact(str(i), NOW + i, receipt=9.0, typed=12.0) for i in range(30)]
    once = learn(facts, [NOW + 30])
    often = learn(facts, [NOW + 30] * 20)
    assert often.lessons == once.lessons


def test_the_same_try_can_fail_and_recover_but_never_twice():
    facts = [Fact(str(i), NOW + i / 7, receipt=LATE) for i in range(100)]
    notes = learn(facts, every(1.0))
    assert sum(one.kind is FAILED for one in notes.lessons) == 100
    assert sum(one.kind is RECOVERED for one in notes.lessons) == 100


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FACTS, st.lists(st.floats(1, 30), min_size=1, max_size=5), st.floats(0.5, 3))
def test_learners_that_look_at_other_times_come_to_the_same(facts, pauses, step):
    looks, at = [], NOW
    while at < NOW + 1000:
        at += pauses[len(looks) % len(pauses)]
        looks.append(at)
    end = NOW + 1100
    found = [learn(facts, [*when, end]) for when in (looks, every(step, NOW + 1000), [])]
    assert kinds(found[0]) == kinds(found[1]) == kinds(found[2])
    for channel in Channel:
        for country, prefix in {(f.place[0] or "", f.place[1] or "") for f in facts}:
            one, *others = (
                n.outlook(Place(country, prefix), end).of(channel, "main") for n in found
            )
            for other in others:
                assert other == pytest.approx(one, abs=0.03, rel=0.03)


def test_a_receipt_of_before_its_send_took_no_time():
    (told,) = learn([Fact(receipt=-3.0)], [END]).lessons
    assert (told.kind, told.seconds) == (ARRIVED, 0.0)
