"""What the one dispatching process does beside sending: lead, page, collect, learn, tidy."""

from __future__ import annotations

from collections.abc import Callable

from .. import log
from ..message import Ticket
from ..safety.pace import WINDOW
from ..stores.base import Store
from .enqueue import Intake
from .gate import limit_names
from .hear import Listener
from .learn import Learner
from .verdict import Ways

LEASE = 10.0
"""Seconds a dispatcher that is not heard of keeps its office; dead on the same host: none."""

LEARN = 1.0
"""Seconds between two looks at what became known of tries."""

TIDY = 3600.0
KEPT = 86_400.0
"""Idempotency keys work for 24 hours; limits look back a day."""

PARKED = 3600.0
"""Seconds a receipt of an unknown send is kept, in case the send was only slow to be noted."""

MISSED = 600.0
"""Seconds that a receipt of the last process is looked back for: a code lives no longer."""

_SOME = 500
_log = log.get(__name__)


class Dispatcher:
    """Feeds the queue where this process leads; safe to have in every process over a store."""

    def __init__(
        self,
        store: Store,
        intake: Intake,
        ways: Ways,
        listener: Listener,
        owner: str,
        clock: Callable[[], float],
        *,
        learner: Learner,
    ) -> None:
        self._store = store
        self._intake = intake
        self._ways = ways
        self._listener = listener
        self._owner = owner
        self._clock = clock
        self._learner = learner
        self._tidied = self._learned = 0.0
        self.leading = False

    def tick(self) -> bool:
        """Renew the lease and do what is due; return whether this process dispatches."""
        now = self._clock()
        was, self.leading = self.leading, self._store.lead(self._owner, now, LEASE)
        if self.leading and not was:
            _log.info("dispatching")
            recent = self._store.recent_attempts(now - WINDOW)
            gate = self._ways.gate
            gate.pace.resume(limit_names(channel, name) for channel, name, _ in recent)
            gate.spend.resume(self._store.spent)
            for joined in self._store.missed(now - MISSED):
                self._listener.joined(joined)  # its process may have died in between
        self._intake.leading = self.leading
        self._intake.waiting = self._store.waiting(self._intake.bound.max_waiting + 1)
        if self.leading:
            self._collect(now)
            self._learn(now)
            self._tidy(now)
        return self.leading

    def page(self, rank: int, limit: int) -> list[Ticket]:
        """Return the first *limit* tickets of *rank* that are due, in order."""
        return self._store.tickets(rank, limit, self._clock())

    def _collect(self, now: float) -> None:
        for provider in self._ways.providers.values():
            try:
                receipts = list(provider.poll(now))
            except Exception:  # noqa: BLE001 - one vendor's trouble must not stop the paging
                _log.exception("poll_failed")
                continue
            for receipt in receipts:
                self._listener.receipt(receipt)
        for receipt in self._store.overdue(now, _SOME):
            self._listener.receipt(receipt)
        for joined in self._store.join_parked(now - PARKED):
            self._listener.joined(joined)

    def _learn(self, now: float) -> None:
        if now >= self._learned + LEARN:
            self._learner.catch_up()
            self._learned = now

    def _tidy(self, now: float) -> None:
        if now >= self._tidied + TIDY:
            self._tidied = now
            self._store.forget_keys(now - KEPT)

    def resign(self) -> None:
        """Give the lease up at once, for the next process."""
        if self.leading:
            self.leading = self._intake.leading = False
            self._store.lead(self._owner, self._clock(), 0.0)
