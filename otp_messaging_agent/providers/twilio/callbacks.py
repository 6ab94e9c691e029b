"""What Twilio reports to us: what became of messages and calls, and what people write.

Signature: https://www.twilio.com/docs/usage/security. It carries no time, so an old callback can
be played again: receipts only go forwards, and an inbound message is known by its SID.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from hashlib import sha1, sha256
from urllib.parse import parse_qsl, urlencode, urlsplit

from ...errors import Forged
from ...message import Channel, Inbound, Receipt, Status
from ..base import Callback, Heard
from .codes import undelivered

Fields = Sequence[tuple[str, str]]

ATTEMPT = "attempt"
"""The parameter of a status callback's URL that says which attempt it is about."""

EVENTS = ["initiated", "completed"]
"""Of a call: that it was taken, and how it ended, whichever way."""

# https://www.twilio.com/docs/messaging/guides/track-outbound-message-status and
# https://www.twilio.com/docs/voice/api/call-resource#call-status-values; what is not here is on
# the way. An answering machine that took the call counts as reached: it can be listened to.
_STATUSES: Mapping[str, Status] = {
    "sent": Status.SENT,
    "delivered": Status.DELIVERED,
    "read": Status.READ,
    "undelivered": Status.UNDELIVERED,
    "failed": Status.UNDELIVERED,
    "canceled": Status.UNDELIVERED,
    "call-completed": Status.DELIVERED,
    "call-busy": Status.UNDELIVERED,
    "call-no-answer": Status.UNDELIVERED,
    "call-failed": Status.UNDELIVERED,
    "call-canceled": Status.UNDELIVERED,
}
LARGEST = 100_000
"""Bytes of a body that is read: a text has 4096 letters at most, of 12 bytes each."""

FIELDS = 500
"""Parameters that are read. Both bound what is done for who may not be Twilio."""

_SID = re.compile("(?:CA|SM|MM)[0-9a-fA-F]{32}")
_SENDER = re.compile(r"(whatsapp:)?(\+[1-9][0-9]{6,14})")
_CODE = re.compile("[0-9]{5,6}")


def told(url: str, attempt_id: str) -> str:
    """Return the status callback's URL for one attempt."""
    return f"{url}?{urlencode({ATTEMPT: attempt_id})}"


def checked(callback: Callback, token: str) -> dict[str, str]:
    """Return the parameters of a callback that Twilio signed; Forged for any other.

    Of several values of one name the last counts. Parameters of a POST go before the URL's.
    """
    form: Fields = ()
    if len(callback.body) > LARGEST or callback.body.count(b"&") >= FIELDS:
        raise Forged
    if callback.headers.get("content-type", "").startswith("application/json"):
        _check_body(callback)
    else:
        form = parse_qsl(callback.body.decode(errors="replace"), keep_blank_values=True)
    given = callback.headers.get("x-twilio-signature", "").encode(errors="replace")
    # every one is compared, so that the time taken does not say which was close
    same = [hmac.compare_digest(_sign(url, form, token), given) for url in _spellings(callback.url)]
    if not any(same):
        raise Forged
    return dict([*callback.query, *form])


def _sign(url: str, form: Fields, token: str) -> bytes:
    text = url + "".join(name + value for name, value in sorted(set(form)))
    return b64encode(hmac.digest(token.encode(), text.encode(errors="replace"), sha1))


def _spellings(url: str) -> Iterator[str]:
    """Return the URL without its port, and with it: Twilio signs now one, now the other."""
    place = urlsplit(url)
    bare = place.netloc.removesuffix(f":{place.port}")
    port = place.port or (443 if place.scheme == "https" else 80)
    start = f"{place.scheme}://"
    for netloc in (bare, f"{bare}:{port}"):
        yield start + netloc + url[len(start) + len(place.netloc) :]


def _check_body(callback: Callback) -> None:
    """Check a body that is no form: its hash stands in the URL, which the signature covers."""
    claimed = dict(callback.query).get("bodySHA256", "").encode(errors="replace")
    real = sha256(callback.body).hexdigest().encode()
    if not hmac.compare_digest(real, claimed.lower()):
        raise Forged


def sid_of(fields: Mapping[str, str]) -> str:
    """Return the SID of the message or the call that a callback is about."""
    return fields.get("CallSid") or fields.get("MessageSid") or fields.get("SmsSid", "")


def read(callback: Callback, fields: Mapping[str, str], provider: str) -> Heard:
    """Return what a callback with those *fields* says; ValueError where that makes no sense."""
    call, sid = bool(fields.get("CallSid")), sid_of(fields)
    status = fields.get("CallStatus" if call else "MessageStatus") or fields.get("SmsStatus")
    if not _SID.fullmatch(sid) or not (status or "Body" in fields):
        msg = "neither a status nor a message"
        raise ValueError(msg)
    if not call and status in {None, "received", "receiving"}:
        return Heard(inbound=_inbound(fields, provider, sid, callback.at))
    known = f"call-{status}" if call else str(status)
    if known not in _STATUSES or fields.get("Direction") == "inbound":
        return Heard()
    return Heard(receipts=[_receipt(fields, provider, sid, known, callback.at)])


def _receipt(fields: Mapping[str, str], provider: str, sid: str, status: str, at: float) -> Receipt:
    at = _time(fields.get("Timestamp", ""), at)
    if _STATUSES[status] is not Status.UNDELIVERED:
        return Receipt(provider, sid, _STATUSES[status], at)
    said = fields.get("ErrorCode", "")
    theirs = said if _CODE.fullmatch(said) else ""  # their texts may repeat the number
    code, scope = undelivered(status, theirs)
    detail = f"{status}, error {theirs or 'none'}"
    return Receipt(provider, sid, Status.UNDELIVERED, at, code, detail, scope.value)


def _time(text: str, otherwise: float) -> float:
    """Return when it happened; of messages only the carrier's time is told, without its zone."""
    try:
        at = parsedate_to_datetime(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return otherwise


def _inbound(fields: Mapping[str, str], provider: str, sid: str, at: float) -> list[Inbound]:
    sender = _SENDER.fullmatch(fields.get("From", ""))
    if sender is None:  # a short code, or a channel that we do not send by
        return []
    channel = Channel.WHATSAPP if sender[1] else Channel.SMS
    # with Advanced Opt-Out Twilio says what a keyword, in whatever language, stands for
    text = fields.get("OptOutType") or fields.get("Body", "")
    return [Inbound(provider, sid, channel, sender[2], text, at)]
