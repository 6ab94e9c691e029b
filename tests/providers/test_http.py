"""A vendor described by configuration: what is asked, how answers and webhooks are read, faults."""

import copy
import hashlib
import hmac
import json
import time
from base64 import b64decode, b64encode
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from otp_messaging_agent import IntelligentOTPAgent, MessageRequest
from otp_messaging_agent.errors import ConfigError, Forged, LookupUnsupported, Scope, SendError
from otp_messaging_agent.message import Channel, MessageType, Receipt, Status
from otp_messaging_agent.providers import http
from otp_messaging_agent.providers.base import Callback, Context, Heard, Outgoing, Sent
from otp_messaging_agent.providers.http import templates
from tests.simulators.http import DOCUMENT, KEY, PROOF, RECORDED, block, infobip, sample
from tests.simulators.server import (
    Reply,
    Simulator,
    cut,
    drip,
    garbage,
    hang,
    redirect,
    refused,
)
from tests.until import until

TO = "+447700900001"
TEXT = "Your code is 123456."
LIMIT = 0.4
SECRET = "s3cret-of-the-webhook"
PUBLIC = "https://otp.example"
BODY = {"to": "{to}", "text": "{content}"}


@pytest.fixture(scope="module")
def shared():
    with Simulator(lambda _: Reply(200, b'{"id": "v1", "status": "ok"}')) as sim:
        yield sim


@pytest.fixture
def sim(shared):
    shared.forget()
    return shared


@pytest.fixture
def vendor():
    with Simulator(infobip) as sim:
        yield sim


def make(url, public=PUBLIC, **given):
    if not {"json", "form"} & set(given) and given.get("method") != "GET":
        given["json"] = BODY
    made = http.Settings(**{"url": url, **given})
    return http.make(made, Context("mine", None, time.time, time.sleep, public))


def out(channel=Channel.SMS, to=TO, content=TEXT, **more):
    given = {"code": "123456", "validity": None, "subject": None} | more
    return Outgoing("msg_1.2", "msg_1", channel, MessageType.OTP, to, content, **given)


def asked(sim, message=None, path="/send", **given):
    """Send, and return what the vendor saw."""
    provider = make(sim.url + path, **given)
    provider.send(message or out(), timeout=5)
    provider.close()
    return sim.requests[-1]


def refusal(provider, message=None, timeout=5.0):
    with pytest.raises(SendError) as caught:
        provider.send(message or out(), timeout=timeout)
    provider.close()
    return caught.value


# ------------------------------------------------------------------------------ what is asked


def test_a_json_body_is_filled_wherever_text_stands_in_it(sim):
    body = {
        "messages": [
            {"to": ["{to_digits}"], "text": "{channel}: {content}", "ref": "{attempt_id}"}
        ],
        "from": "{from}",
        "flash": False,
        "route": 7,
        "kind": "{type}/{message_id}",
    }
    request = asked(sim, json=body, **{"from": "Example"})
    assert request.json() == {
        "messages": [{"to": ["447700900001"], "text": f"SMS: {TEXT}", "ref": "msg_1.2"}],
        "from": "Example",
        "flash": False,
        "route": 7,
        "kind": "otp/msg_1",
    }
    assert (request.method, request.path) == ("POST", "/send")
    assert request.headers["content-type"] == "application/json"


def test_a_form_is_filled(sim):
    request = asked(sim, form={"To": "{to}", "Body": "{content}", "ttl": "{validity_seconds}"})
    known = {"To": TO, "Body": TEXT, "ttl": "172800"}
    assert dict(parse_qsl(request.body.decode(), strict_parsing=True)) == known
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"


def test_a_get_has_all_in_its_url_and_no_body(sim):
    request = asked(sim, out(content="50% & more #1"), "/{to}/x?t={content}", method="GET")
    assert request.method == "GET"
    assert request.path == "/%2B447700900001/x?t=50%25%20%26%20more%20%231"
    assert request.body == b""
    assert "content-type" not in request.headers


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_other_methods(sim, method):
    assert asked(sim, method=method).method == method


def test_a_post_may_have_everything_in_its_url(sim):
    provider = http.make(
        http.Settings(url=sim.url + "/?to={to}&text={content}"),
        Context("mine", None, time.time, time.sleep),
    )
    provider.send(out(), timeout=5)
    provider.close()
    request = sim.requests[-1]
    assert dict(parse_qsl(urlsplit(request.path).query)) == {"to": TO, "text": TEXT}
    assert (request.method, request.body) == ("POST", b"")


def test_every_channel_has_its_words(sim):
    mail = out(Channel.EMAIL, "ada@example.com", subject="Hi", unsubscribe="https://x.example/u")
    body = {
        "to": "{to}",
        "d": "{to_digits}",
        "s": "{subject}",
        "u": "{unsubscribe}",
        "t": "{content}",
    }
    request = asked(sim, mail, json=body)
    assert request.json() == {
        "to": "ada@example.com",
        "d": "ada@example.com",
        "s": "Hi",
        "u": "https://x.example/u",
        "t": TEXT,
    }
    call = asked(sim, out(Channel.CALL), json={"to": "{to}", "say": "{spoken}"})
    assert call.json()["say"] == "Your code is 1, 2, 3, 4, 5, 6."
    plain = asked(sim, out(Channel.CALL, code=None), json={"to": "{to}", "say": "{spoken}"})
    assert plain.json()["say"] == TEXT


def test_what_a_message_does_not_have_is_left_out_or_empty(sim):
    body = BODY | {"s": "{subject}", "list": ["{code}", "x"], "mixed": "<{subject}>"}
    request = asked(sim, out(code=None), json=body)
    assert request.json() == {"to": TO, "text": TEXT, "list": ["x"], "mixed": "<>"}


@pytest.mark.parametrize(
    ("validity", "longest", "said"),
    [(None, 600, 600), (90.9, 600, 90), (1e9, 600, 600), (1.0, 600, 1), (1e12, 172_800, 172_800)],
)
def test_the_lifetime_is_a_whole_number_within_bounds(sim, validity, longest, said):
    body = BODY | {"ttl": "{validity_seconds}", "text2": "{validity_seconds}s"}
    request = asked(sim, out(validity=validity), json=body, max_validity_seconds=longest)
    assert request.json()["ttl"] == said
    assert type(request.json()["ttl"]) is int
    assert request.json()["text2"] == f"{said}s"


@pytest.mark.parametrize("channel", list(Channel))
def test_what_is_too_late_is_not_sent(sim, channel):
    late = refusal(make(sim.url), out(channel, validity=0.9))
    assert (late.code, late.permanent, late.scope) == ("expired", True, Scope.MESSAGE)
    assert not sim.requests


def test_two_braces_are_one(sim):
    body = BODY | {"x": "{{to}} {{{to}}}"}
    assert asked(sim, json=body).json()["x"] == f"{{to}} {{{TO}}}"


def test_headers_are_sent_and_may_hold_ids(sim):
    given = {
        "Authorization": "App k3y{{}}",
        "Idempotency-Key": "{message_id}/{attempt_id}/{channel}",
    }
    headers = asked(sim, headers=given).headers
    assert headers["authorization"] == "App k3y{}"
    assert headers["idempotency-key"] == "msg_1/msg_1.2/SMS"


def test_a_content_type_of_ones_own_wins(sim):
    headers = asked(sim, headers={"content-TYPE": "application/vnd.x+json"}).headers
    assert headers["content-type"] == "application/vnd.x+json"
    made = http.Settings(**GOOD, headers={"content-TYPE": "application/vnd.x+json"})
    assert http._body(made, {"to": TO, "content": TEXT})[0] == {}  # or it would stand there twice


def test_basic_authentication(sim):
    proof = asked(sim, user="me", password="pass:wörd").headers["authorization"]
    assert b64decode(proof.removeprefix("Basic ")).decode() == "me:pass:wörd"


@pytest.mark.parametrize(
    ("public", "told"), [(PUBLIC, f"{PUBLIC}/webhooks/mine/status"), (None, None)]
)
def test_the_callback_is_named_where_there_is_one(sim, public, told):
    provider = make(
        "https://vendor.example" if public is None else sim.url,
        public or "http://127.0.0.1:5000",
        json=BODY | {"hook": "{callback}"},
        receipts=RECEIPTS,
    )
    assert provider._values(out())["callback"] == told
    assert provider.receipts is (told is not None)
    if told:
        provider.send(out(), timeout=5)
        assert sim.requests[-1].json()["hook"] == told


HOSTILE = [
    '"}], "to": "+1900',
    "a&to=+1900#",
    "{to}",
    "{{",
    "%0d%0aX: y\r\nX: y",
    "\ud800",
    "\0",
    "😀",
]


@pytest.mark.parametrize("text", HOSTILE, ids=repr)
def test_no_text_can_become_structure(sim, text):
    assert asked(sim, out(content=text)).json() == {"to": TO, "text": text}
    form = asked(sim, out(content=text), form=BODY).body.decode()
    got = dict(parse_qsl(form, keep_blank_values=True, strict_parsing=True))
    assert got == {"to": TO, "text": text.replace("\ud800", "?")}
    path = asked(sim, out(content=text), "/x?to={to}&t={content}", method="GET").path
    assert path.count("&") == 1
    assert unquote(path.rpartition("=")[2]) == text.replace("\ud800", "?")


@given(st.text(), st.text())
def test_a_template_holds_any_value_and_only_there(text, subject):
    values = {"content": text, "subject": subject, "to": TO}
    body = json.dumps(templates.made({"a": ["{content}"], "b": "{subject}-{to}"}, values))
    assert json.loads(body) == {"a": [text], "b": f"{subject}-{TO}"}


# ------------------------------------------------------------------------------ what is answered


def test_without_an_id_ours_is_used_and_the_answer_not_read(sim):
    sim.script(garbage(b"OK queued", status=202))
    assert make(sim.url).send(out(), timeout=5) == Sent("msg_1.2", Status.SENT)


@pytest.mark.parametrize(
    ("body", "path", "given"),
    [
        ({"id": "v1"}, "id", "v1"),
        ({"id": 12345678901234567890}, "id", "12345678901234567890"),
        ({"messages": [{"x": 1}, {"id": "v2"}]}, "messages.1.id", "v2"),
        ([{"id": "v3"}], "0.id", "v3"),
        ({"0": {"id": "v4"}}, "0.id", "v4"),
    ],
)
def test_the_id_is_where_the_path_says(sim, body, path, given):
    sim.script(refused(201, body))
    assert make(sim.url, id=path).send(out(), timeout=5) == Sent(given)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"id": null}', b'{"id": ""}', b'{"id": {"a": 1}}',
     b'{"id": 1.5}', b'{"id": "a b"}', b'{"id": "\\ud800"}', b'{"id": "' + b"x" * 201 + b'"}',
     b'{"id": "\xff"}', b'{"id"' * 3, b"[" * 100_000, b"1" * 5000],
    ids=lambda b: repr(b[:20]),
)  # fmt: skip
def test_an_answer_without_an_id_leaves_it_open(sim, body):
    sim.script(garbage(body))
    lost = refusal(make(sim.url, id="id"))
    assert (lost.code, lost.ambiguous, lost.permanent) == ("garbled_answer", True, False)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (refused(500), "provider_error"),
        (refused(503, {"error": "gone"}), "provider_error"),
        (refused(599), "provider_error"),
        (refused(408), "provider_error"),
        (refused(204), "provider_error"),
        (hang(), "timeout"),
        (drip(0.05), "timeout"),
        (drip(0.05, head=True), "timeout"),
        (cut(accepted=True), "connection_cut"),
        (cut(accepted=False, after=20), "connection_cut"),
        (cut(accepted=True, after=125), "connection_cut"),
    ],
    ids=repr,
)
def test_whether_it_was_taken_is_open(sim, reply, code):
    sim.script(reply)
    made = make(
        sim.url,
        success={"status": [200]},
        error_code="error",
        permanent={"codes": {"gone": {"code": "invalid_number"}}},
    )
    begun = time.monotonic()
    lost = refusal(made, timeout=LIMIT)
    assert time.monotonic() - begun < LIMIT + 2
    assert (lost.code, lost.ambiguous, lost.permanent) == (code, True, False)


@pytest.mark.parametrize(
    ("reply", "code", "permanent", "scope"),
    [
        (refused(400), "rejected", True, Scope.CHANNEL),
        (refused(422, b"<html>"), "rejected", True, Scope.CHANNEL),
        (refused(401), "auth_failed", True, Scope.ACCOUNT),
        (refused(403), "auth_failed", True, Scope.ACCOUNT),
        (refused(402), "account_inactive", True, Scope.ACCOUNT),
        (refused(404), "misconfigured", True, Scope.PROVIDER),
        (redirect("https://elsewhere.example"), "misconfigured", True, Scope.ACCOUNT),
        (refused(429), "rate_limited", False, Scope.PROVIDER),
        (refused(429, {"error": "gone"}), "rate_limited", False, Scope.PROVIDER),
        (refused(400, {"error": "gone"}), "invalid_number", True, Scope.RECIPIENT),
        (refused(400, {"errors": [{"code": 17}]}), "no_route", True, Scope.CHANNEL),
        (refused(401, {"error": "gone"}), "invalid_number", True, Scope.RECIPIENT),
        (refused(400, {"error": "slow"}), "rate_limited", False, Scope.PROVIDER),
        (refused(400, {"error": "new"}), "rejected", True, Scope.CHANNEL),
        (refused(451, {"error": "new"}), "blocked", True, Scope.MESSAGE),
        (refused(400, {"error": {"deep": 1}}), "rejected", True, Scope.CHANNEL),
        (refused(400, b"[" * 100_000), "rejected", True, Scope.CHANNEL),
    ],
    ids=repr,
)
def test_a_refusal_is_what_the_table_and_the_status_say(sim, reply, code, permanent, scope):
    sim.script(reply)
    made = make(
        sim.url,
        error_code=["error", "errors.0.code"],
        permanent={
            "codes": {
                "gone": {"code": "invalid_number", "scope": "recipient"},
                "17": {"code": "no_route"},
            },
            "statuses": {"451": {"code": "blocked", "scope": "message"}},
        },
        temporary={"slow": "rate_limited"},
    )
    e = refusal(made)
    assert (e.code, e.permanent, e.scope, e.ambiguous) == (code, permanent, scope, False)


def test_the_wait_is_kept(sim):
    sim.script(refused(429, Retry_After="7"))
    assert refusal(make(sim.url)).retry_after == 7.0


@pytest.mark.parametrize(
    ("body", "equals", "code"),
    [
        ({"status": "ok"}, "ok", None),
        ({"status": "ok"}, ["queued", "ok"], None),
        ({"status": 0}, "0", None),
        ({"status": "0"}, 0, None),
        ({"status": True}, True, None),
        ({"status": "no", "error": "gone"}, "ok", "invalid_number"),
        ({"status": "no", "error": "new"}, "ok", "rejected"),
        ({"status": False}, True, "rejected"),
        ({"status": "no", "error": "slow"}, "ok", "rate_limited"),
        ({"state": "ok"}, "ok", "garbled_answer"),
        ({"status": None}, "ok", "garbled_answer"),
        ({"status": ["ok"]}, "ok", "garbled_answer"),
    ],
)
def test_a_yes_by_status_can_be_a_no_by_its_words(sim, body, equals, code):
    sim.script(refused(200, body))
    made = make(
        sim.url,
        success={"path": "status", "equals": equals},
        error_code="error",
        permanent={"codes": {"gone": {"code": "invalid_number", "scope": "recipient"}}},
        temporary={"slow": "rate_limited"},
    )
    if code is None:
        assert made.send(out(), timeout=5) == Sent("msg_1.2")
        return
    e = refusal(made)
    assert e.code == code
    assert e.ambiguous is (code == "garbled_answer")
    assert e.permanent is (code in {"invalid_number", "rejected"})


def test_nobody_there_is_no_doubt():
    with Simulator(lambda _: Reply()) as gone:
        provider = make(gone.url)
    e = refusal(provider)
    assert (e.code, e.permanent, e.ambiguous) == ("unreachable", False, False)


TELLING = [
    "447700900001",
    "+447700900001",
    TEXT,
    "123456",
    "err-123456",
    "ada@example.com",
    "a" * 65,
]


@pytest.mark.parametrize("told", TELLING)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_no_error_tells_the_text_the_number_or_a_secret(sim, told, status):
    sim.script(refused(status, {"error": told, "ok": "no"}))
    made = make(
        sim.url + "/?key=k3y",
        headers={"X-Key": "k3y"},
        user="us3r",
        password="passw0rd",
        error_code="error",
        success={"path": "ok", "equals": "yes"},
    )
    e = refusal(made)
    assert e.detail == f"HTTP {status}, error none"
    shown = f"{e!r} {e} {e.detail} {e.args} {e.__cause__}"
    for secret in (told, "k3y", "us3r", "passw0rd", sim.url):
        assert secret not in shown


def test_a_code_is_told(sim):
    sim.script(refused(400, {"error": "ERR_17.b"}))
    assert refusal(make(sim.url, error_code="error")).detail == "HTTP 400, error ERR_17.b"


def test_nobody_can_be_asked_afterwards(sim):
    with pytest.raises(LookupUnsupported):
        make(sim.url).lookup(out(), since=0.0, timeout=5)
    assert list(make(sim.url).poll(0.0)) == []


# ------------------------------------------------------------------------------ paths


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a", None),
        ("a.b.0", "x"),
        ("a.b.1", "7"),
        ("a.b.2", "true"),
        ("a.b.3", None),
        ("a.b.-1", None),
        ("a.b.٠", None),
        ("a.b.0.c", None),
        ("a.c", None),
        ("z.z.z", None),
    ],
)
def test_a_path_leads_to_a_word_or_nowhere(path, found):
    assert templates.word_at({"a": {"b": ["x", 7, True], "c": 1.5}}, path) == found


# ------------------------------------------------------------------------------ receipts

RECEIPTS = {
    "header": "X-Signature",
    "secret": SECRET,
    "id": "msg.id",
    "status": "msg.state",
    "statuses": {"done": "delivered", "seen": "read", "lost": "undelivered", "out": "sent"},
    "error_code": "msg.why",
}
CODES = {"codes": {"E7": {"code": "invalid_number", "scope": "recipient"}}}


def hears(**given):
    return make("https://vendor.example", receipts=RECEIPTS | given, permanent=CODES)


def call(body, headers=None, method="POST", query=()):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"x-signature": SECRET, "content-type": "application/json"} | (headers or {})
    return Callback(method, f"{PUBLIC}/webhooks/mine/status", query, given, raw, 1000.0)


def report(state="done", which="v1", **more):
    return {"msg": {"id": which, "state": state, **more}}


@pytest.mark.parametrize(
    ("body", "receipt"),
    [
        (report(), Receipt("mine", "v1", Status.DELIVERED, 1000.0)),
        (report("seen", 17), Receipt("mine", "17", Status.READ, 1000.0)),
        (report("out", why="E7"), Receipt("mine", "v1", Status.SENT, 1000.0)),
        (
            report("lost", why="E7"),
            Receipt(
                "mine", "v1", Status.UNDELIVERED, 1000.0, "invalid_number", "error E7", "recipient"
            ),
        ),
        (
            report("lost", why="E8"),
            Receipt("mine", "v1", Status.UNDELIVERED, 1000.0, "undelivered", "error E8", "channel"),
        ),
        (
            report("lost", why=TO),
            Receipt("mine", "v1", Status.UNDELIVERED, 1000.0, "undelivered", None, "channel"),
        ),
        (
            report("lost"),
            Receipt("mine", "v1", Status.UNDELIVERED, 1000.0, "undelivered", None, "channel"),
        ),
    ],
)
def test_a_receipt_is_read(body, receipt):
    assert hears().hear(call(body)) == Heard([receipt])


def test_a_status_on_the_way_says_nothing():
    assert hears().hear(call(report("moving"))) == Heard([])


def test_a_form_is_read():
    body = urlencode({"id": "v1", "state": "done"}).encode()
    kind = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    provider = hears(id="id", status="state", error_code=None)
    assert provider.hear(call(body, kind)).receipts == [
        Receipt("mine", "v1", Status.DELIVERED, 1000.0)
    ]


def test_the_reports_of_a_list_are_all_read_and_one_bad_one_spoils_none():
    body = {"results": [report(), {"msg": 1}, report("lost", "v2"), report("moving", "v3")]}
    receipts = hears(each="results").hear(call(body)).receipts
    assert [(r.provider_message_id, r.status) for r in receipts] == [
        ("v1", Status.DELIVERED),
        ("v2", Status.UNDELIVERED),
    ]
    assert hears(each="results").hear(call({"results": []})) == Heard([])
    assert len(hears().hear(call([report(), report("seen")])).receipts) == 2


def signed(body, scheme, secret=SECRET):
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return digest.hex() if scheme.endswith("hex") else b64encode(digest).decode()


@pytest.mark.parametrize("scheme", ["hmac-sha256-hex", "hmac-sha256-base64"])
@pytest.mark.parametrize("prefix", ["", "sha256="])
def test_a_signature_covers_the_body(scheme, prefix):
    provider, body = hears(scheme=scheme), json.dumps(report()).encode()
    good = {"x-signature": prefix + signed(body, scheme)}
    assert provider.hear(call(body, good)).receipts
    other = "hmac-sha256-hex" if scheme.endswith("64") else "hmac-sha256-base64"
    for raw, value in [
        (body + b" ", good["x-signature"]),
        (body, SECRET),
        (body, ""),
        (body, signed(body, scheme, SECRET + "x")),
        (body, signed(body, other)),
    ]:
        with pytest.raises(Forged):
            provider.hear(call(raw, {"x-signature": value}))


@pytest.mark.parametrize(
    "value", ["", SECRET[:-1], SECRET + " ", SECRET.upper(), "gehëim", "\ud800"]
)
def test_a_wrong_token_is_forged(value):
    with pytest.raises(Forged):
        hears().hear(call(report(), {"x-signature": value}))


def test_nothing_is_heard_without_a_secret_to_check_by():
    without = make("https://vendor.example")
    assert without.receipts is False
    with pytest.raises(Forged):
        without.hear(call(report()))
    bare = Callback("POST", PUBLIC, (), {}, json.dumps(report()).encode(), 1.0)
    with pytest.raises(Forged):
        hears().hear(bare)


def test_the_query_which_nothing_covers_is_not_read():
    query = [("id", "v1"), ("state", "done")]
    with pytest.raises(ValueError, match="Expecting value"):
        hears(id="id", status="state").hear(call(b"", method="GET", query=query))


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[" * 100_000, b"\xff", {}, [{}], report(which="a b"), report(which=""),
     report(state=None), report(which="x" * 201), {"msg": []}, 7, "x", None],
    ids=lambda b: repr(b)[:20],
)  # fmt: skip
def test_signed_nonsense_is_no_receipt(body):
    with pytest.raises(ValueError):  # noqa: PT011 - of many kinds, none with words of ours
        hears().hear(call(body))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["done"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["msg", "id", "state", "why", "results"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


HEARING = {each: hears(each=each) for each in (None, "results")}


@settings(max_examples=300)
@given(
    st.binary() | JSON.map(lambda j: json.dumps(j).encode()),
    st.sampled_from(["application/json", "application/x-www-form-urlencoded", "\xff;", ""]),
    st.sampled_from([SECRET, "", "x", "\xe9"]),
    st.sampled_from(list(HEARING)),
)
def test_whatever_calls_is_heard_forged_or_nonsense(body, kind, proof, each):
    headers = {"x-signature": proof, "content-type": kind}
    try:
        heard = HEARING[each].hear(call(body, headers))
    except Forged:
        assert proof != SECRET
    except ValueError:
        assert proof == SECRET
    else:
        assert proof == SECRET
        assert all(r.provider_message_id and r.provider == "mine" for r in heard.receipts)


# ------------------------------------------------------------------------------ settings

GOOD = {"url": "https://vendor.example/send", "json": BODY}
ONE = {"path": "a", "equals": ["b"]}


@pytest.mark.parametrize(
    ("change", "loc", "said"),
    [
        ({"url": "ftp://here/"}, "url", ""),
        ({"url": "https://user:pass@here/"}, "url", ""),
        ({"url": "https://here/#x"}, "url", ""),
        ({"url": "https://here/a b"}, "url", ""),
        ({"url": "https://{to}.example/"}, "url", ""),
        ({"url": "https://here:99999/"}, "url", ""),
        ({"url": "https://here:0/"}, "url", "port"),
        ({"url": "https://here/{number}"}, "url", "{to_digits}"),
        ({"url": "https://here/{content}"}, "url", "{to_digits}"),
        ({"url": "https://here/?x={"}, "url", "{content}"),
        ({"method": "DELETE"}, "method", ""),
        ({"method": "GET"}, "", "GET"),
        ({"form": {"to": "{to}", "x": "{code}"}}, "", "json and form"),
        ({"json": {"to": "{to}", "t": [{"x": "{text}"}]}}, "json", "{content}"),
        ({"json": BODY | {"x": "}"}}, "json", "{{ and }}"),
        ({"json": BODY | {"{to}": 1}}, "json", "names"),
        ({"json": BODY | {"x": float("nan")}}, "json", ""),
        ({"json": {"text": "{content}"}}, "", "{to}"),
        ({"json": {"to": "{to}"}}, "", "{content}"),
        ({"json": BODY | {"f": "{from}"}}, "", "from"),
        ({"json": BODY | {"f": "{callback}"}}, "", "receipts"),
        ({"json": None}, "", "{to}"),
        ({"json": None, "form": {"to": 1}}, "form.to", ""),
        ({"headers": {"X": "{to}"}}, "headers", "{attempt_id}"),
        ({"headers": {"X": "a\r\nY: b"}}, "headers", "line breaks"),
        ({"headers": {"X": "é"}}, "headers", "ASCII"),
        ({"headers": {"X: y": "a"}}, "headers.X: y.[key]", ""),
        ({"headers": {"Host": "a"}}, "headers", "host"),
        ({"headers": {"content-Length": "1"}}, "headers", "content-length"),
        ({"headers": {"a": "1", "A": "2"}}, "headers", "once"),
        ({"user": "u"}, "", "password"),
        ({"password": "p"}, "", "user"),
        ({"user": "u", "password": "p", "headers": {"authorization": "x"}}, "", "not both"),
        ({"max_validity_seconds": 0}, "max_validity_seconds", ""),
        ({"success": {"path": "a"}}, "success", "together"),
        ({"success": {"equals": "a"}}, "success", "together"),
        ({"success": ONE | {"path": "a..b"}}, "success.path", ""),
        ({"success": ONE | {"equals": [None]}}, "success.equals.0", ""),
        ({"success": {"status": [302]}}, "success.status.0", ""),
        ({"id": ".id"}, "id", ""),
        ({"id": "a b"}, "id", ""),
        ({"error_code": ["ok", ""]}, "error_code.1", ""),
        ({"permanent": {"codes": {"1": {"code": "Bad Code"}}}}, "permanent.codes.1.code", ""),
        (
            {"permanent": {"codes": {"1": {"code": "x", "scope": "all"}}}},
            "permanent.codes.1.scope",
            "",
        ),
        ({"permanent": {"statuses": {"429": {"code": "x"}}}}, "permanent.statuses.429.[key]", ""),
        ({"permanent": {"statuses": {"408": {"code": "x"}}}}, "permanent.statuses.408.[key]", ""),
        ({"permanent": {"statuses": {"500": {"code": "x"}}}}, "permanent.statuses.500.[key]", ""),
        ({"receipts": RECEIPTS | {"secret": "short"}}, "receipts.secret", ""),
        ({"receipts": RECEIPTS | {"scheme": "md5"}}, "receipts.scheme", ""),
        ({"receipts": RECEIPTS | {"statuses": {}}}, "receipts.statuses", ""),
        ({"receipts": RECEIPTS | {"statuses": {"a": "failed"}}}, "receipts.statuses.a", ""),
        ({"receipts": {"header": "X", "secret": SECRET}}, "receipts.id", ""),
        ({"jason": BODY}, "jason", ""),
    ],
    ids=repr,
)
def test_settings_name_their_faults(change, loc, said):
    with pytest.raises(ValidationError) as caught:
        http.Settings(**GOOD | change)
    first = caught.value.errors(include_input=False, include_url=False)[0]
    assert ".".join(map(str, first["loc"])) == loc
    assert said in first["msg"]


def test_every_refusal_can_be_named_but_those_that_are_none():
    able = {str(n) for n in range(300, 500)} - {"408", "429"}
    http.Settings(**GOOD, permanent={"statuses": {n: {"code": "x"} for n in able}})


def test_an_unknown_placeholder_is_a_fault_of_the_configuration_that_names_the_known(tmp_path):
    way = {"provider": "http", "url": "https://v.example/", "json": {"to": "{phone}"}}
    with pytest.raises(ConfigError) as caught:
        IntelligentOTPAgent({"channels": {"SMS": {"api_config": way}}}, tmp_path / "data")
    (fault,) = caught.value.faults
    assert fault.startswith("channels.SMS.api_config.json: a placeholder here must be one of")
    assert all(f"{{{name}}}" in fault for name in templates.PLACEHOLDERS)


SECRETS = {
    "url": "https://vendor.example/?key=hush-hush",
    "headers": {"Authorization": "hush-hush"},
    "receipts": RECEIPTS | {"secret": "hush-hush"},
}


def test_settings_do_not_show_a_secret():
    assert "hush-hush" not in repr(http.Settings(**GOOD | SECRETS))
    with pytest.raises(ValidationError) as caught:
        http.Settings(**GOOD | SECRETS, nonsense="hush-hush", password="hush-hush")
    assert "hush-hush" not in str(caught.value)


def test_making_it_connects_to_nothing(sim):
    make(sim.url).close()
    assert not sim.requests


# ------------------------------------------------------------------------------ the document


def infobips(url="https://x1.api.infobip.com", public=PUBLIC):
    return http.make(
        http.Settings(**sample(url)), Context("infobip", None, time.time, time.sleep, public)
    )


def test_the_sample_asks_what_the_vendor_documents(vendor):
    sent = infobips(vendor.url).send(out(validity=299.9), timeout=5)
    assert sent == Sent("msg_1.2")
    (request,) = vendor.accepted
    assert request.json() == {
        "messages": [
            {
                "sender": "Example",
                "destinations": [{"to": "447700900001", "messageId": "msg_1.2"}],
                "content": {"text": TEXT},
                "options": {"validityPeriod": {"amount": 299, "timeUnit": "SECONDS"}},
            }
        ]
    }
    assert request.headers["authorization"] == f"App {KEY}"


@pytest.mark.parametrize(
    ("status", "name", "code", "scope"),
    [
        (200, "REJECTED_DESTINATION", "invalid_number", Scope.CHANNEL),
        (200, "REJECTED_NOT_ENOUGH_CREDITS", "account_inactive", Scope.ACCOUNT),
        (200, "REJECTED_SENDER", "misconfigured", Scope.ACCOUNT),
        (200, "REJECTED_NETWORK", "rejected", Scope.CHANNEL),
        (400, "E400", "rejected", Scope.CHANNEL),
        (401, "E401", "auth_failed", Scope.ACCOUNT),
    ],
)
def test_the_sample_understands_refusals(vendor, status, name, code, scope):
    body = copy.deepcopy(RECORDED["rejected" if status == 200 else "error"])
    if status == 200:
        body["messages"][0]["status"]["name"] = name
    else:
        body["errorCode"] = name
    vendor.script(refused(status, body))
    e = refusal(infobips(vendor.url))
    assert (e.code, e.permanent, e.scope, e.ambiguous) == (code, True, scope, False)
    assert e.detail == f"HTTP {status}, error {name}"


@pytest.mark.parametrize(
    ("group", "status"),
    [
        ("DELIVERED", Status.DELIVERED),
        ("UNDELIVERABLE", Status.UNDELIVERED),
        ("EXPIRED", Status.UNDELIVERED),
        ("REJECTED", Status.UNDELIVERED),
        ("PENDING", None),
    ],
)
def test_the_sample_hears_reports(group, status):
    body = copy.deepcopy(RECORDED["report"])
    body["results"][0]["status"]["groupName"] = group
    body["results"][0]["error"]["name"] = "EC_UNKNOWN_SUBSCRIBER"
    provider = infobips()
    assert provider.receipts is True
    heard = provider.hear(call(body, {"authorization": PROOF})).receipts
    assert [r.status for r in heard] == ([] if status is None else [status])
    if status is Status.UNDELIVERED:
        assert (heard[0].error_code, heard[0].scope) == ("invalid_number", "channel")
    with pytest.raises(Forged):
        provider.hear(call(body, {"authorization": "Basic bm86bm8="}))


def test_the_sample_promises_no_receipts_where_nobody_can_call():
    assert infobips(public="http://127.0.0.1:5000").receipts is False


def test_the_sample_is_a_whole_configuration(vendor, tmp_path, monkeypatch):
    monkeypatch.setenv("INFOBIP_BASE_URL", vendor.url)
    monkeypatch.setenv("INFOBIP_API_KEY", KEY)
    monkeypatch.setenv("INFOBIP_WEBHOOK_AUTHORIZATION", PROOF)
    path = tmp_path / "config.json"
    path.write_text(block("json", '"infobip"'))
    with IntelligentOTPAgent(path, tmp_path / "data") as agent:
        agent.start_processing()
        request = MessageRequest(phone_number=TO, content="Hello.", message_type="alert")
        made = agent.send_message(request).message_id
        until(lambda: agent.get_message(made).attempts)
        until(lambda: agent.get_message(made).attempts[0].outcome)
        (attempt,) = agent.get_message(made).attempts
    (accepted,) = vendor.accepted
    (sent,) = accepted.json()["messages"]
    assert sent["content"] == {"text": "Hello."}
    assert (attempt.outcome, attempt.provider) == ("sent", "infobip")
    assert attempt.provider_message_id == sent["destinations"][0]["messageId"]


def test_every_setting_and_placeholder_is_described():
    text = DOCUMENT.read_text()
    assert not [n for n in templates.PLACEHOLDERS if f"{{{n}}}" not in text]
    parts = [http.Settings, http.settings.Receipts]
    names = [f.alias or n for part in parts for n, f in part.model_fields.items()]
    assert not [n for n in names if f"`{n}`" not in text and f"`{n}." not in text]
