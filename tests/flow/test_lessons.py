"""What the store knows of the past, told in order and whole however much it is."""

import pytest

from otp_messaging_agent.flow import learn
from otp_messaging_agent.flow.learn import WINDOW, Learner
from otp_messaging_agent.flow.learned import Learned
from otp_messaging_agent.flow.lesson import Kind
from otp_messaging_agent.message import Status
from otp_messaging_agent.stores.base import Tried

from .routes import MEDIA, NOW, PRIORS, SMS


def tried(number, at, *, receipt=None):
    """Return a try that failed at *at*, or one whose receipt came then."""
    return Tried(
        attempt_id=f"try_{number}",
        channel=SMS,
        provider="main",
        country="GB",
        prefix="+4477",
        started_at=at - 1,
        finished_at=at,
        error_code=None if receipt else "provider_unavailable",
        permanent=None if receipt else False,
        scope=None if receipt else "provider",
        receipt_status=receipt,
        receipt_at=at if receipt else None,
        waits=False,
    )


class Kept:
    """Tries as a store keeps them; `asked` are the windows that were looked at."""

    def __init__(self, failed=(), received=()):
        self.failed, self.received, self.asked = failed, received, []

    def failures(self, since, until, limit):
        self.asked.append((since, until))
        return [t for t in self.failed if since < t.finished_at <= until][-limit:]

    def receipts(self, since, until, limit):
        return [t for t in self.received if since < t.receipt_at <= until][-limit:]

    def silences(self, channel, patience, since, until, limit):
        return []

    def codes(self, since, until, limit):
        return []


def lessons(kept, since=NOW, until=NOW + 3 * WINDOW):
    def clock():
        return NOW

    return Learner(kept, Learned(PRIORS), MEDIA, clock).lessons(since, until)


def test_the_past_is_told_in_the_order_in_which_it_became_known():
    kept = Kept(
        failed=[tried(i, NOW + 1000 * i) for i in (1, 3, 5)],
        received=[tried(i, NOW + 1000 * i, receipt=Status.DELIVERED) for i in (2, 4, 6)],
    )
    told = list(lessons(kept))
    assert [attempt for attempt, _ in told] == [f"try_{i}" for i in range(1, 7)]
    assert [one.kind for _, one in told] == [Kind.FAILED, Kind.ARRIVED] * 3
    assert [one.at for _, one in told] == [NOW + 1000 * i for i in range(1, 7)]


def test_the_store_is_asked_as_far_as_it_is_told():
    kept = Kept(failed=[tried(i, NOW + WINDOW * i) for i in (1, 3)])
    coming = lessons(kept)
    assert next(coming)[0] == "try_1"
    assert kept.asked == [(NOW, NOW + WINDOW)]
    assert [attempt for attempt, _ in coming] == ["try_3"]
    assert kept.asked[-1] == (NOW + 2 * WINDOW, NOW + 3 * WINDOW)


def test_what_lies_outside_is_not_told():
    kept = Kept(failed=[tried(1, NOW), tried(2, NOW + 0.5), tried(3, NOW + 10), tried(4, NOW + 11)])
    assert [attempt for attempt, _ in lessons(kept, NOW, NOW + 10)] == ["try_2", "try_3"]
    assert not list(lessons(kept, NOW, NOW))


@pytest.mark.parametrize("count", [4, 5, 40])
def test_none_is_lost_where_more_happened_than_one_look_takes_in(monkeypatch, count):
    monkeypatch.setattr(learn, "MOST", 5)
    kept = Kept(failed=[tried(i, NOW + 1 + 20 * i) for i in range(count)])
    told = [attempt for attempt, _ in lessons(kept)]
    assert told == [f"try_{i}" for i in range(count)]


def test_a_moment_with_too_much_of_it_is_passed_with_the_newest(monkeypatch):
    monkeypatch.setattr(learn, "MOST", 5)
    kept = Kept(failed=[tried(i, NOW + 0.25) for i in range(9)])
    assert [attempt for attempt, _ in lessons(kept)] == [f"try_{i}" for i in range(4, 9)]
