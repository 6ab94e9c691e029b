"""Which attempt each of Twilio's records belongs to, as far as this process has learned."""

from __future__ import annotations

from threading import Lock

KEPT = 20_000
"""Records remembered, the latest; a lookup follows its send within minutes."""


class Owners:
    """Remembers records by their SID. A record belongs to the attempt that named it first."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._lock = Lock()

    def claim(self, sid: str, attempt_id: str) -> bool:
        """Whether *sid* belongs to *attempt_id*, which it does where nobody had it before."""
        with self._lock:
            if sid not in self._owners and len(self._owners) >= KEPT:
                del self._owners[next(iter(self._owners))]
            return self._owners.setdefault(sid, attempt_id) == attempt_id

    def is_anothers(self, sid: str, attempt_id: str) -> bool:
        """Whether *sid* is known to belong to another attempt."""
        return self._owners.get(sid, attempt_id) != attempt_id

    def record_of(self, attempt_id: str) -> str | None:
        """Return the SID that belongs to *attempt_id*, None where none is known."""
        with self._lock:
            return next((sid for sid, by in self._owners.items() if by == attempt_id), None)
