"""What the config says of one Twilio account and sender."""

from __future__ import annotations

import math
from collections.abc import Mapping
from string import Formatter
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from ...errors import SendError
from ...faults import shaped
from ...message import MessageType
from ..base import BaseUrl, Outgoing

PLACEHOLDERS = ("code", "content", "minutes", "subject")
TELLING = ("code", "content")
"""What tells one message from another where a template is all that was sent."""

_NUMBER = shaped(r"\+[1-9][0-9]{6,14}", "must be + and digits, as +447700900000")
_SERVICE = shaped("MG[0-9A-Za-z]+", "must be MG, then letters and digits")


class ContentTemplate(BaseModel):
    """An approved template: its `HX...` and, for each of its variables, a text with placeholders.

    Twilio takes no empty value, line break, tab or run of blanks in a variable
    (https://www.twilio.com/docs/api/errors/21656).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    sid: Annotated[str, shaped("HX[0-9a-fA-F]{32}", "must be HX and 32 digits of 0-9, a-f")]
    variables: Mapping[
        Annotated[str, shaped("[0-9A-Za-z_]+", "must be letters, digits and _")],
        Annotated[str, Field(min_length=1)],
    ] = {}

    @field_validator("variables")
    @classmethod
    def _known(cls, variables: Mapping[str, str]) -> Mapping[str, str]:
        for _, name, spec, conversion in _parts(variables):
            if name is not None and (name not in PLACEHOLDERS or spec or conversion):
                msg = f"a placeholder must be one of {', '.join(f'{{{p}}}' for p in PLACEHOLDERS)}"
                raise ValueError(msg)
        return variables

    def fill(self, out: Outgoing) -> dict[str, str]:
        """Return the variables for *out*; SendError where a placeholder has nothing to stand for.

        Minutes are those left to use a code.
        """
        known = _known(out)
        filled = {k: _plain(v.format_map(known)) for k, v in self.variables.items()}
        if not all(known[name] for name in self._names()):
            detail = "nothing stands for a placeholder"
            raise SendError("misconfigured", permanent=True, detail=detail)
        return filled

    def is_in(self, body: str, out: Outgoing) -> bool:
        """Whether *body* holds the code or the text of *out*, as far as they were put in."""
        known = _known(out)
        told = [known[name] for name in TELLING if name in self._names()]
        return bool(told) and all(value and value in body for value in told)

    def _names(self) -> set[str]:
        return {name for _, name, _, _ in _parts(self.variables) if name is not None}


Part = tuple[str, str | None, str | None, str | None]


def _parts(variables: Mapping[str, str]) -> list[Part]:
    return [part for text in variables.values() for part in Formatter().parse(text)]


def _plain(text: str) -> str:
    return " ".join(text.split())


def _known(out: Outgoing) -> dict[str, str]:
    """Return placeholder -> what it stands for, empty where there is nothing."""
    return {
        "code": out.code or "",
        "content": _plain(out.content),
        "minutes": "" if out.validity is None else str(max(1, math.ceil(out.validity / 60))),
        "subject": _plain(out.subject or ""),
    }


class Settings(BaseModel):
    """Account and sender.

    content_templates: WhatsApp messages of a type go out as that template instead of as text.
    base_url: where the API is instead, for tests and proxies.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    account_sid: Annotated[str, shaped("AC[0-9A-Za-z]+", "must be AC, then letters and digits")]
    auth_token: Annotated[SecretStr, Field(min_length=1)]
    from_number: Annotated[str, _NUMBER] | None = None
    messaging_service_sid: Annotated[str, _SERVICE] | None = None
    content_templates: Mapping[MessageType, ContentTemplate] = {}
    base_url: BaseUrl | None = None

    @model_validator(mode="after")
    def _one_sender(self) -> Self:
        if (self.from_number is None) == (self.messaging_service_sid is None):
            msg = "exactly one of from_number and messaging_service_sid is needed"
            raise ValueError(msg)
        return self
