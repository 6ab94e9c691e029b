"""What a day may cost: reserved before each send, so that no crowd of workers runs over it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo


class Spend:
    """The spend of the running day. cap: money, None = none; a day begins at 0:00 in *zone*."""

    def __init__(self, cap: float | None, zone: ZoneInfo, clock: Callable[[], float]) -> None:
        self._cap = cap
        self._zone = zone
        self._clock = clock
        self._lock = threading.Lock()
        self._day, self._next = self._bounds()
        self._spent = 0.0

    def _bounds(self) -> tuple[float, float]:
        now = datetime.fromtimestamp(self._clock(), self._zone)
        first = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return first.timestamp(), (first + timedelta(days=1)).timestamp()

    def resume(self, spent_since: Callable[[float], float]) -> None:
        """Count what was spent today before this process came."""
        if self._cap is not None:
            with self._lock:
                self._day, self._next = self._bounds()
                self._spent = spent_since(self._day)

    def reserve(self, amount: float) -> bool:
        """Take *amount* of what is left today; False where it is not enough."""
        if self._cap is None:
            return True
        with self._lock:
            self._turn()
            if self._spent + amount > self._cap:
                return False
            self._spent += amount
            return True

    def give_back(self, amount: float) -> None:
        """Return what was reserved for a send that was not made."""
        if self._cap is not None:
            with self._lock:
                self._spent = max(0.0, self._spent - amount)

    def wait(self, amount: float) -> float:
        """Return the seconds until *amount* can be spent, 0 where it can now."""
        if self._cap is None:
            return 0.0
        with self._lock:
            self._turn()
            return 0.0 if self._spent + amount <= self._cap else self._next - self._clock()

    def _turn(self) -> None:
        """Begin a new day where the last is over. The lock is held."""
        if self._clock() >= self._next:
            self._day, self._next = self._bounds()
            self._spent = 0.0
