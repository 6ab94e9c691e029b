"""SMTP against a mail server that can go wrong at every step: each becomes the right verdict."""

import dataclasses
import re
import select
import socket
import ssl
import threading
import time
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from otp_messaging_agent.errors import Forged, LookupUnsupported, Scope, SendError
from otp_messaging_agent.message import Channel, MessageType, Status
from otp_messaging_agent.providers import smtp
from otp_messaging_agent.providers.base import Callback, Context, Outgoing, Sent
from otp_messaging_agent.safety import connection, mail
from tests.simulators.smtp import FROM, PASSWORD, USER, MailServer, Reply, certificate, settings
from tests.until import until

TO = "ada@example.com"
TEXT = "Your code is 123456.\nIt expires in 10 minutes."
LIMIT = 0.5
GENEROUS = LIMIT + 2  # what is tested would otherwise last 5 s or more
NOW = 1_790_000_000.25
LONG = "250-" + "x" * 300 + "\r\n250 OK"


@pytest.fixture(scope="module")
def shared():
    with MailServer() as sim:
        yield sim


@pytest.fixture
def sim(shared):
    yield shared
    shared.forget()


def make(sim, **given):
    context = Context("smtp", None, lambda: NOW, time.sleep)
    return smtp.make(settings(sim, **given), context)


@pytest.fixture
def provider(sim):
    provider = make(sim)
    yield provider
    provider.close()


def out(**given):
    usual = Outgoing("msg_1.1", "msg_1", Channel.EMAIL, MessageType.OTP, TO, TEXT, "Your code")
    return dataclasses.replace(usual, **given)


def refusal(provider, message=None, timeout=5.0):
    begun = time.monotonic()
    with pytest.raises(SendError) as caught:
        provider.send(message or out(), timeout=timeout)
    assert time.monotonic() - begun < timeout + 2
    return caught.value


def verbs(sim):
    """Return what was asked; a QUIT of an earlier test may still come in."""
    return [verb for verb, _ in sim.asked if verb != "QUIT"]


# ------------------------------------------------------------------------------ what is sent


def test_a_message_is_taken_whole(sim, provider):
    sent = provider.send(out(), timeout=5)
    (taken,) = sim.taken
    assert sent == Sent("<msg_1.1@sender.example>", Status.SENT)
    assert (taken.sender, taken.to, taken.user, taken.encrypted) == (FROM, [TO], USER, True)
    message = taken.message
    assert dict(message) == {
        "From": FROM,
        "To": TO,
        "Subject": "Your code",
        "Date": "Mon, 21 Sep 2026 14:13:20 +0000",
        "Message-ID": sent.provider_message_id,
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": message["Content-Type"],
    }
    assert message["Date"].datetime == datetime.fromtimestamp(int(NOW), UTC)
    assert message.get_content_type() == "multipart/alternative"
    plain, html = message.iter_parts()  # the better one comes last
    assert plain.get_content().splitlines() == TEXT.splitlines()
    assert html.get_content_type() == "text/html"
    assert "Your code is 123456.<br>" in html.get_content()


def test_names_and_reply_to_stand_in_the_header_and_the_bare_address_on_the_envelope(sim):
    provider = make(
        sim, from_address="Ärzte, Inc. <Otp@Sender.Example>", reply_to="Help <h@a.example>"
    )
    provider.send(out(), timeout=5)
    (taken,) = sim.taken
    (sender,) = taken.message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Ärzte, Inc.", "Otp@sender.example")
    assert taken.sender == "Otp@sender.example"
    assert taken.message["Reply-To"] == "Help <h@a.example>"
    assert taken.raw.isascii()


@pytest.mark.parametrize(
    "subject",
    ["Ihr Code: äöü € 你好 😀 " + "ß" * 100, "=?utf-8?q?x=0ABcc=3A_e=40e.example?=", "x" * 190],
)
def test_a_subject_arrives_as_it_was(sim, provider, subject):
    provider.send(out(subject=subject), timeout=5)
    assert sim.taken[0].message["Subject"] == subject
    assert max(map(len, sim.taken[0].raw.split(b"\r\n"))) <= 998


def test_a_line_break_adds_no_header_and_no_recipient(sim, provider):
    evil = "Hi\r\nBcc: eve@example.com\r\n\r\nbody\u2028x\0"
    provider.send(out(subject=evil, content="a\r\n.\r\nRCPT TO:<eve@example.com>"), timeout=5)
    (taken,) = sim.taken
    assert taken.message["Subject"] == "Hi Bcc: eve@example.com body x"
    assert taken.message["Bcc"] is None
    assert taken.to == [TO]
    plain = taken.message.get_body(("plain",)).get_content()
    assert plain.splitlines() == ["a", ".", "RCPT TO:<eve@example.com>"]


def test_without_a_subject_it_says_what_it_is(sim, provider):
    provider.send(out(subject=None, type=MessageType.REMINDER), timeout=5)
    provider.send(out(subject=" \n", type=MessageType.ALERT), timeout=5)
    assert [t.message["Subject"] for t in sim.taken] == ["Reminder", "Alert"]


def test_marketing_is_not_called_automatic(sim, provider):
    provider.send(out(type=MessageType.MARKETING), timeout=5)
    assert sim.taken[0].message["Auto-Submitted"] is None


def test_one_click_ends_the_subscription(sim, provider):
    url = "https://a.example/unsubscribe?t=eyJhbGciOi.J9-_~&x=%C3%A4," + "y" * 300
    provider.send(out(unsubscribe=url), timeout=5)
    raw = sim.taken[0].raw.decode()
    # as in the example of RFC 8058, 8.1
    assert f"\r\nList-Unsubscribe: <{url}>\r\n" in raw
    assert "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw


def test_without_https_it_takes_more_than_one_click(sim, provider):
    provider.send(out(unsubscribe="http://127.0.0.1:5000/unsubscribe?t=1"), timeout=5)
    message = sim.taken[0].message
    assert message["List-Unsubscribe"] == "<http://127.0.0.1:5000/unsubscribe?t=1>"
    assert message["List-Unsubscribe-Post"] is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://a.example/",
        "mailto:a@b.example",
        "https://ä.example/",
        "https://a.example/>,<x:y>",
    ]
    + [f"https://a.example/{end}" for end in ("\r\nBcc: e@e.example", "\n", " x", "\0", "\x7f")],
)
def test_what_is_no_url_to_unsubscribe_is_not_sent(sim, provider, url):
    refused = refusal(provider, out(unsubscribe=url))
    assert (refused.permanent, refused.scope) == (True, Scope.MESSAGE)
    assert not verbs(sim)


def test_what_is_too_late_is_not_sent(sim, provider):
    late = refusal(provider, out(validity=0.9))
    assert (late.code, late.permanent, late.scope) == ("expired", True, Scope.MESSAGE)
    assert not sim.connections


@pytest.mark.parametrize("to", ["", "ada", "a@b.example>\r\nRCPT TO:<c@d.example", "a b@c.example"])
def test_what_is_no_address_is_not_sent(sim, provider, to):
    refused = refusal(provider, out(to=to))
    assert (refused.code, refused.permanent, refused.scope) == (
        "invalid_address",
        True,
        Scope.CHANNEL,
    )
    assert not sim.connections


def test_the_id_names_the_attempt_whatever_it_is_made_of(sim, provider):
    sent = provider.send(out(attempt_id="a b>\r\nX: y"), timeout=5)
    assert sent.provider_message_id == "<a%20b%3E%0D%0AX%3A%20y@sender.example>"
    assert sim.taken[0].message["Message-ID"] == sent.provider_message_id


def test_an_address_that_is_not_ascii_goes_where_it_is_understood(sim, provider):
    provider.send(out(to="dörte@bücher.example"), timeout=5)
    (taken,) = sim.taken
    assert taken.to == ["dörte@xn--bcher-kva.example"]
    assert "SMTPUTF8" in taken.options
    assert "\r\nTo: dörte@xn--bcher-kva.example\r\n" in taken.raw.decode()
    provider.send(out(to="ada@bücher.example"), timeout=5)  # such a domain has a form in ASCII
    assert "SMTPUTF8" not in sim.taken[1].options


def test_an_address_that_is_not_ascii_is_refused_where_it_is_not():
    with MailServer(without=("SMTPUTF8",)) as sim:
        provider = make(sim)
        refused = refusal(provider, out(to="dörte@example.com"))
        assert (refused.code, refused.permanent) == ("address_not_supported", True)
        assert refused.scope is Scope.CHANNEL
        assert "MAIL" not in verbs(sim)
        provider.send(out(), timeout=5)
        assert (len(sim.taken), sim.connections) == (1, 1)
        assert refusal(make(sim, reply_to="ö@example.com")).code == "address_not_supported"


# ------------------------------------------------------------------------------ how it connects


@pytest.mark.parametrize(
    ("security", "login"), [("starttls", False), ("tls", True), ("tls", False), ("none", True)]
)
def test_it_is_as_secure_as_the_settings_say(security, login):
    with MailServer(security, login=login) as sim:
        provider = make(sim)
        provider.send(out(), timeout=5)
        provider.send(out(), timeout=5)
        assert {t.encrypted for t in sim.taken} == {security != "none"}
        assert {t.user for t in sim.taken} == {USER if login else None}
        assert (len(sim.taken), sim.connections) == (2, 1)
        provider.close()


def test_a_host_can_be_a_name_and_has_to_be_the_one_of_the_certificate():
    with MailServer("tls", host="localhost") as sim:
        make(sim, host="localhost").send(out(), timeout=5)
        assert refusal(make(sim, host="127.0.0.1")).code == "tls_failed"
        assert len(sim.taken) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("trusted", [None, "other.example"])
def test_a_server_nobody_vouches_for_gets_no_password(security, trusted):
    with MailServer(security) as sim:
        refused = refusal(make(sim, ca_file=trusted and certificate(trusted).file))
        assert (refused.code, refused.permanent) == ("tls_failed", True)
        assert (refused.scope, refused.ambiguous) == (Scope.ACCOUNT, False)
        assert "AUTH" not in verbs(sim)


def test_without_starttls_nothing_is_sent_in_clear():
    with MailServer(without=("STARTTLS",)) as sim:
        refused = refusal(make(sim))
        assert (refused.code, refused.permanent) == ("tls_failed", True)
        assert (refused.scope, refused.ambiguous) == (Scope.ACCOUNT, False)
        assert verbs(sim) == ["EHLO"]


@pytest.mark.parametrize(
    ("reply", "permanent"), [("454 4.7.0 Not now", False), ("501 5.5.4 No", True)]
)
def test_a_refused_starttls_ends_it(sim, provider, reply, permanent):
    sim.script(STARTTLS=reply)
    assert refusal(provider).permanent is permanent
    assert verbs(sim) == ["EHLO", "STARTTLS"]


def test_what_is_said_before_the_encryption_is_not_believed():
    with MailServer(injected="\r\n250-evil.example\r\n250 AUTH XYZ") as sim:
        make(sim).send(out(), timeout=5)
        assert [t.user for t in sim.taken] == [USER]


def test_a_server_that_wants_no_tls_is_not_talked_to_in_clear():
    with MailServer("none") as sim:
        assert refusal(make(sim, security="tls"), timeout=2).code == "unreachable"
        assert not sim.taken


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_it_logs_in_as_the_server_offers(mechanism):
    with MailServer(mechanisms=(mechanism,)) as sim:
        make(sim).send(out(), timeout=5)
        assert [t.user for t in sim.taken] == [USER]
        assert [arg.split()[0] for verb, arg in sim.asked if verb == "AUTH"] == [mechanism]
        assert refusal(make(sim, password="wrong")).code == "auth_failed"


@pytest.mark.parametrize("offered", ["250 HELP", "250 AUTH CRAM-MD5 XOAUTH2"])
def test_a_server_that_takes_no_password_gets_none(offered):
    with MailServer("tls") as sim:
        sim.script(EHLO=f"250-mail.example\r\n{offered}")
        refused = refusal(make(sim))
        assert (refused.code, refused.permanent) == ("misconfigured", True)
        assert refused.scope is Scope.ACCOUNT
        assert verbs(sim) == ["EHLO"]


def test_the_wrong_password_is_the_accounts_fault(sim):
    refused = refusal(make(sim, password="wrong"))
    assert (refused.code, refused.permanent, refused.scope) == ("auth_failed", True, Scope.ACCOUNT)
    assert refused.detail == "AUTH 535 5.7.8"


def test_a_server_that_wants_a_login_and_gets_none_says_so(sim):
    refused = refusal(make(sim, username=None, password=None))
    assert (refused.code, refused.scope) == ("auth_failed", Scope.ACCOUNT)


def test_a_server_that_is_not_there_took_nothing():
    with MailServer() as gone:
        provider = make(gone)
    lost = refusal(provider)
    assert (lost.code, lost.permanent, lost.ambiguous) == ("unreachable", False, False)


# ------------------------------------------------------------------------------ what is answered

STEPS = ["HELLO", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA"]


@pytest.mark.parametrize("verb", STEPS)
@pytest.mark.parametrize(
    "reply",
    [
        Reply(wait=30),
        Reply(LONG, drip=0.02),
        Reply(cut=True),
        Reply("25", cut=True),
        Reply("250-and", cut=True),
        Reply("<html>"),
        Reply(""),
        Reply("250 " + "x" * 4000),
        Reply("250-more\r\n" * 200 + "250 OK"),
        Reply("\xff\xfe"),
        Reply("99 OK"),
        Reply("٢٥٠ OK".encode().decode("latin-1")),
    ],
    ids=lambda r: repr(r)[:40],
)
def test_what_goes_wrong_before_the_end_of_the_letter_sent_nothing(sim, provider, verb, reply):
    sim.script(**{verb: reply})
    lost = refusal(provider, timeout=LIMIT)
    assert (lost.ambiguous, lost.permanent) == (False, False)
    late = reply.wait or reply.drip
    if verb in {"MAIL", "RCPT", "DATA"}:
        cut = "connection_cut" if reply.cut else "garbled_answer"
        assert lost.code == ("timeout" if late else cut)
    else:
        assert lost.code == "unreachable"
    assert not sim.taken


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(wait=30), "timeout"),
        (Reply(LONG, drip=0.02), "timeout"),
        (Reply(cut=True), "connection_cut"),
        (Reply("250 Taken", cut=True), "connection_cut"),
        (Reply("250-Taken\r\n", cut=True), "connection_cut"),
        (Reply("<html>"), "garbled_answer"),
        (Reply(""), "garbled_answer"),
        (Reply("354 Go on"), "garbled_answer"),
        (Reply("250 " + "x" * 4000), "garbled_answer"),
        (Reply("250-more\r\n" * 200 + "250 OK"), "garbled_answer"),
    ],
    ids=lambda r: repr(r)[:40],
)
@pytest.mark.parametrize("taken", [True, False])
def test_what_goes_wrong_after_the_end_of_the_letter_leaves_it_open(
    sim, provider, reply, code, taken
):
    sim.script(DOT=dataclasses.replace(reply, taken=taken))
    begun = time.monotonic()
    lost = refusal(provider, timeout=LIMIT)
    assert time.monotonic() - begun < GENEROUS
    assert (lost.code, lost.ambiguous, lost.permanent) == (code, True, False)
    assert len(sim.taken) == taken
    assert verbs(sim).count("MAIL") == 1  # it is not sent again by itself
    provider.send(out(), timeout=5)
    assert sim.connections == 2  # and nobody listens to the rest of that answer


RECIPIENT = [
    ("550 5.1.1 Unknown user", "invalid_address", Scope.CHANNEL),
    ("550 5.1.2 No such domain", "invalid_address", Scope.CHANNEL),
    ("553 5.1.3 Bad syntax", "invalid_address", Scope.CHANNEL),
    ("556 5.1.10 Null MX", "invalid_address", Scope.CHANNEL),
    ("556 No mail there", "invalid_address", Scope.CHANNEL),
    ("550-5.1.1 Unknown\r\n550 5.1.1 user", "invalid_address", Scope.CHANNEL),
    ("550 5.2.1 Disabled", "mailbox_unavailable", Scope.CHANNEL),
    ("550 5.4.1 Access denied", "mailbox_unavailable", Scope.CHANNEL),
    ("552 5.2.2 Over quota", "mailbox_full", Scope.CHANNEL),
    ("550 5.6.7 Not ASCII", "address_not_supported", Scope.CHANNEL),
    ("554 5.7.1 Relay access denied", "blocked", Scope.PROVIDER),
    ("550 5.7.1 Policy", "blocked", Scope.PROVIDER),
    ("550 5.7.999 Policy", "blocked", Scope.PROVIDER),
    ("530 5.7.0 Log in first", "auth_failed", Scope.ACCOUNT),
    ("530 Log in first", "auth_failed", Scope.ACCOUNT),
    ("550 5.7.60 May not send as this sender", "misconfigured", Scope.ACCOUNT),
    ("550 5.1.8 Sender's domain does not exist", "misconfigured", Scope.ACCOUNT),
    ("550 5.4.5 Daily limit", "quota_exceeded", Scope.ACCOUNT),
    ("550 5.3.0 Trouble", "rejected", Scope.PROVIDER),
    ("503 5.5.1 Bad sequence", "rejected", Scope.PROVIDER),
    ("555 What?", "rejected", Scope.PROVIDER),
    ("550 Unknown user", "rejected", Scope.CHANNEL),
    ("550 4.7.28 Confused", "rejected", Scope.CHANNEL),
    ("554 5.0.0 No", "rejected", Scope.CHANNEL),
    ("550 5.1.1.1 No code of that kind", "rejected", Scope.CHANNEL),
    ("599", "rejected", Scope.CHANNEL),
]


@pytest.mark.parametrize(("reply", "code", "scope"), RECIPIENT)
@pytest.mark.parametrize("verb", ["RCPT", "DATA", "DOT"])
def test_a_refusal_is_permanent_and_no_open_question(sim, provider, verb, reply, code, scope):
    sim.script(**{verb: reply})
    refused = refusal(provider)
    assert (refused.code, refused.permanent, refused.scope) == (code, True, scope)
    assert not refused.ambiguous
    assert not sim.taken
    provider.send(out(), timeout=5)
    assert (len(sim.taken), sim.connections) == (1, 1)  # the connection is still good


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("550 5.6.0 Message refused", "content_refused"),
        ("552 5.3.4 Too big", "content_too_long"),
        ("552 Too big", "content_too_long"),
        ("554 Looks like spam", "rejected"),
    ],
)
def test_a_letter_that_is_not_liked_may_go_by_another_channel(sim, provider, reply, code):
    sim.script(DOT=reply)
    refused = refusal(provider)
    assert (refused.code, refused.permanent, refused.scope) == (code, True, Scope.CHANNEL)


@pytest.mark.parametrize(
    ("verb", "reply", "code", "scope"),
    [
        ("HELLO", "554 No mail here", "misconfigured", Scope.ACCOUNT),
        ("EHLO", "550 5.7.1 Blocked", "misconfigured", Scope.ACCOUNT),
        ("EHLO", "502 What?", "misconfigured", Scope.ACCOUNT),
        ("AUTH", "534 5.7.9 Application password needed", "auth_failed", Scope.ACCOUNT),
        ("AUTH", "500 5.5.2 Too long", "auth_failed", Scope.ACCOUNT),
        ("MAIL", "550 5.1.1 Sender unknown", "misconfigured", Scope.ACCOUNT),
        ("MAIL", "553 5.7.1 Not your address", "misconfigured", Scope.ACCOUNT),
        ("MAIL", "530 5.7.0 Log in first", "auth_failed", Scope.ACCOUNT),
        ("MAIL", "552 5.3.4 Too big", "content_too_long", Scope.CHANNEL),
    ],
)
def test_what_is_refused_before_the_recipient_is_named_is_not_the_recipients_fault(
    sim, provider, verb, reply, code, scope
):
    sim.script(**{verb: reply})
    refused = refusal(provider)
    assert (refused.code, refused.permanent, refused.scope) == (code, True, scope)
    assert not refused.ambiguous


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("421 4.7.0 Too many connections", "rate_limited"),
        ("421 4.4.5 Too many concurrent sessions", "rate_limited"),
        ("450 4.7.1 Error: too much mail from 127.0.0.1", "rate_limited"),
        ("450 4.7.28 Mail flood", "rate_limited"),
        ("421 4.7.28 Mail flood", "rate_limited"),
        ("454 Throttling failure: Maximum sending rate exceeded", "rate_limited"),
        ("451 4.7.0 Rate limit", "rate_limited"),
        ("451 4.3.0 Local trouble", "provider_error"),
        ("452 4.3.1 Disk full", "provider_error"),
        ("421 Going down", "provider_error"),
        ("450 5.4.5 Confused", "provider_error"),
    ],
)
@pytest.mark.parametrize("verb", [*STEPS, "DOT"])
def test_what_is_refused_for_now_may_be_tried_again(sim, provider, verb, reply, code):
    sim.script(**{verb: reply})
    refused = refusal(provider)
    assert (refused.code, refused.permanent, refused.ambiguous) == (code, False, False)
    assert refused.scope is Scope.PROVIDER
    assert not sim.taken
    provider.send(out(), timeout=5)
    same = verb in {"MAIL", "RCPT", "DATA", "DOT"} and not reply.startswith("421")
    assert sim.connections == (1 if same else 2)
    assert len(sim.taken) == 1


@pytest.mark.parametrize(
    "reply", ["452 4.2.1 Getting too many just now", "450 4.2.0 Greylisted", "452 4.2.2 Full"]
)
@pytest.mark.parametrize("verb", [*STEPS, "DOT"])
def test_what_one_mailbox_refuses_for_now_says_nothing_of_the_server(sim, provider, verb, reply):
    sim.script(**{verb: reply})
    refused = refusal(provider)
    named = verb in {"RCPT", "DATA", "DOT"}
    assert refused.code == ("mailbox_unavailable" if named else "provider_error")
    assert refused.scope is (Scope.CHANNEL if named else Scope.PROVIDER)
    assert not refused.permanent
    provider.send(out(), timeout=5)
    assert len(sim.taken) == 1


def test_each_code_stands_in_the_table_once():
    codes = " ".join(row[3] for row in smtp._TABLE).split()
    assert len(codes) == len(set(codes)) == len(smtp.VERDICTS)


def test_no_error_tells_the_text_the_address_or_the_password(sim):
    for verb in [*STEPS, "DOT"]:
        for reply in (f"550 5.1.1 <{TO}>", f"451 {TEXT[:19]}", f"{TO}", Reply(TO, cut=True)):
            sim.script(**{verb: reply})
            e = refusal(make(sim))
            told = f"{e!r} {e} {e.detail} {e.args} {e.__cause__}"
            for secret in (TO, "ada", "123456", PASSWORD, USER, FROM):
                assert secret not in told


@pytest.mark.parametrize("security", ["none", "tls"])
@pytest.mark.parametrize("sip", [60, 0.05])
def test_a_server_that_hardly_reads_holds_nobody(security, sip):
    with MailServer(security) as sim:
        sim.script(DATA=Reply("354 Go on", sip=sip))
        session = make(sim)._open(time.monotonic() + 5)
        begun = time.monotonic()
        session.sock.deadline = begun + LIMIT
        with pytest.raises(TimeoutError):
            session.carry(mail.Letter(FROM, TO, b"x" * 30_000_000))
        assert time.monotonic() - begun < GENEROUS
        assert not session.written
        session.close()


def test_a_handshake_lasts_no_longer_than_what_is_left(sim, provider):
    sim.script(STARTTLS=Reply("220 Go on", wait=1.4, sip=60))
    begun = time.monotonic()
    assert refusal(provider, timeout=1.6).code == "unreachable"
    assert time.monotonic() - begun < 2.4  # 3.0, were it as long as the wait before it


# ------------------------------------------------------------------------------ connections


def hung_up(provider):
    """Wait until the end of what rests has arrived, without touching it."""
    resting = [session.sock for session in provider._resting]
    assert resting
    for sock in resting:
        assert select.select([sock], [], [], 5)[0]


def test_connections_are_kept(sim, provider):
    for _ in range(5):
        provider.send(out(), timeout=5)
    assert (sim.connections, len(sim.taken)) == (1, 5)
    assert verbs(sim).count("AUTH") == 1


@pytest.mark.parametrize("goodbye", [b"", b"421 4.4.2 Idle for too long\r\n"])
def test_a_connection_that_was_closed_at_rest_is_replaced(sim, provider, goodbye):
    provider.send(out(), timeout=5)
    sim.hang_up(goodbye)
    hung_up(provider)
    provider.send(out(attempt_id="msg_2.1"), timeout=5)
    assert sim.connections == 2
    ids = [t.message["Message-ID"] for t in sim.taken]
    assert ids == ["<msg_1.1@sender.example>", "<msg_2.1@sender.example>"]
    assert verbs(sim).count("MAIL") == 2  # nothing was tried on the dead one


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    "reply", [Reply(cut=True), Reply("421 4.4.2 Bye", cut=True), Reply("421 4.4.2 Bye"), Reply("?")]
)
def test_a_connection_that_turns_out_dead_is_replaced_and_nothing_is_doubled(
    sim, provider, verb, reply
):
    provider.send(out(), timeout=5)
    sim.script(**{verb: reply})
    provider.send(out(attempt_id="msg_2.1"), timeout=5)
    assert (sim.connections, len(sim.taken)) == (2, 2)


def test_once_the_letter_is_written_not_even_a_kept_connection_is_replaced(sim, provider):
    provider.send(out(), timeout=5)
    sim.script(DOT=Reply(cut=True, taken=True))
    assert refusal(provider).ambiguous
    assert (sim.connections, len(sim.taken)) == (1, 2)


def test_a_dead_connection_is_replaced_once_and_within_the_same_deadline(sim, provider):
    provider.send(out(), timeout=5)
    sim.script(MAIL=Reply(cut=True), HELLO=Reply(wait=30))
    lost = refusal(provider, timeout=LIMIT)
    assert (lost.code, lost.ambiguous) == ("unreachable", False)
    assert sim.connections == 2


def test_a_kept_connection_that_is_silent_takes_no_more_than_its_time(sim, provider):
    provider.send(out(), timeout=5)
    sim.script(MAIL=Reply(wait=30))
    lost = refusal(provider, timeout=LIMIT)
    assert (lost.code, lost.ambiguous) == ("timeout", False)


def test_half_a_letter_is_forgotten_before_the_next(sim, provider):
    sim.script(RCPT="550 5.1.1 Unknown")
    refusal(provider)
    provider.send(out(to="bob@example.com"), timeout=5)
    assert verbs(sim)[-5:] == ["RCPT", "RSET", "MAIL", "RCPT", "DATA"]
    assert [t.to for t in sim.taken] == [["bob@example.com"]]
    provider.send(out(), timeout=5)
    assert verbs(sim).count("RSET") == 1


@pytest.mark.parametrize("reply", ["500 What?", "450 Later", Reply(cut=True)])
def test_a_connection_that_does_not_forget_is_replaced(sim, provider, reply):
    sim.script(RCPT="550 5.1.1 Unknown", RSET=reply)
    refusal(provider)
    provider.send(out(), timeout=5)
    assert (sim.connections, len(sim.taken)) == (2, 1)


def test_a_connection_that_rested_long_is_left(sim, provider, monkeypatch):
    provider.send(out(), timeout=5)
    monkeypatch.setattr(connection, "IDLE_FOR", 0.0)
    provider.send(out(), timeout=5)
    assert sim.connections == 2
    assert list(provider.poll(0.0)) == []
    assert not provider._resting


def test_a_connection_that_may_still_be_used_rests_on(sim, provider):
    provider.send(out(), timeout=5)
    assert list(provider.poll(0.0)) == []
    provider.send(out(), timeout=5)
    assert sim.connections == 1


def test_many_threads_send_each_letter_once_and_leave_few_connections(sim, provider):
    threads = [
        threading.Thread(
            target=provider.send, args=(out(attempt_id=f"m{i}"),), kwargs={"timeout": 20}
        )
        for i in range(smtp.POOL + 8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({t.message["Message-ID"] for t in sim.taken}) == len(sim.taken) == smtp.POOL + 8
    assert 1 <= len(provider._resting) <= smtp.POOL


def test_leaving_is_polite():
    with MailServer() as sim:
        provider = make(sim)
        provider.send(out(), timeout=5)
        provider.close()
        assert not provider._resting
        until(lambda: sim.asked[-1] == ("QUIT", None))


def test_a_connection_in_use_at_the_end_is_not_kept(sim, provider):
    provider._closed = True
    provider.send(out(), timeout=5)
    assert not provider._resting


# ------------------------------------------------------------------------------ the rest


def test_nothing_can_be_asked_and_nothing_is_heard(provider):
    assert provider.receipts is False
    with pytest.raises(LookupUnsupported):
        provider.lookup(out(), since=NOW, timeout=1)
    with pytest.raises(Forged):
        provider.hear(Callback("POST", "https://a.example", (), {}, b"{}", NOW))


GOOD = {"host": "mail.example", "from_address": FROM}
LOGIN = {"username": USER, "password": PASSWORD}


@pytest.mark.parametrize(
    ("given", "port"),
    [({}, 587), ({"security": "tls"}, 465), ({"security": "none"}, 25), ({"port": 2525}, 2525)],
)
def test_each_security_has_its_port_and_making_connects_to_nothing(given, port, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", None)
    made = smtp.make(smtp.Settings(**GOOD | given), Context("smtp", None, time.time, time.sleep))
    assert (made._server.port, made._server.security) == (port, given.get("security", "starttls"))
    assert made._server.tls.verify_mode is ssl.CERT_REQUIRED
    assert made._server.tls.check_hostname


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        ({"host": ""}, "host"),
        ({"host": "mail.example\r\n"}, "host"),
        ({"host": "user@mail.example"}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"security": "opportunistic"}, "security"),
        ({"security": None}, "security"),
        ({"username": USER}, ""),
        ({"password": PASSWORD}, ""),
        (LOGIN | {"security": "none"}, ""),
        (LOGIN | {"security": "none", "host": "10.0.0.1"}, ""),
        ({"password": ""}, "password"),
        ({"from_address": "nobody"}, "from_address"),
        ({"from_address": "A\r\nBcc: e@e.example <a@b.example>"}, "from_address"),
        ({"reply_to": "nobody"}, "reply_to"),
        ({"ca_file": "/nowhere.pem"}, "ca_file"),
        ({"ca_file": __file__}, "ca_file"),
        ({"base_url": "https://a.example"}, "base_url"),
    ],
    ids=lambda v: repr(v)[:60],
)
def test_settings_name_their_faults_and_never_a_secret(change, loc):
    with pytest.raises(ValidationError) as caught:
        smtp.Settings(**GOOD | change)
    assert ".".join(map(str, caught.value.errors()[0]["loc"])) == loc
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "::1"])
def test_a_password_may_go_to_this_machine_in_clear(host):
    assert smtp.Settings(**GOOD | LOGIN | {"host": host, "security": "none"}).host == host


def test_settings_do_not_show_the_password():
    assert not re.search(PASSWORD, repr(smtp.Settings(**GOOD | LOGIN)))
