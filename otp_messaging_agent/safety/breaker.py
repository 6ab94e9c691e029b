"""Circuit breakers: a provider that fails in a row is left alone, then tried with one message.

The pattern is Michael Nygard's (Release It!, 2007, chapter 5). Only failures of the provider
count; one that says something of a recipient proves that the provider works.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

LONGEST = 300.0
"""Seconds a provider rests at most between two probes."""
HOLD = 5.0
"""Seconds a provider is left alone that answers 429 and does not say for how long."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call that was let pass. One from before the breaker opened may end during a probe."""

    way: Hashable


@dataclass(slots=True)
class _State:
    failed: set[str] = field(default_factory=set)
    rest: float = 0.0
    until: float = 0.0
    probe: Call | None = None
    held_until: float = 0.0


class Breaker:
    """One state for each way; safe between threads.

    failures: messages in a row that open it; tries of one count as one: it may be the message.
    rest: seconds until the first probe, doubled by each that fails, up to LONGEST.
    """

    def __init__(self, failures: int, rest: float, clock: Callable[[], float]) -> None:
        self._failures = failures
        self._rest = rest
        self._clock = clock
        self._lock = threading.Lock()
        self._states: dict[Hashable, _State] = {}

    def rest(self, way: Hashable) -> float:
        """Return the seconds until *way*, which failed, is tried again; 0 where it did not."""
        state = self._states.get(way)
        if state is None or not self._is_open(state):
            return 0.0
        return self._rest if state.probe else max(0.0, state.until - self._clock())

    def held(self, way: Hashable) -> float:
        """Return the seconds for which *way* asked to be left alone."""
        state = self._states.get(way)
        return 0.0 if state is None else max(0.0, state.held_until - self._clock())

    def enter(self, way: Hashable) -> Call | None:
        """Let a call pass; while *way* is tried again, one at a time. `leave` must follow."""
        with self._lock:
            if self.rest(way) or self.held(way):
                return None
            call, state = Call(way), self._states.setdefault(way, _State())
            if self._is_open(state):
                state.probe = call
            return call

    def leave(self, call: Call, message_id: str, *, ok: bool | None) -> None:
        """Say how a call went; None where it was not made or says nothing of the provider."""
        with self._lock:
            state = self._states[call.way]
            probing = state.probe is call
            if probing:
                state.probe = None
            if ok:
                state.failed, state.rest = set(), 0.0
            elif ok is False and (probing or not self._is_open(state)):
                state.failed.add(message_id)
                if self._is_open(state):
                    state.rest = min(LONGEST, 2 * state.rest or self._rest)
                    state.until = self._clock() + state.rest

    def hold(self, way: Hashable, seconds: float) -> None:
        """Leave *way* alone for as long as it asked for, LONGEST at most."""
        with self._lock:
            state = self._states.setdefault(way, _State())
            state.held_until = max(state.held_until, self._clock() + min(seconds, LONGEST))

    def _is_open(self, state: _State) -> bool:
        return len(state.failed) >= self._failures
