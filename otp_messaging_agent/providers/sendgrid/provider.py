"""Hands mail to SendGrid: urgent mail at once, the rest together with what others send."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from time import monotonic
from typing import Any

from ...errors import LookupUnsupported, Scope, SendError
from ...message import Channel, Receipt
from ...safety.letter import html
from ...safety.outbound import Answer, Outbound, OutboundError
from ..base import Callback, Context, Heard, Outgoing, Sent, on_the_wire, refusal, verdicts
from . import events
from .gathering import Gathering, Letter
from .settings import Settings, person, public_key

CHANNELS = (Channel.EMAIL,)
API = "https://api.sendgrid.com"

# By the field that a refusal names, as SendGrid has no codes, else by the HTTP status:
# https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors
_TABLE = (
    ("invalid_address", True, Scope.CHANNEL, "to"),
    ("content_refused", True, Scope.CHANNEL, "subject content"),
    ("content_too_long", True, Scope.CHANNEL, "HTTP413"),
    ("misconfigured", True, Scope.ACCOUNT, "from reply_to HTTP404 HTTP405 HTTP3xx"),
    ("out_of_balance", True, Scope.ACCOUNT, "credits"),
    ("auth_failed", True, Scope.ACCOUNT, "HTTP401 HTTP403"),
    ("rejected", True, Scope.CHANNEL, "HTTP4xx"),
    ("rate_limited", False, Scope.PROVIDER, "HTTP429"),
    ("provider_error", False, Scope.PROVIDER, "HTTP408 HTTP5xx"),
)
VERDICTS = verdicts(_TABLE)

TAKEN = 202
SPOILED = frozenset({400, 413})
"""Answers that one mail of many may have brought upon all; none of them was taken."""

LARGEST = 9_500
"""Bytes of a mail that travels with others: SendGrid replaces at most 10 000 in each, the marks
included. As many as go together are 10 MB then, of 30 that a call may have."""

_OFF = {"enable": False}


def make(settings: Settings, context: Context) -> SendGrid:
    """Return the provider for one account and sender."""
    return SendGrid(settings, context)


class SendGrid:
    """One account and sender."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._name, self._clock = context.name, context.clock
        key = settings.webhook_public_key
        self._signer = None if key is None else public_key(key)
        self.receipts = key is not None and context.callback(settings.base_url) is not None
        self._url = (settings.base_url or API).rstrip("/") + "/v3/mail/send"
        token = settings.api_key.get_secret_value()
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._common: dict[str, Any] = {"from": person(settings.from_address)}
        if settings.reply_to is not None:
            self._common["reply_to"] = person(settings.reply_to)
        self._common["tracking_settings"] = {  # or the account's own would rewrite links
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": settings.track_opens},
            "subscription_tracking": _OFF,
            "ganalytics": _OFF,
        }
        self._outbound = Outbound()
        self._gathering = Gathering(self._post)

    def send(self, out: Outgoing, *, timeout: float) -> Sent:
        """Hand the mail over, together with others where it may wait for them."""
        deadline = monotonic() + timeout
        if out.validity is not None and out.validity < 1:
            raise SendError("expired", permanent=True, scope=Scope.MESSAGE)
        return on_the_wire(lambda: self._send(out, deadline))

    def _send(self, out: Outgoing, deadline: float) -> Sent:
        letter = _letter(out)
        if out.bulk and _size(letter) <= LARGEST:
            answer, shared = self._gathering.post(letter, deadline)
            if shared and answer.status in SPOILED:
                answer = self._post([letter], deadline)
        else:
            answer = self._post([letter], deadline)
        if answer.status // 100 != TAKEN // 100:
            raise self._refused(answer)
        if answer.status != TAKEN:
            raise SendError("garbled_answer", ambiguous=True, detail=f"HTTP {answer.status}")
        return Sent(out.attempt_id)

    def _post(self, letters: list[Letter], deadline: float) -> Answer:
        left = deadline - monotonic()
        if left <= 0:
            raise OutboundError(TimeoutError(), written=False)
        body = json.dumps({**self._common, **_mail(letters)}).encode()
        return self._outbound.request(
            "POST", self._url, timeout=left, headers=self._headers, body=body
        )

    def _refused(self, answer: Answer) -> SendError:
        error = refusal(answer, _complaint(answer.body), VERDICTS)
        reset = answer.headers.get("X-RateLimit-Reset", "")  # SendGrid's way, a time
        limited = error.code == "rate_limited" and error.retry_after is None
        if limited and re.fullmatch("[0-9]{1,12}", reset):
            error.retry_after = max(0.0, float(reset) - self._clock())
        return error

    def lookup(self, out: Outgoing, *, since: float, timeout: float) -> Sent | None:
        """Say that SendGrid cannot be asked: its record of mail costs extra and is minutes late."""
        del out, since, timeout
        raise LookupUnsupported

    def hear(self, callback: Callback) -> Heard:
        """Read a batch of events."""
        events.check(callback, self._signer)
        return events.read(callback, self._name)

    def poll(self, now: float) -> Iterable[Receipt]:
        """Return nothing: receipts come by webhook."""
        del now
        return ()

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()


def _letter(out: Outgoing) -> Letter:
    subject = out.subject or " ".join(out.content.split())[:60]  # one is demanded
    envelope: dict[str, Any] = {
        "to": [{"email": out.to}],
        "subject": subject,
        "custom_args": {events.ATTEMPT: out.attempt_id},
    }
    if out.unsubscribe is not None:  # RFC 8058
        envelope["headers"] = {
            "List-Unsubscribe": f"<{out.unsubscribe}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
    return Letter(out.to, envelope, (out.content, html(subject, out.content)))


def _size(letter: Letter) -> int:
    return len(json.dumps(letter, ensure_ascii=False).encode(errors="replace"))


def _mail(letters: list[Letter]) -> dict[str, Any]:
    """Return what differs between calls: one mail as it is, several by what replaces marks."""
    envelopes: list[dict[str, Any]] = [dict(letter.envelope) for letter in letters]
    text, markup = letters[0].bodies
    if len(letters) > 1:
        mark = secrets.token_hex(8)  # so that it stands in nobody's text
        text, markup = f"-text-{mark}-", f"-html-{mark}-"
        for envelope, letter in zip(envelopes, letters, strict=True):
            envelope["substitutions"] = dict(zip((text, markup), letter.bodies, strict=True))
    content = [{"type": "text/plain", "value": text}, {"type": "text/html", "value": markup}]
    return {"personalizations": envelopes, "content": content}


def _complaint(body: bytes) -> str | None:
    """Return the field that a refusal names, or `credits` where none are left; None = unknown."""
    try:
        first = json.loads(body)["errors"][0]
        field, message = str(first.get("field")), str(first.get("message"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if "credits exceeded" in message.lower():
        return "credits"
    named = re.sub("^personalizations[.][0-9]+[.]", "", field).partition(".")[0]
    return named if named in VERDICTS else None
