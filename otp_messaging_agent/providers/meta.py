"""Meta: WhatsApp, over its Cloud API.

Meta carries free text only within a day of the recipient's last message (else `window_closed`), so
what starts a conversation needs a template that Meta has approved, one per message type:

* `otp`: an authentication template with a copy-code, one-tap or zero-tap button. Its text is Meta's
  own; the code goes into body and button, and the text of our own is not sent.
* the others: a template with one variable in its body, which gets the content on one line, each run
  of blanks and line breaks a single space, for Meta takes no variable that has more.

How long Meta keeps trying is set on the template (`message_send_ttl_seconds`), not with a message:
give the one for codes no more than the life of a code. Meta knows no idempotency key, and cannot be
asked what it took.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import AliasChoices, AliasPath, BaseModel, Field, SecretStr, model_validator
from pydantic_core import from_json

from ..errors import Forged, LookupUnsupported, Scope, SendError
from ..faults import shaped
from ..message import Channel, Inbound, MessageType, Receipt, Status
from ..safety.outbound import Answer, Outbound
from .base import BaseUrl, Callback, Context, Heard, Outgoing, Sent, on_the_wire, refusal, verdicts

CHANNELS = (Channel.WHATSAPP,)

# Our code, permanent, what it ends; by Meta's code, of answers and of receipts alike, and, for any
# other, the HTTP status. Meta answers limits with 400 and 403 too, so there the code decides.
# https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
_PERMISSIONS = " ".join(map(str, range(200, 300)))
_TABLE = (
    ("not_on_whatsapp", True, Scope.CHANNEL, "131026"),
    ("number_unreachable", True, Scope.CHANNEL, "131021"),  # it is the sender's own
    ("window_closed", True, Scope.CHANNEL, "131047"),
    ("opted_out", True, Scope.CHANNEL, "131050"),
    ("marketing_withheld", True, Scope.CHANNEL, "130472 131049"),  # Meta spares this recipient
    ("content_refused", True, Scope.CHANNEL, "131051 132007"),
    ("content_too_long", True, Scope.CHANNEL, "132005"),
    ("country_not_enabled", True, Scope.PROVIDER, "130497"),
    ("recipient_not_verified", True, Scope.PROVIDER, "131030"),  # a test number's list
    ("template_refused", True, Scope.PROVIDER, "132000 132001 132008 132012 132015 132016 132018"),
    ("rejected", True, Scope.PROVIDER, "100 131008 131009 HTTP403"),
    ("rejected", True, Scope.CHANNEL, "HTTP4xx"),
    ("auth_failed", True, Scope.ACCOUNT, f"0 3 10 102 190 131005 HTTP401 {_PERMISSIONS}"),
    ("account_inactive", True, Scope.ACCOUNT, "368 131031 131042"),
    ("misconfigured", True, Scope.ACCOUNT, "33 131037 131045 133010 HTTP404 HTTP3xx"),
    ("rate_limited", False, Scope.PROVIDER, "4 17 613 80007 130429 131048 131056 HTTP429"),
    ("provider_error", False, Scope.PROVIDER, "1 2 131000 131016 131057 133004 135000"),
    ("provider_error", False, Scope.PROVIDER, "HTTP408 HTTP5xx"),
)
VERDICTS = verdicts(_TABLE)
STATUSES = {s.value: s for s in (Status.SENT, Status.DELIVERED, Status.READ)}
STATUSES["failed"] = Status.UNDELIVERED


class Template(BaseModel, extra="forbid", frozen=True, hide_input_in_errors=True):
    """An approved template. parameter_name: of its variable, where that has a name, no number."""

    name: Annotated[str, shaped("[a-z0-9_]{1,512}", "must be a-z, 0-9 and _")]
    language: Annotated[str, shaped("[a-z]{2,3}(_[A-Z]{2,3})?", "must be as en or en_GB")]
    parameter_name: Annotated[str, shaped("[a-z0-9_]+", "must be a-z, 0-9 and _")] | None = None


class Settings(BaseModel, extra="forbid", frozen=True, hide_input_in_errors=True):
    """Sender, secrets, templates. base_url: where the API is instead, for tests and proxies.

    app_secret, verify_token: of the webhook, which Meta is told by hand; both or no receipts.
    """

    phone_number_id: Annotated[str, shaped("[0-9]+", "must be the id that Meta shows, digits only")]
    access_token: SecretStr
    app_secret: Annotated[SecretStr, Field(min_length=1)] | None = None
    verify_token: Annotated[SecretStr, Field(min_length=1)] | None = None
    templates: Mapping[MessageType, Template] = Field(default_factory=dict)
    api_version: Annotated[str, shaped(r"v[0-9]+\.[0-9]+", "must be as v25.0")] = "v25.0"
    base_url: BaseUrl | None = None

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if not re.fullmatch("[!-~]+", self.access_token.get_secret_value()):
            msg = "access_token must be visible ASCII without blanks"
            raise ValueError(msg)
        if (self.app_secret is None) != (self.verify_token is None):
            msg = "app_secret and verify_token are needed together"
            raise ValueError(msg)
        return self


class _Theirs(BaseModel, frozen=True, hide_input_in_errors=True):
    id: Annotated[str, Field(min_length=1)]
    timestamp: Annotated[float, Field(ge=0, lt=1e11)] | None = None


class _Status(_Theirs):
    status: str
    code: int | None = Field(None, validation_alias=AliasPath("errors", 0, "code"), lt=1e9)


_SAID = "text.body button.text interactive.button_reply.title interactive.list_reply.title"
_PATHS = [AliasPath(*path.split(".")) for path in _SAID.split()]


class _Message(_Theirs):  # sender: without the plus; none of who hides the number
    sender: str | None = Field(None, alias="from")
    text: str = Field("", validation_alias=AliasChoices(*_PATHS))


def make(settings: Settings, context: Context) -> Meta:
    """Return the provider for one sending number."""
    return Meta(settings, context)


class Meta:
    """One sending number."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings, self._name = settings, context.name
        self.receipts = bool(settings.app_secret and context.callback(settings.base_url))
        api = (settings.base_url or "https://graph.facebook.com").rstrip("/")
        self._url = f"{api}/{settings.api_version}/{settings.phone_number_id}/messages"
        secret = settings.access_token.get_secret_value()
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        self._outbound = Outbound()

    def send(self, out: Outgoing, *, timeout: float) -> Sent:
        """Send the template of the message's type, or plain text where there is none."""
        if out.validity is not None and out.validity < 1:
            raise SendError("expired", permanent=True, scope=Scope.MESSAGE)
        return on_the_wire(lambda: self._post(self._body(out), timeout))

    def _post(self, body: bytes, timeout: float) -> Sent:
        answer = self._outbound.request(
            "POST", self._url, timeout=timeout, headers=self._headers, body=body
        )
        if not str(answer.status).startswith("2"):
            raise refusal(answer, _told(answer), VERDICTS)
        return Sent(_Theirs.model_validate(from_json(answer.body)["messages"][0]).id)

    def _body(self, out: Outgoing) -> bytes:
        template = self._settings.templates.get(out.type)
        is_code = out.type is MessageType.OTP
        whole: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": out.to,
            "biz_opaque_callback_data": out.attempt_id,  # comes back with each status
        }
        if template is None or (is_code and out.code is None):
            whole |= {"type": "text", "text": {"preview_url": False, "body": out.content}}
        else:
            text = out.code if is_code else " ".join(out.content.split())
            whole |= {"type": "template", "template": _filled(template, text or "", is_code)}
        return json.dumps(whole).encode()

    def lookup(self, out: Outgoing, *, since: float, timeout: float) -> Sent | None:
        """Refuse: Meta has no way to ask."""
        del out, since, timeout
        raise LookupUnsupported

    def hear(self, callback: Callback) -> Heard:
        """Answer Meta's check of the webhook; read statuses and what recipients wrote."""
        if callback.method == "GET":
            return Heard(answer=self._challenge(dict(callback.query)))
        secret, signature = self._settings.app_secret, callback.headers.get("x-hub-signature-256")
        if secret is None or signature is None:
            raise Forged
        key = secret.get_secret_value().encode()
        ours = "sha256=" + hmac.new(key, callback.body, hashlib.sha256).hexdigest()
        if not _same(ours, signature):
            raise Forged
        statuses, messages = self._read(callback.body)
        written = [m for m in messages if m.text and re.fullmatch("[0-9]{5,15}", m.sender or "")]
        return Heard(
            [self._receipt(s, callback.at) for s in statuses if s.status in STATUSES],
            [self._inbound(m, callback.at) for m in written],
        )

    def _challenge(self, query: Mapping[str, str]) -> str:
        token = self._settings.verify_token
        if token is None or not _same(token.get_secret_value(), query.get("hub.verify_token", "")):
            raise Forged
        challenge = query.get("hub.challenge", "")
        if query.get("hub.mode") != "subscribe" or not re.fullmatch("[0-9A-Za-z_-]+", challenge):
            msg = "no check of a webhook"
            raise ValueError(msg)
        return challenge

    def _read(self, body: bytes) -> tuple[list[_Status], list[_Message]]:
        try:
            changes = [c for entry in from_json(body)["entry"] for c in entry["changes"]]
            # other fields tell of templates, accounts, calls
            values = [c["value"] for c in changes if c["field"] == "messages"]
            sender = self._settings.phone_number_id  # an app's numbers share its webhook
            ours = [v for v in values if v["metadata"]["phone_number_id"] == sender]
            return (
                [_Status.model_validate(s) for v in ours for s in v.get("statuses", ())],
                [_Message.model_validate(m) for v in ours for m in v.get("messages", ())],
            )
        except (LookupError, TypeError, AttributeError) as e:
            raise ValueError(type(e).__name__) from None

    def _receipt(self, status: _Status, now: float) -> Receipt:
        word, at, theirs = STATUSES[status.status], status.timestamp or now, str(status.code)
        if word is not Status.UNDELIVERED:
            return Receipt(self._name, status.id, word, at)
        code, _, scope = VERDICTS.get(theirs) or VERDICTS["HTTP4xx"]
        return Receipt(self._name, status.id, word, at, code, f"error {theirs}", scope)

    def _inbound(self, message: _Message, now: float) -> Inbound:
        sender, at = f"+{message.sender}", message.timestamp or now
        return Inbound(self._name, message.id, Channel.WHATSAPP, sender, message.text, at)

    def poll(self, now: float) -> Iterable[Receipt]:
        """Return nothing: receipts come by the webhook."""
        del now
        return ()

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()


def _filled(template: Template, text: str, is_code: bool) -> dict[str, Any]:  # noqa: FBT001
    value = {"type": "text", "text": text}
    named = {"parameter_name": template.parameter_name} if template.parameter_name else {}
    parts: list[dict[str, Any]] = [{"type": "body", "parameters": [value | named]}]
    if is_code:
        parts.append({"type": "button", "sub_type": "url", "index": "0", "parameters": [value]})
    language = {"policy": "deterministic", "code": template.language}
    return {"name": template.name, "language": language, "components": parts}


def _told(answer: Answer) -> str | None:
    no_sender = re.search(rb'"error_subcode"\s*:\s*(33)\b', answer.body)  # of code 100
    told = no_sender or re.search(rb'"code"\s*:\s*([0-9]{1,9})\b', answer.body)
    return told[1].decode() if told else None


def _same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode(errors="replace"))
