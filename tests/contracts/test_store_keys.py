"""What every store promises of idempotency keys: the first request counts, whoever repeats it."""

from otp_messaging_agent.message import Status
from otp_messaging_agent.stores.base import Issued, KeyReused, Limited, Limits, Replay

from .store_parts import DAY, NOW, keep, message, once, order, together


def test_the_first_request_with_a_key_is_carried_out_and_the_rest_get_its_answer(store):
    first, second = message(), message()
    assert store.answered(once()) is None
    assert keep(store, first, once=once(), respond=lambda r: {"id": r[0].id}) == [first]
    again = keep(store, second, once=once(at=NOW + 5), respond=lambda r: {"id": r[0].id})
    assert again == store.answered(once()) == Replay({"id": first.id})
    assert store.load(second.id) is None


def test_a_key_with_another_body_is_refused(store):
    keep(store, message(), once=once(), respond=len)
    other = message()
    assert keep(store, other, once=once(body=b"other"), respond=len) == KeyReused()
    assert store.answered(once(body=b"other")) == KeyReused()
    assert store.load(other.id) is None


def test_of_sixteen_requests_with_one_key_at_once_one_is_carried_out(store):
    rows = [message() for _ in range(16)]

    def post(row):
        return keep(store, row, once=once(), respond=lambda r: {"id": r[0].id})

    results = together([lambda row=row: post(row) for row in rows])
    carried = [r for r in results if isinstance(r, list)]
    kept = [row for row in rows if store.load(row.id)]
    assert len(carried) == len(kept) == 1
    assert carried == [kept]
    assert results.count(Replay({"id": kept[0].id})) == 15


def test_two_processes_share_the_keys(place):
    one, two = place.store(), place.store()
    keep(one, message(), once=once(), respond=lambda _: "first")
    assert keep(two, message(), once=once(), respond=len) == Replay("first")


def test_a_request_that_was_refused_whole_may_come_again(store):
    limits = Limits(sends=((600.0, 1),), wrong_per_day=20)
    keep(store, order(limits=limits))
    second = order(limits=limits)
    (refused,) = keep(store, second, batch_id="bat_1", once=once(), respond=len)
    assert refused == Limited(NOW + 600)
    assert store.answered(once()) is None
    assert store.batch("bat_1") is None
    later = order(limits=limits, at=NOW + 600)
    (issued,) = keep(store, later, at=NOW + 600, once=once(), respond=len)
    assert isinstance(issued, Issued)


def test_keys_are_forgotten_by_age(store):
    keep(store, message(), once=once("old", at=NOW), respond=len)
    keep(store, message(), once=once("new", at=NOW + 10), respond=len)
    assert store.forget_keys(NOW + 10) == 1
    assert store.answered(once("old")) is None
    assert store.answered(once("new")) == Replay(1)


def test_limit_counts_are_forgotten_by_age(store):
    limits = Limits(sends=((DAY, 1),), wrong_per_day=20)
    keep(store, order(limits=limits))
    assert store.forget_keys(NOW + 1) == 1
    assert isinstance(keep(store, order(limits=limits, at=NOW + 1), at=NOW + 1)[0], Issued)


def test_canceling_is_remembered_by_its_key(store):
    one, two = message(), message()
    keep(store, one, two)
    assert store.cancel_message("msg_none", NOW, once("gone")) is None
    assert store.cancel_message(one.id, NOW, once()) is Status.CANCELED
    assert store.cancel_message(one.id, NOW, once()) == Replay("canceled")
    assert store.cancel_message(two.id, NOW, once(body=b"two")) == KeyReused()
    assert store.message(two.id)[0].status is Status.ACCEPTED
