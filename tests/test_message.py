"""The words of the agent: read in any case, written one way, and put in their order."""

import dataclasses

import pytest

from otp_messaging_agent.message import (
    DEFAULT_PRIORITY,
    RANKS,
    URGENT,
    WAITING,
    Channel,
    Message,
    MessageType,
    Outcome,
    Priority,
    Status,
    Ticket,
    VerificationStatus,
    rank_of,
)

WRITTEN = {
    Priority: "CRITICAL HIGH MEDIUM LOW",
    Channel: "SMS WhatsApp Call Email",
    MessageType: "otp notification alert reminder marketing",
    Status: "accepted scheduled queued sending sent delivered read undelivered failed expired"
    " canceled suppressed unknown",
    VerificationStatus: "pending approved canceled expired max_attempts_reached blocked failed",
    Outcome: "sent failed ambiguous",
}


def message(**fields):
    given = {
        "id": "msg_1",
        "type": MessageType.ALERT,
        "priority": Priority.HIGH,
        "status": Status.ACCEPTED,
        "created_at": 0.0,
        "due_at": 0.0,
    }
    return Message(**{**given, **fields})


@pytest.mark.parametrize("words", WRITTEN)
def test_the_words_are_those_that_users_know(words):
    known = WRITTEN[words].split()
    assert {w.value for w in words} == set(known)
    assert len(words) == len(known)


@pytest.mark.parametrize("words", [Priority, Channel, MessageType])
def test_words_are_read_in_any_case_and_written_in_one(words):
    for word in words:
        for spelling in (word.value, word.lower(), word.upper(), word.title(), word.swapcase()):
            assert words(spelling) is word
        assert str(word) == f"{word}" == word.value


@pytest.mark.parametrize("words", [Priority, Channel, MessageType])
@pytest.mark.parametrize("wrong", ["", " ", "URGENT", "S M S", "sms ", None, 1, b"SMS"])
def test_other_words_are_refused(words, wrong):
    with pytest.raises(ValueError, match="is not a valid"):
        words(wrong)


def test_lanes_go_by_priority_with_codes_first_within_each():
    ranks = [
        rank_of(priority, type_)
        for priority in (Priority.CRITICAL, Priority.HIGH, Priority.MEDIUM, Priority.LOW)
        for type_ in (MessageType.OTP, MessageType.MARKETING)
    ]
    assert ranks == [0, 1, 2, 3, 4, 5, 6, 7] == list(RANKS)


def test_only_codes_go_before_the_rest_of_their_lane():
    rest = set(MessageType) - {MessageType.OTP}
    assert {rank_of(Priority.LOW, t) for t in rest} == {7}


def test_codes_and_what_is_critical_or_high_is_urgent():
    assert set(URGENT) == {0, 1, 2, 3, 4, 6}


def test_a_message_knows_its_rank():
    assert message().rank == 3
    assert message(type=MessageType.OTP).rank == 2
    assert message(priority=Priority.CRITICAL).rank == 1


def test_every_type_has_its_default_priority():
    assert {t.value: p.value for t, p in DEFAULT_PRIORITY.items()} == {
        "otp": "HIGH",
        "alert": "HIGH",
        "notification": "MEDIUM",
        "reminder": "MEDIUM",
        "marketing": "LOW",
    }


def test_what_still_waits_can_be_told():
    assert {s.value for s in WAITING} == {"accepted", "scheduled", "queued"}


def test_a_message_cannot_be_changed_behind_anyones_back():
    with pytest.raises(dataclasses.FrozenInstanceError):
        message().status = Status.SENT


def test_a_new_message_has_cost_nothing_yet():
    fresh = message()
    assert (fresh.cost, fresh.tries, fresh.version) == (0, 0, 0)
    assert fresh.metadata == {}
    assert fresh.metadata is not message().metadata


def test_tickets_sort_by_lane_then_by_due_time_then_by_id():
    tickets = [
        Ticket(3, 1.0, "a"),
        Ticket(1, 9.0, "b"),
        Ticket(1, 2.0, "d"),
        Ticket(1, 2.0, "c"),
    ]
    assert [t.message_id for t in sorted(tickets)] == ["c", "d", "b", "a"]
