"""Sending limits: a channel never sends more in any minute than its limit says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from ..message import Channel

WINDOW = 60.0


class Pace:
    """Exact moving windows (https://limits.readthedocs.io/en/stable/strategies.html).

    Counted in this process: one process over a store dispatches. `resume` counts again what was
    sent just before a restart.
    """

    def __init__(
        self, per_minute: Mapping[Channel, int], clock: Callable[[], float] = time.time
    ) -> None:
        self._limits = {c: RateLimitItemPerMinute(n) for c, n in per_minute.items()}
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._clock = clock
        self._line: dict[Channel, float] = {}
        self._lock = threading.Lock()

    def resume(self, recent: Iterable[Channel]) -> None:
        """Count sends of the last minute as if they were made now: late rather than too many."""
        for channel in recent:
            self.take(channel)

    def take(self, channel: Channel) -> bool:
        """Take one send of *channel*; False where its limit is used up."""
        limit = self._limits.get(channel)
        return limit is None or self._windows.hit(limit, channel.value)

    def wait(self, channel: Channel) -> float:
        """Return the seconds until *channel* may send again, 0 where it may now."""
        limit = self._limits.get(channel)
        if limit is None:
            return 0.0
        stats = self._windows.get_window_stats(limit, channel.value)
        return 0.0 if stats.remaining > 0 else max(0.001, stats.reset_time - self._clock())

    def slot(self, channel: Channel) -> float:
        """Return when to try *channel* again: each caller gets a later time than the one before.

        So a thousand waiting messages come back one by one, not all at once each time one
        place is free.
        """
        now = self._clock()
        step = WINDOW / self._limits[channel].amount
        with self._lock:
            at = max(now + self.wait(channel), self._line.get(channel, 0.0) + step)
            self._line[channel] = at
        return at
