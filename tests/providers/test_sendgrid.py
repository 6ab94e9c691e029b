"""SendGrid against a simulated API: what each recipient gets, alone and together, and receipts."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sendgrid import SendGridAPIClient
from sendgrid.helpers import mail as sdk
from sendgrid.helpers.eventwebhook import EventWebhook

from otp_messaging_agent.errors import Forged, LookupUnsupported, Scope, SendError
from otp_messaging_agent.message import Channel, Inbound, MessageType, Receipt, Status
from otp_messaging_agent.providers import sendgrid
from otp_messaging_agent.providers.base import Context, Heard, Outgoing, Sent
from otp_messaging_agent.providers.sendgrid import events, gathering
from otp_messaging_agent.safety.letter import html as as_page
from otp_messaging_agent.safety.outbound import Answer, OutboundError
from tests.simulators.sendgrid import (
    FROM,
    HEADERS,
    KEY,
    SIGNER,
    answer,
    called,
    complaint,
    letters,
    public,
)
from tests.simulators.server import Reply, Simulator, cut, drip, garbage, hang, redirect, refused

TO = "ada@example.com"
TEXT = "Dear Ada & Bob,\nyour <table> is ready: https://example.com/t?a=1&b=2"
SHOWN = (
    "Dear Ada &amp; Bob,<br>\nyour &lt;table&gt; is ready: "
    '<a href="https://example.com/t?a=1&amp;b=2">https://example.com/t?a=1&amp;b=2</a>'
)
STOP = "https://otp.example.com/unsubscribe?token=abc"
LIMIT = 0.4
GENEROUS = LIMIT + 2


def page(shown, subject):
    """Return the page that *shown* stands on."""
    return as_page(subject, "").replace('<p dir="auto">', f'<p dir="auto">{shown}')


def bodies(message):
    return message.content, as_page(message.subject, message.content)


def short(value):
    return repr(value)[:60]


AT = 1_700_000_000.0


@pytest.fixture(scope="module")
def shared():
    with Simulator(answer) as sim:
        yield sim


@pytest.fixture
def sim(shared):
    yield shared
    shared.forget()


def make(sim, *, clock=time.time, public_url="http://127.0.0.1:5000", **given):
    settings = {"api_key": KEY, "from_address": FROM, "base_url": sim.url} | given
    context = Context("mailer", None, clock, time.sleep, public_url)
    return sendgrid.make(sendgrid.Settings(**settings), context)


@pytest.fixture
def provider(sim):
    provider = make(sim)
    yield provider
    provider.close()


def out(number=1, **given):
    usual = Outgoing(
        attempt_id=f"msg_{number}.1",
        message_id=f"msg_{number}",
        channel=Channel.EMAIL,
        type=MessageType.NOTIFICATION,
        to=TO,
        content=TEXT,
        subject="Your table",
    )
    return replace(usual, **given)


def bulk(number, **given):
    usual = {"to": f"guest{number}@example.com", "content": f"Text {number}", "bulk": True}
    return out(number, **usual | given)


def refusal(provider, message=None, timeout=5.0):
    with pytest.raises(SendError) as caught:
        provider.send(message or out(), timeout=timeout)
    return caught.value


@pytest.fixture
def together(monkeypatch, provider):
    """Return what sends messages from a thread each, in one call if they fit.

    The call is closed by the last of them, not by a clock, so that a slow machine changes nothing.
    """

    def send(messages, timeout=40.0):
        monkeypatch.setattr(gathering, "WAIT", 10.0)
        monkeypatch.setattr(gathering, "MOST", len(messages))

        def one(message):
            try:
                return provider.send(message, timeout=timeout)
            except SendError as e:
                return e

        with ThreadPoolExecutor(len(messages)) as pool:
            return list(pool.map(one, messages))

    return send


# ------------------------------------------------------------------------------ what is sent


def test_a_mail_arrives_as_text_and_as_html_made_of_it(sim, provider):
    assert provider.send(out(), timeout=5) == Sent("msg_1.1", Status.SENT)
    (call,) = sim.accepted
    assert letters(call) == [
        {
            "to": TO,
            "from": {"email": "shop@example.com", "name": "Ada's shop"},
            "subject": "Your table",
            "text": TEXT,
            "html": page(SHOWN, "Your table"),
            "headers": {},
            "args": {"otp_agent_attempt": "msg_1.1"},
        }
    ]


def test_a_mail_without_a_subject_has_the_begin_of_its_text(sim, provider):
    provider.send(out(subject=None, content="One\n two " + "x" * 99), timeout=5)
    assert letters(sim.accepted[0])[0]["subject"] == "One two " + "x" * 52


def test_one_click_ends_such_mail(sim, provider):
    provider.send(out(unsubscribe=STOP), timeout=5)
    assert letters(sim.accepted[0])[0]["headers"] == {
        "List-Unsubscribe": f"<{STOP}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def test_what_is_too_late_is_not_sent(sim, provider):
    late = refusal(provider, out(validity=0.9))
    assert (late.code, late.permanent, late.scope) == ("expired", True, Scope.MESSAGE)
    assert not sim.requests


def _as_the_sdk_has_it(messages, reply_to=None, marks=None, track_opens=False):
    mail = sdk.Mail(from_email=sdk.From("shop@example.com", "Ada's shop"))
    if reply_to:
        mail.reply_to = sdk.ReplyTo(reply_to)
    for m in messages:
        one = sdk.Personalization()
        one.add_to(sdk.To(m.to))
        one.subject = m.subject
        one.add_custom_arg(sdk.CustomArg("otp_agent_attempt", m.attempt_id))
        if m.unsubscribe:
            one.add_header(sdk.Header("List-Unsubscribe", f"<{m.unsubscribe}>"))
            one.add_header(sdk.Header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
        for mark, text in zip(marks or (), bodies(m), strict=bool(marks)):
            one.add_substitution(sdk.Substitution(mark, text))
        mail.add_personalization(one)
    text, html = marks or bodies(messages[0])
    mail.add_content(sdk.Content("text/html", html))
    mail.add_content(sdk.Content("text/plain", text))  # the SDK puts the plain text first
    tracking = sdk.TrackingSettings()
    tracking.click_tracking = sdk.ClickTracking(enable=False, enable_text=False)
    tracking.open_tracking = sdk.OpenTracking(enable=track_opens)
    tracking.subscription_tracking = sdk.SubscriptionTracking(enable=False)
    tracking.ganalytics = sdk.Ganalytics(enable=False)
    mail.tracking_settings = tracking
    return mail


@pytest.mark.parametrize("opens", [False, True])
def test_a_request_is_the_one_the_sdk_makes(sim, opens):
    provider = make(sim, reply_to="desk@example.com", track_opens=opens)
    message = out(content="plain", unsubscribe=STOP)
    provider.send(message, timeout=5)
    theirs = _as_the_sdk_has_it([message], "desk@example.com", track_opens=opens)
    SendGridAPIClient(KEY, sim.url).send(theirs)
    ours, sdks = sim.accepted
    assert ours.json() == sdks.json()
    for same in ("authorization", "content-type"):
        assert ours.headers[same] == sdks.headers[same]
    assert (ours.method, ours.path) == (sdks.method, sdks.path)


def test_a_call_for_many_is_the_one_the_sdk_makes(sim, together):
    messages = [bulk(n, unsubscribe=STOP if n else None) for n in range(3)]
    together(messages)
    (call,) = sim.accepted
    ours = call.json()
    marks = [c["value"] for c in ours["content"]]
    theirs = _as_the_sdk_has_it(messages, marks=marks).get()
    for mail in (ours, theirs):
        mail["personalizations"].sort(key=lambda p: p["to"][0]["email"])
    assert ours == theirs


# ------------------------------------------------------------------------------ together


def test_mail_that_can_wait_travels_in_one_call_and_everyone_gets_his_own(sim, together):
    texts = [TEXT, "Zürich – 東京 🎉", "-text- -html- %x% {{y}}", "a\r\nb", "<b>&amp;</b>"]
    messages = [bulk(n, content=t, subject=f"Subject {n}") for n, t in enumerate(texts)]
    assert together(messages) == [Sent(m.attempt_id) for m in messages]
    (call,) = sim.requests
    got = {one["to"]: one for one in letters(call)}
    for m in messages:
        one = got[m.to]
        assert (one["text"], one["subject"]) == (m.content, m.subject)
        assert one["args"] == {"otp_agent_attempt": m.attempt_id}
    assert got["guest0@example.com"]["html"] == page(SHOWN, "Subject 0")
    assert got["guest4@example.com"]["html"] == page("&lt;b&gt;&amp;amp;&lt;/b&gt;", "Subject 4")


def test_a_text_cannot_hold_the_mark_of_another(sim, together):
    together([bulk(n) for n in range(2)])
    together([bulk(n) for n in range(2)])
    first, second = ({c["value"] for c in r.json()["content"]} for r in sim.requests)
    assert not first & second


def test_urgent_mail_waits_for_nobody(sim, provider, monkeypatch):
    monkeypatch.setattr(gathering, "WAIT", 30.0)
    begun = time.monotonic()
    provider.send(out(), timeout=60)
    assert time.monotonic() - begun < 5


def test_one_that_nobody_joins_goes_after_a_moment_as_it_is(sim, provider):
    begun = time.monotonic()
    provider.send(bulk(1), timeout=30)
    took = time.monotonic() - begun
    assert gathering.WAIT <= took < gathering.WAIT + 2
    assert "substitutions" not in sim.accepted[0].json()["personalizations"][0]
    assert letters(sim.accepted[0])[0]["text"] == "Text 1"


def test_waiting_takes_no_more_than_a_quarter_of_the_time_there_is(sim, provider, monkeypatch):
    monkeypatch.setattr(gathering, "WAIT", 30.0)
    begun = time.monotonic()
    provider.send(bulk(1), timeout=4)
    assert 0.9 < time.monotonic() - begun < 3


def test_the_same_recipient_stands_in_a_call_once(sim, together):
    messages = [bulk(n, to=("Ada@Example.com", "ada@example.com")[n % 2]) for n in range(4)]
    assert together(messages, timeout=3) == [Sent(m.attempt_id) for m in messages]
    assert [len(r.json()["personalizations"]) for r in sim.requests] == [1, 1, 1, 1]


def test_a_long_one_goes_alone(sim, provider, monkeypatch):
    monkeypatch.setattr(gathering, "WAIT", 30.0)
    begun = time.monotonic()
    provider.send(bulk(1, content="ü" * 2400), timeout=60)  # 4.8 kB as text and again as HTML
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("text", ["x" * 4400, "&" * 1450, "ü" * 2150, '"' * 1080, "\n" * 1050])
def test_what_just_fits_is_within_what_sendgrid_replaces(sim, together, text):
    messages = [bulk(n, content=text) for n in range(2)]
    assert together(messages) == [Sent(m.attempt_id) for m in messages]
    assert len(sim.requests) == 1  # the simulator refuses more than 10 000 bytes


def test_as_many_as_fit_are_far_from_the_size_of_a_call():
    assert sendgrid.provider.LARGEST < 10_000
    assert gathering.MOST * 10_000 < 30_000_000


def test_no_more_than_a_thousand_go_together(sim, provider, monkeypatch):
    monkeypatch.setattr(gathering, "WAIT", 10.0)
    call = gathering._Call(0.0)
    for n in range(gathering.MOST - 1):
        call.add(gathering.Letter(f"{n}@example.com", {}, ("", "")))
        assert not call.closed.is_set()
    call.add(gathering.Letter("last@example.com", {}, ("", "")))
    assert call.closed.is_set()
    provider._gathering._open = call  # the next finds it closed and begins another
    monkeypatch.setattr(gathering, "WAIT", 0.0)
    provider.send(bulk(1), timeout=5)
    assert len(sim.accepted[0].json()["personalizations"]) == 1


@pytest.mark.parametrize(
    ("reply", "code", "ambiguous"),
    [
        (complaint(401, "invalid"), "auth_failed", False),
        (complaint(429, "too many"), "rate_limited", False),
        (refused(503), "provider_error", True),
        (cut(accepted=True), "connection_cut", True),
        (garbage(b"<html>"), "garbled_answer", True),
    ],
    ids=short,
)
def test_what_befalls_the_call_befalls_everyone(sim, together, reply, code, ambiguous):
    sim.script(reply)
    failed = together([bulk(n) for n in range(4)])
    assert [(e.code, e.ambiguous) for e in failed] == [(code, ambiguous)] * 4
    assert len({id(e) for e in failed}) == 4
    assert len(sim.requests) == 1


def test_one_that_is_refused_does_not_fail_the_others(sim, together):
    messages = [bulk(n) for n in range(4)]
    messages[2] = bulk(2, to="nobody")
    results = together(messages)
    assert [r for n, r in enumerate(results) if n != 2] == [
        Sent(m.attempt_id) for n, m in enumerate(messages) if n != 2
    ]
    assert (results[2].code, results[2].permanent) == ("invalid_address", True)
    assert results[2].scope is Scope.CHANNEL
    assert sorted(len(r.json()["personalizations"]) for r in sim.requests) == [1, 1, 1, 1, 4]


def test_a_call_that_was_too_large_is_sent_apart(sim, together):
    sim.script(refused(413))
    messages = [bulk(n) for n in range(2)]
    assert together(messages) == [Sent(m.attempt_id) for m in messages]


def test_a_refusal_of_one_alone_is_not_asked_again(sim, provider):
    assert refusal(provider, bulk(1, to="nobody")).code == "invalid_address"
    assert len(sim.requests) == 1


def test_nobody_waits_longer_than_his_time_for_a_call_that_hangs(sim, together):
    sim.script(hang(30), hang(30), hang(30))  # a slow machine may make several calls of it
    begun = time.monotonic()
    failed = together([bulk(n) for n in range(3)], timeout=LIMIT)
    assert time.monotonic() - begun < GENEROUS
    assert {(e.code, e.ambiguous) for e in failed} <= {("timeout", True)}


class Post:
    """A call that lasts until the test lets it end; `asked` is set when it began."""

    def __init__(self):
        self.asked, self.go = threading.Event(), threading.Event()
        self.calls = []

    def __call__(self, letters, deadline):
        self.calls.append([one.to for one in letters])
        self.asked.set()
        assert self.go.wait(10)
        return Answer(202, {}, b"")


def letter(to):
    return gathering.Letter(to, {}, ("", ""))


def test_who_has_less_time_neither_waits_for_a_call_nor_shortens_it(monkeypatch):
    monkeypatch.setattr(gathering, "WAIT", 10.0)
    post = Post()
    post.go.set()
    gather = gathering.Gathering(post)
    now = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(gather.post, letter("slow"), now + 100)
        while gather._open is None:
            time.sleep(0.001)
        assert gather.post(letter("hasty"), now + 2)[0].status == 202
        assert slow.result(5)[0].status == 202  # it did not wait its ten seconds
    assert sorted(post.calls) == [["hasty"], ["slow"]]


def test_who_joined_leaves_at_his_deadline_whatever_the_leader_does(monkeypatch):
    monkeypatch.setattr(gathering, "MOST", 2)
    monkeypatch.setattr(gathering, "WAIT", 10.0)
    post = Post()
    gather = gathering.Gathering(post)
    deadline = time.monotonic() + 2
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(gather.post, letter(to), deadline) for to in "ab"]
        assert post.asked.wait(5)
        late = next(f for f in _done(both) if f.exception())
        assert (late.exception().code, late.exception().written) == ("timeout", True)
        assert time.monotonic() - deadline < 2
        post.go.set()
    assert [sorted(call) for call in post.calls] == [["a", "b"]]


def _done(futures):
    end = time.monotonic() + 8
    while time.monotonic() < end:
        yield from (f for f in futures if f.done())
        time.sleep(0.01)


def test_a_leader_that_dies_leaves_nobody_behind(monkeypatch):
    monkeypatch.setattr(gathering, "MOST", 2)
    monkeypatch.setattr(gathering, "WAIT", 10.0)

    class PowerCut(BaseException):
        pass

    def dies(letters, deadline):
        raise PowerCut

    gather = gathering.Gathering(dies)
    deadline = time.monotonic() + 60
    with ThreadPoolExecutor(2) as pool:
        ends = [pool.submit(gather.post, letter(to), deadline) for to in "ab"]
        ends = sorted(type(f.exception(10)).__name__ for f in ends)
    assert ends == ["OutboundError", "PowerCut"]
    assert gather._join(letter("c"), deadline)[1]  # the next begins anew


def test_no_call_is_begun_after_the_deadline(sim, provider):
    provider.send(out(), timeout=5)  # leaves a connection, on which it could be begun
    with pytest.raises(OutboundError) as caught:
        provider._post([letter("a@example.com")], time.monotonic() - 1)
    assert not caught.value.written
    assert len(sim.requests) == 1


# ------------------------------------------------------------------------------ what is answered


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (hang(30), "timeout"),
        (drip(0.05, head=True), "timeout"),
        (cut(accepted=True), "connection_cut"),
        (cut(accepted=True, after=20), "connection_cut"),
        (garbage(b"<html>"), "garbled_answer"),
        (refused(500), "provider_error"),
        (refused(503, b"<html>"), "provider_error"),
        (refused(408), "provider_error"),
    ],
    ids=short,
)
def test_what_may_have_been_taken_is_ambiguous(sim, provider, reply, code):
    sim.script(reply)
    begun = time.monotonic()
    lost = refusal(provider, timeout=LIMIT)
    assert time.monotonic() - begun < GENEROUS
    assert (lost.code, lost.ambiguous, lost.permanent) == (code, True, False)


@pytest.mark.parametrize(
    ("reply", "code", "scope"),
    [
        (complaint(400, "?", "personalizations.0.to.0.email"), "invalid_address", Scope.CHANNEL),
        (complaint(400, "?", "personalizations.0.to"), "invalid_address", Scope.CHANNEL),
        (complaint(400, "?", "personalizations.0.subject"), "content_refused", Scope.CHANNEL),
        (complaint(400, "?", "content.0.value"), "content_refused", Scope.CHANNEL),
        (complaint(400, "?", "from.email"), "misconfigured", Scope.ACCOUNT),
        (complaint(400, "?", "reply_to.email"), "misconfigured", Scope.ACCOUNT),
        (complaint(400, "?", "new_field"), "rejected", Scope.CHANNEL),
        (complaint(400, "?"), "rejected", Scope.CHANNEL),
        (refused(400, b"[" * 100_000), "rejected", Scope.CHANNEL),
        (refused(400, {"errors": []}), "rejected", Scope.CHANNEL),
        (refused(400, {"errors": ["x"]}), "rejected", Scope.CHANNEL),
        (refused(400, [1]), "rejected", Scope.CHANNEL),
        (refused(422, b"<html>"), "rejected", Scope.CHANNEL),
        (complaint(401, "grant is invalid"), "auth_failed", Scope.ACCOUNT),
        (complaint(401, "Maximum credits exceeded"), "out_of_balance", Scope.ACCOUNT),
        (complaint(403, "access forbidden"), "auth_failed", Scope.ACCOUNT),
        (complaint(403, "no verified Sender Identity", "from"), "misconfigured", Scope.ACCOUNT),
        (refused(404), "misconfigured", Scope.ACCOUNT),
        (refused(405), "misconfigured", Scope.ACCOUNT),
        (redirect("/elsewhere"), "misconfigured", Scope.ACCOUNT),
        (refused(413), "content_too_long", Scope.CHANNEL),
    ],
    ids=short,
)
def test_a_refusal_is_no_open_question(sim, provider, reply, code, scope):
    sim.script(reply)
    error = refusal(provider)
    assert (error.code, error.permanent, error.scope) == (code, True, scope)
    assert not error.ambiguous
    assert len(sim.requests) == 1


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"X_RateLimit_Reset": f"{int(AT) + 30}"}, 30.0),
        ({"X_RateLimit_Reset": f"{int(AT) - 30}"}, 0.0),
        ({"Retry_After": "7", "X_RateLimit_Reset": f"{int(AT) + 30}"}, 7.0),
        ({"X_RateLimit_Reset": "soon"}, None),
        ({}, None),
    ],
    ids=short,
)
def test_how_long_to_wait_is_kept(sim, headers, wait):
    provider = make(sim, clock=lambda: AT)
    sim.script(complaint(429, "too many requests", **headers))
    error = refusal(provider)
    assert (error.code, error.permanent, error.ambiguous) == ("rate_limited", False, False)
    assert error.retry_after == wait


def test_each_code_stands_in_the_table_once():
    codes = " ".join(row[3] for row in sendgrid.provider._TABLE).split()
    assert len(codes) == len(set(codes)) == len(sendgrid.VERDICTS)


def test_a_wrong_key_is_refused_by_the_simulator_as_by_sendgrid(sim):
    assert refusal(make(sim, api_key="SG.wrong")).code == "auth_failed"


def test_an_api_that_cannot_be_reached_took_nothing():
    with Simulator(answer) as gone:
        provider = make(gone)
    for message in (out(), bulk(1)):
        error = refusal(provider, message)
        assert (error.code, error.permanent, error.ambiguous) == ("unreachable", False, False)


def test_no_error_tells_the_text_the_address_or_the_key(sim, provider):
    named = complaint(400, f"{TO} said {TEXT}", f"personalizations.{TO}")
    replies = [named, refused(500, TEXT), cut(accepted=True), garbage(TO.encode(), 201)]
    sim.script(*replies, complaint(401, KEY))
    for _ in range(len(replies) + 1):
        e = refusal(provider)
        told = f"{e!r} {e} {e.detail} {e.args} {e.__cause__}"
        assert not any(secret in told for secret in (TO, "table", KEY, "shop"))


def test_sendgrid_cannot_be_asked(provider):
    with pytest.raises(LookupUnsupported):
        provider.lookup(out(), since=0.0, timeout=1)


# ------------------------------------------------------------------------------ the webhook


def hearing(sim, **given):
    return make(sim, webhook_public_key=public(SIGNER), **given)


def event(kind, **fields):
    """Return an event as SendGrid tells it of the mail whose attempt is msg_1.1."""
    usual = {"email": TO, "timestamp": int(AT) - 5, "event": kind, "category": "x"}
    usual |= {"sg_event_id": "rbtnWrG1DVDGGGFHFyun0A==", "sg_message_id": "14c5.recvd-1-2.0"}
    return usual | {"smtp-id": "<14c5d75ce93@ismtpd-555>", "otp_agent_attempt": "msg_1.1"} | fields


@pytest.mark.parametrize(
    ("kind", "status"), [("delivered", Status.DELIVERED), ("open", Status.READ)]
)
def test_a_receipt_finds_its_attempt(sim, provider, kind, status):
    sent = provider.send(out(), timeout=5)
    (told,) = hearing(sim).hear(called([event(kind)])).receipts
    assert told == Receipt("mailer", sent.provider_message_id, status, AT - 5)


def test_events_carry_what_was_sent_with_the_mail(sim, together):
    messages = [bulk(n) for n in range(2)]
    sent = together(messages)
    came_back = [event("delivered", **one["args"]) for one in letters(sim.accepted[0])]
    heard = hearing(sim).hear(called(came_back))
    assert {r.provider_message_id for r in heard.receipts} == {s.provider_message_id for s in sent}


@pytest.mark.parametrize(
    ("fields", "code", "scope"),
    [
        ({"status": "5.1.1", "reason": "550 5.1.1 unknown"}, "invalid_address", Scope.CHANNEL),
        ({"status": "5.1.9"}, "invalid_address", Scope.CHANNEL),
        ({"status": "5.2.2"}, "mailbox_full", Scope.CHANNEL),
        (
            {"status": "5.2.2", "bounce_classification": "Mailbox Unavailable"},
            "mailbox_full",
            Scope.CHANNEL,
        ),
        ({"status": "5.2.1"}, "mailbox_unavailable", Scope.CHANNEL),
        ({"status": "5.3.4"}, "content_too_long", Scope.CHANNEL),
        ({"status": "5.7.1"}, "blocked", Scope.PROVIDER),
        (
            {"status": "5.7.1", "bounce_classification": "Content"},
            "content_refused",
            Scope.CHANNEL,
        ),
        ({"reason": "552 5.2.2 over quota"}, "mailbox_full", Scope.CHANNEL),
        ({"status": "5.0.0", "reason": "550 5.1.1 unknown"}, "invalid_address", Scope.CHANNEL),
        ({"status": "550"}, "rejected", Scope.CHANNEL),
        ({"status": 5, "reason": None}, "rejected", Scope.CHANNEL),
        ({"bounce_classification": "Invalid Address"}, "invalid_address", Scope.CHANNEL),
        ({"bounce_classification": "Mailbox Unavailable"}, "mailbox_unavailable", Scope.CHANNEL),
        ({"bounce_classification": "Reputation"}, "blocked", Scope.PROVIDER),
        ({"bounce_classification": "Frequency or Volume Too High"}, "blocked", Scope.PROVIDER),
        ({"bounce_classification": "Technical Failure"}, "no_route", Scope.PROVIDER),
        ({"bounce_classification": "Unclassified"}, "rejected", Scope.CHANNEL),
        (
            {"bounce_classification": "Unclassified", "type": "blocked"},
            "blocked",
            Scope.PROVIDER,
        ),
        ({"type": "expired"}, "expired", Scope.PROVIDER),
        ({}, "rejected", Scope.CHANNEL),
    ],
    ids=short,
)
def test_a_bounce_says_why_and_what_it_ends(sim, fields, code, scope):
    heard = hearing(sim).hear(called([event("bounce", **{"type": "bounce"} | fields)]))
    (told,) = heard.receipts
    assert (told.status, told.error_code, told.scope) == (Status.UNDELIVERED, code, scope)
    assert (told.provider_message_id, heard.inbound) == ("msg_1.1", [])


@pytest.mark.parametrize(
    ("reason", "code", "scope"),
    [
        ("Bounced Address", "invalid_address", Scope.CHANNEL),
        ("Invalid", "invalid_address", Scope.CHANNEL),
        ("Unsubscribed Address", "opted_out", Scope.CHANNEL),
        ("Spam Reporting Address", "opted_out", Scope.CHANNEL),
        ("Spam Content (if Spam Checker app is enabled)", "content_refused", Scope.CHANNEL),
        ("Recipient List over Package Quota", "out_of_balance", Scope.ACCOUNT),
        ("Invalid SMTPAPI header", "rejected", Scope.CHANNEL),
    ],
)
def test_a_drop_says_why(sim, reason, code, scope):
    dropped = event("dropped", reason=reason, status="5.0.0")
    (told,) = hearing(sim).hear(called([dropped])).receipts
    assert (told.status, told.error_code, told.scope) == (Status.UNDELIVERED, code, scope)


def test_no_receipt_tells_the_address_or_the_answer_of_the_other_side(sim):
    told = event("bounce", status="5.1.1", reason=f"550 5.1.1 <{TO}> unknown", type="bounce")
    (receipt,) = hearing(sim).hear(called([told])).receipts
    assert receipt.error_detail == "bounce 5.1.1"


@pytest.mark.parametrize(
    "told",
    [
        event("processed"),
        event("deferred", response="400 try again later", attempt="5"),
        event("click"),
        event("group_resubscribe"),
        event("account_status_change"),
        event("open", sg_machine_open=True),
        event("delivered", otp_agent_attempt=None),
        event("delivered", otp_agent_attempt=["msg_1.1"]),
        event("delivered", otp_agent_attempt="\ud800"),
        event("delivered", otp_agent_attempt="x" * 129),
        {"event": "delivered", "email": TO, "attempt_id": "of another system"},
        {"event": ["delivered"]},
        {},
    ],
    ids=short,
)
def test_what_is_on_the_way_or_of_others_says_nothing(sim, told):
    assert hearing(sim).hear(called([told])) == Heard([], [])


@pytest.mark.parametrize("kind", ["spamreport", "unsubscribe", "group_unsubscribe"])
def test_who_wants_no_more_mail_is_heard_as_if_he_wrote_stop(sim, kind):
    told = event(kind, email="Ada@EXAMPLE.com")
    del told["otp_agent_attempt"]  # whoever sent the mail
    heard = hearing(sim).hear(called([told]))
    assert heard.receipts == []
    assert heard.inbound == [
        Inbound("mailer", told["sg_event_id"], Channel.EMAIL, "Ada@example.com", "STOP", AT - 5)
    ]


@pytest.mark.parametrize("address", [None, 5, "", "nobody", "\ud800@example.com"], ids=short)
def test_a_stop_of_nobody_is_none(sim, address):
    assert hearing(sim).hear(called([event("unsubscribe", email=address)])).inbound == []


@pytest.mark.parametrize("at", [None, "1", True, -1, 0, float("nan"), 1e12, 10**400], ids=short)
def test_a_time_that_cannot_be_is_that_of_the_call(sim, at):
    (told,) = hearing(sim).hear(called([event("delivered", timestamp=at)])).receipts
    assert told.at == AT


def test_what_the_simulator_signs_the_sdk_believes():
    call = called([event("delivered")])
    signature, told = (call.headers[HEADERS + name] for name in ("signature", "timestamp"))
    theirs = EventWebhook(public(SIGNER))
    assert theirs.verify_signature(call.body.decode(), signature, told)


def _with(call, **headers):
    return replace(call, headers=call.headers | {HEADERS + k: v for k, v in headers.items()})


@pytest.mark.parametrize(
    "forge",
    [
        lambda c: replace(c, body=c.body + b" "),
        lambda c: replace(c, headers={}),
        lambda c: _with(c, signature=""),
        lambda c: _with(c, signature="ünsigned"),
        lambda c: _with(c, signature="AAAA"),
        lambda c: _with(c, signature=c.headers[f"{HEADERS}signature"] + "!"),
        lambda c: _with(c, timestamp=str(int(AT) + 1)),
        lambda c: _with(c, timestamp=""),
        lambda c: _with(c, timestamp="١٧٠٠٠٠٠٠٠٠"),
        lambda c: _with(c, timestamp="9" * 5000),
        lambda c: called(c.body, key=ec.generate_private_key(ec.SECP256R1())),
        lambda c: replace(c, at=AT + events.FRESH + 1),
        lambda c: replace(c, at=AT - events.FRESH - 1),
    ],
)
def test_what_sendgrid_did_not_sign_just_now_is_forged(sim, forge):
    call = called([event("delivered")])
    assert hearing(sim).hear(call).receipts
    assert hearing(sim).hear(replace(call, at=AT + events.FRESH)).receipts
    with pytest.raises(Forged):
        hearing(sim).hear(forge(call))


def test_without_a_key_nothing_is_believed(sim, provider):
    with pytest.raises(Forged):
        provider.hear(called([event("delivered")]))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"{}", b"1", b"null", b"[1]", b'["x"]', b"\xff", b"[" * 100_000], ids=short
)
def test_signed_nonsense_is_a_value_error(sim, body):
    with pytest.raises(ValueError):  # noqa: PT011 - any will do
        hearing(sim).hear(called(body))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
fields = st.sampled_from(
    [*event(""), "reason", "status", "type", "bounce_classification", "sg_machine_open"]
)
kinds = st.sampled_from([*events.STATUSES, *events.STOPS, "deferred"])
odd = st.builds(
    lambda kind, extra: event(kind) | extra, kinds, st.dictionaries(fields, anything, max_size=3)
)


@given(st.lists(odd | anything, max_size=3) | anything)
def test_whatever_is_signed_is_heard_or_a_value_error(told):
    body = json.dumps(told).encode()
    try:
        heard = events.read(called(body), "mailer")
    except ValueError:
        return
    for text in (
        *(r.provider_message_id for r in heard.receipts),
        *(i.sender + i.provider_message_id for i in heard.inbound),
    ):
        text.encode()  # what cannot be stored is not handed on
    assert all(r.at <= AT + events.FRESH for r in (*heard.receipts, *heard.inbound))


@given(st.binary(), st.dictionaries(st.sampled_from(["signature", "timestamp"]), st.text()))
def test_no_header_or_body_does_more_than_be_refused(body, headers):
    call = replace(called(b"[]"), body=body, headers={HEADERS + k: v for k, v in headers.items()})
    with pytest.raises(Forged):
        events.check(call, SIGNER.public_key())


@pytest.mark.parametrize(
    ("given_", "url", "receipts"),
    [
        ({"webhook_public_key": public(SIGNER)}, "https://otp.example.com", True),
        ({"webhook_public_key": public(SIGNER)}, "http://127.0.0.1:5000", True),
        ({"webhook_public_key": public(SIGNER), "base_url": None}, "http://127.0.0.1:5000", False),
        ({"webhook_public_key": public(SIGNER), "base_url": None}, "https://o.example.com", True),
        ({}, "https://otp.example.com", False),
    ],
)
def test_receipts_are_promised_where_they_can_come_and_be_believed(sim, given_, url, receipts):
    provider = make(sim, public_url=url, **given_)
    assert provider.receipts is receipts
    assert list(provider.poll(0.0)) == []


# ------------------------------------------------------------------------------ settings


GOOD = {"api_key": KEY, "from_address": FROM, "webhook_public_key": public(SIGNER)}
P384 = public(ec.generate_private_key(ec.SECP384R1()))


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        ({"api_key": ""}, "api_key"),
        ({"api_key": KEY + "\n"}, "api_key"),
        ({"api_key": KEY + "ü"}, "api_key"),
        ({"from_address": ""}, "from_address"),
        ({"from_address": "Ada"}, "from_address"),
        ({"from_address": "Ada\n<ada@example.com>"}, "from_address"),
        ({"from_address": "ada@example.com, bob@example.com"}, "from_address"),
        ({"reply_to": "nobody"}, "reply_to"),
        ({"webhook_public_key": ""}, "webhook_public_key"),
        ({"webhook_public_key": "ü"}, "webhook_public_key"),
        ({"webhook_public_key": "AAAA"}, "webhook_public_key"),
        pytest.param({"webhook_public_key": P384}, "webhook_public_key", id="another curve"),
        ({"base_url": "ftp://here"}, "base_url"),
        ({"base_url": "http://user:pass@here"}, "base_url"),
        ({"from": FROM}, "from"),
    ],
    ids=short,
)
def test_settings_name_their_faults_and_never_a_secret(change, loc):
    with pytest.raises(ValidationError) as caught:
        sendgrid.Settings(**GOOD | change)
    assert ".".join(map(str, caught.value.errors()[0]["loc"])) == loc
    assert KEY not in str(caught.value)


def test_settings_do_not_show_the_key():
    assert KEY not in repr(sendgrid.Settings(**GOOD))


@pytest.mark.parametrize(
    ("written", "sender"),
    [
        ("ada@example.com", {"email": "ada@example.com"}),
        ('"Ada, Inc." <ada@example.com>', {"email": "ada@example.com", "name": "Ada, Inc."}),
    ],
)
def test_a_sender_may_have_a_name(sim, written, sender):
    make(sim, from_address=written, reply_to=written).send(out(), timeout=5)
    mail = sim.accepted[0].json()
    assert (mail["from"], mail["reply_to"]) == (sender, sender)


def test_a_slash_at_the_end_of_the_address_changes_nothing(sim):
    make(sim, base_url=sim.url + "/").send(out(), timeout=5)
    assert len(sim.accepted) == 1


def test_a_status_nobody_documents_is_not_success(sim, provider):
    sim.script(Reply(204, b"", accepted=True))
    assert refusal(provider).ambiguous
