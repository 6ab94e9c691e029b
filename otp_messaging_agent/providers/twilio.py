"""Twilio: text messages, WhatsApp and calls, over its SDK.

Twilio knows no idempotency key: a send whose answer was lost may have been taken. Such a failure
is marked ambiguous, and `lookup` finds out.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, NamedTuple, Self, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from twilio.http import HttpClient  # type: ignore[import-untyped]
from twilio.http.response import Response  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]
from twilio.twiml.voice_response import VoiceResponse  # type: ignore[import-untyped]

from ..errors import Scope, SendError
from ..message import Channel, Receipt, Status
from ..safety.outbound import Answer, Outbound, OutboundError
from .base import Context, Outgoing, Sent

CHANNELS = (Channel.SMS, Channel.WHATSAPP, Channel.CALL)


class Verdict(NamedTuple):
    """What a refusal means to us."""

    code: str
    permanent: bool
    scope: Scope


# Twilio's codes: https://www.twilio.com/docs/api/errors. Only those that a request is answered
# with stand here; what becomes of a message later is told by other codes.
_TABLE = (
    ("invalid_number", True, Scope.RECIPIENT, "13223 13226 21211 21217 21401"),
    ("number_unreachable", True, Scope.CHANNEL, "13224 21214"),
    ("not_mobile", True, Scope.CHANNEL, "21265 21407 21614 21635"),
    ("premium_number", True, Scope.CHANNEL, "21202 21268"),
    ("opted_out", True, Scope.CHANNEL, "21610 63014 63033 63050"),
    ("blocked", True, Scope.CHANNEL, "13225 21216"),
    ("not_on_whatsapp", True, Scope.CHANNEL, "63003 63015 63024 63032"),
    ("window_closed", True, Scope.CHANNEL, "63016"),  # a day after the recipient's last message
    ("content_too_long", True, Scope.CHANNEL, "21605 21617 21658"),
    ("content_refused", True, Scope.CHANNEL, "21618 63005 63006 63013 63021 63026"),
    ("content_missing", True, Scope.MESSAGE, "21602 21619"),
    ("no_route", True, Scope.PROVIDER, "21612 21662"),  # from this sender to that recipient
    ("country_not_enabled", True, Scope.PROVIDER, "13227 21203 21215 21408 63058"),
    ("recipient_not_verified", True, Scope.PROVIDER, "21219 21608 572005 573005"),  # on trial
    ("account_inactive", True, Scope.PROVIDER, "10001 10002 20005 20010 21472 63051 63112"),
    ("auth_failed", True, Scope.PROVIDER, "20003 20006 20151 20403"),
    ("misconfigured", True, Scope.PROVIDER, "20404 21210 21212 21213 21264 21267 21601 21603"),
    ("misconfigured", True, Scope.PROVIDER, "21606 21607 21616 21657 21659 21660 21661 21663"),
    ("misconfigured", True, Scope.PROVIDER, "21701 21702 21703 21704 21705 63002 63007 63008"),
    ("rate_limited", False, Scope.PROVIDER, "10004 14107 20429 21611 63017 63018 63038"),
    ("provider_error", False, Scope.PROVIDER, "20500 20503 20504 21730 63009 63010 63012"),
)
VERDICTS: Mapping[int, Verdict] = {
    int(theirs): Verdict(ours, permanent, scope)
    for ours, permanent, scope, codes in _TABLE
    for theirs in codes.split()
}
UNKNOWN = Verdict("rejected", permanent=True, scope=Scope.CHANNEL)

LONGEST_VALIDITY = 36_000  # seconds that Twilio queues a message for at most
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
        self._number = settings.from_number
        self._service = settings.messaging_service_sid
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
        return self._ask(lambda: _taken(create(out)), timeout, creates=True)

    def _message(self, out: Outgoing) -> Any:
        given: dict[str, Any] = self._sender(out) or {"messaging_service_sid": self._service}
        if out.validity is not None:
            given["validity_period"] = min(int(out.validity), LONGEST_VALIDITY)
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
        """Look for the send among the recipient's latest messages or calls.

        By the date of creation: Twilio filters by that of sending, which its queue has not yet.
        """
        return self._ask(lambda: self._find(out, since), timeout, creates=False)

    def _find(self, out: Outgoing, since: float) -> Sent | None:
        there = self._calls if out.channel is Channel.CALL else self._messages
        to = _address(out.channel, out.to)
        latest = list(there.page(to=to, page_size=PAGE, **self._sender(out)))
        begun = since + self._wire.asked.ahead - CLOCKS
        ages = [record.date_created.timestamp() - begun for record in latest]
        for record, age in zip(reversed(latest), reversed(ages), strict=True):  # oldest first
            if 0 <= age <= WINDOW and self._is(record, out):
                return _taken(record)
        if len(latest) == PAGE and min(ages) > 0:
            raise SendError(code="lookup_incomplete", detail=f"{PAGE} newer records")
        return None

    def _is(self, record: Any, out: Outgoing) -> bool:
        """Whether *record* is the send of *out*; one that failed over there counts as not taken."""
        if record.direction != "outbound-api" or record.status in {"failed", "canceled"}:
            return False
        if out.channel is Channel.CALL:
            return True
        ours = self._service in {None, record.messaging_service_sid}
        return ours and record.body.removeprefix(_TRIAL).strip() == out.content.strip()

    def _ask(self, ask: Callable[[], T], timeout: float, *, creates: bool) -> T:
        self._wire.asked.timeout = timeout
        try:
            return ask()
        except SendError:
            raise
        except UnicodeEncodeError:  # half a character; nothing was written yet
            raise SendError(code="content_refused", permanent=True, scope=Scope.MESSAGE) from None
        except Exception as e:  # noqa: BLE001 - the SDK or we fell over what was answered
            why = type(e).__name__
            raise SendError(code="garbled_answer", ambiguous=creates, detail=why) from None

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


class _Asked(threading.local):
    """What the SDK does not hand through: the time-out, and how far Twilio's clock is ahead."""

    timeout = 0.0
    ahead = 0.0


class _Wire(HttpClient):  # type: ignore[misc]
    """Carries the SDK's requests, each within `asked.timeout`; all but a success is a SendError."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        super().__init__(logging.getLogger(__name__), is_async=False)
        secret = f"{settings.account_sid}:{settings.auth_token.get_secret_value()}"
        self._auth = {"Authorization": "Basic " + b64encode(secret.encode()).decode()}
        self._clock = clock
        self.asked = _Asked()
        self.outbound = Outbound()

    def request(
        self, method: str, url: str, *, params: Any, data: Any, headers: Any, **_: Any
    ) -> Response:
        """Make one request."""
        creates = method == "POST"
        url = f"{url}?{urlencode(params)}" if params else url
        body = urlencode(data).encode() if creates else None
        headers = {**headers, **self._auth}
        timeout = self.asked.timeout
        try:
            answer = self.outbound.request(method, url, timeout=timeout, headers=headers, body=body)
        except OutboundError as e:
            lost = e.written and creates
            raise SendError(code=e.code, ambiguous=lost, detail=e.detail) from None
        if not 200 <= answer.status < 300:
            raise _refused(answer, creates=creates)
        if not creates:
            with suppress(ValueError, TypeError):
                told = parsedate_to_datetime(answer.headers.get("Date"))
                self.asked.ahead = told.timestamp() - self._clock()
        return Response(answer.status, answer.body.decode(), answer.headers)


def _refused(answer: Answer, *, creates: bool) -> SendError:
    """Return what an answer means that is no success: by its status where plain, else its code."""
    try:
        told = int(json.loads(answer.body)["code"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        told = 0
    status = answer.status
    lost = status >= 500 or status == 408  # it may have failed after it took the message
    fallback = {401: 20003, 403: 20003, 404: 20404}.get(status, 20404 if status < 400 else 0)
    plain = 20500 if lost else 20429 if status == 429 else told
    verdict = VERDICTS.get(plain) or VERDICTS.get(fallback, UNKNOWN)
    wait = answer.headers.get("Retry-After", "")
    return SendError(
        verdict.code,
        permanent=verdict.permanent,
        scope=verdict.scope,
        retry_after=float(wait) if re.fullmatch("[0-9]{1,6}", wait) else None,
        detail=f"HTTP {status}, Twilio {told}",  # not their text: it repeats the number
        ambiguous=creates and lost,
    )
