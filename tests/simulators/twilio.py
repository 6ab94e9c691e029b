"""A stand-in for Twilio's Messages and Calls API on 127.0.0.1, faults included.

Answers have the shape of https://www.twilio.com/docs/messaging/api/message-resource and
https://www.twilio.com/docs/voice/api/call-resource. What happens to a request is scripted by its
recipient; without a script it is accepted. It signs what it reports with the SDK's own validator.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from base64 import b64encode
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime, formatdate
from http.server import ThreadingHTTPServer
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request, urlopen

from twilio.request_validator import RequestValidator

from otp_messaging_agent.message import Channel
from otp_messaging_agent.providers import twilio
from otp_messaging_agent.providers.base import Context

from .server import Speaker

ACCOUNT = "AC" + "0a" * 16
TOKEN = "t0ken-of-the-simulator"
PATH = re.compile(r"/2010-04-01/Accounts/(\w+)/(Messages|Calls)(?:/(\w+))?\.json")
FIELDS = {"to": "To", "from": "From", "service": "MessagingServiceSid", "body": "Body"}
FIELDS |= {"twiml": "Twiml", "validity": "ValidityPeriod"}
SENDER = "+15005550006"
EVENTS = {
    "queued": "none",
    "initiated": "initiated",
    "ringing": "ringing",
    "in-progress": "answered",
}
"""A call's status -> the event it is reported by; any other by `completed`."""


@dataclass(frozen=True)
class Reply:
    """How one request is answered.

    accepted: the message is taken, whatever is answered. wait: seconds before the answer.
    drip: seconds between two bytes of it. cut_at: bytes of it after which the connection closes.
    """

    status: int = 201
    code: int = 0
    accepted: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    wait: float = 0.0
    drip: float = 0.0
    drip_head: bool = False
    cut_at: int | None = None


def ok() -> Reply:
    return Reply(accepted=True)


def error(status: int, code: int) -> Reply:
    return Reply(status, code)


def rate_limited(retry_after: int) -> Reply:
    return Reply(429, 20429, headers={"Retry-After": str(retry_after)})


def server_error(*, accepted: bool, status: int = 500) -> Reply:
    return Reply(status, 20500, accepted=accepted)


def hang(seconds: float, *, accepted: bool = True) -> Reply:
    return Reply(accepted=accepted, wait=seconds)


def cut(*, accepted: bool, after: int = 0) -> Reply:
    """Close the connection after *after* bytes of the answer."""
    return Reply(accepted=accepted, cut_at=after)


def garbage(body: bytes, status: int = 201) -> Reply:
    return Reply(status, accepted=True, body=body)


def drip(interval: float, *, head: bool = False) -> Reply:
    """Send the body, or with *head* all of the answer, a byte every *interval* seconds."""
    return Reply(accepted=True, drip=interval, drip_head=head)


def redirect(location: str) -> Reply:
    return Reply(307, headers={"Location": location}, body=b"")


class TwilioSimulator:
    """The server, and what it saw: `accepted` messages and calls, `requests`, `connections`."""

    def __init__(self, *, latency: float = 0.0, clock: Callable[[], float] = time.time) -> None:
        self.latency = latency
        self.clock = clock
        self.accepted: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.connections = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.templates: dict[str, str] = {}
        self._scripts: dict[str, deque[Reply]] = defaultdict(deque)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.sim = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def script(self, to: str, replies: Iterable[Reply]) -> None:
        """Answer the next requests to create something for *to* so; then accept again."""
        self._scripts[to].extend(replies)

    def script_reads(self, replies: Iterable[Reply]) -> None:
        """Answer the next requests to read so."""
        self._scripts["GET"].extend(replies)

    def next_reply(self, key: str) -> Reply | None:
        with self.lock:
            script = self._scripts[key]
            return script.popleft() if script else None

    def accept(self, kind: str, form: Mapping[str, str]) -> dict[str, Any]:
        entry: dict[str, Any] = {ours: form.get(theirs) for ours, theirs in FIELDS.items()}
        sid = ("SM" if kind == "message" else "CA") + uuid.uuid4().hex
        entry |= {"kind": kind, "sid": sid, "at": self.clock(), "form": dict(form)}
        entry |= {"status": "queued", "direction": "outbound-api", "date_sent": None}
        if "ContentSid" in form:
            entry["body"] = self.templates[form["ContentSid"]]
            for name, value in json.loads(form.get("ContentVariables", "{}")).items():
                entry["body"] = entry["body"].replace(f"{{{{{name}}}}}", value)
        with self.lock:
            self.accepted.append(entry)
        return entry

    def report(
        self, sid: str, status: str, error_code: int | None = None, **more: str
    ) -> int | None:
        """Report the status of a message or call to the URL given with it, as often as called.

        Returns what was answered, None where nobody asked to be told. more: other parameters;
        token="..." forges the signature.
        """
        (entry,) = [e for e in self.accepted if e["sid"] == sid]
        entry["status"] = {"initiated": "ringing"}.get(status, status)
        url, call = entry["form"].get("StatusCallback"), entry["kind"] == "call"
        event = EVENTS.get(status, "completed")
        if url is None or (call and event not in entry["form"].get("StatusCallbackEvent", "")):
            return None
        if call:
            fields = {"CallSid": sid, "CallStatus": status, "Direction": "outbound-api"}
            fields |= {
                "Timestamp": formatdate(self.clock()),
                "CallbackSource": "call-progress-events",
            }
            fields |= {"CallDuration": "9"} if status == "completed" else {}
        else:
            fields = dict.fromkeys(("MessageSid", "SmsSid"), sid)
            fields |= dict.fromkeys(("MessageStatus", "SmsStatus"), status)
        fields |= {"To": entry["to"], "From": entry["from"] or SENDER, "ApiVersion": "2010-04-01"}
        fields |= {} if error_code is None else {"ErrorCode": str(error_code)}
        return self.post(url, {**fields, **more})

    def write(self, from_: str, body: str, url: str, to: str = SENDER, **more: str) -> int:
        """Hand the service at *url* what somebody wrote; returns what it answered.

        from_: with `whatsapp:` before it for WhatsApp. more: as for `report`.
        """
        sid = "SM" + uuid.uuid4().hex
        fields = dict.fromkeys(("MessageSid", "SmsSid", "SmsMessageSid"), sid)
        to = f"whatsapp:{to}" if from_.startswith("whatsapp:") else to
        fields |= {"From": from_, "To": to, "Body": body, "SmsStatus": "received"}
        fields |= {"NumMedia": "0", "NumSegments": "1", "ApiVersion": "2010-04-01"}
        return self.post(url, {**fields, **more})

    def post(self, url: str, fields: Mapping[str, str]) -> int:
        """Post *fields*, signed as Twilio does, and return the status of the answer."""
        fields = {"AccountSid": ACCOUNT, "token": TOKEN, **fields}
        signature = RequestValidator(fields.pop("token")).compute_signature(url, fields)
        headers = {"X-Twilio-Signature": signature, "User-Agent": "TwilioProxy/1.1"}
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        asked = Request(url, urlencode(fields).encode(), headers)  # noqa: S310 - a test's own URL
        try:
            with urlopen(asked, timeout=10) as answer:  # noqa: S310
                return int(answer.status)
        except HTTPError as e:
            return e.code

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512
    sim: TwilioSimulator


class _Handler(Speaker):
    server: _Server

    def setup(self) -> None:
        super().setup()
        with self.server.sim.lock:
            self.server.sim.connections += 1

    def do_POST(self) -> None:  # noqa: N802 - the name http.server calls
        sim = self.server.sim
        form: dict[str, str] = {}
        for name, value in parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()):
            form[name] = f"{form[name]} {value}" if name in form else value
        kind = self._kind(form)
        sim.closing.wait(sim.latency)
        fault = self._unauthorized() or _fault(kind, form) or self._template_fault(form)
        reply = fault or sim.next_reply(form["To"]) or ok()
        entry = sim.accept(kind, form) if reply.accepted else None
        self._answer(reply, entry and _shown(entry), form.get("To", ""))

    def do_GET(self) -> None:  # noqa: N802 - the name http.server calls
        sim = self.server.sim
        query = dict(parse_qsl(urlsplit(self.path).query))
        kind = self._kind(query)
        sim.closing.wait(sim.latency)
        reply = self._unauthorized() or sim.next_reply("GET") or ok()
        reply = replace(reply, status=200) if reply.status == 201 else reply
        match = PATH.fullmatch(urlsplit(self.path).path)
        with sim.lock:
            found = [e for e in reversed(sim.accepted) if e["kind"] == kind]
        if match and match[3]:
            found = [e for e in found if e["sid"] == match[3]]
            reply = reply if found else error(404, 20404)
            self._answer(reply, _shown(found[0]) if found else None, "")
            return
        page = [_shown(e) for e in found if _matches(e, query)][: int(query.get("PageSize", 50))]
        listed = {f"{kind}s": page, "page": 0, "page_size": 50, "next_page_uri": None}
        self._answer(reply, listed, "")

    def _kind(self, params: Mapping[str, str]) -> str:
        path = urlsplit(self.path).path
        seen = {"method": self.command, "path": path, "params": dict(params)}
        seen["headers"] = dict(self.headers)
        with self.server.sim.lock:
            self.server.sim.requests.append(seen)
        return "call" if "/Calls" in path else "message"

    def _unauthorized(self) -> Reply | None:
        known = "Basic " + b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        match = PATH.fullmatch(urlsplit(self.path).path)
        if match is None:
            return error(404, 20404)
        ours = match[1] == ACCOUNT and self.headers["Authorization"] == known
        return None if ours else error(401, 20003)

    def _template_fault(self, form: Mapping[str, str]) -> Reply | None:
        if form.get("ContentSid", "") not in {"", *self.server.sim.templates}:
            return error(400, 21655)
        values = json.loads(form.get("ContentVariables", "{}")).values()
        ok = all(v and not re.search(r"[\n\t]| {5}", v) for v in values)
        return None if ok else error(400, 21656)

    def _answer(self, reply: Reply, record: dict[str, Any] | None, to: str) -> None:
        body = json.dumps(_refusal(reply, to) if reply.status >= 300 else record).encode()
        body = body if reply.body is None else reply.body
        self.say(reply, body, at=self.server.sim.clock())


def _refusal(reply: Reply, to: str) -> dict[str, Any]:
    return {
        "code": reply.code,
        "message": f"The simulator refuses the number {to}.",  # Twilio repeats it as well
        "more_info": f"https://www.twilio.com/docs/errors/{reply.code}",
        "status": reply.status,
    }


def _fault(kind: str, form: Mapping[str, str]) -> Reply | None:
    """Return the refusal that Twilio has for a form that lacks something."""
    wanted = {
        "message": (("To", 21604), ("From MessagingServiceSid", 21603), ("Body ContentSid", 21602)),
        "call": (("To", 21201), ("From", 21213), ("Twiml Url", 21200)),
    }[kind]
    for names, code in wanted:
        if not any(form.get(name) for name in names.split()):
            return error(400, code)
    if not form.get("StatusCallback", "http:").startswith(("http:", "https:")):
        return error(400, 21609)
    if not 1 <= int(form.get("ValidityPeriod", 1)) <= 36_000:
        return error(400, 21624)
    prefixed = {form[k].startswith("whatsapp:") for k in ("To", "From") if k in form}
    return error(400, 21910) if len(prefixed) > 1 else None


def _matches(entry: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Filter a list as Twilio does; by date only what has been sent, so nothing that queues."""
    if any(entry[k.lower()] != query[k] for k in ("To", "From") if k in query):
        return False
    since = query.get("DateSent>") or query.get("StartTime>")
    if since is None:
        return True
    floor = datetime.fromisoformat(since).timestamp()
    return entry["date_sent"] is not None and entry["date_sent"] >= floor


def _rfc2822(at: float | None) -> str | None:
    return None if at is None else format_datetime(datetime.fromtimestamp(int(at), UTC))


def _shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resource as Twilio shows it."""
    shown = {k: entry[k] for k in ("sid", "to", "from", "status", "direction")}
    path = f"/2010-04-01/Accounts/{ACCOUNT}/{entry['kind'].capitalize()}s/{entry['sid']}.json"
    shown |= {"account_sid": ACCOUNT, "api_version": "2010-04-01", "uri": path}
    shown |= {"price": None, "price_unit": "USD", "subresource_uris": {}}
    shown |= {k: _rfc2822(entry["at"]) for k in ("date_created", "date_updated")}
    sent = _rfc2822(entry["date_sent"])
    if entry["kind"] == "call":
        return {**shown, "start_time": sent, "end_time": None, "duration": None, "queue_time": "0"}
    shown |= {"body": entry["body"], "messaging_service_sid": entry["service"], "date_sent": sent}
    return {
        **shown,
        "num_segments": "1",
        "num_media": "0",
        "error_code": None,
        "error_message": None,
    }


class Peer:
    """What `tests/contracts/test_providers.py` drives."""

    def __init__(self) -> None:
        self._sim = TwilioSimulator()

    def make(self, channel: Channel, **context: Any) -> twilio.Twilio:
        del channel
        given = {"account_sid": ACCOUNT, "auth_token": TOKEN, "base_url": self._sim.url}
        settings = twilio.Settings(**given, from_number=SENDER)
        return twilio.make(settings, Context("twilio", None, time.time, time.sleep, **context))

    def do(self, kind: str) -> None:
        reply = {
            "permanent": error(400, 21614),
            "account": error(401, 20003),
            "temporary": server_error(accepted=False, status=503),
            "busy": rate_limited(7),
            "hang": hang(30),
            "cut": cut(accepted=True),
            "garbage": garbage(b"<html>"),
        }[kind]
        for to in ("+447700900001", "whatsapp:+447700900001"):
            self._sim._scripts[to].clear()
            self._sim.script(to, [reply])

    def taken(self) -> int:
        return len(self._sim.accepted)

    def __enter__(self) -> Self:
        self._sim.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._sim.__exit__()
