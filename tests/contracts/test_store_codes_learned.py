"""What every store promises of codes to learn from: the one try that each counts for."""

import pytest

from otp_messaging_agent.message import Outcome, Status
from otp_messaging_agent.stores.base import Verdict

from .store_parts import NOW, Guess, keep, order
from .tries import (
    ALWAYS,
    TTL,
    approved,
    canceled,
    coded,
    failed,
    guessed_at,
    ids,
    receipt,
    taken,
)


def test_a_code_counts_for_one_try(store):
    one, other = coded(store), coded(store)
    a, b = (taken(store, o, at=NOW + 2) for o in (one, other))
    approved(store, a, NOW + 9)
    typed, over = store.codes(*ALWAYS)
    assert (typed.attempt_id, typed.approved_at, typed.code_at) == (a.id, NOW + 9, NOW + 9)
    assert (over.attempt_id, over.approved_at, over.code_at) == (b.id, None, NOW + TTL)


def test_a_code_whose_time_was_over_counts_whether_anybody_looked_or_not(store):
    o = coded(store)
    taken(store, o)
    before = store.codes(*ALWAYS)
    assert [t.code_at for t in before] == [NOW + TTL]
    assert Guess(store)("0000", o.verification_id, at=NOW + 999).reason == "expired"
    assert store.codes(*ALWAYS) == before


def test_a_code_that_is_pending_is_not_over(store):
    taken(store, coded(store))
    assert store.codes(NOW, NOW + TTL - 0.001, 100) == []
    assert len(store.codes(NOW, NOW + TTL, 100)) == 1


@pytest.mark.parametrize("ends", [canceled, guessed_at], ids=["canceled", "guessed-at"])
def test_a_code_that_had_no_chance_says_nothing(store, ends):
    o = coded(store)
    taken(store, o)
    ends(store, o)
    assert store.codes(*ALWAYS) == []


def test_a_code_that_was_never_sent_says_nothing_and_takes_no_place(store):
    a = taken(store, coded(store), at=NOW + 1)
    for outcome in (Outcome.FAILED, Outcome.AMBIGUOUS):
        failed(store, coded(store).message, outcome=outcome)
    coded(store, at=NOW + 3)
    late = coded(store, at=NOW + 4)
    taken(store, late, at=NOW + 4 + TTL)  # not before its time was over
    keep(store, order(at=NOW + 5, purpose="untried"))
    assert ids(store.codes(*ALWAYS)) == [a.id]
    assert ids(store.codes(*ALWAYS[:2], 1)) == [a.id]


CHOICES = {
    "the last": ([("sent", 1, None), ("sent", 2, None)], 2),
    "the last that was sent": ([("sent", 1, None), ("failed", 2, None)], 1),
    "the last before it was typed in": ([("sent", 1, None), ("sent", 30, None)], 1),
    "none sent as it was typed in": ([("sent", 1, None), ("sent", 20, None)], 1),
    "not one undelivered": ([("sent", 1, None), ("sent", 2, ("undelivered", 5))], 1),
    "even of one unknown": ([("sent", 1, ("unknown", 5)), ("sent", 2, ("undelivered", 5))], 1),
    "that was undelivered later": ([("sent", 1, None), ("sent", 2, ("undelivered", 21))], 2),
    "undelivered as it was typed in": ([("sent", 1, None), ("sent", 2, ("undelivered", 20))], 2),
    "one that arrived is no better": ([("sent", 1, ("delivered", 3)), ("sent", 2, None)], 2),
    "one undelivered if none else": (
        [("sent", 1, ("undelivered", 4)), ("sent", 2, ("undelivered", 5))],
        2,
    ),
    "one undelivered if the other failed": (
        [("sent", 1, ("undelivered", 4)), ("failed", 2, None)],
        1,
    ),
}


@pytest.mark.parametrize("resent", [False, True], ids=["one-message", "resends"])
@pytest.mark.parametrize("choice", CHOICES)
def test_a_code_counts_for_the_last_try_that_can_have_brought_it(store, choice, resent):
    tries, best = CHOICES[choice]
    o = coded(store)
    coded(store)  # another's
    made = {}
    row, number = o.message, 1
    for outcome, second, told in tries:
        if made and resent:
            row = coded(store, resend=o).message
        elif made:
            number += 1
            version = store.message(row.id)[0].version
            assert store.settle(Verdict(row.id, version, Status.QUEUED, NOW, due_at=NOW))
        make = taken if outcome == "sent" else failed
        made[second] = (make(store, row, number=number, at=NOW + second), told)
    for a, told in made.values():
        if told:
            assert store.receive(receipt(a, Status(told[0]), NOW + told[1]))
    approved(store, made[1][0], NOW + 20)
    assert ids(store.codes(*ALWAYS)) == [made[best][0].id]
