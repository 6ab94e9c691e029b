"""One word says what a person wishes, and an opt-out bars what it says and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otp_messaging_agent.message import Channel, MessageType
from otp_messaging_agent.safety.consent import Wish, bars, wish_of

STOP = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"]
WORDS = [
    *((word, Wish.STOP) for word in STOP),
    *((word, Wish.START) for word in ["START", "YES", "UNSTOP"]),
    *((word, Wish.HELP) for word in ["HELP", "INFO"]),
]
STOP_TYPES = frozenset(MessageType) - {MessageType.OTP}
SMS, EMAIL = Channel.SMS, Channel.EMAIL
OTP, ALERT, MARKETING = MessageType.OTP, MessageType.ALERT, MessageType.MARKETING


@pytest.mark.parametrize(("word", "wish"), WORDS)
def test_a_word_in_any_case_with_space_around_it(word, wish):
    for text in (word, word.lower(), word.title(), f" \t{word}\r\n", f"\u00a0{word}\u3000"):
        assert wish_of(text) is wish


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "please stop",
        "STOP!",
        "stop it",
        "S T O P",
        "stop\nstop",
        "nonstop",
        "sto",
        "stops",
        "yes please",
        "no",
        "123456",
        "\u0405TOP",  # begins with a Cyrillic letter
    ],
)
def test_anything_else_is_no_wish(text):
    assert wish_of(text) is None


@given(st.text())
def test_whatever_somebody_writes_it_is_a_wish_only_as_one_of_the_words(text):
    wish = wish_of(text)
    assert wish is dict(WORDS).get(text.strip().casefold().upper())


@pytest.mark.parametrize("type_", MessageType)
@pytest.mark.parametrize("channel", Channel)
def test_who_opted_out_of_nothing_gets_everything(channel, type_):
    assert not bars([], channel, type_, STOP_TYPES)


@pytest.mark.parametrize("type_", MessageType)
@pytest.mark.parametrize("channel", Channel)
def test_a_stop_on_one_channel_bars_the_stop_types_there_alone(channel, type_):
    expected = channel is SMS and type_ is not OTP
    assert bars([(SMS, None)], channel, type_, STOP_TYPES) is expected


@pytest.mark.parametrize("type_", MessageType)
@pytest.mark.parametrize("channel", Channel)
def test_an_opt_out_of_one_kind_bars_it_on_every_channel(channel, type_):
    assert bars([(None, MARKETING)], channel, type_, STOP_TYPES) is (type_ is MARKETING)


def test_an_opt_out_of_all_bars_the_stop_types_everywhere():
    assert all(bars([(None, None)], c, t, STOP_TYPES) for c in Channel for t in STOP_TYPES)
    assert not any(bars([(None, None)], c, OTP, STOP_TYPES) for c in Channel)


def test_codes_are_barred_only_where_somebody_says_so():
    assert bars([(SMS, OTP)], SMS, OTP, STOP_TYPES)
    assert not bars([(SMS, OTP)], EMAIL, OTP, STOP_TYPES)
    assert bars([(SMS, None)], SMS, OTP, frozenset(MessageType))


def test_what_is_named_is_barred_even_where_stop_would_not_end_it():
    assert bars([(EMAIL, ALERT)], EMAIL, ALERT, frozenset())
    assert not bars([(EMAIL, None)], EMAIL, ALERT, frozenset())


def test_of_several_opt_outs_one_is_enough_but_they_do_not_mix():
    blocked = [(EMAIL, ALERT), (SMS, MARKETING)]
    assert bars(blocked, SMS, MARKETING, STOP_TYPES)
    assert bars(blocked, EMAIL, ALERT, STOP_TYPES)
    assert not bars(blocked, SMS, ALERT, STOP_TYPES)
    assert not bars(blocked, EMAIL, MARKETING, STOP_TYPES)
