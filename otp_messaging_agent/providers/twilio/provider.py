"""One account and sender: sends, looks up what was sent, hears what became of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from twilio.rest import Client  # type: ignore[import-untyped]
from twilio.twiml.voice_response import VoiceResponse  # type: ignore[import-untyped]

from ...errors import LookupUnsupported, Scope, SendError
from ...message import Channel, Receipt, Status
from ..base import Callback, Context, Heard, Outgoing, Sent, on_the_wire
from . import callbacks
from .owners import Owners
from .settings import ContentTemplate, Settings
from .wire import Wire

CHANNELS = (Channel.SMS, Channel.WHATSAPP, Channel.CALL)

QUEUED = 36_000  # seconds that Twilio queues a message for at most
RING = 40  # seconds: enough to reach the telephone, too short for most voice mail
PAGE = 50  # records that a lookup reads
WINDOW = 120.0  # seconds after its begin by which a send was taken, if it was
CLOCKS = 2.0  # seconds that two clocks telling whole seconds, and a round trip, may differ by

TWIML = 4000  # characters that Twilio takes with a call

_TRIAL = "Sent from your Twilio trial account - "  # put before the text while on trial
_SILENT = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # not in XML 1.0
T = TypeVar("T")


def make(settings: Settings, context: Context) -> Twilio:
    """Return the provider for one account and sender."""
    return Twilio(settings, context)


class Twilio:
    """One account and sender.

    receipts: whether Twilio can reach us; its token, which signs callbacks, is always there.
    """

    def __init__(self, settings: Settings, context: Context) -> None:
        self._number, self._service = settings.from_number, settings.messaging_service_sid
        self._templates, self._token = settings.content_templates, settings.auth_token
        self._name, self._callback = context.name, context.callback(settings.base_url)
        self.receipts = self._callback is not None
        self._owners = Owners()
        token = settings.auth_token.get_secret_value()
        self._wire = Wire(settings.account_sid, token, context.clock)
        # an environment of its own: TWILIO_EDGE and TWILIO_REGION would change the address
        own = {"TWILIO_EDGE": ""}
        client = Client(settings.account_sid, "-", http_client=self._wire, environment=own)
        client.api.base_url = settings.base_url or client.api.base_url
        self._messages, self._calls = client.messages, client.calls

    def send(self, out: Outgoing, *, timeout: float) -> Sent:
        """Create the message or the call."""
        if out.validity is not None and out.validity < 1:
            raise SendError(code="expired", permanent=True, scope=Scope.MESSAGE)
        create = self._call if out.channel is Channel.CALL else self._message
        sent = self._ask(lambda: _taken(create(out)), timeout)
        self._owners.claim(sent.provider_message_id, out.attempt_id)
        return sent

    def _message(self, out: Outgoing) -> Any:
        given = self._sender(out) or {"messaging_service_sid": self._service}
        given |= self._reporting(out)
        if out.validity is not None:
            given["validity_period"] = min(int(out.validity), QUEUED)
        template = self._template(out)
        if template is None:
            given["body"] = out.content
        else:
            given |= {
                "content_sid": template.sid,
                "content_variables": json.dumps(template.fill(out)),
            }
        return self._messages.create(to=_address(out.channel, out.to), **given)

    def _call(self, out: Outgoing) -> Any:
        if self._number is None:  # a messaging service has no voice
            raise SendError(code="misconfigured", permanent=True, detail="needs from_number")
        given = self._reporting(out)
        if given:
            given["status_callback_event"] = callbacks.EVENTS
        given["timeout"] = min(RING, int(out.validity or RING))
        twiml = _twiml(out.content, out.code)
        return self._calls.create(to=out.to, from_=self._number, twiml=twiml, **given)

    def _reporting(self, out: Outgoing) -> dict[str, Any]:
        if self._callback is None:
            return {}
        return {"status_callback": callbacks.told(self._callback, out.attempt_id)}

    def _template(self, out: Outgoing) -> ContentTemplate | None:
        return self._templates.get(out.type) if out.channel is Channel.WHATSAPP else None

    def _sender(self, out: Outgoing) -> dict[str, Any]:
        return {"from_": _address(out.channel, self._number)} if self._number else {}

    def lookup(self, out: Outgoing, *, since: float, timeout: float) -> Sent | None:
        """Look for the send among the recipient's latest messages or calls.

        What a callback told already is not asked. Records of other attempts, as far as this
        process has learned whose they are, are passed over: two calls to one number look alike.
        """
        known = self._owners.record_of(out.attempt_id)
        return Sent(known) if known else self._ask(lambda: self._find(out, since), timeout)

    def _find(self, out: Outgoing, since: float) -> Sent | None:
        there = self._calls if out.channel is Channel.CALL else self._messages
        # not by date: Twilio filters by that of sending, and what it still queues has none
        to = _address(out.channel, out.to)
        latest = list(there.page(to=to, page_size=PAGE, **self._sender(out)))
        begun = since + self._wire.now.ahead - CLOCKS
        ages = [record.date_created.timestamp() - begun for record in latest]
        unsure = False
        for record, age in zip(reversed(latest), reversed(ages), strict=True):  # oldest first
            if 0 <= age <= WINDOW and self._may_be(record, out):
                same = self._is(record, out)
                if same and self._owners.claim(record.sid, out.attempt_id):
                    return _taken(record)
                unsure |= same is None
        if unsure:
            raise LookupUnsupported
        if len(latest) == PAGE and min(ages) > 0:
            raise SendError(code="lookup_incomplete", detail=f"{PAGE} newer records")
        return None

    def _may_be(self, record: Any, out: Outgoing) -> bool:
        # one that failed over there counts as not taken
        taken = record.direction == "outbound-api" and record.status not in {"failed", "canceled"}
        return taken and not self._owners.is_anothers(record.sid, out.attempt_id)

    def _is(self, record: Any, out: Outgoing) -> bool | None:
        """Whether that is the record of *out*, None where it cannot be told."""
        if out.channel is Channel.CALL:
            return True
        if self._service not in {None, record.messaging_service_sid}:
            return False
        if not record.body:  # an account that keeps no texts
            return None
        template = self._template(out)
        if template is None:
            return bool(record.body.removeprefix(_TRIAL).strip() == out.content.strip())
        # only Twilio knows the template's words, so only what was put into them is recognised
        return True if template.is_in(record.body, out) else None

    def _ask(self, ask: Callable[[], T], timeout: float) -> T:
        self._wire.now.timeout, self._wire.now.ahead = timeout, 0.0
        return on_the_wire(ask)

    def hear(self, callback: Callback) -> Heard:
        """Read a status or an inbound message that Twilio signed with the account's token."""
        fields = callbacks.checked(callback, self._token.get_secret_value())
        heard = callbacks.read(callback, fields, self._name)
        attempt, sid = fields.get(callbacks.ATTEMPT), callbacks.sid_of(fields)
        if attempt:
            self._owners.claim(sid, attempt)
        return heard

    def poll(self, now: float) -> Iterable[Receipt]:
        """Return nothing."""
        del now
        return ()

    def close(self) -> None:
        """Close the connections."""
        self._wire.outbound.close()


def _taken(record: Any) -> Sent:
    if not record.sid:
        raise ValueError
    return Sent(str(record.sid), Status.DELIVERED if record.status == "delivered" else Status.SENT)


def _address(channel: Channel, number: str) -> str:
    return f"whatsapp:{number}" if channel is Channel.WHATSAPP else number


def _twiml(content: str, code: str | None) -> str:
    """Return what the caller says: the text, and a code digit by digit and all of it twice."""
    text, answer = _SILENT.sub(" ", content), VoiceResponse()
    if code is not None:
        said = ", ".join(code)
        text = text.replace(code, said) if code in text else f"{text} {said}"
        answer.say(text)
        answer.pause(length=1)
    answer.say(text)
    if len(str(answer)) > TWIML:
        raise SendError(code="content_too_long", permanent=True, scope=Scope.CHANNEL)
    return str(answer)
