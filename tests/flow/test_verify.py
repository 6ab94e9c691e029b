"""The way back: a code somebody typed is counted first, then compared, and answered once."""

import pytest

from otp_messaging_agent.errors import Conflict, IdempotencyConflict, NotFound, RateLimited
from otp_messaging_agent.message import Channel
from otp_messaging_agent.request import CheckRequest
from otp_messaging_agent.stores.base import Once

from .scripted import PHONE, START, Scripted

DAY = 86_400


@pytest.fixture
def on(stage):
    return stage({(Channel.SMS, "main"): Scripted()})


def once(key="k", body=b"b"):
    return Once(key, body * 32, START)


def issue(on, **fields):
    """Send a code; return its verification and the code."""
    made = on.take_otp(**fields)
    on.finish(made.message_id)
    return made.verification_id, on.providers[Channel.SMS, "main"].outs[-1].code


def check(on, code, key=None, **who):
    asked = CheckRequest(code=code, **(who or {"phone_number": PHONE}))
    found = on.verifier.check(asked, key)
    return found.verified, found.reason, found.attempts_remaining


def wrong(code):
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_the_right_code_is_right_once(on):
    _, code = issue(on)
    assert check(on, code) == (True, None, 4)
    assert check(on, code) == (False, "not_found", 0)


def test_an_answer_says_where_the_verification_stands(on):
    def status(code):
        found = on.verifier.check(CheckRequest(phone_number=PHONE, code=code), None)
        return found.status and found.status.value

    assert status("123456") is None
    _, code = issue(on)
    assert [status(wrong(code)), status(code), status(code)] == ["pending", "approved", "approved"]


def test_a_code_is_for_its_recipient_and_purpose(on):
    _, code = issue(on, purpose="pay")
    assert check(on, code) == (False, "not_found", 0)
    assert check(on, code, phone_number="+447700900002", purpose="pay")[1] == "not_found"
    assert check(on, code, phone_number="+44 (0)7700 900001", purpose="pay")[0] is True


def test_a_verification_can_be_checked_by_its_id(on):
    verification_id, code = issue(on)
    assert check(on, code, verification_id=verification_id) == (True, None, 4)
    assert check(on, code, verification_id="ver_nobody") == (False, "not_found", 0)


def test_the_last_try_may_be_right(on):
    _, code = issue(on)
    left = [check(on, wrong(code)) for _ in range(4)]
    assert left == [(False, "wrong_code", n) for n in (4, 3, 2, 1)]
    assert check(on, code) == (True, None, 0)


def test_after_the_last_try_not_even_the_right_code_is_taken(on):
    _, code = issue(on)
    for _ in range(5):
        last = check(on, wrong(code))
    assert last == (False, "wrong_code", 0)
    assert check(on, code) == (False, "max_attempts_reached", 0)


def test_a_resend_does_not_give_new_tries(on):
    first, code = issue(on)
    check(on, wrong(code))
    second, same = issue(on)
    assert (second, same) == (first, code)
    assert check(on, wrong(code)) == (False, "wrong_code", 3)
    assert on.take_otp().attempts_remaining == 3


def test_a_code_past_its_time_is_wrong(on):
    _, code = issue(on, ttl_seconds=60)
    on.clock.at += 60
    assert check(on, code) == (False, "expired", 0)


def test_a_day_has_twenty_wrong_tries_whatever_the_purpose(on):
    kept, code = issue(on, purpose="kept", ttl_seconds=600)
    for purpose in ("a", "b", "c", "d"):
        _, other = issue(on, purpose=purpose)
        for _ in range(5):
            check(on, wrong(other), phone_number=PHONE, purpose=purpose)
        on.clock.at += 10
    with pytest.raises(RateLimited) as caught:
        check(on, code, verification_id=kept)
    assert caught.value.retry_after == DAY - 40
    with pytest.raises(RateLimited):
        on.take_otp(purpose="new")
    assert check(on, code, phone_number="+447700900002")[1] == "not_found"


def test_a_repeated_check_under_its_key_is_not_another_try(on):
    _, code = issue(on)
    first = check(on, wrong(code), once())
    assert check(on, wrong(code), once()) == first == (False, "wrong_code", 4)
    assert check(on, wrong(code)) == (False, "wrong_code", 3)
    with pytest.raises(IdempotencyConflict):
        check(on, code, once(body=b"c"))


def test_a_pending_verification_can_be_called_off(on):
    verification_id, code = issue(on)
    on.verifier.cancel(verification_id, None)
    on.verifier.cancel(verification_id, None)
    assert check(on, code) == (False, "not_found", 0)


def test_one_that_ended_otherwise_can_not(on):
    verification_id, code = issue(on)
    assert check(on, code)[0] is True
    with pytest.raises(Conflict, match="approved"):
        on.verifier.cancel(verification_id, None)
    with pytest.raises(NotFound):
        on.verifier.cancel("ver_nobody", None)


def test_calling_off_twice_under_a_key_is_once(on):
    verification_id, _ = issue(on)
    on.verifier.cancel(verification_id, once())
    on.verifier.cancel(verification_id, once())
    with pytest.raises(IdempotencyConflict):
        on.verifier.cancel(verification_id, once(body=b"c"))
