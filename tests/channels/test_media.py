"""What each medium carries, to which address, and in what order they stand in for each other."""

import pytest

from otp_messaging_agent import config, plugins
from otp_messaging_agent.message import Channel, Message, MessageType, Priority, Status

MEDIA = {c: plugins.load("channels", c.value.lower()).MEDIUM for c in Channel}
CHANNELS = pytest.mark.parametrize("channel", Channel)
ADDRESSES = {"phone_number": "+447700900001", "email": "ada@example.com"}


def message(**fields):
    return Message(
        id="msg_1",
        type=MessageType.NOTIFICATION,
        priority=Priority.MEDIUM,
        status=Status.ACCEPTED,
        created_at=0.0,
        due_at=0.0,
        **{"content": "hello", **fields},
    )


def test_there_is_a_medium_for_every_channel():
    assert {name.casefold() for name in plugins.names("channels")} == {
        c.value.casefold() for c in Channel
    }


def test_a_failing_channel_falls_back_as_the_guide_says():
    by_order = sorted(Channel, key=lambda c: MEDIA[c].order)
    assert [c.value for c in by_order] == ["SMS", "WhatsApp", "Call", "Email"]


@CHANNELS
def test_a_channel_needs_its_own_address(channel):
    medium = MEDIA[channel]
    other = "email" if medium.address == "phone_number" else "phone_number"
    assert medium.unusable(message(**ADDRESSES)) is None
    assert medium.unusable(message(**{medium.address: ADDRESSES[medium.address]})) is None
    assert medium.unusable(message(**{other: ADDRESSES[other]})) == f"no {medium.address}"


@CHANNELS
def test_only_mail_goes_to_a_mailbox(channel):
    expected = ADDRESSES["email" if channel is Channel.EMAIL else "phone_number"]
    assert MEDIA[channel].recipient(message(**ADDRESSES)) == expected


@CHANNELS
def test_a_text_longer_than_the_medium_takes_is_refused_with_the_bound(channel):
    medium = MEDIA[channel]
    fits = message(**ADDRESSES, content="x" * medium.max_length)
    over = message(**ADDRESSES, content="x" * (medium.max_length + 1))
    assert medium.unusable(fits) is None
    assert medium.unusable(over) == f"content over {medium.max_length} characters"


@CHANNELS
def test_a_code_has_no_text_yet_and_still_fits(channel):
    assert MEDIA[channel].unusable(message(**ADDRESSES, content=None)) is None


def test_no_medium_takes_more_than_its_vendors_do():
    bounds = {c.value: MEDIA[c].max_length for c in Channel}
    assert bounds == {"SMS": 1600, "WhatsApp": 1600, "Call": 1000, "Email": 10_000}


@CHANNELS
def test_what_is_expected_of_a_medium_makes_sense(channel):
    medium = MEDIA[channel]
    assert 0.5 < medium.reliability <= 1
    assert 0 < medium.cost < 1
    assert 60 <= medium.receipt_within <= 86_400
    assert 0 < medium.latency < medium.patience <= medium.receipt_within
    assert 0 < medium.seen <= 1
    assert 0 <= medium.noticed < medium.patience


@CHANNELS
def test_a_silence_counts_before_it_sends_a_message_another_way(channel):
    """So that the next message knows of it by then."""
    medium = MEDIA[channel]
    assert medium.patience <= (medium.fallback_after or medium.receipt_within)


def test_what_a_receipt_of_mail_says_is_less_than_what_one_of_a_phone_says():
    assert {c for c in Channel if MEDIA[c].seen < 1 or MEDIA[c].noticed} == {Channel.EMAIL}


def test_what_is_not_answered_or_not_delivered_is_free_of_calls_and_whatsapp():
    free = {c for c in Channel if MEDIA[c].billed_on_arrival}
    assert free == {Channel.CALL, Channel.WHATSAPP}


def test_mail_is_the_cheapest_and_a_call_the_dearest():
    costs = {c: MEDIA[c].cost for c in Channel}
    assert min(costs, key=costs.get) is Channel.EMAIL
    assert max(costs, key=costs.get) is Channel.CALL


@CHANNELS
def test_the_shipped_config_costs_what_the_medium_costs(channel):
    assert config.DEFAULT["channels"][channel.value]["cost_per_message"] == MEDIA[channel].cost
