"""Twilio: text messages, WhatsApp and calls, over its SDK.

Twilio knows no idempotency key: a send whose answer was lost is ambiguous, and `lookup` finds out.
"""

from __future__ import annotations

import logging
import re
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from twilio.http import HttpClient  # type: ignore[import-untyped]
from twilio.http.response import Response  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]
from twilio.twiml.voice_response import VoiceResponse  # type: ignore[import-untyped]

from ..errors import Forged, LookupUnsupported, Scope, SendError
from ..message import Channel, Receipt, Status
from ..safety.outbound import Answer, Outbound
from .base import Callback, Context, Heard, Outgoing, Sent, on_the_wire, refusal, verdicts

CHANNELS = (Channel.SMS, Channel.WHATSAPP, Channel.CALL)

# Our code, permanent, what it ends; by Twilio's code (https://www.twilio.com/docs/api/errors; here
# stand those that answer a request, not those of receipts) and, for any other, the HTTP status.
_TABLE = (
    ("invalid_number", True, Scope.RECIPIENT, "13223 13226 21211 21217 21401"),
    ("number_unreachable", True, Scope.CHANNEL, "13224 21214"),
    ("not_mobile", True, Scope.CHANNEL, "21265 21407 21614 21635"),
    ("opted_out", True, Scope.CHANNEL, "21610 63014 63033 63050"),
    ("blocked", True, Scope.CHANNEL, "13225 21216"),
    ("premium_number", True, Scope.CHANNEL, "21202 21268"),
    ("content_refused", True, Scope.CHANNEL, "21618 63005 63006 63013 63021 63026"),
    ("not_on_whatsapp", True, Scope.CHANNEL, "63003 63015 63024 63032"),
    ("window_closed", True, Scope.CHANNEL, "63016"),  # a day after the recipient's last message
    ("content_too_long", True, Scope.CHANNEL, "21605 21617 21658"),
    ("content_missing", True, Scope.MESSAGE, "21602 21619"),
    ("no_route", True, Scope.PROVIDER, "21612 21662"),  # from this sender to that recipient
    ("country_not_enabled", True, Scope.PROVIDER, "13227 21203 21215 21408 63058"),
    ("recipient_not_verified", True, Scope.PROVIDER, "21219 21608 572005 573005"),  # on trial
    ("account_inactive", True, Scope.ACCOUNT, "10001 10002 20005 20010 21472 63051 63112"),
    ("auth_failed", True, Scope.ACCOUNT, "20003 20006 20151 20403 HTTP401 HTTP403"),
    ("misconfigured", True, Scope.ACCOUNT, "20404 21210 21212 21213 21264 21267 21601 21603"),
    ("misconfigured", True, Scope.ACCOUNT, "21606 21607 21616 21657 21659 21660 21661 21663"),
    ("misconfigured", True, Scope.ACCOUNT, "21701 21702 21703 21704 21705 63002 63007 63008"),
    ("misconfigured", True, Scope.ACCOUNT, "HTTP404 HTTP3xx"),  # the API is elsewhere
    ("rejected", True, Scope.CHANNEL, "HTTP4xx"),
    ("rate_limited", False, Scope.PROVIDER, "10004 14107 20429 21611 63017 63018 63038 HTTP429"),
    ("provider_error", False, Scope.PROVIDER, "20500 20503 63009 63010 63012 HTTP408 HTTP5xx"),
)
VERDICTS = verdicts(_TABLE)

QUEUED = 36_000  # seconds that Twilio queues a message for at most
RING = 40  # seconds: enough to reach the telephone, too short for most voice mail
PAGE = 50  # records that a lookup reads
WINDOW = 120.0  # seconds after its begin by which a send was taken, if it was
CLOCKS = 2.0  # seconds that two clocks telling whole seconds, and a round trip, may differ by

_TRIAL = "Sent from your Twilio trial account - "  # put before the text while on trial
_SILENT = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # not in XML 1.0
T = TypeVar("T")


class Settings(BaseModel):
    """Account and sender. base_url: where the API is instead, for tests and proxies."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    account_sid: Annotated[str, Field(pattern=r"^AC[0-9A-Za-z]+$")]
    auth_token: Annotated[SecretStr, Field(min_length=1)]
    from_number: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")] | None = None
    messaging_service_sid: Annotated[str, Field(pattern=r"^MG[0-9A-Za-z]+$")] | None = None
    base_url: Annotated[str, Field(pattern=r"^https?://[!-\"$->A-~]+$")] | None = None

    @model_validator(mode="after")
    def _one_sender(self) -> Self:
        if (self.from_number is None) == (self.messaging_service_sid is None):
            msg = "exactly one of from_number and messaging_service_sid is needed"
            raise ValueError(msg)
        return self


def make(settings: Settings, context: Context) -> Twilio:
    """Return the provider for one account and sender."""
    return Twilio(settings, context.clock)


class Twilio:
    """One account and sender."""

    receipts = False  # no status callback is asked for, so `sent` is the last that is known

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._number, self._service = settings.from_number, settings.messaging_service_sid
        self._wire = _Wire(settings, clock)
        # an environment of its own: TWILIO_EDGE and TWILIO_REGION would change the address
        own = {"TWILIO_EDGE": ""}
        client = Client(settings.account_sid, "-", http_client=self._wire, environment=own)
        client.api.base_url = settings.base_url or client.api.base_url
        self._messages, self._calls = client.messages, client.calls

    def send(self, out: Outgoing, *, timeout: float) -> Sent:
        """Create the message or the call."""
        if out.validity is not None and out.validity < 1:
            raise SendError(code="expired", permanent=True, scope=Scope.MESSAGE)
        create = self._call if out.channel is Channel.CALL else self._message
        return self._ask(lambda: _taken(create(out)), timeout)

    def _message(self, out: Outgoing) -> Any:
        given: dict[str, Any] = self._sender(out) or {"messaging_service_sid": self._service}
        if out.validity is not None:
            given["validity_period"] = min(int(out.validity), QUEUED)
        return self._messages.create(to=_address(out.channel, out.to), body=out.content, **given)

    def _call(self, out: Outgoing) -> Any:
        if self._number is None:  # a messaging service has no voice
            raise SendError(code="misconfigured", permanent=True, detail="needs from_number")
        ring = min(RING, int(out.validity or RING))
        twiml = _twiml(out.content, out.code)
        return self._calls.create(to=out.to, from_=self._number, twiml=twiml, timeout=ring)

    def _sender(self, out: Outgoing) -> dict[str, Any]:
        return {"from_": _address(out.channel, self._number)} if self._number else {}

    def lookup(self, out: Outgoing, *, since: float, timeout: float) -> Sent | None:
        """Look for the send among the recipient's latest messages or calls."""
        return self._ask(lambda: self._find(out, since), timeout)

    def _find(self, out: Outgoing, since: float) -> Sent | None:
        there = self._calls if out.channel is Channel.CALL else self._messages
        # not by date: Twilio filters by that of sending, and what it still queues has none
        to = _address(out.channel, out.to)
        latest = list(there.page(to=to, page_size=PAGE, **self._sender(out)))
        begun = since + self._wire.now.ahead - CLOCKS
        ages = [record.date_created.timestamp() - begun for record in latest]
        for record, age in zip(reversed(latest), reversed(ages), strict=True):  # oldest first
            if 0 <= age <= WINDOW and self._is(record, out):
                return _taken(record)
        if len(latest) == PAGE and min(ages) > 0:
            raise SendError(code="lookup_incomplete", detail=f"{PAGE} newer records")
        return None

    def _is(self, record: Any, out: Outgoing) -> bool:
        # one that failed over there counts as not taken
        taken = record.direction == "outbound-api" and record.status not in {"failed", "canceled"}
        if out.channel is Channel.CALL or not taken:
            return taken
        if not record.body:  # an account that keeps no texts
            raise LookupUnsupported
        ours = self._service in {None, record.messaging_service_sid}
        return ours and record.body.removeprefix(_TRIAL).strip() == out.content.strip()

    def _ask(self, ask: Callable[[], T], timeout: float) -> T:
        self._wire.now.timeout, self._wire.now.ahead = timeout, 0.0
        return on_the_wire(ask)

    def hear(self, callback: Callback) -> Heard:
        """Refuse: no callback is asked for yet."""
        del callback
        raise Forged

    def poll(self, now: float) -> Iterable[Receipt]:
        """Return nothing."""
        del now
        return ()

    def close(self) -> None:
        """Close the connections."""
        self._wire.outbound.close()


def _taken(record: Any) -> Sent:
    if not record.sid:
        raise ValueError
    return Sent(str(record.sid), Status.DELIVERED if record.status == "delivered" else Status.SENT)


def _address(channel: Channel, number: str) -> str:
    return f"whatsapp:{number}" if channel is Channel.WHATSAPP else number


def _twiml(content: str, code: str | None) -> str:
    """Return what the caller says: the text, and a code digit by digit and all of it twice."""
    text, answer = _SILENT.sub(" ", content), VoiceResponse()
    if code is not None:
        said = ", ".join(code)
        text = text.replace(code, said) if code in text else f"{text} {said}"
        answer.say(text)
        answer.pause(length=1)
    answer.say(text)
    return str(answer)


class _Wire(HttpClient):  # type: ignore[misc]
    """Carries the SDK's requests. now: a thread's time-out, and how far Twilio's clock is ahead."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        super().__init__(logging.getLogger(__name__), is_async=False)
        secret = f"{settings.account_sid}:{settings.auth_token.get_secret_value()}"
        self._auth = {"Authorization": "Basic " + b64encode(secret.encode()).decode()}
        self._clock = clock
        self.now = threading.local()
        self.outbound = Outbound()

    def request(
        self, method: str, url: str, *, params: Any, data: Any, headers: Any, **_: Any
    ) -> Response:
        """Make one request."""
        url = f"{url}?{urlencode(params)}" if params else url
        body = urlencode(data).encode() if data else None
        headers, timeout = {**headers, **self._auth}, self.now.timeout
        answer = self.outbound.request(method, url, timeout=timeout, headers=headers, body=body)
        if not str(answer.status).startswith("2"):
            raise _refused(answer)
        if data is None and "Date" in answer.headers:
            date = parsedate_to_datetime(answer.headers["Date"])
            self.now.ahead = date.timestamp() - self._clock()
        return Response(answer.status, answer.body.decode(), answer.headers)


def _refused(answer: Answer) -> SendError:
    told = re.search(rb'"code": *"?([0-9]{5,6})', answer.body)
    return refusal(answer, told[1].decode() if told else None, VERDICTS)
