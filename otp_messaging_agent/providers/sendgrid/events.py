"""What SendGrid's Event Webhook tells: receipts, and who wants no more mail."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from ...errors import Forged, Scope
from ...message import Channel, Inbound, Receipt, Status
from ...safety import addresses
from ..base import Callback, Heard, verdicts

# By RFC 3463 status, classification, reason of a drop, first half of a status, or type:
# https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
BOUNCES = verdicts(
    (
        ("invalid_address", True, Scope.CHANNEL, "5.1 5.1.1 5.1.2 5.1.3 5.1.6 5.1.10"),
        ("invalid_address", True, Scope.CHANNEL, "invalid_address invalid bounced_address"),
        ("mailbox_full", True, Scope.CHANNEL, "4.2.2 5.2.2"),
        ("mailbox_unavailable", True, Scope.CHANNEL, "4.2 5.2 5.2.1 mailbox_unavailable"),
        ("content_too_long", True, Scope.CHANNEL, "5.2.3 5.3.4"),
        ("content_refused", True, Scope.CHANNEL, "5.6 content spam_content"),
        ("opted_out", True, Scope.CHANNEL, "unsubscribed_address spam_reporting_address"),
        ("blocked", True, Scope.PROVIDER, "5.7 reputation frequency_or_volume_too_high blocked"),
        ("no_route", True, Scope.PROVIDER, "4.4 5.4 technical technical_failure"),
        ("expired", True, Scope.PROVIDER, "expired"),
        ("out_of_balance", True, Scope.ACCOUNT, "recipient_list_over_package_quota"),
        ("rejected", True, Scope.CHANNEL, "other"),
    )
)
STATUSES = {
    "delivered": Status.DELIVERED,
    "open": Status.READ,
    "bounce": Status.UNDELIVERED,
    "blocked": Status.UNDELIVERED,
    "dropped": Status.UNDELIVERED,
}
STOPS = frozenset({"spamreport", "unsubscribe", "group_unsubscribe"})

ATTEMPT = "otp_agent_attempt"
"""Our argument: events hold it beside their own fields and what other systems gave theirs."""

FRESH = 300.0
"""Seconds that a signature is good for."""

_HEADER = "x-twilio-email-event-webhook-"
_ID = re.compile("[!-~]{1,128}")
_STATUS = re.compile(r"\b[45]\.[0-9]{1,3}\.[0-9]{1,3}\b")
Event = Mapping[str, Any]


def check(callback: Callback, signer: ec.EllipticCurvePublicKey | None) -> None:
    """Raise Forged unless *signer* signed the body of *callback* just now."""
    told = callback.headers.get(f"{_HEADER}timestamp", "")
    if signer is None or not re.fullmatch("[0-9]{1,12}", told):
        raise Forged
    if abs(callback.at - int(told)) > FRESH:
        raise Forged
    try:
        signature = b64decode(callback.headers.get(f"{_HEADER}signature", ""), validate=True)
        signer.verify(signature, told.encode() + callback.body, ec.ECDSA(SHA256()))
    except (ValueError, InvalidSignature):
        raise Forged from None


def read(callback: Callback, provider: str) -> Heard:
    """Return what the events say, passing over those that are not about mail of ours.

    A wish for no more mail counts whoever sent the mail: SendGrid keeps it for the whole account.
    """
    try:
        events = json.loads(callback.body)
    except RecursionError:
        events = None
    if not isinstance(events, list) or not all(isinstance(e, dict) for e in events):
        msg = "a list of events is expected"
        raise ValueError(msg)
    return Heard(
        [receipt for e in events for receipt in _receipts(e, callback.at, provider)],
        [inbound for e in events for inbound in _stops(e, callback.at, provider)],
    )


def _receipts(event: Event, now: float, provider: str) -> Iterator[Receipt]:
    kind, attempt = _text(event, "event"), _text(event, ATTEMPT)
    status = STATUSES.get(kind)
    by_machine = event.get("sg_machine_open") is True  # a mail service looked, nobody read
    if status is None or by_machine or not _ID.fullmatch(attempt):
        return
    if status is not Status.UNDELIVERED:
        yield Receipt(provider, attempt, status, _at(event, now))
        return
    code, detail, scope = _why(event, kind)
    yield Receipt(provider, attempt, status, _at(event, now), code, detail, scope)


def _why(event: Event, kind: str) -> tuple[str, str, str]:
    """Return our code, a detail that names nobody, and the scope."""
    reason = _text(event, "reason")
    statuses = [*_STATUS.findall(_text(event, "status")), *_STATUS.findall(reason)]
    named = [_text(event, "bounce_classification"), reason.partition("(")[0]]
    slugs = [name.strip().lower().replace(" ", "_") for name in named]
    halves = [status.rpartition(".")[0] for status in statuses]
    keys = [*statuses, *slugs, *halves, _text(event, "type"), kind, "other"]
    code, _, scope = next(BOUNCES[key] for key in keys if key in BOUNCES)
    return code, " ".join([kind, *statuses[:1]]), scope


def _stops(event: Event, now: float, provider: str) -> Iterator[Inbound]:
    if _text(event, "event") not in STOPS:
        return
    try:
        sender = addresses.email(_text(event, "email"))
    except ValueError:
        return
    told = _ID.fullmatch(_text(event, "sg_event_id"))
    yield Inbound(provider, told[0] if told else "", Channel.EMAIL, sender, "STOP", _at(event, now))


def _text(event: Event, key: str) -> str:
    value = event.get(key)
    return value if isinstance(value, str) else ""


def _at(event: Event, now: float) -> float:
    told = event.get("timestamp")
    known = isinstance(told, int | float) and not isinstance(told, bool) and 0 < told <= now + FRESH
    return float(told or now) if known else now
