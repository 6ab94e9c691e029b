"""2. Request -> message, or every reason why not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from ..channels.base import Medium
from ..errors import Fault, InvalidRequest
from ..message import (
    DEFAULT_PRIORITY,
    Channel,
    Message,
    MessageType,
    Status,
)
from ..request import CheckRequest, MessageRequest, OtpRequest
from ..safety import addresses, quiet_hours

YEAR = 366 * 86_400.0
END_OF_TIME = 253_402_300_799.0
"""9999-12-31T23:59:59Z: what comes after it no calendar shows."""

_zones = cache(available_timezones)  # reads a folder of files each time


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says about requests.

    media: the channels that are on; zone: of times without an offset; allow_countries and
    deny_countries: where messages may go, not who may be asked about or may check a code;
    quiet: message types that wait through the window from `quiet_start` to `quiet_end` in the
    recipient's zone.
    stop_types: what an opt-out of no certain type bars.
    """

    media: Mapping[Channel, Medium]
    zone: ZoneInfo
    strict_numbers: bool = False
    allow_premium: bool = False
    allow_countries: frozenset[str] = frozenset()
    deny_countries: frozenset[str] = frozenset()
    quiet: frozenset[MessageType] = frozenset()
    quiet_start: time = time(20)
    quiet_end: time = time(9)
    stop_types: frozenset[MessageType] = frozenset()


class _Faults(list[Fault]):
    """Collects faults, so that a caller learns all of them at once."""

    def catch(self, name: str, parse: Callable[[], str]) -> str | None:
        try:
            return parse()
        except ValueError as e:
            self.append(Fault((name,), str(e)))
            return None


def recipient(
    phone_number: str | None, email: str | None, rules: Rules
) -> tuple[str | None, str | None]:
    """Return both addresses in their one canonical form; InvalidRequest names what is wrong."""
    faults = _Faults()
    phone, mail = _recipient(phone_number, email, rules, faults)
    if faults:
        raise InvalidRequest(faults)
    return phone, mail


def _recipient(
    phone_number: str | None, email: str | None, rules: Rules, faults: _Faults
) -> tuple[str | None, str | None]:
    phone = mail = None
    if phone_number is not None:
        phone = faults.catch(
            "phone_number",
            lambda: addresses.phone(
                phone_number, strict=rules.strict_numbers, allow_premium=rules.allow_premium
            ),
        )
    if email is not None:
        mail = faults.catch("email", lambda: addresses.email(email))
    return phone, mail


def _addressee(
    request: MessageRequest | OtpRequest, rules: Rules, faults: _Faults
) -> tuple[str | None, str | None]:
    """Return both addresses of somebody who may be sent to."""
    phone, mail = _recipient(request.phone_number, request.email, rules, faults)
    if phone is None:
        return None, mail
    number = phone
    allowed, denied = rules.allow_countries, rules.deny_countries
    phone = faults.catch(
        "phone_number", lambda: addresses.permitted(number, allowed=allowed, denied=denied)
    )
    return phone, mail


def message(request: MessageRequest, *, message_id: str, now: float, rules: Rules) -> Message:
    """Return the message that *request* asks for; InvalidRequest names every fault."""
    faults = _Faults()
    phone, mail = _addressee(request, rules, faults)
    scheduled = _scheduled(request, now, rules, faults)
    expires = moment(request.expires_at, rules)
    if expires is not None and not max(now, scheduled or now) < expires <= END_OF_TIME:
        msg = "must be later than now and than scheduled_for, and before the year 10000"
        faults.append(Fault(("expires_at",), msg))
    due = scheduled or now
    if request.timezone is not None and request.timezone not in _zones():
        faults.append(Fault(("timezone",), "must be an IANA time zone such as Europe/London"))
    elif request.message_type in rules.quiet:
        due = quiet_hours.wait_until(
            due, phone, request.timezone, rules.zone, rules.quiet_start, rules.quiet_end
        )
    made = Message(
        id=message_id,
        type=request.message_type,
        priority=request.priority or DEFAULT_PRIORITY[request.message_type],
        status=Status.SCHEDULED if due > now else Status.ACCEPTED,
        created_at=now,
        due_at=due,
        phone_number=phone,
        email=mail,
        content=request.content,
        subject=request.subject,
        user_id=request.user_id,
        reference=request.reference,
        metadata=request.metadata or {},
        preferred_channel=request.preferred_channel,
        scheduled_for=due if due > now else None,
        expires_at=expires,
    )
    if not faults:
        _carried(made, rules, faults)
    if faults:
        raise InvalidRequest(faults)
    return made


def otp(
    request: OtpRequest, *, message_id: str, now: float, expires_at: float, rules: Rules
) -> Message:
    """Return the message that will carry a code; InvalidRequest names every fault."""
    faults = _Faults()
    phone, mail = _addressee(request, rules, faults)
    made = Message(
        id=message_id,
        type=MessageType.OTP,
        priority=request.priority or DEFAULT_PRIORITY[MessageType.OTP],
        status=Status.ACCEPTED,
        created_at=now,
        due_at=now,
        phone_number=phone,
        email=mail,
        user_id=request.user_id,
        reference=request.reference,
        metadata=request.metadata or {},
        preferred_channel=request.preferred_channel,
        expires_at=expires_at,
    )
    if not faults:
        _carried(made, rules, faults)
    if faults:
        raise InvalidRequest(faults)
    return made


def check(request: CheckRequest, rules: Rules) -> tuple[str | None, str]:
    """Return the canonical recipient (None with a verification id) and the code to compare."""
    phone, mail = recipient(request.phone_number, request.email, rules)
    return phone or mail, request.code.strip()


def _scheduled(request: MessageRequest, now: float, rules: Rules, faults: _Faults) -> float | None:
    at = moment(request.scheduled_for, rules)
    if at is not None and at > now + YEAR:
        faults.append(Fault(("scheduled_for",), "must be within a year from now"))
        return None
    return at if at is not None and at > now else None


def moment(given: datetime | None, rules: Rules) -> float | None:
    """Return a time as Unix seconds; without an offset it is in the configured zone."""
    return None if given is None else quiet_hours.parse_local(given, rules.zone)


def _carried(made: Message, rules: Rules, faults: _Faults) -> None:
    """At least one channel that is on must be able to carry the message."""
    reasons = {c: m.unusable(made) for c, m in rules.media.items()}
    if not reasons:
        faults.append(Fault((), "no channel is configured"))
    elif all(reasons.values()):
        why = "; ".join(f"{c}: {r}" for c, r in reasons.items())
        faults.append(Fault((), f"no channel can carry this: {why}"))
