"""The built-in provider: delivers into an inbox that the page /sandbox shows. Needs nothing.

Every number gets its message, but for the magic ones in `MAGIC`, which make every outcome happen,
and but for outages, which somebody can order at run time.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from ..errors import Forged, Scope, SendError
from ..inbox import InboxEntry, Outage, OutageMode
from ..message import Channel, Receipt, Status
from .base import Callback, Context, Heard, Outgoing, Sent

CHANNELS = tuple(Channel)
LATE = 5.0
"""Seconds after which the late receipts of the magic numbers come."""

Rule = Callable[[Outgoing, int], None]


class Settings(BaseModel):
    """`latency_seconds`: how long each send takes, to feel like a real provider."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_seconds: float = Field(0.0, ge=0, le=30)


def _permanent(_: Outgoing, __: int) -> None:
    raise SendError("invalid_number", permanent=True, scope=Scope.RECIPIENT, detail="sandbox")


def _first_fails(_: Outgoing, number: int) -> None:
    if number == 1:
        raise SendError("provider_unavailable", detail="sandbox: the first try fails")


def _first_limited(_: Outgoing, number: int) -> None:
    if number == 1:
        raise SendError("rate_limited", retry_after=2.0, detail="sandbox: 429 at first")


def _always_fails(_: Outgoing, __: int) -> None:
    raise SendError("provider_unavailable", detail="sandbox: every try fails")


def _only(channel: Channel) -> Rule:
    def rule(out: Outgoing, _: int) -> None:
        if out.channel is not channel:
            raise SendError(
                "unreachable_on_channel", permanent=True, scope=Scope.CHANNEL, detail="sandbox"
            )

    return rule


def _cut(out: Outgoing, number: int) -> None:
    del out
    if number == 1:
        raise SendError("connection_cut", ambiguous=True, detail="sandbox: taken, answer lost")


MAGIC: Mapping[str, tuple[str, Rule]] = {
    "+15005550001": ("permanent error: no such number", _permanent),
    "+15005550002": ("temporary error, then success", _first_fails),
    "+15005550003": ("429 with Retry-After 2, then success", _first_limited),
    "+15005550009": ("temporary error on every try", _always_fails),
    "+15005550021": ("reachable by SMS only", _only(Channel.SMS)),
    "+15005550022": ("reachable by WhatsApp only", _only(Channel.WHATSAPP)),
    "+15005550023": ("reachable by voice call only", _only(Channel.CALL)),
}
TAKEN_THEN_CUT = "+15005550011"
SLOW = "+15005550004"
SLOW_SECONDS = 2.0
RECEIPTS: Mapping[str, tuple[Status | None, float]] = {
    "+15005550005": (None, 0.0),
    "+15005550006": (Status.DELIVERED, LATE),
    "+15005550007": (Status.UNDELIVERED, LATE / 2),
}
"""Number -> the receipt that comes, and after how many seconds; None = none ever."""
IS_MAGIC = frozenset({*MAGIC, *RECEIPTS, TAKEN_THEN_CUT, SLOW})
"""Numbers that no outage touches."""

OUTAGES: Mapping[OutageMode, tuple[Status | None, float]] = {
    OutageMode.FAIL: (Status.UNDELIVERED, 2.0),
    OutageMode.SILENT: (None, 0.0),
}
"""The receipt of what is taken all the same, as in `RECEIPTS`."""
LOOK = 1.0
"""Seconds that pass between two looks for outages."""


def make(settings: Settings, context: Context) -> Sandbox:
    """Return the provider over the store's inbox."""
    return Sandbox(settings, context)


class Sandbox:
    """Delivers at once into the inbox, or fails as the magic number says."""

    receipts = True

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._outages = _Outages(context)

    def send(self, out: Outgoing, *, timeout: float) -> Sent:
        """Put *out* into the inbox; magic numbers and outages behave as the tables say."""
        number = int(out.attempt_id.rsplit(".", 1)[1])
        slow = SLOW_SECONDS if out.to == SLOW else 0.0
        self._context.sleep(min(timeout, slow + self._settings.latency_seconds))
        if out.to in MAGIC:
            MAGIC[out.to][1](out, number)
        status, after = RECEIPTS.get(out.to, (Status.DELIVERED, 0.0))
        mode = self._outages.met_by(out)
        if mode is OutageMode.REJECT:
            raise SendError("provider_unavailable", detail="sandbox: an outage")
        if mode is not None:
            status, after = OUTAGES[mode]
        self._put(out, status, after)
        if out.to == TAKEN_THEN_CUT:
            _cut(out, number)
        final = status is not None and not after
        return Sent(out.attempt_id, Status.DELIVERED if final else Status.SENT)

    def _put(self, out: Outgoing, status: Status | None, after: float) -> None:
        now = self._context.clock()
        self._context.inbox.put_inbox(
            InboxEntry(
                id=out.attempt_id,
                provider=self._context.name,
                message_id=out.message_id,
                channel=out.channel,
                to=out.to,
                content=out.content,
                at=now,
                subject=out.subject,
                receipt_status=status,
                receipt_due=now + after if after else None,
            )
        )

    def lookup(self, out: Outgoing, *, since: float, timeout: float) -> Sent | None:
        """Look into the inbox."""
        del since, timeout
        entry = self._context.inbox.inbox_entry(out.attempt_id)
        if entry is None:
            return None
        arrived = entry.receipt_due is None and entry.receipt_status is Status.DELIVERED
        return Sent(entry.id, Status.DELIVERED if arrived else Status.SENT)

    def hear(self, callback: Callback) -> Heard:
        """Refuse: the sandbox reports by `poll`."""
        del callback
        raise Forged

    def poll(self, now: float) -> Iterable[Receipt]:
        """Return the receipts of magic numbers and outages that are due."""
        due = self._context.inbox.due_receipts(self._context.name, now)
        return [_receipt(e, e.receipt_status, now) for e in due if e.receipt_status is not None]

    def close(self) -> None:
        """Nothing to release."""


def _receipt(e: InboxEntry, status: Status, now: float) -> Receipt:
    if e.to in IS_MAGIC:
        return Receipt(e.provider, e.id, status, now)
    said = "sandbox: an outage"
    return Receipt(e.provider, e.id, status, now, "undelivered", said, Scope.PROVIDER.value)


class _Outages:
    """What one provider is to play, looked up at most once every `LOOK` seconds."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._looked: float | None = None
        self._found: Sequence[Outage] = ()

    def met_by(self, out: Outgoing) -> OutageMode | None:
        """Return how sending *out* is to fail, None where it is not."""
        if out.to in IS_MAGIC:
            return None
        now = self._context.clock()
        standing = {o.channel: o for o in self._look(now) if o.until > now}
        outage = standing.get(out.channel) or standing.get(None)
        return outage.mode if outage and _lot(out.attempt_id) < outage.share else None

    def _look(self, now: float) -> Sequence[Outage]:
        with self._lock:
            # A clock that was set back must not keep what was found for longer.
            if self._looked is None or not 0 <= now - self._looked < LOOK:
                found = self._context.inbox.outages(now)
                self._found = [o for o in found if o.provider == self._context.name]
                self._looked = now
            return self._found


def _lot(attempt_id: str) -> float:
    """Return a number from 0 up to 1, always the same for an attempt: a test can repeat it."""
    return int.from_bytes(hashlib.sha256(attempt_id.encode()).digest()[:4], "big") / 2**32
