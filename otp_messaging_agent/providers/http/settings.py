"""What config.json may say of a vendor, and every fault that can be seen before a message is sent.

docs/ADDING_A_PROVIDER.md says what each setting means, with a whole example.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from ...errors import Scope
from ...faults import shaped
from ...message import Status
from . import templates

_OURS = {"accept-encoding", "connection", "content-length", "expect", "host", "transfer-encoding"}


def _template(node: dict[str, Any]) -> dict[str, Any]:
    json.dumps(node, allow_nan=False)
    for text in templates.texts(node):
        templates.used(text)
    return node


def _url(text: str) -> str:
    if urlsplit(text).port == 0:
        msg = "has no valid port"
        raise ValueError(msg)
    templates.used(text.partition("?")[0], templates.WORDS)  # ".." would be another path
    templates.used(text)
    return text


def _headers(given: dict[str, SecretStr]) -> dict[str, SecretStr]:
    names = [name.lower() for name in given]
    if _OURS & set(names) or len(set(names)) < len(names):
        msg = f"each name may stand there once; not allowed are {', '.join(sorted(_OURS))}"
        raise ValueError(msg)
    for value in given.values():
        if not re.fullmatch("[\t -~]*", value.get_secret_value()):
            msg = "a value must be ASCII text without line breaks"
            raise ValueError(msg)
        templates.used(value.get_secret_value(), templates.LABELS)
    return given


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


_Path = Annotated[
    str,
    shaped(r"[^.\s]+(\.[^.\s]+)*", "must be names and places with dots between: messages.0.id"),
    Field(max_length=200),
]
_Name = Annotated[str, shaped(r"[A-Za-z0-9_-]{1,64}", "must be the name of a header")]
_Code = Annotated[
    str,
    shaped(r"[a-z][a-z0-9_]{0,39}", "must be 1 to 40 of a-z, 0-9 and _, a letter first"),
]
_Refusal = Annotated[
    str,
    shaped(r"3[0-9]{2}|40[0-79]|42[0-8]|4[13-9][0-9]", "must be 300 to 499, not 408 and 429"),
]
_Word = Annotated[str, BeforeValidator(templates.word)]
_Json = Annotated[dict[str, Any], AfterValidator(_template)]
_Form = Annotated[dict[str, str], AfterValidator(_template)]
_Reported = Literal[Status.SENT, Status.DELIVERED, Status.READ, Status.UNDELIVERED]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Verdict(_Part):
    """What a permanent refusal is called, and what it says something about."""

    code: _Code
    scope: Scope = Scope.CHANNEL


class Permanent(_Part):
    """Permanent refusals by the vendor's code and by HTTP status (408, 429, 5xx never are)."""

    codes: dict[str, Verdict] = {}
    statuses: dict[_Refusal, Verdict] = {}


class Success(_Part):
    """When a message was taken: by HTTP status and by what stands at `path`, if one is given."""

    status: list[Annotated[int, Field(ge=200, le=299)]] = list(range(200, 300))
    path: _Path | None = None
    equals: Annotated[list[_Word], BeforeValidator(_listed)] = []

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.path is None) == bool(self.equals):
            msg = "path and equals go together"
            raise ValueError(msg)
        return self


class Receipts(_Part):
    """How a webhook call proves who sent it, and where in it stands what became of which message.

    each: where a list of reports is, if there is one. statuses: the vendor's words -> ours.
    """

    header: _Name
    secret: Annotated[SecretStr, Field(min_length=8)]
    scheme: Literal["token", "hmac-sha256-hex", "hmac-sha256-base64"] = "token"
    each: _Path | None = None
    id: _Path
    status: _Path
    statuses: Annotated[dict[str, _Reported], Field(min_length=1)]
    error_code: _Path | None = None


class Settings(_Part):
    """One kind of request to one vendor."""

    url: Annotated[
        str,
        shaped(
            r"https?://[A-Za-z0-9.:\[\]-]+([/?][!-\x22$-~]*)?",
            "must be https:// and a host, then perhaps a path, without blanks, # and @ in the host",
        ),
        Field(repr=False),
        AfterValidator(_url),
    ]
    method: Literal["GET", "POST", "PUT", "PATCH"] = "POST"
    headers: Annotated[dict[_Name, SecretStr], AfterValidator(_headers)] = {}
    json_: Annotated[_Json | None, Field(alias="json", repr=False)] = None
    form: Annotated[_Form | None, Field(repr=False)] = None
    from_: Annotated[str | None, Field(alias="from")] = None
    user: SecretStr | None = None
    password: SecretStr | None = None
    max_validity_seconds: Annotated[int, Field(ge=1)] = 172_800
    success: Success = Success()
    id: _Path | None = None
    error_code: Annotated[list[_Path], BeforeValidator(_listed)] = []
    permanent: Permanent = Permanent()
    temporary: dict[str, _Code] = {}
    receipts: Receipts | None = None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        bodies = [body for body in (self.json_, self.form) if body is not None]
        used: set[str] = set().union(*map(templates.used, [self.url, *templates.texts(bodies)]))
        named = {name.lower() for name in self.headers}
        faults = {
            "only one of json and form may be given": len(bodies) > 1,
            "a GET has no body; its values go into url": self.method == "GET" and bodies,
            "{to} or {to_digits} must stand in url, json or form": not used & {"to", "to_digits"},
            "{content}, {spoken} or {code} must stand in url, json or form": (
                not used & {"content", "spoken", "code"}
            ),
            "{from} needs from": "from" in used and self.from_ is None,
            "{callback} needs receipts": "callback" in used and self.receipts is None,
            "user and password go together": (self.user is None) != (self.password is None),
            "user or a header Authorization, not both": self.user and "authorization" in named,
        }
        if wrong := [msg for msg, is_so in faults.items() if is_so]:
            raise ValueError("; ".join(wrong))
        return self
