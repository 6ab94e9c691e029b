"""The real SDK against a simulated Twilio: every way it can answer becomes the right verdict."""

import time
from xml.etree import ElementTree as ET

import pytest
from pydantic import ValidationError

from otp_messaging_agent.errors import LookupUnsupported, Scope, SendError
from otp_messaging_agent.message import Channel, MessageType, Status
from otp_messaging_agent.providers import twilio
from otp_messaging_agent.providers.base import Context, Outgoing, Sent
from otp_messaging_agent.providers.twilio import codes
from otp_messaging_agent.providers.twilio import provider as inside
from tests.simulators.twilio import (
    ACCOUNT,
    TOKEN,
    Reply,
    TwilioSimulator,
    cut,
    drip,
    error,
    garbage,
    hang,
    rate_limited,
    redirect,
    server_error,
)

FROM = "+15005550006"
TO = "+447700900001"
TEXT = "Your code is 123456. It expires in 10 minutes."
REPORTS = "http://127.0.0.1:5000/webhooks/twilio/status?attempt=m1.1"
LIMIT = 0.4
GENEROUS = LIMIT + 2  # what is tested would otherwise last 5 s or more


@pytest.fixture(scope="module")
def shared():
    with TwilioSimulator() as sim:
        yield sim


@pytest.fixture
def sim(shared):
    yield shared
    with shared.lock:
        shared.accepted.clear()
        shared.requests.clear()
        shared._scripts.clear()


def make(sim, clock=time.time, **given):
    settings = {"account_sid": ACCOUNT, "auth_token": TOKEN, "base_url": sim.url} | given
    if "messaging_service_sid" not in settings:
        settings.setdefault("from_number", FROM)
    context = Context("twilio", None, clock, time.sleep)
    return twilio.make(twilio.Settings(**settings), context)


@pytest.fixture
def provider(sim):
    provider = make(sim)
    yield provider
    provider.close()


def out(channel=Channel.SMS, to=TO, content=TEXT, **more):
    attempt = more.pop("attempt", "m1.1")
    more = {"code": "123456", "type": MessageType.OTP} | more
    return Outgoing(attempt, "m1", channel, more.pop("type"), to, content, **more)


def spoken(call):
    return list(ET.fromstring(call["twiml"]))  # noqa: S314 - it is our own document


def refusal(provider, message=None, timeout=5.0):
    with pytest.raises(SendError) as caught:
        provider.send(message or out(), timeout=timeout)
    return caught.value


# ------------------------------------------------------------------------------ what is sent


@pytest.mark.parametrize(
    ("channel", "prefix"), [(Channel.SMS, ""), (Channel.WHATSAPP, "whatsapp:")]
)
def test_a_message_is_created_as_asked(sim, provider, channel, prefix):
    sent = provider.send(out(channel, validity=299.9), timeout=5)
    (taken,) = sim.accepted
    assert sent == Sent(taken["sid"], Status.SENT)
    assert taken["form"] == {
        "To": prefix + TO,
        "From": prefix + FROM,
        "Body": TEXT,
        "ValidityPeriod": "299",
        "StatusCallback": REPORTS,
    }


def test_a_message_without_a_deadline_or_with_a_far_one_has_the_longest(sim, provider):
    provider.send(out(), timeout=5)
    provider.send(out(validity=1e9), timeout=5)
    assert [m["validity"] for m in sim.accepted] == [None, "36000"]


@pytest.mark.parametrize("channel", twilio.CHANNELS)
def test_what_is_too_late_is_not_sent(sim, provider, channel):
    late = refusal(provider, out(channel, validity=0.9))
    assert (late.code, late.permanent, late.scope) == ("expired", True, Scope.MESSAGE)
    assert not sim.requests


def test_a_messaging_service_sends_messages_and_cannot_call(sim):
    provider = make(sim, messaging_service_sid="MG" + "1" * 32)
    provider.send(out(), timeout=5)
    assert sim.accepted[0]["service"] == "MG" + "1" * 32
    assert sim.accepted[0]["from"] is None
    no_voice = refusal(provider, out(Channel.CALL))
    assert (no_voice.code, no_voice.permanent) == ("misconfigured", True)
    assert no_voice.scope is Scope.PROVIDER
    assert len(sim.accepted) == 1


def test_a_call_says_the_code_digit_by_digit_and_twice(sim, provider):
    sent = provider.send(out(Channel.CALL, validity=20), timeout=5)
    (call,) = sim.accepted
    assert (call["kind"], call["to"], call["from"]) == ("call", TO, FROM)
    assert (call["sid"], call["form"]["Timeout"]) == (sent.provider_message_id, "20")
    words = TEXT.replace("123456", "1, 2, 3, 4, 5, 6")
    assert [(part.tag, part.text) for part in spoken(call)] == [
        ("Say", words),
        ("Pause", None),
        ("Say", words),
    ]


def test_a_code_that_the_text_does_not_hold_is_said_after_it(sim, provider):
    provider.send(out(Channel.CALL, content="Hello.", code="42"), timeout=5)
    assert spoken(sim.accepted[0])[0].text == "Hello. 4, 2"


def test_no_text_can_become_an_order_to_twilio(sim, provider):
    text = "</Say><Dial>+1900</Dial> & \"quoted\" \x07 \ufffe 'ü' 😀"
    provider.send(out(Channel.CALL, content=text, code=None), timeout=5)
    (said,) = spoken(sim.accepted[0])
    assert said.text == text.replace("\x07", " ").replace("\ufffe", " ")
    assert sim.accepted[0]["form"]["Timeout"] == str(inside.RING)


def test_a_call_that_says_more_than_twilio_takes_is_not_made(sim, provider):
    provider.send(out(Channel.CALL, content="a" * 1000), timeout=5)
    long = refusal(provider, out(Channel.CALL, content="&" * 1000))  # each is five in XML
    assert (long.code, long.permanent, long.scope) == ("content_too_long", True, Scope.CHANNEL)
    assert len(sim.requests) == 1


def test_the_environment_does_not_change_the_account_or_the_address(sim, monkeypatch):
    for name, value in {
        "TWILIO_ACCOUNT_SID": "ACother",
        "TWILIO_AUTH_TOKEN": "other",
        "TWILIO_REGION": "au1",
        "TWILIO_EDGE": "sydney",
        "HTTP_PROXY": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    assert make(sim).send(out(), timeout=5).provider_message_id.startswith("SM")


def test_without_another_address_the_api_is_twilios():
    settings = twilio.Settings(account_sid=ACCOUNT, auth_token="t", from_number=FROM)
    provider = twilio.make(settings, Context("twilio", None, time.time, time.sleep))
    assert provider._messages._version.domain.base_url == "https://api.twilio.com"


# ------------------------------------------------------------------------------ what is answered


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (server_error(accepted=True), "provider_error"),
        (server_error(accepted=False, status=503), "provider_error"),
        (Reply(502, body=b"<html>bad gateway</html>"), "provider_error"),
        (Reply(500, 21211), "provider_error"),
        (Reply(408, body=b""), "provider_error"),
        (Reply(599), "provider_error"),
        (hang(30), "timeout"),
        (drip(0.05), "timeout"),
        (drip(0.05, head=True), "timeout"),
        (cut(accepted=True), "connection_cut"),
        (cut(accepted=False), "connection_cut"),
        (cut(accepted=True, after=40), "connection_cut"),
        (cut(accepted=True, after=250), "connection_cut"),
        (garbage(b"<html>"), "garbled_answer"),
        (garbage(b""), "garbled_answer"),
        (garbage(b'{"sid": "SM1'), "garbled_answer"),
        (garbage(b'{"status": "queued"}'), "garbled_answer"),
        (garbage(b'{"sid": null}'), "garbled_answer"),
        (garbage(b"[]", status=200), "garbled_answer"),
        (garbage(b"[" * 100_000), "garbled_answer"),
        (garbage(b'{"sid": "\xff"}'), "garbled_answer"),
        (garbage(b"", status=204), "garbled_answer"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("channel", [Channel.SMS, Channel.CALL])
def test_whether_it_was_taken_is_open(sim, provider, channel, reply, code):
    sim.script(TO, [reply])
    begun = time.monotonic()
    lost = refusal(provider, out(channel), timeout=LIMIT)
    assert time.monotonic() - begun < GENEROUS
    assert (lost.code, lost.ambiguous, lost.permanent) == (code, True, False)


@pytest.mark.parametrize(
    ("reply", "code", "permanent", "scope"),
    [
        (error(400, 0), "rejected", True, Scope.CHANNEL),
        (error(400, 99999), "rejected", True, Scope.CHANNEL),
        (Reply(422, body=b"<html>"), "rejected", True, Scope.CHANNEL),
        (Reply(401, body=b""), "auth_failed", True, Scope.ACCOUNT),
        (error(403, 99999), "auth_failed", True, Scope.ACCOUNT),
        (error(403, 21408), "country_not_enabled", True, Scope.PROVIDER),
        (error(404, 20404), "misconfigured", True, Scope.ACCOUNT),
        (Reply(404, body=b"not here"), "misconfigured", True, Scope.ACCOUNT),
        (redirect("/elsewhere"), "misconfigured", True, Scope.ACCOUNT),
        (rate_limited(7), "rate_limited", False, Scope.PROVIDER),
        (error(429, 21211), "rate_limited", False, Scope.PROVIDER),
        (error(400, 20500), "provider_error", False, Scope.PROVIDER),
    ],
    ids=repr,
)
def test_a_refusal_is_no_open_question(sim, provider, reply, code, permanent, scope):
    sim.script(TO, [reply])
    refused = refusal(provider)
    assert (refused.code, refused.permanent, refused.scope) == (code, permanent, scope)
    assert not refused.ambiguous
    assert (len(sim.requests), len(sim.accepted)) == (1, 0)


@pytest.mark.parametrize("theirs", [code for code in twilio.VERDICTS if code.isdigit()])
def test_every_code_of_the_table_means_what_it_says_there(sim, provider, theirs):
    sim.script(TO, [error(400, int(theirs))])
    refused = refusal(provider)
    assert (refused.code, refused.permanent, refused.scope) == twilio.VERDICTS[theirs]
    assert not refused.ambiguous
    assert theirs in refused.detail


def test_each_code_stands_in_the_table_once():
    listed = " ".join(row[3] for row in codes._TABLE).split()
    assert len(listed) == len(set(listed)) == len(twilio.VERDICTS)


@pytest.mark.parametrize(
    ("asked", "wait"), [("7", 7.0), ("0", 0.0), ("soon", None), ("-1", None), ("9" * 400, None)]
)
def test_how_long_to_wait_is_kept(sim, provider, asked, wait):
    sim.script(TO, [Reply(status, headers={"Retry-After": asked}) for status in (429, 503)])
    assert refusal(provider).retry_after == wait
    assert refusal(provider).retry_after == wait


def test_a_wrong_token_is_refused_by_the_simulator_as_by_twilio(sim):
    refused = refusal(make(sim, auth_token="wrong"))
    assert (refused.code, refused.permanent) == ("auth_failed", True)
    assert "20003" in refused.detail


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.CALL])
def test_an_api_that_cannot_be_reached_took_nothing(sim, channel):
    with TwilioSimulator() as gone:
        provider = make(gone)
    refused = refusal(provider, out(channel))
    assert (refused.code, refused.permanent, refused.ambiguous) == ("unreachable", False, False)


def test_no_error_tells_the_text_the_number_or_the_token(sim, provider):
    replies = [error(400, 21211), server_error(accepted=True), cut(accepted=True)]
    replies += [garbage(b'{"body": "' + TEXT.encode()), error(401, 20003)]
    sim.script(TO, replies)
    for _ in replies:
        e = refusal(provider)
        told = f"{e!r} {e} {e.detail} {e.args} {e.__cause__}"
        for secret in (TEXT, "123456", TO, TO[1:], TOKEN, ACCOUNT):
            assert secret not in told


# ------------------------------------------------------------------------------ asking afterwards
# by another provider over the same account, as after a restart, which knows only what Twilio says


@pytest.mark.parametrize("channel", twilio.CHANNELS)
def test_what_was_taken_before_the_cut_is_found(sim, provider, channel):
    address = f"whatsapp:{TO}" if channel is Channel.WHATSAPP else TO
    sim.script(address, [cut(accepted=True)])
    begun = time.time()
    assert refusal(provider, out(channel)).ambiguous
    found = make(sim).lookup(out(channel), since=begun, timeout=5)
    assert found == Sent(sim.accepted[0]["sid"], Status.SENT)


@pytest.mark.parametrize("channel", twilio.CHANNELS)
def test_what_was_not_taken_is_not_found(sim, provider, channel):
    address = f"whatsapp:{TO}" if channel is Channel.WHATSAPP else TO
    begun = time.time()
    provider.send(out(channel, to="+447700900002"), timeout=5)
    sim.script(address, [cut(accepted=False)])
    assert refusal(provider, out(channel)).ambiguous
    assert make(sim).lookup(out(channel), since=begun, timeout=5) is None


@pytest.mark.parametrize(
    "other",
    [
        {"body": "Another text"},
        {"direction": "inbound"},
        {"from": "+15005550007"},
        {"to": "+447700900003"},
        {"status": "failed"},
        {"status": "canceled"},
        {"kind": "call"},
        {"at": -3600.0},
        {"at": 3600.0},
    ],
    ids=repr,
)
def test_another_message_is_not_taken_for_ours(sim, provider, other):
    begun = time.time()
    provider.send(out(), timeout=5)
    sim.accepted[0] |= {k: begun + v if k == "at" else v for k, v in other.items()}
    assert make(sim).lookup(out(), since=begun, timeout=5) is None


@pytest.mark.parametrize(
    ("stored", "status"),
    [
        ({"status": "delivered"}, Status.DELIVERED),
        ({"status": "undelivered"}, Status.SENT),
        ({"body": "Sent from your Twilio trial account - " + TEXT}, Status.SENT),
        ({"date_sent": 1.7e9}, Status.SENT),
    ],
    ids=repr,
)
def test_ours_is_known_however_it_stands_there(sim, provider, stored, status):
    begun = time.time()
    sent = provider.send(out(), timeout=5)
    sim.accepted[0] |= stored
    found = make(sim).lookup(out(), since=begun, timeout=5)
    assert found == Sent(sent.provider_message_id, status)


def test_of_two_that_look_alike_the_first_since_is_ours(sim, provider):
    earlier = provider.send(out(), timeout=5)
    sim.accepted[0]["at"] -= 30
    begun = time.time()
    ours = provider.send(out(), timeout=5)
    provider.send(out(), timeout=5)
    sim.accepted[2]["at"] += 30
    assert make(sim).lookup(out(), since=begun, timeout=5) == ours
    assert make(sim).lookup(out(), since=begun - 30, timeout=5) == earlier


def test_a_messaging_service_knows_its_own(sim):
    service = {"messaging_service_sid": "MG" + "1" * 32}
    begun = time.time()
    sent = make(sim, **service).send(out(), timeout=5)
    assert make(sim, **service).lookup(out(), since=begun, timeout=5) == sent
    sim.accepted[0]["service"] = "MG" + "2" * 32
    assert make(sim, **service).lookup(out(), since=begun, timeout=5) is None


@pytest.mark.parametrize("off", [-3600, 3600])
def test_a_clock_that_is_wrong_here_is_allowed_for(sim, off):
    def wrong():
        return make(sim, clock=lambda: time.time() + off)

    begun = time.time() + off
    sent = wrong().send(out(), timeout=5)
    assert wrong().lookup(out(), since=begun, timeout=5) == sent
    sim.accepted[0]["at"] -= 60
    assert wrong().lookup(out(), since=begun, timeout=5) is None


def test_more_records_than_were_read_leave_the_question_open(sim, provider):
    begun = time.time()
    for _ in range(inside.PAGE):
        sim.accept("message", {"To": TO, "From": FROM, "Body": "another"})
    with pytest.raises(SendError) as caught:
        make(sim).lookup(out(), since=begun, timeout=5)
    assert (caught.value.code, caught.value.permanent) == ("lookup_incomplete", False)
    sim.accepted[0]["at"] = begun - 60  # then the page reaches back far enough
    assert make(sim).lookup(out(), since=begun, timeout=5) is None


def test_an_account_that_keeps_no_texts_cannot_be_asked(sim, provider):
    begun = time.time()
    provider.send(out(), timeout=5)
    sim.accepted[0]["body"] = ""
    with pytest.raises(LookupUnsupported):
        make(sim).lookup(out(), since=begun, timeout=5)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (server_error(accepted=False), "provider_error"),
        (rate_limited(3), "rate_limited"),
        (error(401, 20003), "auth_failed"),
        (hang(30), "timeout"),
        (drip(0.05), "timeout"),
        (cut(accepted=False), "connection_cut"),
        (garbage(b"<html>"), "garbled_answer"),
        (garbage(b"[]"), "garbled_answer"),
        (garbage(b'{"messages": [{"sid": "SM1"}]}'), "garbled_answer"),
        (garbage(b'{"messages": 1}'), "garbled_answer"),
    ],
    ids=repr,
)
def test_a_question_without_an_answer_is_no_answer(sim, provider, reply, code):
    sim.script_reads([reply])
    begun = time.monotonic()
    with pytest.raises(SendError) as caught:
        make(sim).lookup(out(), since=time.time(), timeout=LIMIT)
    assert caught.value.code == code
    assert time.monotonic() - begun < GENEROUS


# ------------------------------------------------------------------------------ settings


GOOD = {"account_sid": ACCOUNT, "auth_token": TOKEN, "from_number": FROM}


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        ({"account_sid": ""}, "account_sid"),
        ({"account_sid": "SK" + "0" * 32}, "account_sid"),
        ({"account_sid": "AC0/../AC1"}, "account_sid"),
        ({"auth_token": ""}, "auth_token"),
        ({"auth_token": [TOKEN]}, "auth_token"),
        ({"from_number": "15005550006"}, "from_number"),
        ({"from_number": "+1500555000x"}, "from_number"),
        ({"from_number": "+15005550006\n"}, "from_number"),
        ({"from_number": None}, ""),
        ({"messaging_service_sid": "MG1"}, ""),
        ({"from_number": None, "messaging_service_sid": "XX1"}, "messaging_service_sid"),
        ({"base_url": "ftp://here"}, "base_url"),
        ({"base_url": "http://user:pass@here"}, "base_url"),
        ({"base_url": "http://here/?a=b"}, "base_url"),
        ({"from": FROM}, "from"),
    ],
    ids=repr,
)
def test_settings_name_their_faults_and_never_a_secret(change, loc):
    with pytest.raises(ValidationError) as caught:
        twilio.Settings(**GOOD | change)
    assert ".".join(map(str, caught.value.errors()[0]["loc"])) == loc
    assert TOKEN not in str(caught.value)


def test_settings_do_not_show_the_token():
    assert TOKEN not in repr(twilio.Settings(**GOOD))


def test_nothing_is_polled(provider):
    assert list(provider.poll(0.0)) == []


def test_connections_are_kept(sim, provider):
    before = sim.connections
    for _ in range(5):
        provider.send(out(), timeout=5)
    assert sim.connections - before == 1
