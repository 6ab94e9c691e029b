"""What a day may cost: reserved before each send, so that no crowd of workers runs over it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_UNITS = 10**9
"""Parts of one unit of money that are counted: whole ones, as sums of floats drift."""


def _exact(amount: float) -> int:
    return round(amount * _UNITS)


class Spend:
    """The spend of the running day. cap: money, None = none; a day begins at 0:00 in *zone*."""

    def __init__(self, cap: float | None, zone: ZoneInfo, clock: Callable[[], float]) -> None:
        self._cap = None if cap is None else _exact(cap)
        self._zone = zone
        self._clock = clock
        self._lock = threading.Lock()
        self._day, self._next = self._bounds()
        self._spent = 0

    def _bounds(self) -> tuple[float, float]:
        now = datetime.fromtimestamp(self._clock(), self._zone)
        # Where clocks go back over midnight, the day begins at the first of the two.
        first = now.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return first.timestamp(), (first + timedelta(days=1)).timestamp()

    def resume(self, spent_since: Callable[[float], float]) -> None:
        """Count what was spent today before this process came."""
        if self._cap is not None:
            with self._lock:
                self._day, self._next = self._bounds()
                self._spent = _exact(spent_since(self._day))

    def reserve(self, amount: float) -> float | None:
        """Take *amount* of what is left today; return the day, None where it is not enough."""
        with self._lock:
            self._turn()
            if not self._has(amount):
                return None
            self._spent += _exact(amount)
            return self._day

    def give_back(self, amount: float, day: float) -> None:
        """Return what was reserved on *day* and not spent; below 0 where more was spent."""
        with self._lock:
            self._turn()
            if day == self._day:  # yesterday's is no gain for today
                self._spent = max(0, self._spent - _exact(amount))

    def wait(self, amount: float) -> float:
        """Return the seconds until *amount* can be spent, 0 where it can now."""
        with self._lock:
            self._turn()
            return 0.0 if self._has(amount) else max(0.0, self._next - self._clock())

    def _has(self, amount: float) -> bool:
        return self._cap is None or self._spent + _exact(amount) <= self._cap

    def _turn(self) -> None:
        """Begin a new day where the last is over. The lock is held."""
        if self._clock() >= self._next:
            self._day, self._next = self._bounds()
            self._spent = 0
