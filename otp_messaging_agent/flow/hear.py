"""What comes back: receipts, and what people write.

A receipt is joined to its attempt. One that says the message did not arrive, or that is missing,
sends a message that still has time on to the next channel. What somebody wrote may be a wish to
hear no more; the answer to it goes out before it takes effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from .. import log
from ..errors import Forged, NotFound
from ..ids import Ids
from ..message import Channel, Inbound, Message, MessageType, Priority, Receipt, Status
from ..providers.base import Callback, Heard, Provider
from ..safety import addresses
from ..safety.consent import Wish, wish_of
from ..safety.encryption import DecryptionError
from ..stores import base as stores
from .remembered import one
from .route import NOT_ARRIVED
from .verdict import URGENT_TYPES, Verdicts, Ways

ANSWERED = frozenset({Channel.SMS, Channel.WHATSAPP})
"""Channels on which a wish is answered: on the others nobody waits for it."""

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Answers:
    """What people are told by whom they write to, where they are told anything."""

    confirm: bool
    texts: Mapping[Wish, str]


class Memory(stores.Intake, stores.Dispatch, stores.Consent, stores.Letters, Protocol):
    """What of a store is needed here."""

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter."""


class Listener:
    """Takes in what providers tell, by whatever way it came."""

    def __init__(
        self,
        store: Memory,
        ways: Ways,
        verdicts: Verdicts,
        answers: Answers,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._ways = ways
        self._verdicts = verdicts
        self._answers = answers
        self._clock = clock
        self._ids = Ids(clock)

    def callback(self, name: str, callback: Callback) -> str:
        """Take in a request to a webhook of provider *name*; return what the vendor wants back.

        Raises NotFound for a name that is not configured, Forged, and ValueError for what its
        provider cannot read. Every channel of that name may know more of what is told, so each
        hears it.
        """
        named = [p for (_, n), p in self._ways.providers.items() if n == name]
        if not named:
            msg = "no provider has this name"
            raise NotFound(msg)
        try:
            heard = _hear(named, callback)
        except Forged:
            self._store.count("callbacks_forged")
            raise
        for receipt in heard.receipts:
            self.receipt(receipt)
        for inbound in heard.inbound:
            self.inbound(inbound)
        return heard.answer

    # ------------------------------------------------------------- receipts

    def receipt(self, receipt: Receipt) -> None:
        """Join a receipt to its attempt; it waits where none is known yet."""
        joined = self._store.receive(receipt)
        if joined is not None:
            self.joined(joined)

    def joined(self, joined: stores.Joined) -> None:
        """Send a message on whose last try did not arrive, where it has time and another way."""
        if not joined.last or joined.status not in NOT_ARRIVED:
            return
        try:
            work = self._store.load(joined.message_id)
        except DecryptionError:  # the others go on, and so does the start of the process
            _log.error("message_unreadable", message_id=joined.message_id)
            return
        now = self._clock()
        if work is None or not _may_go_on(work, now):
            return
        decision = self._ways.decide(work, work.attempts)
        if decision.ranked:
            m = work.message
            self._verdicts.later(m, m.version, Status.QUEUED, now, now)
            _log.info("falls_back", message_id=m.id, after=joined.status.value)

    # -------------------------------------------------------------- inbound

    def inbound(self, inbound: Inbound) -> None:
        """Do what somebody wrote for, and keep it; the same again changes nothing.

        Kept last, so that a crash between does not lose a wish; looked up first, as a callback
        that is played again must not undo what was wished since.
        """
        if self._store.noted(inbound):
            return
        try:
            sender = _canonical(inbound)
        except ValueError:
            _log.warning("inbound_sender_unreadable", provider=inbound.provider)
            self._store.note(inbound)
            return
        wish = wish_of(inbound.text)
        if wish is Wish.STOP:
            self._stop(inbound, sender)
        elif wish is Wish.START:
            self._start(inbound, sender)
        elif wish is Wish.HELP:
            self._answer(inbound, sender, wish)
        self._store.note(inbound)

    def _stop(self, inbound: Inbound, sender: str) -> None:
        """Opt out, and say so once: before it takes effect, and not to who had opted out."""
        stands = self._store.opt_outs(limit=100, recipient=sender)
        if not any(s.channel in {None, inbound.channel} and s.category is None for s in stands):
            self._answer(inbound, sender, Wish.STOP)
        self._store.opt_out(
            stores.OptOut(
                self._ids("out"), sender, self._clock(), "inbound", channel=inbound.channel
            )
        )

    def _start(self, inbound: Inbound, sender: str) -> None:
        """Drop what was asked for on this channel, and say so unless more stands than that."""
        self._store.opt_in(sender, inbound.channel)
        stands = self._store.opt_outs(limit=100, recipient=sender)
        if not any(s.channel is None for s in stands):
            self._answer(inbound, sender, Wish.START)

    def _answer(self, inbound: Inbound, sender: str, wish: Wish) -> None:
        """Send the answer to a wish, once however often the vendor tells of it."""
        if not self._answers.confirm or inbound.channel not in ANSWERED:
            return
        now = self._clock()
        message = Message(
            id=self._ids("msg"),
            type=MessageType.NOTIFICATION,
            priority=Priority.HIGH,
            status=Status.ACCEPTED,
            created_at=now,
            due_at=now,
            phone_number=sender,
            content=self._answers.texts[wish],
            preferred_channel=inbound.channel,
            exempt=True,
        )
        key = f"inbound\n{inbound.provider}\n{inbound.provider_message_id}"
        once = stores.Once(key, wish.value.encode().ljust(32), now)
        self._store.submit(stores.Submission([message], now, once=once, respond=one))


def _hear(providers: Iterable[Provider], callback: Callback) -> Heard:
    """Return what the first of *providers* understands that has something to say.

    They are one vendor's, one for each channel: what one of them cannot read, another may.
    """
    heard: list[Heard] = []
    unread: ValueError | None = None
    for provider in providers:
        try:
            heard.append(provider.hear(callback))
        except Forged:
            continue
        except ValueError as e:
            unread = e
    if not heard:
        raise unread or Forged
    return next((h for h in heard if h.receipts or h.inbound or h.answer), heard[0])


def _canonical(inbound: Inbound) -> str:
    if inbound.channel is Channel.EMAIL:
        return addresses.email(inbound.sender)
    return addresses.phone(inbound.sender, strict=False, allow_premium=True)


def _may_go_on(work: stores.Work, now: float) -> bool:
    """Whether a message that did not arrive is worth another try.

    One without any receipt may have arrived: only codes and alerts are then sent twice.
    """
    m = work.message
    if m.status not in NOT_ARRIVED or (m.status is Status.UNKNOWN and m.type not in URGENT_TYPES):
        return False
    in_time = m.expires_at is None or m.expires_at > now
    return in_time and (m.type is not MessageType.OTP or work.code is not None)
