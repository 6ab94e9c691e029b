"""Ids that sort by the time they were made."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

_DRAW = 4096
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def _base32(number: int, digits: int) -> str:
    """Return an even number of *digits*, two at a time."""
    return "".join([_PAIRS[number >> 5 * i & 1023] for i in range(digits - 2, -1, -2)])


class Entropy:
    """Random bytes of the system, drawn a few kilobytes at a time, a supply for each thread.

    Every draw from the system gives up the interpreter to another thread, which costs more than
    the bytes; under a lock it would leave all others waiting for it. A child process starts with
    an empty supply, so it never repeats its parent's.
    """

    def __init__(self) -> None:
        self._own = threading.local()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._drop)

    def _drop(self) -> None:
        self._own = threading.local()

    def take(self, count: int) -> bytes:
        """Return *count* bytes that nobody else gets."""
        own = self._own
        supply, at = getattr(own, "supply", (b"", 0))
        if len(supply) - at < count:
            supply, at = os.urandom(max(_DRAW, count)), 0
        own.supply = supply, at + count
        return bytes(supply[at : at + count])


entropy = Entropy()


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
        drawn = int.from_bytes(entropy.take(10), "big") >> 1  # not under the lock: it may wait
        with self._lock:
            last, tail = self._last
            ms = max(int(self._clock() * 1000), last)
            tail = drawn if ms > last else tail + 1
            self._last = (ms, tail)
        return f"{prefix}_{_base32(ms, 10)}{_base32(tail, 16)}"
