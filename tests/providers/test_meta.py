"""The provider against a stand-in for Meta: what is sent, what is answered, what comes back."""

import contextlib
import json
import re
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from otp_messaging_agent.errors import Forged, LookupUnsupported, Scope, SendError
from otp_messaging_agent.message import Channel, Inbound, MessageType, Receipt, Status
from otp_messaging_agent.providers import meta
from otp_messaging_agent.providers.base import Callback, Context, Heard, Outgoing
from tests.simulators.meta import (
    APP_SECRET,
    NUMBER_ID,
    SECRETS,
    TOKEN,
    VERIFY_TOKEN,
    answer,
    checked,
    error,
    make,
    message,
    notice,
    posted,
    signature,
    status,
    wamid,
)
from tests.simulators.server import Reply, Simulator, cut, drip, garbage, hang, redirect

RECORDED = json.loads((Path(__file__).parent / "recorded/meta.json").read_text())
TO = "+447700900001"
TEXT = "Your code is 123456. It expires in 10 minutes."
LIMIT = 0.4
GENEROUS = LIMIT + 2  # what is tested would otherwise last 5 s or more
TEMPLATES = {
    "otp": {"name": "login_code", "language": "en_US"},
    "reminder": {"name": "reminder_1", "language": "pt_BR"},
    "alert": {"name": "alert_1", "language": "fil", "parameter_name": "what"},
}


@pytest.fixture(scope="module")
def shared():
    with Simulator(answer) as sim:
        yield sim


@pytest.fixture
def sim(shared):
    yield shared
    shared.forget()


@pytest.fixture
def provider(sim):
    provider = make(sim, templates=TEMPLATES)
    yield provider
    provider.close()


def out(type_=MessageType.OTP, content=TEXT, *, code="123456", validity=None, attempt="m1.1"):
    code = code if type_ is MessageType.OTP else None
    return Outgoing(
        attempt, "m1", Channel.WHATSAPP, type_, TO, content, code=code, validity=validity
    )


def refusal(provider, given=None, *, timeout=5):
    with pytest.raises(SendError) as caught:
        provider.send(given or out(), timeout=timeout)
    return caught.value


# ------------------------------------------------------------------------------ what is sent


def test_a_code_goes_into_body_and_button_of_an_authentication_template(sim, provider):
    sent = provider.send(out(validity=300), timeout=5)
    [request] = sim.accepted
    assert sent.provider_message_id == wamid(request.body)
    assert sent.status is Status.SENT
    assert request.path == f"/v25.0/{NUMBER_ID}/messages"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json"
    assert request.json() == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": TO,
        "biz_opaque_callback_data": "m1.1",
        "type": "template",
        "template": {
            "name": "login_code",
            "language": {"policy": "deterministic", "code": "en_US"},
            "components": RECORDED["code_template"],
        },
    }


@pytest.mark.parametrize("type_", [MessageType.NOTIFICATION, MessageType.MARKETING])
def test_a_type_without_a_template_goes_as_the_text_it_is(sim, provider, type_):
    text = "Grüße 🙂\n\tzweite Zeile      Ende"
    provider.send(out(type_, text), timeout=5)
    asked = sim.accepted[0].json()
    assert asked["type"] == "text"
    assert asked["text"] == {"preview_url": False, "body": text}
    assert "template" not in asked


def test_a_code_without_a_template_goes_as_text(sim):
    make(sim, templates={"reminder": TEMPLATES["reminder"]}).send(out(), timeout=5)
    assert sim.accepted[0].json()["text"]["body"] == TEXT


def test_what_has_no_code_is_not_put_into_the_template_for_codes(sim, provider):
    provider.send(out(code=None), timeout=5)
    assert sim.accepted[0].json()["text"]["body"] == TEXT


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        ("Due tomorrow", "Due tomorrow"),
        ("Due\ntomorrow", "Due tomorrow"),
        (" Due\r\n\r\n\ttomorrow     at 9 ", "Due tomorrow at 9"),
        ("Due\u2028tomorrow\u00a0\u00a0\u00a0\u00a0\u00a0at 9", "Due tomorrow at 9"),
    ],
)
def test_the_content_is_the_one_variable_of_its_template_on_one_line(sim, provider, content, sent):
    provider.send(out(MessageType.REMINDER, content), timeout=5)
    template = sim.accepted[0].json()["template"]
    assert (template["name"], template["language"]["code"]) == ("reminder_1", "pt_BR")
    assert template["components"] == [
        {"type": "body", "parameters": [{"type": "text", "text": sent}]}
    ]


def test_a_variable_that_has_a_name_is_given_by_it(sim, provider):
    provider.send(out(MessageType.ALERT, "Fire"), timeout=5)
    [component] = sim.accepted[0].json()["template"]["components"]
    assert component["parameters"] == [{"type": "text", "text": "Fire", "parameter_name": "what"}]


def check(value, rule):
    """Hold *value* against the recorded description; `name*` is a list of such."""
    if isinstance(rule, list):
        assert value in rule
    elif rule in {"string", "boolean"}:
        assert isinstance(value, str if rule == "string" else bool)
    elif rule.endswith("*"):
        assert value
        for each in value:
            check(each, rule[:-1])
    else:
        described = RECORDED["request"][rule]
        assert set(described["required"]) <= set(value) <= set(described["known"])
        for name, inner in value.items():
            check(inner, described["known"][name])


@pytest.mark.parametrize("type_", MessageType)
def test_a_request_is_one_that_meta_describes(sim, provider, type_):
    provider.send(out(type_), timeout=5)
    [request] = sim.accepted
    assert re.match(RECORDED["path"], request.path)
    check(request.json(), f"{request.json()['type']}_message")


@given(st.text(min_size=1, max_size=200).filter(str.strip))
@settings(max_examples=60, deadline=None)
def test_no_content_makes_a_variable_that_meta_refuses(shared, content):
    provider = make(shared, templates=TEMPLATES)
    provider.send(out(MessageType.REMINDER, content), timeout=5)
    provider.close()
    shared.forget()


@pytest.mark.parametrize(("left", "sends"), [(0.99, 0), (0.0, 0), (-5.0, 0), (1.0, 1), (None, 1)])
def test_what_nobody_could_use_any_more_is_not_sent(sim, provider, left, sends):
    if sends:
        provider.send(out(validity=left), timeout=5)
    else:
        late = refusal(provider, out(validity=left))
        assert (late.code, late.permanent, late.scope) == ("expired", True, Scope.MESSAGE)
    assert len(sim.requests) == sends


def test_the_address_and_the_version_are_as_configured(sim):
    make(sim, api_version="v99.1").send(out(), timeout=5)
    assert sim.accepted[0].path == f"/v99.1/{NUMBER_ID}/messages"
    behind = make(sim, base_url="https://proxy.example.com/meta/")
    assert behind._url == f"https://proxy.example.com/meta/v25.0/{NUMBER_ID}/messages"


def test_without_another_address_the_api_is_metas():
    given = meta.Settings(phone_number_id=NUMBER_ID, access_token=TOKEN)
    provider = meta.make(given, Context("meta", None, time.time, time.sleep))
    assert provider._url == f"https://graph.facebook.com/v25.0/{NUMBER_ID}/messages"


def test_many_threads_send_each_their_own(sim, provider):
    ids = {}

    def send(n):
        ids[n] = provider.send(out(attempt=f"m{n}.1"), timeout=5).provider_message_id

    threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = {r.json()["biz_opaque_callback_data"]: wamid(r.body) for r in sim.accepted}
    assert {f"m{n}.1": sent for n, sent in ids.items()} == asked


# ------------------------------------------------------------------------------ what is answered


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (error(500, 131000), "provider_error"),
        (error(503, 131016), "provider_error"),
        (error(500, 131026), "provider_error"),
        (Reply(502, b"<html>bad gateway</html>"), "provider_error"),
        (Reply(408, b""), "provider_error"),
        (hang(), "timeout"),
        (drip(0.05), "timeout"),
        (drip(0.05, head=True), "timeout"),
        (cut(accepted=True), "connection_cut"),
        (cut(accepted=False), "connection_cut"),
        (cut(accepted=True, after=40), "connection_cut"),
        (garbage(b"<html>"), "garbled_answer"),
        (garbage(b""), "garbled_answer"),
        (garbage(b'{"messages": [{"id": "wamid'), "garbled_answer"),
        (garbage(b'{"messages": []}'), "garbled_answer"),
        (garbage(b'{"messages": [{"id": ""}]}'), "garbled_answer"),
        (garbage(b'{"messages": [{"id": null}]}'), "garbled_answer"),
        (garbage(b'{"messages": {"id": "wamid.1"}}'), "garbled_answer"),
        (garbage(b"[]"), "garbled_answer"),
        (garbage(b"[" * 100_000), "garbled_answer"),
        (garbage(b'{"messages": [{"id": "\xff"}]}'), "garbled_answer"),
        (garbage(b"", status=204), "garbled_answer"),
    ],
    ids=repr,
)
def test_whether_it_was_taken_is_open(sim, provider, reply, code):
    sim.script(reply)
    begun = time.monotonic()
    lost = refusal(provider, timeout=LIMIT)
    assert time.monotonic() - begun < GENEROUS
    assert (lost.code, lost.ambiguous, lost.permanent) == (code, True, False)


@pytest.mark.parametrize(
    ("reply", "code", "permanent", "scope"),
    [
        (error(400, 131047), "window_closed", True, Scope.CHANNEL),
        (error(400, 131026), "not_on_whatsapp", True, Scope.CHANNEL),
        (error(400, 131042), "account_inactive", True, Scope.ACCOUNT),
        (error(400, 133010), "misconfigured", True, Scope.ACCOUNT),
        (error(404, 132001), "template_refused", True, Scope.PROVIDER),
        (error(403, 368), "account_inactive", True, Scope.ACCOUNT),
        (error(403, 130497), "country_not_enabled", True, Scope.PROVIDER),
        (error(403, 200), "auth_failed", True, Scope.ACCOUNT),
        (error(403, 299), "auth_failed", True, Scope.ACCOUNT),
        (error(401, 0), "auth_failed", True, Scope.ACCOUNT),
        (error(400, 100), "rejected", True, Scope.PROVIDER),
        (error(400, 100, subcode=33), "misconfigured", True, Scope.ACCOUNT),
        (error(400, 100, subcode=333), "rejected", True, Scope.PROVIDER),
        (error(400, 999999), "rejected", True, Scope.CHANNEL),
        (error(403, 999999), "rejected", True, Scope.PROVIDER),
        (Reply(400, b"<html>"), "rejected", True, Scope.CHANNEL),
        (Reply(401, b""), "auth_failed", True, Scope.ACCOUNT),
        (Reply(404, b"not here"), "misconfigured", True, Scope.ACCOUNT),
        (redirect("/elsewhere"), "misconfigured", True, Scope.ACCOUNT),
        (error(429, 131026), "rate_limited", False, Scope.PROVIDER),
        (error(400, 131056), "rate_limited", False, Scope.PROVIDER),
        (error(403, 130429), "rate_limited", False, Scope.PROVIDER),
        (error(400, 80007), "rate_limited", False, Scope.PROVIDER),
        (error(400, 2), "provider_error", False, Scope.PROVIDER),
    ],
    ids=repr,
)
def test_a_refusal_is_no_open_question(sim, provider, reply, code, permanent, scope):
    sim.script(reply)
    refused = refusal(provider)
    assert (refused.code, refused.permanent, refused.scope) == (code, permanent, scope)
    assert not refused.ambiguous
    assert (len(sim.requests), len(sim.accepted)) == (1, 0)


@pytest.mark.parametrize(
    "theirs", [c for c in meta.VERDICTS if c.isdigit() and not 200 < int(c) < 299]
)
def test_every_code_of_the_table_means_what_it_says_there(sim, provider, theirs):
    sim.script(error(400, int(theirs)))
    refused = refusal(provider)
    assert (refused.code, refused.permanent, refused.scope) == meta.VERDICTS[theirs]
    assert not refused.ambiguous
    assert refused.detail == f"HTTP 400, error {theirs}"


def test_each_code_stands_in_the_table_once():
    codes = " ".join(row[3] for row in meta._TABLE).split()
    assert len(codes) == len(set(codes)) == len(meta.VERDICTS)


@pytest.mark.parametrize("status_", [429, 400])
@pytest.mark.parametrize(("asked", "wait"), [("7", 7.0), ("0", 0.0), ("soon", None)])
def test_how_long_to_wait_is_kept(sim, provider, status_, asked, wait):
    sim.script(error(status_, 130429, Retry_After=asked))
    assert refusal(provider).retry_after == wait


def test_a_wrong_token_is_refused_as_by_meta(sim):
    refused = refusal(make(sim, access_token="wrong"))
    assert (refused.code, refused.scope) == ("auth_failed", Scope.ACCOUNT)


def test_a_sender_that_does_not_exist_is_the_accounts_fault(sim):
    refused = refusal(make(sim, phone_number_id="1"))
    assert (refused.code, refused.scope) == ("misconfigured", Scope.ACCOUNT)


def test_an_api_that_cannot_be_reached_took_nothing():
    with Simulator(answer) as gone:
        provider = make(gone)
    refused = refusal(provider)
    assert (refused.code, refused.permanent, refused.ambiguous) == ("unreachable", False, False)


def test_no_error_tells_the_text_the_number_or_the_token(sim, provider):
    replies = [error(400, 131026), error(500, 1), cut(accepted=True), error(401, 190)]
    replies += [garbage(b'{"messages": [{"id": null, "to": "+447700900001 123456"}]}')]
    sim.script(*replies)
    for _ in replies:
        e = refusal(provider)
        told = f"{e!r} {e} {e.detail} {e.args} {e.__cause__}"
        for secret in (TEXT, "123456", TO, TO[1:], TOKEN, NUMBER_ID, *SECRETS.values()):
            assert secret not in told


def test_meta_cannot_be_asked_what_it_took(provider):
    with pytest.raises(LookupUnsupported):
        provider.lookup(out(), since=0.0, timeout=1)


# ------------------------------------------------------------------------------ what comes back


@pytest.mark.parametrize(
    ("word", "meant"),
    [("sent", Status.SENT), ("delivered", Status.DELIVERED), ("read", Status.READ)],
)
def test_a_status_is_a_receipt(provider, word, meant):
    heard = provider.hear(posted(notice(statuses=[status(word, "wamid.9")])))
    assert heard == Heard([Receipt("meta", "wamid.9", meant, 1750030073.0)], [])


@pytest.mark.parametrize(
    ("code", "ours", "scope"),
    [
        (131047, "window_closed", Scope.CHANNEL),
        (131026, "not_on_whatsapp", Scope.CHANNEL),
        (131049, "marketing_withheld", Scope.CHANNEL),
        (131042, "account_inactive", Scope.ACCOUNT),
        (131056, "rate_limited", Scope.PROVIDER),
        (999999, "rejected", Scope.CHANNEL),
        (None, "rejected", Scope.CHANNEL),
    ],
)
def test_a_failure_says_why_and_what_it_ends(provider, code, ours, scope):
    [receipt] = provider.hear(posted(notice(statuses=[status("failed", code=code)]))).receipts
    assert receipt.status is Status.UNDELIVERED
    assert (receipt.error_code, receipt.scope) == (ours, scope)
    assert receipt.error_detail == f"error {code}"


def test_a_status_without_a_time_is_of_when_it_came(provider):
    told = {k: v for k, v in status("read").items() if k != "timestamp"}
    [receipt] = provider.hear(posted(notice(statuses=[told]))).receipts
    assert receipt.at == 1.0


@pytest.mark.parametrize(
    ("kind", "said", "text"),
    [
        ("text", {"text": {"body": "STOP"}}, "STOP"),
        ("button", {"button": {"payload": "p1", "text": "No thanks"}}, "No thanks"),
        (
            "interactive",
            {"interactive": {"type": "button_reply", "button_reply": {"id": "b", "title": "Yes"}}},
            "Yes",
        ),
        (
            "interactive",
            {"interactive": {"type": "list_reply", "list_reply": {"id": "l", "title": "Two"}}},
            "Two",
        ),
    ],
)
def test_what_somebody_wrote_or_pressed_is_heard(provider, kind, said, text):
    heard = provider.hear(posted(notice(messages=[message(kind, **said)])))
    written = Inbound("meta", "wamid.2", Channel.WHATSAPP, TO, text, 1750030074.0)
    assert heard == Heard([], [written])


@pytest.mark.parametrize(
    "value",
    [
        {"statuses": [status("warning"), status("deleted")]},
        {"messages": [message("image", image={"id": "1", "mime_type": "image/jpeg"})]},
        {"messages": [message("unsupported", errors=[{"code": 131051}])]},
        {"messages": [message("text", None, text={"body": "a hidden number"})]},
        {"messages": [message("text", "US.13491208655302741918", text={"body": "an alias"})]},
        {"contacts": [{"wa_id": "447700900001"}]},
        {"statuses": [status("read")], "number_id": "1"},
        {"statuses": [status("read")], "field": "calls"},
        {"field": "message_template_status_update", "event": "APPROVED"},
    ],
    ids=repr,
)
def test_what_is_of_no_interest_says_nothing(provider, value):
    assert provider.hear(posted(notice(**value))) == Heard([], [])


def test_all_that_one_call_says_is_heard(provider):
    first = json.loads(notice(statuses=[status("sent", "a"), status("read", "b")]))
    second = json.loads(notice(messages=[message("text", text={"body": "Hi"})]))
    first["entry"] += second["entry"]
    first["entry"][0]["changes"] += json.loads(notice(statuses=[status("sent", "c")]))["entry"][0][
        "changes"
    ]
    heard = provider.hear(posted(json.dumps(first).encode()))
    assert [r.provider_message_id for r in heard.receipts] == ["a", "b", "c"]
    assert [i.text for i in heard.inbound] == ["Hi"]


# ------------------------------------------------------------------------------ whether it is Meta

BODY = notice(statuses=[status("delivered")])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-hub-signature-256": ""},
        {"x-hub-signature-256": signature(BODY).removeprefix("sha256=")},
        {"x-hub-signature-256": signature(BODY, "another")},
        {"x-hub-signature-256": signature(BODY + b" ")},
        {"x-hub-signature-256": signature(BODY)[:-1]},
        {"x-hub-signature-256": "sha256=é\ud800"},
        {"x-hub-signature": signature(BODY)},
    ],
    ids=repr,
)
def test_a_body_without_its_signature_is_forged(provider, headers):
    with pytest.raises(Forged):
        provider.hear(posted(BODY, headers))
    assert provider.hear(posted(BODY)).receipts


@pytest.mark.parametrize("call", [posted(BODY), checked()], ids=["body", "check"])
def test_without_secrets_nothing_is_believed(sim, call):
    with pytest.raises(Forged):
        make(sim, app_secret=None, verify_token=None).hear(call)


@pytest.mark.parametrize("token", ["", "another", VERIFY_TOKEN + " ", "é\ud800"])
def test_a_check_with_another_token_is_forged(provider, token):
    call = Callback("GET", "https://otp.example.com", [("hub.verify_token", token)], {}, b"", 1.0)
    with pytest.raises(Forged):
        provider.hear(call)


def test_a_check_of_the_webhook_gets_its_challenge_back(provider):
    assert provider.hear(checked(challenge="1158201444")) == Heard(answer="1158201444")


@pytest.mark.parametrize(
    "query", [{"mode": "unsubscribe"}, {"challenge": ""}, {"challenge": "<script>"}], ids=repr
)
def test_a_check_that_asks_for_something_else_is_refused(provider, query):
    with pytest.raises(ValueError, match="no check"):
        provider.hear(checked(**query))


def hears(provider, call):
    """Return what is heard; only Forged and ValueError may be raised."""
    with contextlib.suppress(Forged, ValueError):
        heard = provider.hear(call)
        assert isinstance(heard, Heard)
        return heard
    return None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"entry": 1}',
        b'{"entry": [1]}',
        b'{"entry": [{"changes": [{"field": "messages", "value": null}]}]}',
        notice(statuses=None),
        notice(statuses=5),
        notice(statuses=[{"status": "read"}]),
        notice(statuses=[status("read", "")]),
        notice(statuses=[status("read") | {"timestamp": "447700900001000"}]),
        notice(statuses=[status("read") | {"timestamp": float("nan")}]),
        notice(statuses=[status("failed", code=10**400)]),
        notice(messages=[message("text", text={"body": ["447700900001"]})]),
        notice(messages=[message("text", text={"body": "\ud800"})]),
    ],
    ids=lambda b: repr(b[:60]),
)
def test_signed_nonsense_is_named_so(provider, body):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - any; what it tells is checked below
        provider.hear(posted(body))
    assert TO[1:] not in str(caught.value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "status", "timestamp", "errors", "code", "from", "text", "body"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_JSON, _JSON)
@settings(max_examples=200, deadline=None)
def test_any_notice_is_heard_or_refused(shared, statuses, messages):
    provider = make(shared)
    hears(provider, posted(notice(statuses=statuses, messages=[messages])))
    hears(provider, posted(json.dumps(statuses).encode()))
    provider.close()


@given(st.binary(max_size=60), st.text(max_size=80), st.sampled_from(["GET", "POST", "PUT"]))
@settings(max_examples=200, deadline=None)
def test_any_call_is_heard_or_refused(shared, body, text, method):
    provider = make(shared)
    hears(provider, posted(body))
    call = Callback(method, text, [("hub.mode", text)], {"x-hub-signature-256": text}, body, 1.0)
    assert hears(provider, call) is None
    provider.close()


# ------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("public", "given_", "promised"),
    [
        ("https://otp.example.com", {}, True),
        ("https://otp.example.com", {"base_url": None}, True),
        ("http://127.0.0.1:5000", {}, True),  # the stand-in is on this machine too
        ("http://127.0.0.1:5000", {"base_url": None}, False),
        ("https://otp.example.com", {"app_secret": None, "verify_token": None}, False),
    ],
)
def test_receipts_are_promised_where_they_can_come_and_be_checked(sim, public, given_, promised):
    assert make(sim, {"public_url": public}, **given_).receipts is promised


GOOD = {"phone_number_id": NUMBER_ID, "access_token": TOKEN, **SECRETS, "templates": TEMPLATES}


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        ({"phone_number_id": ""}, "phone_number_id"),
        ({"phone_number_id": "1/../2"}, "phone_number_id"),
        ({"phone_number_id": "1\n"}, "phone_number_id"),
        ({"access_token": ""}, ""),
        ({"access_token": TOKEN + "\n"}, ""),
        ({"access_token": TOKEN + "é"}, ""),
        ({"access_token": [TOKEN]}, "access_token"),
        ({"app_secret": None}, ""),
        ({"verify_token": None}, ""),
        ({"app_secret": ""}, "app_secret"),
        ({"verify_token": ""}, "verify_token"),
        ({"api_version": "25.0"}, "api_version"),
        ({"api_version": "v25.0/../v1.0"}, "api_version"),
        ({"base_url": "ftp://here"}, "base_url"),
        ({"base_url": "http://user:pass@here"}, "base_url"),
        ({"base_url": "http://here/?a=b"}, "base_url"),
        ({"from": TO}, "from"),
        ({"templates": {"greeting": TEMPLATES["otp"]}}, "templates.greeting.[key]"),
        ({"templates": {"otp": {"name": "a"}}}, "templates.otp.language"),
        ({"templates": {"otp": {"name": "A b", "language": "en"}}}, "templates.otp.name"),
        ({"templates": {"otp": {"name": "a", "language": "en-US"}}}, "templates.otp.language"),
        ({"templates": {"otp": {"name": "a", "language": "en", "x": 1}}}, "templates.otp.x"),
    ],
    ids=repr,
)
def test_settings_name_their_faults_and_never_a_secret(change, loc):
    with pytest.raises(ValidationError) as caught:
        meta.Settings.model_validate(GOOD | change)
    assert ".".join(map(str, caught.value.errors()[0]["loc"])) == loc
    for secret in (TOKEN, APP_SECRET, VERIFY_TOKEN):
        assert secret not in str(caught.value)


def test_settings_do_not_show_the_secrets():
    shown = repr(meta.Settings.model_validate(GOOD))
    assert not any(secret in shown for secret in (TOKEN, APP_SECRET, VERIFY_TOKEN))


def test_a_type_is_read_in_any_case():
    given_ = meta.Settings.model_validate(GOOD | {"templates": {"OTP": TEMPLATES["otp"]}})
    assert given_.templates[MessageType.OTP].name == "login_code"


def test_nothing_comes_but_by_the_webhook(provider):
    assert list(provider.poll(0.0)) == []
