"""Sending limits: a channel or provider never sends more in any minute than its limit says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

WINDOW = 60.0


class Pace:
    """Exact moving windows (https://limits.readthedocs.io/en/stable/strategies.html).

    per_minute: limits by name; a send names all that it falls under, and those without a limit
    do not count. Counted in this process: one process over a store dispatches. `resume` counts
    again what was sent just before a restart.
    """

    def __init__(
        self, per_minute: Mapping[str, int], clock: Callable[[], float] = time.time
    ) -> None:
        self._limits = {name: RateLimitItemPerMinute(n) for name, n in per_minute.items()}
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._clock = clock
        self._line: dict[str, float] = {}
        self._lock = threading.Lock()

    def resume(self, recent: Iterable[Sequence[str]]) -> None:
        """Count sends of the last minute as if they were made now: late rather than too many."""
        for names in recent:
            for name in self._known(names):
                self._windows.hit(self._limits[name], name)

    def _known(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name in self._limits] if self._limits else []

    def take(self, names: Sequence[str]) -> bool:
        """Take one send under all of *names*; False, and none is taken, where one is used up."""
        known = self._known(names)
        if not known:
            return True
        with self._lock:
            if not all(self._windows.test(self._limits[n], n) for n in known):
                return False
            return all(self._windows.hit(self._limits[n], n) for n in known)

    def wait(self, names: Sequence[str]) -> float:
        """Return the seconds until all of *names* may send again, 0 where they may now."""
        return self.load(names)[0]

    def load(self, names: Sequence[str]) -> tuple[float, float]:
        """Return these seconds, and the share used up of the fullest limit, 0 to 1."""
        wait = used = 0.0
        for name in self._known(names):
            limit = self._limits[name]
            stats = self._windows.get_window_stats(limit, name)
            used = max(used, 1.0 - stats.remaining / limit.amount)
            if stats.remaining <= 0:
                wait = max(wait, 0.001, stats.reset_time - self._clock())
        return wait, used

    def slot(self, names: Sequence[str]) -> float:
        """Return when to try again: each caller gets a later time than the one before.

        So a thousand waiting messages come back one by one, not all at once each time one
        place is free.
        """
        known, now = self._known(names), self._clock()
        with self._lock:
            at = now + self.wait(known)
            for name in known:
                step = WINDOW / self._limits[name].amount
                at = max(at, self._line.get(name, 0.0) + step)
            self._line.update(dict.fromkeys(known, at))
        return at
