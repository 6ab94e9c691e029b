"""Vonage: text messages over its Messages API and calls over its Voice API.

Of its two APIs for text messages this is the one that signs what it reports. Neither API knows an
idempotency key or can be asked by our reference, so a send whose answer was lost stays open.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from html import escape
from typing import Annotated, Any
from uuid import uuid4

import jwt
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, field_validator

from ..errors import Forged, LookupUnsupported, Scope, SendError
from ..faults import shaped
from ..message import Channel, Inbound, Receipt, Status
from ..safety.outbound import Outbound
from .base import BaseUrl, Callback, Context, Heard, Outgoing, Sent, on_the_wire, refusal, verdicts

CHANNELS = (Channel.SMS, Channel.CALL)

# Our code, permanent, what it ends; by Vonage's code, of messages in numbers, of any API in words
# (https://developer.vonage.com/en/api-errors/messages and .../en/api-errors); by the parameter that
# was refused, `to` or `from`; and by what became of a call, its detail or its status
# (https://developer.vonage.com/en/voice/voice-api/webhook-reference).
_TABLE = (
    ("invalid_number", True, Scope.RECIPIENT, "1170 to invalid_number"),
    ("number_unreachable", True, Scope.CHANNEL, "1180 1190 1200 1220 1260 1290 1310 1330"),
    ("number_unreachable", True, Scope.CHANNEL, "unavailable number_out_of_service cancelled"),
    ("no_answer", True, Scope.CHANNEL, "unanswered timeout busy declined"),
    ("opted_out", True, Scope.CHANNEL, "1240"),
    ("blocked", True, Scope.CHANNEL, "1050 1270 1280 restricted"),
    ("content_refused", True, Scope.CHANNEL, "1210"),
    ("expired", True, Scope.MESSAGE, "1360"),  # its ttl ran out
    ("no_route", True, Scope.PROVIDER, "1040 1120 1250 cannot_route"),  # from this sender
    ("recipient_not_verified", True, Scope.PROVIDER, "1160"),  # on trial
    ("out_of_balance", True, Scope.ACCOUNT, "1070 low-balance HTTP402"),
    ("account_inactive", True, Scope.ACCOUNT, "1060 account-suspended unprovisioned"),
    ("auth_failed", True, Scope.ACCOUNT, "1110 jwt-expired jwt-revoked HTTP401 HTTP403"),
    ("misconfigured", True, Scope.ACCOUNT, "1080 1140 from HTTP404 HTTP3xx"),
    ("rejected", True, Scope.CHANNEL, "HTTP4xx"),
    ("rate_limited", False, Scope.PROVIDER, "1000 1241 throttled HTTP429"),
    ("provider_error", False, Scope.PROVIDER, "1030 1100 1230 undeliverable HTTP408 HTTP5xx"),
    ("provider_error", False, Scope.PROVIDER, "internal_error carrier_timeout"),
)
VERDICTS = verdicts(_TABLE)

API = "https://api.nexmo.com"  # for both; `base_url` may name a regional one
TTL = (20, 604_800)  # seconds that a text message may be valid for, least and most
RING = 40  # seconds: enough to reach the telephone, too short for most voice mail
TALK = 1500  # characters of one talk action
TOKEN = 900.0  # seconds that our proof of who we are is valid for; used for two thirds of it
FRESH = 300.0  # seconds by which the time in a signature may be off

_SILENT = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # not in XML 1.0
_CODE = re.compile(rb'"type"\s*:\s*"[^"]*#([0-9]{4}|[a-z-]{1,40})"')
_REFUSED = re.compile(rb'"name"\s*:\s*"[$.]{0,2}(to|from)\b')
_MESSAGE = {"submitted": Status.SENT, "delivered": Status.DELIVERED, "read": Status.READ}
_MESSAGE |= dict.fromkeys(("rejected", "undeliverable"), Status.UNDELIVERED)
_LOST = ("busy", "cancelled", "failed", "rejected", "timeout", "unanswered")
_CALL = {"completed": Status.DELIVERED, **dict.fromkeys(_LOST, Status.UNDELIVERED)}
_QUIET = ConfigDict(hide_input_in_errors=True)
_OBJECT = TypeAdapter(dict[str, Any], config=_QUIET)
_SENDER = shaped(r"\+[1-9][0-9]{6,14}|[0-9A-Za-z ]{3,11}", "must be as +447700900000 or Example")
_VOICE = shaped("[A-Za-z]{2,3}(-[A-Za-z]{2,4}){0,2}", "must be as en-GB")
_ID = TypeAdapter(Annotated[str, Field(min_length=1)], config=_QUIET)


class Settings(BaseModel, extra="forbid", frozen=True, hide_input_in_errors=True):
    """Application and sender. base_url: where the API is instead, for tests, proxies, regions."""

    application_id: Annotated[str, shaped("[0-9A-Za-z-]{1,64}", "must be letters, digits and -")]
    private_key: SecretStr
    from_number: Annotated[str, _SENDER]
    signature_secret: Annotated[SecretStr, Field(min_length=1)] | None = None
    language: Annotated[str, _VOICE] | None = None
    base_url: BaseUrl | None = None

    @field_validator("private_key")
    @classmethod
    def _rsa(cls, given: SecretStr) -> SecretStr:
        pem = given.get_secret_value().replace("\\n", "\n")  # as an environment variable has it
        try:
            jwt.encode({}, pem, algorithm="RS256")
        except Exception:  # noqa: BLE001 - it tells its reasons in many ways
            msg = "must be the application's private key in PEM form, RSA and without a password"
            raise ValueError(msg) from None
        return SecretStr(pem)


def make(settings: Settings, context: Context) -> Vonage:
    """Return the provider for one application and sender."""
    return Vonage(settings, context)


class Vonage:
    """One application and sender."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._s, self._from = settings, settings.from_number
        self._name, self._clock = context.name, context.clock
        self._api = (settings.base_url or API).rstrip("/")
        self._report_to = context.callback(settings.base_url) if settings.signature_secret else None
        self.receipts = self._report_to is not None
        self._token = (float("inf"), "")
        self._wire = Outbound()

    def send(self, out: Outgoing, *, timeout: float) -> Sent:
        """Create the message or the call."""
        if out.validity is not None and out.validity < 1:
            raise SendError("expired", permanent=True, scope=Scope.MESSAGE)
        if out.channel is Channel.CALL:
            what = self._call(out)
            return on_the_wire(lambda: self._post("calls", "uuid", what, timeout))
        what = self._message(out)
        return on_the_wire(lambda: self._post("messages", "message_uuid", what, timeout))

    def _message(self, out: Outgoing) -> dict[str, Any]:
        what: dict[str, Any] = {"channel": "sms", "message_type": "text", "text": out.content}
        what |= {"to": out.to.removeprefix("+"), "from": self._from.removeprefix("+")}
        what["client_ref"] = out.attempt_id[:100]
        if out.validity is not None:
            if out.validity < TTL[0]:  # it could arrive too late
                raise SendError("validity_too_short", permanent=True)
            what["ttl"] = min(int(out.validity), TTL[1])
        if self._report_to:
            what |= {"webhook_url": self._report_to, "webhook_version": "v1"}
        return what

    def _call(self, out: Outgoing) -> dict[str, Any]:
        if not self._from.startswith("+"):
            raise SendError("misconfigured", permanent=True, detail="from_number is no number")
        spoken = _spoken(out.content, out.code)
        if any(len(text) > TALK for text in spoken):
            raise SendError("content_too_long", permanent=True, scope=Scope.CHANNEL)
        phone = {"type": "phone", "number": out.to.removeprefix("+")}
        what: dict[str, Any] = {"to": [phone], "from": {**phone, "number": self._from[1:]}}
        tongue = {"language": self._s.language} if self._s.language else {}
        what["ncco"] = [{"action": "talk", "text": text, **tongue} for text in spoken]
        what["ringing_timer"] = min(RING, int(out.validity or RING))
        if self._report_to:
            what |= {"event_url": [self._report_to], "event_method": "POST"}
        return what

    def _post(self, path: str, id_: str, what: Mapping[str, Any], timeout: float) -> Sent:
        headers = {"Authorization": self._proof(), "Content-Type": "application/json"}
        url, body = f"{self._api}/v1/{path}", json.dumps(what).encode()
        answer = self._wire.request("POST", url, timeout=timeout, headers=headers, body=body)
        if not str(answer.status).startswith("2"):
            told = _REFUSED.search(answer.body) or _CODE.search(answer.body)
            raise refusal(answer, told[1].decode() if told else None, VERDICTS)
        return Sent(_ID.validate_python(_OBJECT.validate_json(answer.body)[id_]))

    def _proof(self) -> str:
        now, (made, token) = self._clock(), self._token
        if not made <= now < made + TOKEN * 2 / 3:  # signing takes a millisecond of processor time
            claims = {"iat": int(now), "exp": int(now + TOKEN), "jti": str(uuid4())}
            claims |= {"application_id": self._s.application_id}
            token = jwt.encode(claims, self._s.private_key.get_secret_value(), "RS256")
            self._token = (now, token)
        return f"Bearer {token}"

    def lookup(self, out: Outgoing, *, since: float, timeout: float) -> Sent | None:
        """Refuse: neither API finds a message or a call by what we know of it."""
        del out, since, timeout
        raise LookupUnsupported

    def hear(self, callback: Callback) -> Heard:
        """Read what became of a message or a call, or what somebody wrote."""
        self._check(callback)
        said = _OBJECT.validate_json(callback.body)
        at, became = _when(said, callback.at), str(said.get("status"))
        if "message_uuid" in said and "status" not in said:
            return self._wrote(said, at)
        status = (_MESSAGE if "message_uuid" in said else _CALL).get(became)
        if status is None or said.get("direction") == "inbound":  # on the way, or not ours
            return Heard()
        id_ = _ID.validate_python(said.get("message_uuid", said.get("uuid")))
        if str(said.get("duration")) == "0":  # it was answered and nobody heard a word
            became, status = "unanswered", Status.UNDELIVERED
        if status is not Status.UNDELIVERED:
            return Heard([Receipt(self._name, id_, status, at)])
        error = said["error"] if isinstance(said.get("error"), dict) else {}
        number = str(error.get("type")).rpartition("#")[2]
        told = (number, str(error.get("title")), str(said.get("detail")), became)
        theirs = next((why for why in told if why in VERDICTS), "HTTP4xx")
        code, _, scope = VERDICTS[theirs]
        return Heard([Receipt(self._name, id_, status, at, code, f"error {theirs}", scope)])

    def _check(self, callback: Callback) -> None:
        if self._s.signature_secret is None:
            raise Forged
        token = callback.headers.get("authorization", "").removeprefix("Bearer ")
        secret = self._s.signature_secret.get_secret_value()
        try:
            claims = json.loads(jwt.PyJWS().decode(token, secret, ["HS256"]))
            fresh = abs(callback.at - claims["iat"]) <= FRESH
            told = claims["payload_hash"].lower().encode()
        except Exception:  # noqa: BLE001 - whatever it stumbles over, Vonage did not write it
            raise Forged from None
        texts = [callback.body]
        with suppress(ValueError, RecursionError):  # the Voice API hashes it without blanks
            tight = json.dumps(json.loads(callback.body), separators=(",", ":"), ensure_ascii=False)
            texts.append(tight.encode())
        hashes = [sha256(text).hexdigest().encode() for text in texts]
        if not fresh or not any(hmac.compare_digest(told, h) for h in hashes):
            raise Forged

    def _wrote(self, said: Mapping[str, Any], at: float) -> Heard:
        sender, text = str(said.get("from")).removeprefix("+"), str(said.get("text", ""))
        if said.get("channel") != "sms" or not re.fullmatch("[1-9][0-9]{6,14}", sender):
            return Heard()
        id_ = _ID.validate_python(said["message_uuid"])
        return Heard(inbound=[Inbound(self._name, id_, Channel.SMS, f"+{sender}", text, at)])

    def poll(self, now: float) -> Iterable[Receipt]:
        """Return nothing."""
        del now
        return ()

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()


def _when(said: Mapping[str, Any], otherwise: float) -> float:
    try:
        at = datetime.fromisoformat(str(said.get("timestamp")))
        return at.timestamp() if at.tzinfo else otherwise
    except (ValueError, OverflowError):
        return otherwise


def _spoken(content: str, code: str | None) -> list[str]:
    """Return what the caller says: the text, and a code digit by digit and all of it twice."""
    parts = [escape(part, quote=False) for part in _SILENT.sub(" ", content).split(code or "\0")]
    if code is None:
        return [f"<speak>{parts[0]}</speak>"]
    said = "<break time='400ms'/>".join(escape(letter, quote=False) for letter in code)
    text = said.join(parts) if parts[1:] else f"{parts[0]} {said}"
    return [f"<speak>{text}</speak>", f"<speak><break time='1s'/>{text}</speak>"]
