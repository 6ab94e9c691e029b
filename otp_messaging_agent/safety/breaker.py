"""Circuit breakers: a provider that fails in a row is left alone, then tried with one message.

The pattern is Michael Nygard's (Release It!, 2007, chapter 5). Only failures of the provider
count; one that says something of a recipient proves that the provider works.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

LONGEST = 300.0
"""Seconds a provider rests at most between two probes."""


@dataclass(slots=True)
class _State:
    failures: int = 0
    rest: float = 0.0
    until: float = 0.0
    probing: bool = False
    held_until: float = 0.0


class Breaker:
    """One state for each way; safe between threads.

    failures: in a row that open it; rest: seconds until the first probe, doubled by each that
    fails, up to LONGEST.
    """

    def __init__(self, failures: int, rest: float, clock: Callable[[], float]) -> None:
        self._failures = failures
        self._rest = rest
        self._clock = clock
        self._lock = threading.Lock()
        self._states: defaultdict[Hashable, _State] = defaultdict(_State)

    def wait(self, way: Hashable) -> float:
        """Return the seconds until *way* may be tried, 0 where it may now."""
        state, now = self._states[way], self._clock()
        until = state.held_until
        if state.failures >= self._failures:
            until = max(until, now + self._rest if state.probing else state.until)
        return max(0.0, until - now)

    def enter(self, way: Hashable) -> bool:
        """Let a call pass; while *way* is tried again, one at a time. `leave` must follow."""
        with self._lock:
            if self.wait(way):
                return False
            state = self._states[way]
            state.probing = state.failures >= self._failures
            return True

    def leave(self, way: Hashable, *, ok: bool | None) -> None:
        """Say how the call went; None where it was not made or says nothing of the provider."""
        with self._lock:
            state = self._states[way]
            was_open = state.failures >= self._failures
            if ok:
                state.failures, state.rest = 0, 0.0
            elif ok is False and (state.probing or not was_open):
                state.failures += 1
                if state.failures >= self._failures:
                    state.rest = min(LONGEST, 2 * state.rest or self._rest)
                    state.until = self._clock() + state.rest
            if ok is not False or state.probing:
                state.probing = False

    def hold(self, way: Hashable, seconds: float) -> None:
        """Leave *way* alone for as long as it asked for."""
        with self._lock:
            state = self._states[way]
            state.held_until = max(state.held_until, self._clock() + seconds)
