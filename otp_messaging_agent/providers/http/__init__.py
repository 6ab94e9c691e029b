"""Any other vendor by configuration alone: one HTTP request a message, made from templates.

docs/ADDING_A_PROVIDER.md shows how a vendor is described. Nothing is known here of how to ask what
became of a message, so where the answer is lost the send stays open.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import quote, urlencode

from ...errors import Forged, LookupUnsupported, Scope, SendError
from ...message import Channel, Receipt
from ...safety.outbound import Answer, Outbound
from ..base import (
    Callback,
    Context,
    Heard,
    Outgoing,
    Sent,
    Verdicts,
    on_the_wire,
    refusal,
    verdicts,
)
from . import templates
from .receipts import FORM, ID, code_of, heard, is_theirs
from .settings import Settings

__all__ = ["CHANNELS", "VERDICTS", "Http", "Settings", "make"]

CHANNELS = tuple(Channel)

# What an answer means where the configuration says nothing of it: by its status alone
# (https://www.rfc-editor.org/rfc/rfc9110#section-15).
_TABLE = (
    ("auth_failed", True, Scope.ACCOUNT, "HTTP401 HTTP403"),
    ("account_inactive", True, Scope.ACCOUNT, "HTTP402"),
    ("misconfigured", True, Scope.ACCOUNT, "HTTP3xx"),  # the API is elsewhere
    ("misconfigured", True, Scope.PROVIDER, "HTTP404 HTTP405"),  # or the URL names the recipient
    ("rejected", True, Scope.CHANNEL, "HTTP4xx"),
    ("rate_limited", False, Scope.PROVIDER, "HTTP429"),
    ("provider_error", False, Scope.PROVIDER, "HTTP408 HTTP5xx"),
)
VERDICTS = verdicts(_TABLE)


def make(settings: Settings, context: Context) -> Http:
    """Return the provider for one kind of request."""
    return Http(settings, context)


class Http:
    """One kind of request to one vendor."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._name = context.name
        self._callback = context.callback(settings.url)
        self.receipts = settings.receipts is not None and self._callback is not None
        self._table = _table(settings)
        self._outbound = Outbound()

    def send(self, out: Outgoing, *, timeout: float) -> Sent:
        """Make the request; what answers it says whether the message was taken."""
        if out.validity is not None and out.validity < 1:
            raise SendError("expired", permanent=True, scope=Scope.MESSAGE)
        s, values = self._settings, self._values(out)
        url = templates.filled(s.url, values, _quoted)
        kind, body = _body(s, values)
        headers = kind | {
            name: templates.filled(value.get_secret_value(), values)
            for name, value in s.headers.items()
        }
        if s.user is not None and s.password is not None:
            pair = f"{s.user.get_secret_value()}:{s.password.get_secret_value()}"
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        ask = self._outbound.request
        return on_the_wire(
            lambda: self._taken(
                ask(s.method, url, timeout=timeout, headers=headers, body=body), out
            )
        )

    def _values(self, out: Outgoing) -> templates.Values:
        spoken = out.content
        if out.code:  # digit by digit, or it is read as one large number
            spoken = spoken.replace(out.code, ", ".join(out.code))
        longest = self._settings.max_validity_seconds
        return {
            "to": out.to,
            "to_digits": out.to.removeprefix("+"),
            "content": out.content,
            "spoken": spoken,
            "code": out.code,
            "subject": out.subject,
            "from": self._settings.from_,
            "attempt_id": out.attempt_id,
            "message_id": out.message_id,
            "channel": out.channel.value,
            "type": out.type.value,
            "validity_seconds": int(min(out.validity or longest, longest)),
            "callback": self._callback,
            "unsubscribe": out.unsubscribe,
        }

    def _taken(self, answer: Answer, out: Outgoing) -> Sent:
        s = self._settings
        if answer.status not in s.success.status:
            raise refusal(answer, self._theirs(answer, out), self._table)
        if s.success.path is None and s.id is None:
            return Sent(out.attempt_id)
        told = templates.parsed(answer.body)
        if s.success.path is not None:
            said = templates.word_at(told, s.success.path)
            if said is None:
                raise ValueError
            if said not in s.success.equals:
                raise self._refused(answer, out)
        given = out.attempt_id if s.id is None else templates.word_at(told, s.id)
        if given is None or not ID.fullmatch(given):
            raise ValueError
        return Sent(given)

    def _refused(self, answer: Answer, out: Outgoing) -> SendError:
        """Return what a vendor meant that says no with a status that says yes."""
        theirs = self._theirs(answer, out)
        code, permanent, scope = self._table.get(theirs or "") or self._table["HTTP4xx"]
        detail = f"HTTP {answer.status}, error {theirs or 'none'}"
        return SendError(code, permanent=permanent, scope=scope, detail=detail)

    def _theirs(self, answer: Answer, out: Outgoing) -> str | None:
        with suppress(ValueError):
            told = templates.parsed(answer.body)
            for path in self._settings.error_code:
                if found := templates.word_at(told, path):
                    shown = code_of(found, self._table)
                    return None if shown and out.code and out.code in shown else shown
        return None

    def lookup(self, out: Outgoing, *, since: float, timeout: float) -> Sent | None:
        """Refuse: nothing is known of how to ask this vendor."""
        del out, since, timeout
        raise LookupUnsupported

    def hear(self, callback: Callback) -> Heard:
        """Read the receipts in a webhook call that proves who sent it."""
        wanted = self._settings.receipts
        if wanted is None or not is_theirs(wanted, callback):
            raise Forged
        return heard(wanted, callback, self._name, self._table)

    def poll(self, now: float) -> Iterable[Receipt]:
        """Return nothing: receipts come by webhook."""
        del now
        return ()

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()


def _table(settings: Settings) -> Verdicts:
    given = settings.permanent
    named = given.codes | {f"HTTP{status}": v for status, v in given.statuses.items()}
    waits = {theirs: (code, False, Scope.PROVIDER) for theirs, code in settings.temporary.items()}
    return {**VERDICTS, **waits, **{theirs: (v.code, True, v.scope) for theirs, v in named.items()}}


def _body(s: Settings, values: templates.Values) -> tuple[dict[str, str], bytes | None]:
    """Return the header that says what the body is, and the body."""
    named = {name.lower() for name in s.headers}
    if s.json_ is not None:
        kind, body = "application/json", json.dumps(templates.made(s.json_, values)).encode()
    elif s.form is not None:
        kind, body = FORM, urlencode(templates.made(s.form, values), errors="replace").encode()
    else:
        return {}, None if s.method == "GET" else b""
    return {} if "content-type" in named else {"Content-Type": kind}, body


def _quoted(value: str) -> str:
    return quote(value, safe="", errors="replace")
