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
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, NamedTuple, Self, TypeVar
from urllib.parse import urlencode, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
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
    ("bad_address", True, Scope.PROVIDER, "20404"),  # of the API, or an account it does not know
    ("bad_sender", True, Scope.PROVIDER, "21210 21212 21213 21264 21267 21601 21603 21606 21607"),
    ("bad_sender", True, Scope.PROVIDER, "21616 21657 21659 21660 21661 21663 21668 63001 63002"),
    ("bad_sender", True, Scope.PROVIDER, "21701 21702 21703 21704 21705 63007 63008"),
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
RING = 40
"""Seconds a call rings: time enough to find the telephone, too short for most voice mail."""

PAGE = 50
CLOCKS = 2.0
"""Seconds: Twilio's times are whole seconds, and so is the clock that they are compared by."""
WINDOW = 120.0
"""Seconds after its begin in which an attempt can have been taken; a later record is another's."""

_TRIAL = "Sent from your Twilio trial account - "
_UNSPEAKABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # not in XML 1.0
T = TypeVar("T")


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        msg = "must be an http or https URL without user and password"
        raise ValueError(msg)
    return url.rstrip("/")


class Settings(BaseModel):
    """Account and sender. base_url: where the API is instead, for tests and proxies."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    account_sid: Annotated[str, Field(pattern=r"^AC[0-9A-Za-z]+$")]
    auth_token: Annotated[SecretStr, Field(min_length=1)]
    from_number: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")] | None = None
    messaging_service_sid: Annotated[str, Field(pattern=r"^MG[0-9A-Za-z]+$")] | None = None
    base_url: Annotated[str, AfterValidator(_checked_url)] | None = None

    @model_validator(mode="after")
    def _one_sender(self) -> Self:
        if (self.from_number is None) == (self.messaging_service_sid is None):
            msg = "exactly one of from_number and messaging_service_sid is needed"
            raise ValueError(msg)
        return self


def make(settings: Settings, context: Context) -> Twilio:
    """Return the provider for one account and sender."""
    return Twilio(settings, context)


class _Call(threading.local):
    """What one request needs that the SDK does not hand through, and what it drops of the answer."""

    timeout = 0.0
    date: str | None = None


class _Wire(HttpClient):  # type: ignore[misc]
    """Carries the requests of the SDK; what is no success leaves as SendError."""

    def __init__(self, account: str, token: str, clock: Callable[[], float]) -> None:
        super().__init__(logging.getLogger(__name__), is_async=False)
        self.call = _Call()
        self.outbound = Outbound()
        self._auth = "Basic " + b64encode(f"{account}:{token}".encode()).decode()
        self._clock = clock

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> Response:
        """Make one request within `call.timeout`."""
        creates = method == "POST"
        if params:
            url = f"{url}?{urlencode(params)}"
        try:
            answer = self.outbound.request(
                method,
                url,
                timeout=self.call.timeout,
                headers={**(headers or {}), "Authorization": self._auth},
                body=urlencode(data).encode() if data else None,
            )
        except OutboundError as e:
            ambiguous = e.written and creates
            raise SendError(code=e.code, ambiguous=ambiguous, detail=e.detail) from None
        if answer.status not in {200, 201}:
            raise _refused(answer, self._clock(), creates=creates)
        self.call.date = answer.headers.get("Date")
        return Response(answer.status, answer.body.decode(), answer.headers)

    def ahead(self) -> float:
        """Return by how many seconds the last answer's clock is ahead of ours."""
        then = _time(self.call.date)
        return 0.0 if then is None else then - self._clock()


def _time(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return None


def _refused(answer: Answer, now: float, *, creates: bool) -> SendError:
    """Return what an answer other than a success means, by its status first."""
    try:
        code = json.loads(answer.body)["code"]
    except (ValueError, TypeError, KeyError, RecursionError):
        code = None
    status = f"HTTP{answer.status}"
    verdict = VERDICTS.get(str(code)) or VERDICTS.get(status, UNKNOWN)
    lost = answer.status >= 500  # it may fail after it took the message  # noqa: PLR2004
    if lost or answer.status == 408:
        verdict = VERDICTS["20500"]
    elif answer.status == 429:
        verdict = VERDICTS["20429"]
    ...
