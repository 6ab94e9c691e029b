"""What every store promises of one-time codes: each try is counted, each code works once."""

import pytest

from otp_messaging_agent.message import Status, VerificationStatus
from otp_messaging_agent.stores.base import Checked, Issued, KeyReused, Replay

from .store_parts import CODE, NOW, NUMBER, Guess, attempt, keep, message, once, order, together

APPROVED = Checked(
    verified=True, status=VerificationStatus.APPROVED, reason=None, attempts_remaining=4
)


def wrong(left):
    status = VerificationStatus.PENDING if left else VerificationStatus.MAX_ATTEMPTS_REACHED
    return Checked(verified=False, status=status, reason="wrong_code", attempts_remaining=left)


def over(status, reason):
    return Checked(verified=False, status=status, reason=reason, attempts_remaining=0)


UNKNOWN = over(None, "not_found")
USED = over(VerificationStatus.APPROVED, "not_found")
SPENT = over(VerificationStatus.MAX_ATTEMPTS_REACHED, "max_attempts_reached")
LATE = over(VerificationStatus.EXPIRED, "expired")


@pytest.fixture
def guess(store):
    return Guess(store)


@pytest.fixture
def sent_code(store):
    """Return the order of a code that is pending."""
    code = order()
    keep(store, code)
    return code


def test_a_new_code_is_pending_and_its_message_carries_it(store):
    code = order(max_attempts=3)
    (issued,) = keep(store, code)
    assert isinstance(issued, Issued)
    assert issued.message_id == code.message.id
    v = issued.verification
    assert (v.id, v.channel_kind, v.purpose) == (code.verification_id, "phone_number", "login")
    assert (v.status, v.created_at, v.expires_at) == (VerificationStatus.PENDING, NOW, NOW + 300)
    assert (v.attempts, v.max_attempts, v.sends, v.approved_at) == (0, 3, 1, None)
    assert store.verification(v.id, NOW) == v
    assert store.verification("ver_none", NOW) is None
    work = store.load(code.message.id)
    assert (work.code, work.purpose) == (CODE, "login")
    assert (work.message.verification_id, work.message.expires_at) == (v.id, NOW + 300)
    assert work.message.content is None


def test_the_right_code_is_approved_once(store, guess, sent_code):
    assert guess(CODE, sent_code.verification_id) == APPROVED
    assert guess(CODE, sent_code.verification_id) == USED
    assert guess.compared == 1
    v = store.verification(sent_code.verification_id, NOW + 1)
    assert (v.status, v.approved_at, v.attempts) == (VerificationStatus.APPROVED, NOW + 1, 1)


def test_a_code_is_found_by_recipient_and_purpose_the_newest_first(store, guess, sent_code):
    keep(store, order(purpose="payment", code="1111"))
    keep(store, order(number="+447700900999", code="2222"))
    assert guess("9999", recipient="+447700900888") == UNKNOWN
    assert guess("9999", purpose="signup") == UNKNOWN
    assert guess("9999", "ver_none") == UNKNOWN
    assert guess.compared == 0
    assert guess(CODE) == APPROVED
    assert guess(CODE) == USED
    keep(store, order(code="3333"))
    assert guess(CODE) == wrong(4)
    assert guess("3333").verified
    assert guess("1111", purpose="payment").verified


def test_the_right_code_on_the_last_try_is_approved(guess, sent_code):
    assert [guess("0000") for _ in range(4)] == [wrong(4), wrong(3), wrong(2), wrong(1)]
    assert guess(CODE) == Checked(
        verified=True, status=VerificationStatus.APPROVED, reason=None, attempts_remaining=0
    )
    assert guess.compared == 5


def test_after_the_last_wrong_try_nothing_is_compared_any_more(store, guess, sent_code):
    assert [guess("0000") for _ in range(5)] == [wrong(n) for n in (4, 3, 2, 1, 0)]
    assert [guess(CODE), guess("0000")] == [SPENT] * 2
    assert guess.compared == 5
    assert store.load(sent_code.message.id).code is None


@pytest.mark.parametrize("right", [64, 1, 0])
def test_of_sixty_four_checks_at_once_no_try_is_free(store, guess, sent_code, right):
    codes = [CODE] * right + ["0000"] * (64 - right)
    results = together([lambda c=c: guess(c) for c in codes])
    approved = sum(r.verified for r in results)
    tried = store.verification(sent_code.verification_id, NOW + 2).attempts
    assert guess.compared == tried <= 5
    if right == 64:
        assert (approved, tried) == (1, 1)
    elif right == 1:
        assert approved <= 1
        assert approved or tried == 5
    else:
        assert (approved, tried) == (0, 5)
        left = sorted(r.attempts_remaining for r in results if r.reason == "wrong_code")
        assert left == [0, 1, 2, 3, 4]
        assert results.count(SPENT) == 59


def test_two_processes_count_the_same_tries(place):
    one, two = place.store(), place.store()
    keep(one, order())
    guesses = [Guess(one), Guess(two)]
    results = together([lambda g=g: g("0000") for g in guesses * 16])
    assert sum(g.compared for g in guesses) == 5
    assert results.count(SPENT) == 27


def test_a_code_is_worth_nothing_from_its_expiry_on(store, guess, sent_code):
    id_ = sent_code.verification_id
    assert guess("0000", at=NOW + 299.999) == wrong(4)
    assert store.verification(id_, NOW + 299.999).status is VerificationStatus.PENDING
    assert store.verification(id_, NOW + 300).status is VerificationStatus.EXPIRED
    assert guess(CODE, at=NOW + 300) == LATE
    assert guess(CODE, at=NOW + 1) == LATE
    assert guess.compared == 1
    ended, _ = store.message(sent_code.message.id)
    assert (ended.status, ended.due_at) == (Status.EXPIRED, None)
    assert store.load(sent_code.message.id).code is None


def test_a_resend_is_the_same_code_with_the_same_expiry_and_tries(store, guess, sent_code):
    guess("0000")
    again = order(at=NOW + 100, code="5555", max_attempts=9)
    (issued,) = keep(store, again, at=NOW + 100)
    v = issued.verification
    assert (v.id, v.expires_at) == (sent_code.verification_id, NOW + 300)
    assert (v.attempts, v.max_attempts, v.sends) == (1, 5, 2)
    assert store.verification(again.verification_id, NOW) is None
    work = store.load(again.message.id)
    assert (work.code, work.message.expires_at) == (CODE, NOW + 300)
    assert work.message.verification_id == v.id
    assert guess("5555") == wrong(3)
    assert guess(CODE).verified


def test_another_purpose_or_recipient_has_its_own_code(store, sent_code):
    for other in (order(purpose="payment"), order(number="+447700900999")):
        keep(store, other)
        assert store.verification(other.verification_id, NOW).sends == 1
    assert store.verification(sent_code.verification_id, NOW).sends == 1


def test_after_its_end_a_new_code_is_issued(store, guess, sent_code):
    def next_code(at):
        code = order(at=at)
        (issued,) = keep(store, code, at=at)
        assert issued.verification.id == code.verification_id
        return code

    second = next_code(NOW + 300)  # expired
    assert store.message(sent_code.message.id)[0].status is Status.EXPIRED
    assert guess(CODE, at=NOW + 301).verified
    next_code(NOW + 302)  # approved
    for _ in range(5):
        guess("0000", at=NOW + 303)
    third = next_code(NOW + 304)  # tries used up
    store.cancel_verification(third.verification_id, NOW + 305)
    next_code(NOW + 306)  # canceled
    assert store.verification(second.verification_id, NOW).approved_at == NOW + 301


def test_of_sixteen_requests_at_once_one_begins_and_the_rest_send_it_again(store):
    orders = [order(code=f"{i:04}") for i in range(16)]
    results = together([lambda o=o: keep(store, o)[0] for o in orders])
    assert len({r.verification.id for r in results}) == 1
    assert sorted(r.verification.sends for r in results) == list(range(1, 17))
    assert len({store.load(o.message.id).code for o in orders}) == 1


def test_what_still_waits_to_be_sent_of_an_ended_code_is_not_sent(store, guess, sent_code):
    again, going = order(), order()
    keep(store, again, going)
    assert store.begin(attempt(going.message), 0, NOW + 40)
    assert guess(CODE).verified
    states = [store.message(o.message.id)[0].status for o in (sent_code, again, going)]
    assert states == [Status.CANCELED, Status.CANCELED, Status.SENDING]
    assert store.load(going.message.id).code is None
    assert store.tickets(again.message.rank, 10, NOW + 1) == []


def test_a_pending_code_can_be_canceled(store, guess, sent_code):
    id_ = sent_code.verification_id
    assert store.cancel_verification(id_, NOW + 1, once()) is VerificationStatus.CANCELED
    assert store.cancel_verification(id_, NOW + 2, once()) == Replay("canceled")
    assert store.cancel_verification(id_, NOW + 2, once(body=b"other")) == KeyReused()
    assert store.cancel_verification(id_, NOW + 2) is VerificationStatus.CANCELED
    assert store.cancel_verification("ver_none", NOW) is None
    assert guess(CODE) == over(VerificationStatus.CANCELED, "not_found")
    assert guess.compared == 0
    assert store.message(sent_code.message.id)[0].status is Status.CANCELED


def test_an_ended_code_stays_as_it_ended(store, guess, sent_code):
    guess(CODE)
    id_ = sent_code.verification_id
    assert store.cancel_verification(id_, NOW + 2) is VerificationStatus.APPROVED
    late = order(at=NOW, number="+447700900999")
    keep(store, late)
    assert store.cancel_verification(late.verification_id, NOW + 300) is VerificationStatus.EXPIRED


def test_a_repeated_check_is_one_try_with_one_answer(store, guess, sent_code):
    first = guess("0000", once=once())
    assert first == wrong(4)
    again = guess("0000", once=once())
    assert again == Replay(
        {
            "verified": False,
            "status": "pending",
            "reason": "wrong_code",
            "attempts_remaining": 4,
        }
    )
    assert guess("1111", once=once(body=b"other")) == KeyReused()
    assert guess.compared == 1
    assert store.verification(sent_code.verification_id, NOW).attempts == 1


def test_a_code_for_an_e_mail_address_belongs_to_it(store, guess):
    code = order(number=None, email="ada@example.com")
    keep(store, code)
    assert store.verification(code.verification_id, NOW).channel_kind == "email"
    assert guess(CODE, recipient=NUMBER) == UNKNOWN
    assert guess(CODE, recipient="ada@example.com").verified


def test_other_messages_carry_no_code(store):
    row = message()
    keep(store, row)
    assert (store.load(row.id).code, store.load(row.id).purpose) == (None, "")
    assert store.load("msg_none") is None
