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
"""Seconds a provider rests at most between two probes, or is left alone because it asked."""


@dataclass(slots=True)
class _State:
    failures: int = 0
    last: str = ""
    rest: float = 0.0
    until: float = 0.0
    prober: int = 0
    held_until: float = 0.0


class Breaker:
    """One state for each way; safe between threads.

    failures: in a row that open it, tries of one message counted as one: it may be the message.
    rest: seconds until the first probe, doubled by each that fails, up to LONGEST.
    """

    def __init__(self, failures: int, rest: float, clock: Callable[[], float]) -> None:
        self._failures = failures
        self._rest = rest
        self._clock = clock
        self._lock = threading.Lock()
        self._states: defaultdict[Hashable, _State] = defaultdict(_State)

    def rest(self, way: Hashable) -> float:
        """Return the seconds until *way*, which failed, is tried again; 0 where it did not."""
        state, now = self._states[way], self._clock()
        if state.failures < self._failures:
            return 0.0
        return self._rest if state.prober else max(0.0, state.until - now)

    def held(self, way: Hashable) -> float:
        """Return the seconds for which *way* asked to be left alone."""
        return max(0.0, self._states[way].held_until - self._clock())

    def enter(self, way: Hashable) -> bool:
        """Let a call pass; while *way* is tried again, one at a time.

        `leave` must follow, from the same thread: it tells the probe from calls begun before.
        """
        with self._lock:
            if self.rest(way) or self.held(way):
                return False
            state = self._states[way]
            state.prober = threading.get_ident() if state.failures >= self._failures else 0
            return True

    def leave(self, way: Hashable, message_id: str, *, ok: bool | None) -> None:
        """Say how the call went; None where it was not made or says nothing of the provider."""
        with self._lock:
            state = self._states[way]
            is_open, mine = state.failures >= self._failures, state.prober == threading.get_ident()
            if mine:
                state.prober = 0
            if ok:
                state.failures, state.rest, state.last, state.prober = 0, 0.0, "", 0
            elif ok is False and (mine or not is_open):
                state.failures += state.last != message_id
                state.last = message_id
                if state.failures >= self._failures:
                    state.rest = min(LONGEST, 2 * state.rest or self._rest)
                    state.until = self._clock() + state.rest

    def hold(self, way: Hashable, seconds: float) -> None:
        """Leave *way* alone for as long as it asked for, LONGEST at most."""
        with self._lock:
            state = self._states[way]
            state.held_until = max(state.held_until, self._clock() + min(seconds, LONGEST))
