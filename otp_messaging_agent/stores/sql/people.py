"""The store's own life, and the part of its contract that is about people: consent and inbox."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from ...errors import NotRunning, StoreUnavailable
from ...inbox import InboxEntry, Outage
from ...message import Channel, Inbound, Message
from ...safety.encryption import Keyring
from ..base import Blocked, KeyReused, Once, OptOut, Replay
from . import consent, engine, inbox, outages, prepare, rows
from .counters import Pending
from .recent import Recent
from .writer import Writer

T = TypeVar("T")


class People:
    """A database that opens and closes, and what people wish, write and would have got."""

    def __init__(self, url: str, synchronous: str, keys: Keyring) -> None:
        self._engines = engine.Engines(url, synchronous)
        self._keys = keys
        self._driver_error: type[Exception] = self._engines.read.dialect.loaded_dbapi.Error
        self._writer = Writer(self._engines.write)
        self._recent = Recent()
        self._pending = Pending()
        self._renewed: tuple[str, float] = ("", 0.0)
        self._closed = False
        self._watched = True
        """Whether anybody may have opted out: looked up with every page of tickets."""
        self._wishes = 0
        self._watching = threading.Lock()

    def open(self) -> None:
        """Create or migrate the schema and start what writes."""
        try:
            self._engines.migrate()
        except (SQLAlchemyError, self._driver_error, OSError) as e:
            msg = f"cannot open the store: {getattr(e, 'orig', None) or e}"
            raise StoreUnavailable(msg) from e
        self._writer.start()

    def close(self, timeout: float) -> None:
        """Write what waits and release everything."""
        self._closed = True
        self._writer.stop(timeout)
        self._engines.dispose()

    def _read(self, query: Callable[..., T], *args: Any) -> T:
        if self._closed:
            msg = "the store is closed"
            raise NotRunning(msg)
        try:
            with self._engines.read.connect() as connection:
                return query(connection, *args)
        except (SQLAlchemyError, self._driver_error) as e:
            msg = f"the store could not read: {type(e).__name__}"
            raise StoreUnavailable(msg) from e

    # ----------------------------------------------------------- consent

    def opt_out(self, wish: OptOut, once: Once | None = None) -> str | Replay | KeyReused:
        """Keep *wish*; return the id under which it stands."""
        row = consent.row_of(wish, self._keys)
        kept = self._writer.call(consent.opt_out, (row, prepare.once(once, self._keys)))
        with self._watching:
            self._wishes += 1
            self._watched = True
        return kept

    def _watch(self) -> None:
        """Look whether anybody has opted out; a wish that comes meanwhile is not overlooked."""
        before = self._wishes
        watched = self._read(consent.any_wish)
        with self._watching:
            if self._wishes == before:
                self._watched = watched

    def opt_in(self, recipient: str, channel: Channel | None) -> int:
        """Drop what stands of *recipient* on *channel*."""
        return self._writer.call(consent.opt_in, (consent.who(self._keys, recipient), channel))

    def revoke(self, opt_out_id: str) -> bool:
        """Drop one opt-out."""
        return self._writer.call(consent.revoke, opt_out_id)

    def opt_outs(
        self, *, limit: int, after: str | None = None, recipient: str | None = None
    ) -> list[OptOut]:
        """Return opt-outs, newest first."""
        who = None if recipient is None else consent.who(self._keys, recipient)
        found = self._read(consent.listed, limit, after, who)
        return [consent.wish_of(r, self._keys) for r in found]

    def blocked(self, message: Message) -> list[Blocked]:
        """Return what the recipient of *message* has opted out of."""
        return self._read(consent.blocked, message, self._keys)

    def note(self, inbound: Inbound) -> bool:
        """Keep what somebody wrote; False where the same came before."""
        return self._writer.call(consent.note, consent.inbound_row(inbound, self._keys))

    def noted(self, inbound: Inbound) -> bool:
        """Whether it was kept before."""
        return self._read(consent.noted, inbound)

    def inbound(self, *, limit: int, after: int | None = None) -> list[tuple[int, Inbound]]:
        """Return what people wrote, newest first."""
        found = self._read(consent.written, limit, after)
        return [consent.inbound_of(r, self._keys) for r in found]

    # ------------------------------------------------------------- inbox

    def put_inbox(self, entry: InboxEntry) -> None:
        """Keep *entry* durably; the same id again changes nothing."""
        self._writer.call(inbox.put, rows.inbox_row(entry, self._keys))

    def inbox(self, *, limit: int = 200, to: str | None = None) -> list[InboxEntry]:
        """Return the newest entries first, only those for *to* if given."""
        who = None if to is None else self._keys.blind_index("inbox", to)
        return [rows.inbox_entry(r, self._keys) for r in self._read(inbox.newest, limit, who)]

    def inbox_entry(self, entry_id: str) -> InboxEntry | None:
        """Return one entry, or None."""
        row = self._read(inbox.one, entry_id)
        return None if row is None else rows.inbox_entry(row, self._keys)

    def due_receipts(self, provider: str, now: float) -> list[InboxEntry]:
        """Return the entries of *provider* whose receipt is due and was not returned before."""
        if not self._read(inbox.any_due, provider, now):
            return []
        found = self._writer.call(inbox.take_due, (provider, now))
        return [rows.inbox_entry(r, self._keys) for r in found]

    def outages(self, now: float) -> list[Outage]:
        """Return what stands at *now*, of every provider."""
        return self._read(outages.standing, now)

    def put_outage(self, outage: Outage, now: float) -> None:
        """Keep *outage* in place of an earlier one of the same provider and channel."""
        self._writer.call(outages.put, (outage, now))

    def end_outages(self, provider: str, now: float) -> int:
        """Drop what stands of *provider* at *now*; return how many."""
        return self._writer.call(outages.end, (provider, now))
