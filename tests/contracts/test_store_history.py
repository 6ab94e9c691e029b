"""What every store promises of its history: the messages that were tried, page by page."""

import pytest

from otp_messaging_agent.message import Channel, Status
from otp_messaging_agent.stores.base import Verdict

from .store_parts import NOW, attempt, keep, message
from .tries import answered, coded, failed, receipt, taken

ALWAYS = (NOW - 10_000, NOW + 10_000)


def pages(store, limit, since=ALWAYS[0], until=ALWAYS[1]):
    """Return the history as pages of ids."""
    found, after = [], None
    for _ in range(10):
        page = store.history(since, until, after, limit)
        if not page:
            return found
        after = page[-1][0].id
        found.append([m.id for m, _ in page])
    pytest.fail("the pages do not end")


@pytest.fixture
def filled(store):
    """Return a store with five messages that were tried and two that were not."""
    keep(store, message("msg_0"), message("msg_9"))
    for number in (3, 1, 5, 2, 4):
        taken(store, message(f"msg_{number}", created_at=NOW + number))
    return store


def test_every_message_that_was_tried_comes_once_the_oldest_first(filled):
    oldest_first = [f"msg_{n}" for n in (1, 2, 3, 4, 5)]
    for size in (1, 2, 3, 5, 100):
        cut = [oldest_first[i : i + size] for i in range(0, 5, size)]
        assert pages(filled, size) == cut


def test_it_was_created_since_and_before_until(filled):
    assert pages(filled, 9, NOW + 2, NOW + 4) == [["msg_2", "msg_3"]]
    assert pages(filled, 1, NOW + 2, NOW + 4) == [["msg_2"], ["msg_3"]]
    assert pages(filled, 9, NOW + 6, NOW + 9) == []


def test_a_page_begins_after_the_id_that_the_last_ended_with(filled):
    (first, _), (second, _) = filled.history(*ALWAYS, "msg_2", 2)
    assert (first.id, second.id) == ("msg_3", "msg_4")
    assert filled.history(*ALWAYS, "msg_5", 2) == []


def test_each_comes_whole_with_its_tries_in_order(store):
    row = message("msg_0", email="ada@example.com", metadata={"shelf": "3"})
    first = failed(store, row, country="GB", prefix="+4477")
    version = store.message(row.id)[0].version
    assert store.settle(Verdict(row.id, version, Status.QUEUED, NOW, due_at=NOW))
    second = answered(store, Status.DELIVERED, NOW + 9, row=row, number=2, channel=Channel.EMAIL)
    other = taken(store, coded(store))
    assert store.receive(receipt(other, Status.UNDELIVERED, NOW + 5))
    found = store.history(*ALWAYS, None, 9)
    assert [(m, list(tries)) for m, tries in found] == [
        store.message(row.id),
        store.message(other.message_id),
    ]
    (whole, tries), (code, _) = found
    assert (whole.email, whole.content, whole.metadata) == (row.email, row.content, row.metadata)
    assert [a.id for a in tries] == [first.id, second.id]
    assert code.content is None


def test_a_try_still_under_way_is_a_try(store):
    row = message()
    keep(store, row)
    assert store.begin(attempt(row), 0, NOW + 40)
    assert [len(tries) for _, tries in store.history(*ALWAYS, None, 9)] == [1]


def test_after_a_restart_and_in_other_processes_it_is_the_same(filled, place):
    told = filled.history(*ALWAYS, None, 9)
    assert place.store().history(*ALWAYS, None, 9) == told
    place.leave()
    assert place.store().history(*ALWAYS, None, 9) == told
