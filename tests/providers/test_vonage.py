"""Vonage against a local stand-in that signs and refuses as Vonage does, and its official SDK."""

import json
import time
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from vonage_http_client import HttpClientOptions
from vonage_jwt import verify_signature
from vonage_messages import Messages
from vonage_messages.models import Sms
from vonage_voice import CreateCallRequest, Talk, Voice

from otp_messaging_agent.errors import Forged, LookupUnsupported, Scope, SendError
from otp_messaging_agent.message import Channel, Inbound, MessageType, Receipt, Status
from otp_messaging_agent.providers import vonage
from otp_messaging_agent.providers.base import Callback, Context, Heard, Outgoing, Sent
from tests.simulators.server import Reply, Simulator, cut, drip, garbage, hang, redirect, refused
from tests.simulators.vonage import (
    APPLICATION,
    PEM,
    SECRET,
    answer,
    call_event,
    error,
    message_status,
    signed,
)

FROM = "+447700900000"
TO = "+447700900001"
TEXT = "Your code is 123456. It expires in 10 minutes."
LIMIT = 0.4
GENEROUS = LIMIT + 2  # what is tested would otherwise last 5 s or more
GOOD = {"application_id": APPLICATION, "private_key": PEM, "from_number": FROM}
ID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
AT = 1738584865.0  # 2025-02-03T12:14:25Z


@pytest.fixture(scope="module")
def shared():
    with Simulator(answer) as sim:
        yield sim


@pytest.fixture
def sim(shared):
    yield shared
    shared.forget()


def make(sim, *, clock=time.time, public_url="http://127.0.0.1:5000", **given):
    settings = vonage.Settings(**GOOD | {"base_url": sim.url} | given)
    return vonage.make(settings, Context("v", None, clock, time.sleep, public_url))


@pytest.fixture
def provider(sim):
    provider = make(sim, signature_secret=SECRET)
    yield provider
    provider.close()


def out(channel=Channel.SMS, to=TO, content=TEXT, code="123456", validity=None):
    return Outgoing(
        "m1.1", "m1", channel, MessageType.OTP, to, content, code=code, validity=validity
    )


def refusal(provider, message=None, timeout=5.0):
    with pytest.raises(SendError) as caught:
        provider.send(message or out(), timeout=timeout)
    return caught.value


def spoken(call):
    return [ET.fromstring(part["text"]) for part in call["ncco"]]  # noqa: S314 - our own


def words(part):
    return "".join(part.itertext())


# ------------------------------------------------------------------------------ what is sent


class Recorder:
    """Stands where the SDK has its HTTP client, and keeps what it would have sent."""

    api_host = HttpClientOptions().api_host
    auth = SimpleNamespace(application_id=APPLICATION)

    def post(self, host, path, body, *_):
        self.sent = (f"https://{host}{path}", json.loads(json.dumps(body)))
        ids = {"message_uuid": ID, "uuid": ID, "conversation_uuid": ID}
        return ids | {"status": "started", "direction": "outbound"}


def test_a_text_message_is_what_the_official_sdk_sends(sim, provider):
    sent = provider.send(out(validity=299.9), timeout=5)
    (request,) = sim.accepted
    sdk = Recorder()
    Messages(sdk).send(
        Sms(
            to=TO[1:],
            from_=FROM[1:],
            text=TEXT,
            ttl=299,
            client_ref="m1.1",
            webhook_url="http://127.0.0.1:5000/webhooks/v/status",
            webhook_version="v1",
        )
    )
    assert (vonage.API + request.path, request.json()) == sdk.sent
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/json"
    assert sent.status is Status.SENT
    assert len(sent.provider_message_id) == len(ID)


def test_a_call_is_what_the_official_sdk_sends(sim):
    provider = make(sim, signature_secret=SECRET, language="en-GB")
    provider.send(out(Channel.CALL, content="A 12.", code="12", validity=30.5), timeout=5)
    (request,) = sim.accepted
    sdk = Recorder()
    text = "A 1<break time='400ms'/>2."
    once = Talk(text=f"<speak>{text}</speak>", language="en-GB")
    again = Talk(text=f"<speak><break time='1s'/>{text}</speak>", language="en-GB")
    Voice(sdk).create_call(
        CreateCallRequest(
            to=[{"type": "phone", "number": TO[1:]}],
            from_={"type": "phone", "number": FROM[1:]},
            ncco=[once, again],
            ringing_timer=30,
            event_url=["http://127.0.0.1:5000/webhooks/v/status"],
            event_method="POST",
        )
    )
    assert (vonage.API + request.path, request.json()) == sdk.sent


def test_without_limit_or_receipts_only_what_is_needed_is_sent(sim):
    provider = make(sim)
    provider.send(out(), timeout=5)
    provider.send(out(Channel.CALL), timeout=5)
    text, call = (request.json() for request in sim.accepted)
    assert set(text) == {"channel", "message_type", "to", "from", "text", "client_ref"}
    assert set(call) == {"to", "from", "ncco", "ringing_timer"}
    assert call["ringing_timer"] == vonage.RING
    assert set(call["ncco"][0]) == {"action", "text"}


def test_an_address_may_end_in_a_slash(sim):
    sim.script(refused(202, {"message_uuid": ID}))
    make(sim, base_url=f"{sim.url}/proxy/").send(out(), timeout=5)
    assert sim.requests[0].path == "/proxy/v1/messages"


def test_the_api_is_vonages_unless_another_is_named():
    settings = vonage.Settings(**GOOD)
    provider = vonage.make(settings, Context("v", None, time.time, time.sleep))
    assert provider._api == f"https://{HttpClientOptions().api_host}"


@pytest.mark.parametrize("channel", vonage.CHANNELS)
def test_what_is_too_late_is_not_sent(sim, provider, channel):
    late = refusal(provider, out(channel, validity=0.9))
    assert (late.code, late.permanent, late.scope) == ("expired", True, Scope.MESSAGE)
    assert not sim.requests


def test_a_text_message_never_outlives_its_validity(sim, provider):
    short = refusal(provider, out(validity=19.9))  # Vonage would keep it for 20 s
    assert (short.code, short.permanent) == ("validity_too_short", True)
    assert short.scope is Scope.PROVIDER
    provider.send(out(validity=20), timeout=5)
    provider.send(out(validity=1e9), timeout=5)
    assert [r.json()["ttl"] for r in sim.requests] == [20, 604_800]


def test_a_call_says_the_code_digit_by_digit_and_all_of_it_twice(sim, provider):
    provider.send(out(Channel.CALL), timeout=5)
    first, second = spoken(sim.accepted[0].json())
    assert words(first) == words(second) == TEXT
    breaks = [[b.get("time") for b in part] for part in (first, second)]
    assert breaks == [["400ms"] * 5, ["1s"] + ["400ms"] * 5]


def test_a_code_that_the_text_does_not_hold_is_said_after_it(sim, provider):
    provider.send(out(Channel.CALL, content="Hello.", code="42"), timeout=5)
    assert words(spoken(sim.accepted[0].json())[0]) == "Hello. 42"


def test_without_a_code_the_text_is_said_once(sim, provider):
    provider.send(out(Channel.CALL, content="Fire!", code=None), timeout=5)
    assert [words(part) for part in spoken(sim.accepted[0].json())] == ["Fire!"]


@pytest.mark.parametrize("code", [None, "amp", "lt"])
def test_no_text_can_become_an_order_to_the_voice(sim, provider, code):
    text = "</speak><audio src='http://e'/> & amp; \"quoted\" \x00\x07 \ufffe 'ü' 😀 lt"
    provider.send(out(Channel.CALL, content=text, code=code), timeout=5)
    for part in spoken(sim.accepted[0].json()):
        assert words(part) == text.translate(dict.fromkeys((0, 7, 0xFFFE), " "))
        assert {e.tag for e in part} <= {"break"}


def test_a_call_longer_than_vonage_speaks_is_not_made(sim, provider):
    long = refusal(provider, out(Channel.CALL, content="&" * 400))
    assert (long.code, long.permanent, long.scope) == ("content_too_long", True, Scope.CHANNEL)
    assert not sim.requests


def test_a_name_sends_messages_and_cannot_call(sim):
    provider = make(sim, from_number="ACME Ltd")
    provider.send(out(), timeout=5)
    assert sim.accepted[0].json()["from"] == "ACME Ltd"
    no_voice = refusal(provider, out(Channel.CALL))
    assert (no_voice.code, no_voice.permanent) == ("misconfigured", True)
    assert no_voice.scope is Scope.PROVIDER
    assert len(sim.requests) == 1


def proofs(sim):
    tokens = [r.headers["authorization"].removeprefix("Bearer ") for r in sim.requests]
    return [jwt.decode(t, options={"verify_signature": False}) for t in tokens]


def test_a_proof_of_who_we_are_is_used_again_until_it_grows_old(sim):
    start = int(time.time()) - 700
    moments = iter([start, start + 5, start + 500, start + 601, start + 100])
    provider = make(sim, clock=lambda: next(moments))
    for _ in range(5):
        provider.send(out(), timeout=5)
    told = proofs(sim)
    issued = [p["iat"] - start for p in told]
    assert issued == [0, 0, 0, 601, 100]  # the clock went back: one of the future is not used
    assert [p["exp"] - p["iat"] for p in told] == [900] * 5
    assert len({p["jti"] for p in told}) == 3
    assert len(sim.accepted) == 5


def test_a_key_from_an_environment_variable_works(sim):
    make(sim, private_key=PEM.replace("\n", "\\n")).send(out(), timeout=5)
    assert len(sim.accepted) == 1


def test_another_application_is_refused_by_the_simulator_as_by_vonage(sim):
    refused_ = refusal(make(sim, application_id="other"))
    assert (refused_.code, refused_.scope) == ("auth_failed", Scope.ACCOUNT)


# ------------------------------------------------------------------------------ what is answered


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (error(500, "1030"), "provider_error"),
        (error(500, "1170", "to"), "provider_error"),
        (refused(502, b"<html>bad gateway</html>"), "provider_error"),
        (refused(408), "provider_error"),
        (hang(), "timeout"),
        (drip(0.05), "timeout"),
        (drip(0.05, head=True), "timeout"),
        (cut(accepted=True), "connection_cut"),
        (cut(accepted=False), "connection_cut"),
        (cut(accepted=True, after=40), "connection_cut"),
        (garbage(b"<html>"), "garbled_answer"),
        (garbage(b""), "garbled_answer"),
        (garbage(b'{"message_uuid": "1', 202), "garbled_answer"),
        (garbage(b"{}", 202), "garbled_answer"),
        (garbage(b'{"message_uuid": null, "uuid": 7}', 202), "garbled_answer"),
        (garbage(b'{"message_uuid": "", "uuid": ""}', 202), "garbled_answer"),
        (garbage(b"[]", 201), "garbled_answer"),
        (garbage(b"[" * 100_000, 201), "garbled_answer"),
        (garbage(b'{"uuid": "\xff"}', 201), "garbled_answer"),
        (garbage(b"", 204), "garbled_answer"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("channel", vonage.CHANNELS)
def test_whether_it_was_taken_is_open(sim, provider, channel, reply, code):
    sim.script(reply)
    begun = time.monotonic()
    lost = refusal(provider, out(channel), timeout=LIMIT)
    assert time.monotonic() - begun < GENEROUS
    assert (lost.code, lost.ambiguous, lost.permanent) == (code, True, False)


@pytest.mark.parametrize(
    ("reply", "code", "permanent", "scope"),
    [
        (error(422, "1020"), "rejected", True, Scope.CHANNEL),
        (error(422, "1020", "text", "total"), "rejected", True, Scope.CHANNEL),
        (error(422, "1020", "to"), "invalid_number", True, Scope.RECIPIENT),
        (error(400, "x", "to[0].number"), "invalid_number", True, Scope.RECIPIENT),
        (error(400, "x", "$.to[0].number"), "invalid_number", True, Scope.RECIPIENT),
        (error(422, "1150", "from"), "misconfigured", True, Scope.ACCOUNT),
        (error(422, "9999"), "rejected", True, Scope.CHANNEL),
        (refused(422, b"<html>"), "rejected", True, Scope.CHANNEL),
        (refused(400, b'{"type": 5, "invalid_parameters": {}}'), "rejected", True, Scope.CHANNEL),
        (refused(401), "auth_failed", True, Scope.ACCOUNT),
        (error(403, "9999"), "auth_failed", True, Scope.ACCOUNT),
        (error(403, "forbidden"), "auth_failed", True, Scope.ACCOUNT),
        (error(403, "account-suspended"), "account_inactive", True, Scope.ACCOUNT),
        (error(402, "low-balance"), "out_of_balance", True, Scope.ACCOUNT),
        (refused(402), "out_of_balance", True, Scope.ACCOUNT),
        (error(404, "not-found"), "misconfigured", True, Scope.ACCOUNT),
        (redirect("/elsewhere"), "misconfigured", True, Scope.ACCOUNT),
        (error(429, "throttled"), "rate_limited", False, Scope.PROVIDER),
        (error(429, "1170", "to"), "rate_limited", False, Scope.PROVIDER),
        (error(422, "1030"), "provider_error", False, Scope.PROVIDER),
    ],
    ids=repr,
)
def test_a_refusal_is_no_open_question(sim, provider, reply, code, permanent, scope):
    sim.script(reply)
    no = refusal(provider)
    assert (no.code, no.permanent, no.scope) == (code, permanent, scope)
    assert not no.ambiguous
    assert (len(sim.requests), len(sim.accepted)) == (1, 0)


@pytest.mark.parametrize("theirs", [code for code in vonage.VERDICTS if code.isdigit()])
def test_every_number_of_the_table_means_the_same_in_an_answer_and_in_a_report(
    sim, provider, theirs
):
    sim.script(error(422, theirs))
    no = refusal(provider)
    assert (no.code, no.permanent, no.scope) == vonage.VERDICTS[theirs]
    assert theirs in no.detail
    for why in (
        {"type": f"https://x/messages#{theirs}"},
        {"title": theirs},
        {"title": int(theirs)},
    ):
        receipt = report(provider, message_status("rejected", error=why))
        assert (receipt.error_code, receipt.scope) == (no.code, no.scope)
        assert theirs in receipt.error_detail


def test_each_code_stands_in_the_table_once():
    codes = " ".join(row[3] for row in vonage._TABLE).split()
    assert len(codes) == len(set(codes)) == len(vonage.VERDICTS)


def test_how_long_to_wait_is_kept(sim, provider):
    sim.script(error(429, "throttled", Retry_After="7"))
    assert refusal(provider).retry_after == 7.0


@pytest.mark.parametrize("channel", vonage.CHANNELS)
def test_an_api_that_cannot_be_reached_took_nothing(channel):
    with Simulator(answer) as gone:
        provider = make(gone)
    no = refusal(provider, out(channel))
    assert (no.code, no.permanent, no.ambiguous) == ("unreachable", False, False)


def test_no_error_tells_the_text_the_number_or_a_secret(sim, provider):
    replies = [error(422, "1020", "to"), error(500, "1030"), cut(accepted=True)]
    replies += [garbage(b'{"text": "' + TEXT.encode()), garbage(b'{"uuid": "+447700900001"}')]
    replies += [Reply(401, b'{"type": "https://x#' + TO[1:].encode() + b'"}')]
    sim.script(*replies)
    for _ in replies:
        e = refusal(provider)
        told = f"{e!r} {e} {e.detail} {e.args} {e.__cause__}"
        for secret in (TEXT, "123456", TO, TO[1:], SECRET, PEM[40:80], APPLICATION):
            assert secret not in told


def test_neither_api_can_be_asked_afterwards(sim, provider):
    with pytest.raises(LookupUnsupported):
        provider.lookup(out(), since=0.0, timeout=1.0)
    assert not sim.requests


# ------------------------------------------------------------------------------ what is reported


def hear(provider, body, **how):
    return provider.hear(signed(json.dumps(body).encode(), **how))


def report(provider, body):
    heard = hear(provider, body)
    (receipt,) = heard.receipts
    assert not heard.inbound
    return receipt


def test_the_simulator_signs_as_the_official_sdk_checks():
    token = signed(b"{}").headers["authorization"].removeprefix("Bearer ")
    assert verify_signature(token, SECRET)
    assert not verify_signature(token, SECRET + "x")


@pytest.mark.parametrize(
    ("secret", "public_url", "base_url", "promised"),
    [
        (SECRET, "http://127.0.0.1:5000", "http://127.0.0.1:1", True),
        (SECRET, "https://otp.example.com", None, True),
        (SECRET, "http://127.0.0.1:5000", None, False),  # Vonage cannot call a loopback address
        (None, "https://otp.example.com", None, False),  # what cannot be verified is not asked for
    ],
)
def test_receipts_are_promised_where_they_can_come_and_be_verified(
    secret, public_url, base_url, promised
):
    settings = vonage.Settings(**GOOD, signature_secret=secret, base_url=base_url)
    context = Context("v", None, time.time, time.sleep, public_url)
    assert vonage.make(settings, context).receipts is promised


@pytest.mark.parametrize(
    ("status", "became"),
    [("submitted", Status.SENT), ("delivered", Status.DELIVERED), ("read", Status.READ)],
)
def test_what_became_of_a_message_is_told(provider, status, became):
    assert report(provider, message_status(status)) == Receipt("v", ID, became, AT)


@pytest.mark.parametrize(
    ("status", "error", "code", "scope"),
    [
        ("rejected", {"title": "1240"}, "opted_out", Scope.CHANNEL),
        ("rejected", {"type": "https://x#1170", "title": "no"}, "invalid_number", Scope.RECIPIENT),
        ("rejected", {"title": "4711"}, "rejected", Scope.CHANNEL),
        ("rejected", None, "rejected", Scope.CHANNEL),
        ("rejected", ["1240"], "rejected", Scope.CHANNEL),
        ("undeliverable", {}, "provider_error", Scope.PROVIDER),
    ],
)
def test_why_a_message_was_not_delivered_is_told(provider, status, error, code, scope):
    receipt = report(provider, message_status(status, error=error))
    assert (receipt.status, receipt.error_code) == (Status.UNDELIVERED, code)
    assert (receipt.scope, receipt.at) == (scope, AT)


@pytest.mark.parametrize(
    ("event", "status", "code"),
    [
        (call_event("completed", duration="9"), Status.DELIVERED, None),
        (call_event("completed"), Status.DELIVERED, None),
        (call_event("completed", duration="0"), Status.UNDELIVERED, "no_answer"),
        (call_event("busy"), Status.UNDELIVERED, "no_answer"),
        (call_event("timeout"), Status.UNDELIVERED, "no_answer"),
        (call_event("unanswered"), Status.UNDELIVERED, "no_answer"),
        (call_event("cancelled"), Status.UNDELIVERED, "number_unreachable"),
        (call_event("failed"), Status.UNDELIVERED, "rejected"),
        (call_event("failed", detail="invalid_number"), Status.UNDELIVERED, "invalid_number"),
        (call_event("failed", detail="cannot_route"), Status.UNDELIVERED, "no_route"),
        (call_event("rejected", detail="restricted"), Status.UNDELIVERED, "blocked"),
        (call_event("unanswered", detail="unavailable"), Status.UNDELIVERED, "number_unreachable"),
        (call_event("failed", detail="news"), Status.UNDELIVERED, "rejected"),
    ],
    ids=repr,
)
def test_what_became_of_a_call_is_told(provider, event, status, code):
    receipt = report(provider, event)
    assert (receipt.provider_message_id, receipt.status, receipt.error_code) == (ID, status, code)
    assert receipt.at == AT + 0.12


@pytest.mark.parametrize(
    "body",
    [
        *(call_event(status) for status in ("started", "ringing", "answered", "human", "new")),
        call_event("completed", direction="inbound", duration="9"),
        {"conversation_uuid": f"CON-{ID}", "type": "transfer", "uuid": ID},
        {"conversation_uuid": f"CON-{ID}", "reason": "Syntax error in NCCO"},
        message_status("queued"),
        message_status(["delivered"]),
        {"message_uuid": ID, "channel": "whatsapp", "from": TO[1:], "text": "STOP"},
        {"message_uuid": ID, "channel": "sms", "from": "ACME", "text": "STOP"},
        {"message_uuid": ID, "channel": "sms", "from": "٤٤٧٧٠٠٩٠٠٠٠١", "text": "STOP"},
        {},
    ],
    ids=repr,
)
def test_what_says_nothing_of_interest_is_heard_and_dropped(provider, body):
    assert hear(provider, body) == Heard()


@pytest.mark.parametrize("sender", [TO, TO[1:]])
def test_what_somebody_wrote_is_told(provider, sender):
    body = {"channel": "sms", "message_uuid": ID, "to": FROM[1:], "from": sender, "text": "STOP"}
    body |= {"message_type": "text", "timestamp": "2025-02-03T12:14:25Z"}
    assert hear(provider, body) == Heard(inbound=[Inbound("v", ID, Channel.SMS, TO, "STOP", AT)])


@pytest.mark.parametrize("told", ["yesterday", None, 5, "2025-02-03 12:14:25", "0001-01-01T00:00Z"])
def test_a_time_that_cannot_be_read_loses_no_receipt(provider, told):
    now = time.time()
    heard = hear(provider, message_status("delivered", timestamp=told), at=now)
    assert heard.receipts[0].at in {now, -62135596800.0}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"7",
        b"\xff",
        b"{",
        b"[" * 100_000,
        b'{"message_uuid": 7, "status": "delivered"}',
        b'{"message_uuid": "", "status": "delivered"}',
        b'{"status": "completed"}',
        b'{"uuid": null, "status": "completed"}',
        b'{"message_uuid": [], "channel": "sms", "from": "447700900001"}',
        b'{"message_uuid": "\\ud800", "status": "delivered"}',
    ],
    ids=lambda b: repr(b[:40]),
)
def test_signed_nonsense_is_nonsense(provider, body):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the contract names no more
        provider.hear(signed(body))
    assert "447700900001" not in str(caught.value)


BODY = json.dumps(message_status("delivered")).encode()


def test_a_hash_of_the_body_without_blanks_is_as_good(provider):
    loose = json.dumps(call_event("completed", note="ü"), indent=2, ensure_ascii=False).encode()
    text = json.dumps(json.loads(loose), separators=(",", ":"), ensure_ascii=False)
    assert provider.hear(signed(loose, hashed=text.encode())).receipts


@pytest.mark.parametrize("late", [-299, 299])
def test_a_signature_is_good_for_five_minutes(provider, late):
    at = float(int(time.time()))
    assert provider.hear(signed(BODY, at=at, iat=at + late)).receipts


UNSIGNED = jwt.encode({"iat": int(time.time()), "payload_hash": "0"}, None, "none")
FORGERIES = {
    "another secret": signed(BODY, secret=SECRET + "x"),
    "another body": signed(BODY, hashed=BODY + b" "),
    "another body that cannot be read": signed(b"{", hashed=BODY),
    "no hash": signed(BODY, payload_hash=None),
    "a hash that is none": signed(BODY, payload_hash=7),
    "a hash that is not ASCII": signed(BODY, payload_hash="ü" * 64),
    "no time": signed(BODY, iat=None),
    "a time that is none": signed(BODY, iat="now"),
    "a time beyond numbers": signed(BODY, iat=10**400),
    "no number as time": signed(BODY, iat=float("nan")),
    "too old": signed(BODY, iat=time.time() - 301),
    "of the future": signed(BODY, iat=time.time() + 400),
}
HEADERS = {
    "no header": {},
    "nothing in it": {"authorization": ""},
    "another scheme": {"authorization": "Basic YTpi"},
    "not signed": {"authorization": f"Bearer {UNSIGNED}"},
    "not ASCII": {"authorization": "Bearer ü.ü.ü"},
    "a lone surrogate": {"authorization": "Bearer \ud800.a.b"},
    "bottomless": {"authorization": f"Bearer {'W1tb' * 20_000}.e30.e30"},
}


@pytest.mark.parametrize("callback", FORGERIES.values(), ids=FORGERIES)
def test_a_forgery_is_refused(provider, callback):
    with pytest.raises(Forged):
        provider.hear(callback)


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
def test_what_carries_no_signature_is_refused(provider, headers):
    with pytest.raises(Forged):
        provider.hear(Callback("POST", "http://x/", (), headers, BODY, time.time()))


def test_without_a_secret_everything_is_refused(sim):
    with pytest.raises(Forged):
        make(sim).hear(signed(BODY))


SETTINGS = vonage.Settings(**GOOD, signature_secret=SECRET)
ALONE = vonage.make(SETTINGS, Context("v", None, time.time, time.sleep))
FIELDS = st.sampled_from(
    ["message_uuid", "uuid", "status", "channel", "from", "text", "timestamp", "error", "detail"]
)
VALUES = st.one_of(
    st.sampled_from([ID, "delivered", "rejected", "completed", "failed", "sms", TO, "0"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
)


def _heard_or_refused(callback):
    try:
        heard = ALONE.hear(callback)
    except (Forged, ValueError):
        return
    assert isinstance(heard, Heard)
    for receipt in heard.receipts:
        assert receipt.provider_message_id
        assert receipt.status in set(vonage._MESSAGE.values())
        assert isinstance(receipt.at, float)


# the first text drawn builds a table of all characters, which is slow on a busy machine
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@PATIENT
@given(st.dictionaries(FIELDS, VALUES))
def test_whatever_vonage_signs_is_heard_or_refused(body):
    _heard_or_refused(signed(json.dumps(body).encode()))


@PATIENT
@given(st.binary(), st.binary(), st.text())
def test_whatever_anyone_sends_is_heard_or_refused(body, hashed, token):
    _heard_or_refused(signed(body))
    _heard_or_refused(signed(body, hashed=hashed))
    headers = {"authorization": f"Bearer {token}"}
    with pytest.raises(Forged):
        ALONE.hear(Callback("POST", "http://x/", (), headers, body, 0.0))


# ------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        ({"application_id": ""}, "application_id"),
        ({"application_id": "a/../b"}, "application_id"),
        ({"private_key": ""}, "private_key"),
        ({"private_key": SECRET}, "private_key"),
        ({"private_key": PEM[:-200]}, "private_key"),
        ({"private_key": "/etc/private.key"}, "private_key"),
        ({"signature_secret": ""}, "signature_secret"),
        ({"signature_secret": [SECRET]}, "signature_secret"),
        ({"from_number": "+0447700900000"}, "from_number"),
        ({"from_number": "+447700900000\n"}, "from_number"),
        ({"from_number": "more than eleven"}, "from_number"),
        ({"language": "en'/><x"}, "language"),
        ({"base_url": "ftp://here"}, "base_url"),
        ({"base_url": "http://user:pass@here"}, "base_url"),
        ({"base_url": "http://here/?a=b"}, "base_url"),
        ({"api_secret": SECRET}, "api_secret"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_settings_name_their_faults_and_never_a_secret(change, loc):
    with pytest.raises(ValidationError) as caught:
        vonage.Settings(**GOOD | change)
    assert ".".join(map(str, caught.value.errors()[0]["loc"])) == loc
    assert SECRET not in str(caught.value)
    assert PEM[40:80] not in str(caught.value)


def test_settings_do_not_show_a_secret():
    shown = repr(SETTINGS)
    assert SECRET not in shown
    assert PEM[40:80] not in shown


def test_a_sent_message_costs_what_the_config_says(provider):
    sent = provider.send(out(), timeout=5)
    assert sent == Sent(sent.provider_message_id, Status.SENT, None)
    assert list(provider.poll(0.0)) == []
