"""What Twilio reports, signed as its SDK signs, over HTTP: receipts and what people write."""

import hashlib
import time
from email.utils import formatdate
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from otp_messaging_agent.errors import Forged, Scope
from otp_messaging_agent.message import Channel, Inbound, MessageType, Receipt, Status
from otp_messaging_agent.providers import twilio
from otp_messaging_agent.providers.base import Callback, Context, Heard, Outgoing
from tests.simulators.server import Reply, Simulator, refused
from tests.simulators.twilio import ACCOUNT, SENDER, TOKEN, TwilioSimulator

TO = "+447700900001"
AT = 1_790_000_000.0
SM, CA = "SM" + "5" * 32, "CA" + "6" * 32
URL = "https://otp.example.com/webhooks/twilio/status?attempt=m1.1"
FORM = {"content-type": "application/x-www-form-urlencoded"}


def make(public_url="https://otp.example.com", base_url=None):
    settings = twilio.Settings(
        account_sid=ACCOUNT, auth_token=TOKEN, from_number=SENDER, base_url=base_url
    )
    context = Context("twilio", None, time.time, time.sleep, public_url=public_url)
    return twilio.make(settings, context)


@pytest.fixture
def world():
    """Yield Twilio's stand-in, a provider over it, and what the provider's webhook heard."""
    heard, answers = [], []

    def listen(request):
        url = hook.url + request.path
        query = parse_qsl(urlsplit(request.path).query, keep_blank_values=True)
        called = Callback(request.method, url, query, request.headers, request.body, AT)
        try:
            said = provider.hear(called)
        except (Forged, ValueError) as e:
            return refused(403 if isinstance(e, Forged) else 400)
        heard.append(said)
        answers.append(said.answer)
        return Reply(200, said.answer.encode())

    with TwilioSimulator() as sim, Simulator(listen) as hook:
        provider = make(hook.url, sim.url)
        inbound = hook.url + "/webhooks/twilio/inbound"
        yield SimpleNamespace(
            sim=sim, provider=provider, heard=heard, inbound=inbound, answers=answers, hook=hook
        )
        provider.close()


def out(channel=Channel.SMS, attempt="m1.1"):
    text = "Your code is 123456."
    return Outgoing(attempt, "m1", channel, MessageType.OTP, TO, text, code="123456")


def sent(world, channel=Channel.SMS):
    return world.provider.send(out(channel), timeout=5).provider_message_id


# ------------------------------------------------------------------------------ asking for them


@pytest.mark.parametrize(
    ("public", "api", "can"),
    [
        ("https://otp.example.com", None, True),
        ("http://127.0.0.1:5000", None, False),
        ("http://127.0.0.1:5000", "http://127.0.0.1:9", True),
    ],
)
def test_receipts_are_promised_where_twilio_can_reach_us(public, api, can):
    assert make(public, api).receipts is can


@pytest.mark.parametrize("channel", twilio.CHANNELS)
def test_each_send_says_where_to_report_it(world, channel):
    world.provider.send(out(channel, attempt="msg_1.2"), timeout=5)
    form = world.sim.accepted[0]["form"]
    assert form["StatusCallback"] == f"{world.hook.url}/webhooks/twilio/status?attempt=msg_1.2"
    events = "initiated completed" if channel is Channel.CALL else None
    assert form.get("StatusCallbackEvent") == events


def test_no_report_is_asked_for_where_none_could_arrive():
    with TwilioSimulator() as sim:
        provider = make("https://otp.example.com", sim.url)
        provider._callback = make("http://127.0.0.1:5000")._callback  # the API is really elsewhere
        for channel in twilio.CHANNELS:
            sid = provider.send(out(channel), timeout=5).provider_message_id
            assert sim.report(sid, "completed") is None
        assert not any("StatusCallback" in e["form"] for e in sim.accepted)


# ------------------------------------------------------------------------------ receipts


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        *((s, None) for s in ("queued", "accepted", "scheduled", "sending", "partially_delivered")),
        ("sent", Status.SENT),
        ("delivered", Status.DELIVERED),
        ("read", Status.READ),
    ],
)
@pytest.mark.parametrize("channel", [Channel.SMS, Channel.WHATSAPP])
def test_a_status_of_a_message_is_a_receipt_or_nothing(world, channel, theirs, ours):
    sid = sent(world, channel)
    assert world.sim.report(sid, theirs) == 200
    receipts = [Receipt("twilio", sid, ours, AT)] if ours else ()
    assert world.heard == [Heard(receipts=receipts)]
    assert world.answers == [""]


@pytest.mark.parametrize(
    ("status", "error", "code", "scope"),
    [
        ("undelivered", 30001, "rate_limited", Scope.PROVIDER),
        ("failed", 30002, "account_inactive", Scope.ACCOUNT),
        ("undelivered", 30003, "handset_unreachable", Scope.CHANNEL),
        ("undelivered", 30004, "blocked", Scope.CHANNEL),
        ("undelivered", 30005, "number_unreachable", Scope.CHANNEL),
        ("undelivered", 30006, "not_mobile", Scope.CHANNEL),
        ("undelivered", 30007, "filtered", Scope.PROVIDER),
        ("undelivered", 30008, "undelivered", Scope.PROVIDER),
        ("undelivered", 30034, "sender_unregistered", Scope.PROVIDER),
        ("failed", 30036, "expired", Scope.PROVIDER),
        ("failed", 21610, "opted_out", Scope.CHANNEL),
        ("failed", 21211, "invalid_number", Scope.RECIPIENT),
        ("failed", 63016, "window_closed", Scope.CHANNEL),
        ("undelivered", 63024, "not_on_whatsapp", Scope.CHANNEL),
        ("undelivered", 63032, "not_on_whatsapp", Scope.CHANNEL),
        ("failed", 63027, "template_refused", Scope.PROVIDER),
        ("failed", 99999, "undelivered", Scope.PROVIDER),
        ("failed", None, "undelivered", Scope.PROVIDER),
        ("canceled", None, "canceled", Scope.PROVIDER),
    ],
)
def test_what_failed_says_why_and_what_that_ends(world, status, error, code, scope):
    sid = sent(world)
    assert world.sim.report(sid, status, error) == 200
    detail = f"{status}, error {error or 'none'}"
    receipt = Receipt("twilio", sid, Status.UNDELIVERED, AT, code, detail, scope.value)
    assert world.heard == [Heard(receipts=[receipt])]


@pytest.mark.parametrize(
    ("theirs", "ours", "code", "scope"),
    [
        ("initiated", None, None, None),
        ("completed", Status.DELIVERED, None, None),
        ("busy", Status.UNDELIVERED, "busy", "channel"),
        ("no-answer", Status.UNDELIVERED, "no_answer", "channel"),
        ("failed", Status.UNDELIVERED, "call_failed", "channel"),
        ("canceled", Status.UNDELIVERED, "canceled", "provider"),
    ],
)
def test_how_a_call_ended_is_a_receipt(world, theirs, ours, code, scope):
    sid = sent(world, Channel.CALL)
    assert world.sim.report(sid, theirs, Timestamp=formatdate(AT - 60)) == 200
    said = f"call-{theirs}, error none" if code else None
    receipt = Receipt("twilio", sid, ours, AT - 60, code, said, scope)
    assert world.heard == [Heard(receipts=[receipt] if ours else ())]


@pytest.mark.parametrize("status", ["queued", "ringing", "in-progress"])
def test_of_a_call_on_its_way_nothing_is_asked_and_nothing_would_be_heard(world, status):
    sid = sent(world, Channel.CALL)
    assert world.sim.report(sid, status) is None
    assert hear({"CallSid": sid, "CallStatus": status}) == Heard()


def test_a_call_that_a_machine_took_counts_as_reached(world):
    world.sim.report(sent(world, Channel.CALL), "completed", AnsweredBy="machine_start")
    assert world.heard[0].receipts[0].status is Status.DELIVERED


def test_a_call_that_comes_in_is_none_of_ours():
    assert hear({"CallSid": CA, "CallStatus": "completed", "Direction": "inbound"}) == Heard()


@pytest.fixture
def elsewhere(monkeypatch):
    """Live in another zone than UTC."""
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ("Tue, 01 Sep 2026 10:00:00 +0000", 1788256800.0),
        ("Tue, 01 Sep 2026 12:00:00 +0200", 1788256800.0),
        ("Tue, 01 Sep 2026 10:00:00 -0000", 1788256800.0),
        ("yesterday", AT),
        ("Tue, 01 Sep 99999999999999999999 10:00:00 +0000", AT),
        ("", AT),
    ],
)
def test_a_time_is_twilios_where_it_tells_one(told, at, elsewhere):
    fields = {"CallSid": CA, "CallStatus": "completed", "Timestamp": told}
    assert hear(fields).receipts[0].at == at


def test_reports_are_heard_in_any_order_and_as_often_as_they_come(world):
    sid = sent(world)
    for status in ("delivered", "sent", "delivered"):
        assert world.sim.report(sid, status) == 200
    said = [h.receipts[0].status for h in world.heard]
    assert said == [Status.DELIVERED, Status.SENT, Status.DELIVERED]


def test_no_receipt_tells_the_number_or_their_words(world):
    words = f"{TO} is unknown"
    world.sim.report(sent(world), "failed", 30005, ErrorMessage=words)
    world.sim.report(sent(world), "failed", ErrorCode=words)
    assert len(world.heard) == 2
    assert TO[1:] not in repr(world.heard)


# ------------------------------------------------------------------------------ what people write


@pytest.mark.parametrize(
    ("from_", "channel"), [(TO, Channel.SMS), (f"whatsapp:{TO}", Channel.WHATSAPP)]
)
def test_what_is_written_comes_in_by_its_channel(world, from_, channel):
    assert world.sim.write(from_, "STOP it, señor 😀", world.inbound) == 200
    ((came,),) = [h.inbound for h in world.heard]
    sid = came.provider_message_id
    assert came == Inbound("twilio", sid, channel, TO, "STOP it, señor 😀", AT)
    assert sid.startswith("SM")
    assert world.answers == [""]


@pytest.mark.parametrize("kind", ["STOP", "START", "HELP"])
def test_a_keyword_in_any_language_means_what_twilio_says_it_does(world, kind):
    world.sim.write(TO, "ARRÊT", world.inbound, OptOutType=kind)
    assert world.heard[0].inbound[0].text == kind


def test_a_picture_without_words_is_an_empty_text(world):
    world.sim.write(TO, "", world.inbound, NumMedia="1")
    assert world.heard[0].inbound[0].text == ""


@pytest.mark.parametrize("from_", ["12345", "TWILIO", "messenger:123", "rcs:" + TO, ""])
def test_what_no_person_we_can_reach_wrote_is_passed_over(world, from_):
    assert world.sim.write(from_, "Hello", world.inbound) == 200
    assert world.heard == [Heard(inbound=[])]


def test_a_webhook_set_to_get_is_signed_by_its_url_alone():
    url = "https://otp.example.com/webhooks/twilio/inbound?" + urlencode(
        {"Body": "STOP", "From": TO, "MessageSid": SM, "SmsStatus": "received"}
    )
    signature = RequestValidator(TOKEN).compute_signature(url, {})
    assert hear({}, url=url, signature=signature, method="GET").inbound[0].text == "STOP"


# ------------------------------------------------------------------------------ signatures


def hear(fields, *, url=URL, signature=None, body=None, headers=FORM, method="POST"):
    """Hear *fields*, signed unless a signature is given."""
    if signature is None:
        signature = RequestValidator(TOKEN).compute_signature(url, MultiDict(fields))
    pairs = fields.items() if isinstance(fields, dict) else fields
    body = urlencode(list(pairs)).encode() if body is None else body
    query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    headers = {**headers, "x-twilio-signature": signature}
    return make().hear(Callback(method, url, query, headers, body, AT))


STATUS = {"MessageSid": SM, "MessageStatus": "delivered"}


def test_a_forged_report_and_reply_are_refused(world):
    sid = sent(world)
    assert world.sim.report(sid, "delivered", token="another") == 403
    assert world.sim.write(TO, "STOP", world.inbound, token="another") == 403
    assert world.heard == []


@pytest.mark.parametrize(
    "signature",
    ["", "x", "\xff\xfe", "日本", "\ud800", "A" * 10_000, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="],
)
def test_a_signature_that_is_none_is_refused(signature):
    with pytest.raises(Forged):
        hear(STATUS, signature=signature)


@pytest.mark.parametrize("piece", [b"a=1&", b"%41"])
def test_a_stranger_cannot_make_us_read_much(piece):
    began = time.process_time()
    with pytest.raises(Forged):
        hear({}, body=piece * (16_000_000 // len(piece)), signature="x")
    assert time.process_time() - began < 0.5


def test_the_longest_text_is_heard():
    text = "\U0001f600" * 4096
    fields = {"MessageSid": SM, "From": TO, "Body": text, "SmsStatus": "received"}
    assert hear(fields).inbound[0].text == text


def test_a_missing_signature_is_refused():
    body = urlencode(STATUS).encode()
    with pytest.raises(Forged):
        make().hear(Callback("POST", URL, [("attempt", "m1.1")], FORM, body, AT))


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        (URL, {**STATUS, "MessageStatus": "failed"}),
        (URL, {**STATUS, "ErrorCode": "30003"}),
        (URL, {"MessageSid": SM}),
        (URL.replace("m1.1", "m2.1"), STATUS),
        (URL.replace("https", "http"), STATUS),
        (URL.replace("otp.", "evil."), STATUS),
        (URL.replace("/twilio/", "/other/"), STATUS),
    ],
)
def test_nothing_that_is_signed_can_be_changed(url, fields):
    signature = RequestValidator(TOKEN).compute_signature(URL, STATUS)
    with pytest.raises(Forged):
        hear(fields, url=url, signature=signature)


@pytest.mark.parametrize("signed", ["otp.example.com", "otp.example.com:443"])
@pytest.mark.parametrize("told", ["otp.example.com", "otp.example.com:443"])
def test_the_port_may_be_signed_or_not(signed, told):
    url = URL.replace("otp.example.com", signed)
    signature = RequestValidator(TOKEN).compute_signature(url, STATUS)
    assert hear(STATUS, url=URL.replace("otp.example.com", told), signature=signature).receipts


@pytest.mark.parametrize("signed", ["otp.example.com", "otp.example.com:8443"])
def test_a_port_of_ones_own_may_be_signed_or_not(signed):
    url = URL.replace("otp.example.com", signed)
    signature = RequestValidator(TOKEN).compute_signature(url, STATUS)
    assert hear(STATUS, url=URL.replace(".com", ".com:8443"), signature=signature).receipts


def test_an_address_of_version_6_keeps_its_colons():
    url = URL.replace("otp.example.com", "[2001:db8::1]:8443")
    assert hear(STATUS, url=url).receipts


def test_another_kind_of_body_is_covered_by_its_hash_in_the_url():
    body, json = b'{"a": 1}', {"content-type": "application/json"}

    def told(url):
        signature = RequestValidator(TOKEN).compute_signature(url, {})
        return hear({}, url=url, signature=signature, body=body, headers=json)

    for wrong in ("", "&bodySHA256=", "&bodySHA256=" + "0" * 64, "&bodySHA256=%FF"):
        with pytest.raises(Forged):
            told(URL + wrong)
    right = "&bodySHA256=" + hashlib.sha256(body).hexdigest()
    with pytest.raises(ValueError, match="neither"):  # signed, but of nothing we know
        told(URL + right)
    assert told(URL + right + "&" + urlencode(STATUS)).receipts


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"MessageSid": SM},
        {"MessageStatus": "delivered"},
        {"MessageSid": "SM1", "MessageStatus": "delivered"},
        {"MessageSid": SM + "\n", "MessageStatus": "delivered"},
        {"CallSid": CA},
        {"CallSid": "", "Body": "x"},
    ],
)
def test_what_is_signed_and_makes_no_sense_is_an_error(fields):
    with pytest.raises(ValueError, match="neither"):
        hear(fields)


PAIRS = st.lists(st.tuples(st.sampled_from("abB "), st.sampled_from(["", "1", "b1", "é😀"])))


@given(PAIRS)
def test_several_values_of_one_name_are_signed_as_the_sdk_signs_them(pairs):
    assert hear([*pairs, *STATUS.items()]).receipts == [Receipt("twilio", SM, Status.DELIVERED, AT)]


NAMES = ["MessageSid", "SmsSid", "CallSid", "MessageStatus", "SmsStatus", "CallStatus", "Body"]
NAMES += ["From", "To", "ErrorCode", "OptOutType", "Timestamp", "Direction", "attempt"]
VALUES = [SM, CA, "delivered", "failed", "completed", "received", TO, "whatsapp:" + TO, "30003"]


@given(
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES) | st.text(max_size=40)),
    st.booleans(),
    st.binary(max_size=40),
    st.text(max_size=30),
)
def test_a_callback_is_heard_forged_or_an_error(fields, signed, raw, signature):
    fields = {k: v.encode(errors="replace").decode() for k, v in fields.items()}
    given_ = {} if signed else {"body": raw, "signature": signature}
    try:
        heard = hear(fields, **given_)
    except (Forged, ValueError):
        return
    assert signed
    assert isinstance(heard, Heard)
