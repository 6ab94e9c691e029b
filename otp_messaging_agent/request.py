"""What comes in: the requests, the same from HTTP, files, events and Python."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from .message import Channel, MessageType, Priority

_NOT_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_NOT_IN_LINE = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
_INTEGERS = range(-(2**63), 2**63)
_LONGEST_VALUE = 500


def _clean(text: object) -> object:
    if isinstance(text, str) and _NOT_IN_TEXT.search(text):
        msg = "must not contain control characters or half a character"
        raise ValueError(msg)
    return text


def _one_line(text: object) -> object:
    if isinstance(text, str) and _NOT_IN_LINE.search(text):
        msg = "must be one line without control characters or half a character"
        raise ValueError(msg)
    return text


def _plain(value: object) -> object:
    """Take what JSON calls a value; one check instead of a union keeps its faults readable."""
    _clean(value)
    right = value is None or isinstance(value, bool | int | float | str)
    if isinstance(value, int) and value not in _INTEGERS:
        right = False
    if isinstance(value, float) and not math.isfinite(value):
        right = False
    if isinstance(value, str) and len(value) > _LONGEST_VALUE:
        right = False
    if not right:
        msg = "must be text of at most 500 characters, a number of 64 bits, true, false or null"
        raise ValueError(msg)
    return value


Line = Annotated[str, BeforeValidator(_one_line)]
Text = Annotated[str, BeforeValidator(_clean)]
_KEY = Annotated[Line, Field(max_length=40)]
_VALUE = Annotated[
    Any,
    AfterValidator(_plain),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "maxLength": _LONGEST_VALUE},
                {"type": "number"},
                {"type": "boolean"},
                {"type": "null"},
            ]
        }
    ),
]


class _Request(BaseModel):
    """What every message request has."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    phone_number: Annotated[Line, Field(max_length=40)] | None = Field(
        None,
        description="In international form, `+` and country code first.",
        examples=["+447700900001"],
    )
    email: Annotated[Line, Field(max_length=254)] | None = Field(None, examples=["ada@example.com"])
    user_id: Annotated[Line, Field(max_length=200)] | None = Field(
        None, description="Your own id of the person; stored encrypted.", examples=["user123"]
    )
    priority: Priority | None = Field(
        None,
        description="Default: HIGH for otp and alert, LOW for marketing, MEDIUM for the rest.",
    )
    preferred_channel: Channel | None = Field(
        None, description="Goes first while it is usable; the others stay the fallback."
    )
    reference: Annotated[Line, Field(max_length=200)] | None = Field(
        None,
        description="Your own reference, to find the message again; stored in the clear.",
        examples=["order-4711"],
    )
    metadata: Annotated[dict[_KEY, _VALUE], Field(max_length=50)] | None = Field(
        None, description="Up to 50 values of yours, given back with the message."
    )

    @model_validator(mode="after")
    def _addressed(self) -> Self:
        if not self.phone_number and not self.email:
            msg = "phone_number or email is required"
            raise ValueError(msg)
        return self


_Purpose = Annotated[Line, Field(min_length=1, max_length=64)]
_Ttl = Annotated[int, Field(ge=10, le=600)]
_Length = Annotated[int, Field(ge=4, le=10)]


class OtpRequest(_Request):
    """A one-time password to make, send and later check."""

    message_type: MessageType = MessageType.OTP
    purpose: _Purpose = Field(
        "login", description="One code is pending per recipient and purpose at a time."
    )
    ttl_seconds: _Ttl | None = Field(None, description="Lifetime; default `otp.ttl_seconds`.")
    code_length: _Length | None = Field(None, description="Digits; default `otp.code_length`.")

    @model_validator(mode="after")
    def _is_otp(self) -> Self:
        if self.message_type is not MessageType.OTP:
            msg = "message_type must be otp here; send other messages to /send-message"
            raise ValueError(msg)
        return self


class MessageRequest(_Request):
    """A message to send; with `message_type` otp it is an `OtpRequest`."""

    message_type: MessageType = MessageType.NOTIFICATION
    content: Annotated[Text, Field(min_length=1, max_length=10_000)] | None = Field(
        None, description="What the recipient reads or hears.", examples=["Welcome!"]
    )
    subject: Annotated[Line, Field(max_length=200)] | None = Field(
        None, description="For e-mail; other channels leave it out."
    )
    scheduled_for: datetime | None = Field(
        None, description="When to send; without an offset in the configured time zone."
    )
    timezone: Annotated[Line, Field(max_length=64)] | None = Field(
        None, description="The recipient's IANA time zone, for quiet hours; default by number."
    )
    expires_at: datetime | None = Field(None, description="Not sent after this.")
    purpose: _Purpose | None = Field(None, description="Only with message_type otp.")
    ttl_seconds: _Ttl | None = Field(None, description="Only with message_type otp.")
    code_length: _Length | None = Field(None, description="Only with message_type otp.")

    @model_validator(mode="after")
    def _of_its_type(self) -> Self:
        otp = self.message_type is MessageType.OTP
        wrong = (
            ("content", "subject", "scheduled_for", "timezone", "expires_at")
            if otp
            else ("purpose", "ttl_seconds", "code_length")
        )
        given = [n for n in wrong if getattr(self, n) is not None]
        if given:
            msg = f"not allowed with message_type {self.message_type}: {', '.join(given)}"
            raise ValueError(msg)
        if not otp and not (self.content and self.content.strip()):
            msg = "content is required"
            raise ValueError(msg)
        return self

    def as_otp(self) -> OtpRequest:
        """Return the OTP request that this row is."""
        names = set(OtpRequest.model_fields)
        given = {n: v for n, v in self if n in names and v is not None}
        return OtpRequest(**given)


class CheckRequest(BaseModel):
    """A code somebody typed, to be checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verification_id: Annotated[Line, Field(max_length=64)] | None = None
    phone_number: Annotated[Line, Field(max_length=40)] | None = Field(
        None, examples=["+447700900001"]
    )
    email: Annotated[Line, Field(max_length=254)] | None = None
    purpose: _Purpose | None = Field(None, description="With an address; default login.")
    code: Annotated[str, Field(pattern=r"^\s*[0-9]{4,10}\s*$", max_length=40, examples=["123456"])]

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [self.verification_id, self.phone_number, self.email]
        if sum(w is not None for w in ways) != 1:
            msg = "exactly one of verification_id, phone_number or email is required"
            raise ValueError(msg)
        if self.verification_id is not None and self.purpose is not None:
            msg = "purpose goes with phone_number or email, not with verification_id"
            raise ValueError(msg)
        return self


class OptOutRequest(BaseModel):
    """Somebody wants no more messages; a channel or category left out is all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    phone_number: Annotated[Line, Field(max_length=40)] | None = Field(
        None, examples=["+447700900001"]
    )
    email: Annotated[Line, Field(max_length=254)] | None = None
    channel: Channel | None = Field(None, description="Default: every channel.")
    category: MessageType | None = Field(
        None, description="A message type; default: all that `consent.stop_types` names."
    )

    @model_validator(mode="after")
    def _one_person(self) -> Self:
        if (self.phone_number is None) == (self.email is None):
            msg = "exactly one of phone_number or email is required"
            raise ValueError(msg)
        return self
