"""Ids that sort by the time they were made."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def _base32(number: int, digits: int) -> str:
    return "".join(_ALPHABET[number >> 5 * i & 31] for i in reversed(range(digits)))


class Ids:
    """Makes ids that sort by time: 48 bits of milliseconds, 80 random ones (a ULID).

    Within a millisecond the random part counts up, so the rows of a bulk keep their order.
    https://github.com/ulid/spec
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = (0, 0)
        self._lock = threading.Lock()

    def __call__(self, prefix: str) -> str:
        """Return a new id, e.g. `msg_01k...`."""
        with self._lock:
            ms = max(int(self._clock() * 1000), self._last[0])
            fresh = ms > self._last[0]
            tail = secrets.randbits(79) if fresh else self._last[1] + 1
            self._last = (ms, tail)
        return f"{prefix}_{_base32(ms, 10)}{_base32(tail, 16)}"
