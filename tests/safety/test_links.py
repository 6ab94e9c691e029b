"""A link names who opts out of what, reads the same for everybody, and nobody else can make one."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otp_messaging_agent.message import Channel, Message, MessageType, Priority, Status
from otp_messaging_agent.safety.encryption import Keyring
from otp_messaging_agent.safety.links import Links

BASE = "https://otp.example.com/agent"
KEYS = Keyring(Keyring.generate(), source="here")
LINKS = Links(KEYS, BASE)
INVITES = [MessageType.NOTIFICATION, MessageType.REMINDER, MessageType.MARKETING]


def message(type_=MessageType.MARKETING, email="ada@example.com"):
    return Message(
        "msg_1", type_, Priority.LOW, Status.ACCEPTED, 0.0, 0.0, "+447700900123", email, "hello"
    )


def token_of(link):
    (token,) = parse_qs(urlsplit(link).query)["token"]
    return token


def token(**fields):
    return token_of(LINKS.unsubscribe(message(**fields), Channel.EMAIL))


@pytest.mark.parametrize("type_", INVITES)
def test_a_link_leads_here_and_says_who_and_what(type_):
    link = LINKS.unsubscribe(message(type_), Channel.EMAIL)
    assert link.startswith(f"{BASE}/unsubscribe?token=")
    assert LINKS.read(token_of(link)) == ("ada@example.com", type_)


@pytest.mark.parametrize("length", range(1, 64))
def test_an_address_of_any_length_reads_back(length):
    address = "a" * length + "@example.com"
    assert LINKS.read(token(email=address)) == (address, MessageType.MARKETING)


@given(st.emails() | st.builds("ü{}@bücher.example".format, st.text("ab@\n", max_size=250)))
def test_any_address_reads_back(address):
    made = token(email=address)
    assert LINKS.read(made) == (address, MessageType.MARKETING)
    assert not set(made) & set("=+/ ")


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.WHATSAPP, Channel.CALL])
def test_only_an_email_carries_one(channel):
    assert LINKS.unsubscribe(message(), channel) is None


@pytest.mark.parametrize("type_", [MessageType.OTP, MessageType.ALERT])
def test_what_a_person_needs_invites_nobody_to_end_it(type_):
    assert LINKS.unsubscribe(message(type_), Channel.EMAIL) is None


def test_without_an_address_of_ours_there_is_none():
    assert Links(KEYS, None).unsubscribe(message(), Channel.EMAIL) is None


def test_a_link_shows_nothing_and_no_two_are_alike():
    made = {token() for _ in range(20)}
    assert len(made) == 20
    for one in made:
        sealed = base64.urlsafe_b64decode(one + "=" * (-len(one) % 4))
        assert b"ada" not in sealed
        assert b"marketing" not in sealed


def test_a_link_of_another_installation_is_not_one_of_ours():
    other = Links(Keyring(Keyring.generate(), source="there"), BASE)
    with pytest.raises(ValueError, match="not one of ours"):
        other.read(token())


def test_what_was_sealed_for_another_use_is_no_link():
    sealed = KEYS.encrypt("marketing\nada@example.com", table="messages", column="email", row="")
    with pytest.raises(ValueError, match="not one of ours"):
        LINKS.read(base64.urlsafe_b64encode(sealed).decode().rstrip("="))


def test_a_kind_of_message_that_there_is_none_of_is_no_link():
    sealed = KEYS.encrypt("spam\na@example.com", table="link", column="unsubscribe", row="")
    with pytest.raises(ValueError, match="not one of ours"):
        LINKS.read(base64.urlsafe_b64encode(sealed).decode().rstrip("="))


def test_a_link_changed_anywhere_or_cut_short_is_refused():
    good = token()
    changed = [good[:i] + ("A" if c != "A" else "B") + good[i + 1 :] for i, c in enumerate(good)]
    # the last sign holds bits that say nothing: what it decodes to must differ to be refused
    changed = [c for c in changed if _sealed(c) != _sealed(good)]
    assert len(changed) >= len(good) - 1
    for bad in [*changed, *(good[:i] for i in range(len(good)))]:
        with pytest.raises(ValueError, match="not one of ours"):
            LINKS.read(bad)


def _sealed(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@given(st.text(max_size=80) | st.text("AZaz09-_=", max_size=1200))
def test_any_other_text_is_refused_in_one_way(text):
    with pytest.raises(ValueError, match="not one of ours"):
        LINKS.read(text)


def test_a_text_without_end_is_not_read_to_its_end():
    with pytest.raises(ValueError, match="not one of ours"):
        LINKS.read("A" * 10_000_000)
