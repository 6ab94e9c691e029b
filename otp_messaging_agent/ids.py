"""Ids that sort by the time they were made."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

_DRAW = 1024
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def _base32(number: int, digits: int) -> str:
    return "".join(_ALPHABET[number >> 5 * i & 31] for i in reversed(range(digits)))


class Entropy:
    """Random bytes of the system, drawn a few kilobytes at a time; safe between threads.

    Every draw from the system gives up the interpreter to another thread, which costs more than
    the bytes. A child process starts with an empty supply, so it never repeats its parent's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._supply = b""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._drop)

    def _drop(self) -> None:
        self._lock = threading.Lock()
        self._supply = b""

    def take(self, count: int) -> bytes:
        """Return *count* bytes that nobody else gets."""
        with self._lock:
            if len(self._supply) < count:
                self._supply = os.urandom(max(_DRAW, count))
            taken, self._supply = self._supply[:count], self._supply[count:]
        return taken


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
        with self._lock:
            ms = max(int(self._clock() * 1000), self._last[0])
            fresh = ms > self._last[0]
            tail = int.from_bytes(entropy.take(10), "big") >> 1 if fresh else self._last[1] + 1
            self._last = (ms, tail)
        return f"{prefix}_{_base32(ms, 10)}{_base32(tail, 16)}"
