"""Which ways are open now: rate limits, circuit breakers and the day's spend, asked together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import Scope, SendError
from ..safety.breaker import HOLD, Breaker, Call
from ..safety.pace import Pace
from ..safety.spend import Spend
from .way import Option

SPREAD = 60.0
"""Seconds over which those that wait for the same moment come back at most."""


def _names(option: Option) -> tuple[str, str]:
    return limit_names(option.channel, option.provider)


def limit_names(channel: str, provider: str) -> tuple[str, str]:
    """Return what a send falls under: its channel's limit and its provider's."""
    return channel, f"{channel}/{provider}"


@dataclass(frozen=True, slots=True)
class Pass:
    """One send that was let out. cost: what is reserved for it of *day*."""

    call: Call
    cost: float
    day: float


class Gate:
    """Lets sends out. Every `take` that succeeds is followed by one `leave` or `unused`."""

    def __init__(self, pace: Pace, breaker: Breaker, spend: Spend) -> None:
        self.pace = pace
        self.spend = spend
        self._breaker = breaker

    def wait(self, option: Option) -> float:
        """Return the seconds until limits, ours and its provider's, let *option* send."""
        names = _names(option)
        return max(self.pace.wait(names), self._breaker.held(names[1]))

    def rest(self, option: Option) -> float:
        """Return the seconds until its provider, which failed in a row, is tried again."""
        return self._breaker.rest(_names(option)[1])

    def load(self, option: Option) -> tuple[float, float, float]:
        """Return `wait`, `rest` and the share of its fullest rate limit that is used up."""
        names = _names(option)
        wait, used = self.pace.load(names)
        return max(wait, self._breaker.held(names[1])), self._breaker.rest(names[1]), used

    def closed(self, option: Option) -> bool:
        """Whether *option* waits or rests, so that another may be better now."""
        return bool(self.wait(option) or self.rest(option))

    def take(self, option: Option, cost: float) -> Pass | None:
        """Let one send of *option* out for *cost*; None where something is used up."""
        names = _names(option)
        call = self._breaker.enter(names[1])
        if call is None:
            return None
        day = self.spend.reserve(cost)
        if day is not None:
            if self.pace.take(names):
                return Pass(call, cost, day)
            self.spend.give_back(cost, day)
        self._breaker.leave(call, "", ok=None)
        return None

    def leave(
        self, out: Pass, message_id: str, error: SendError | None, cost: float | None = None
    ) -> None:
        """Say how a send that was let out went. cost: what its provider says it took, if any."""
        if error is not None and not error.ambiguous:
            self.spend.give_back(out.cost, out.day)
        elif cost is not None:
            self.spend.give_back(out.cost - cost, out.day)
        limited = error is not None and error.code == "rate_limited"
        if error is not None and limited:
            self._breaker.hold(out.call.way, error.retry_after or HOLD)
        ok = error is None or limited or not _is_outage(error)
        unmade = error is not None and error.code in _TOO_LATE
        self._breaker.leave(out.call, message_id, ok=None if unmade else ok)

    def unused(self, out: Pass) -> None:
        """Take back a send that was let out and not made."""
        self.spend.give_back(out.cost, out.day)
        self._breaker.leave(out.call, "", ok=None)

    def slot(self, option: Option, cost: float, random: Callable[[], float]) -> float:
        """Return when to try *option* again, Unix seconds: not all that wait at one moment."""
        names = _names(option)
        at = self.pace.slot(names)
        rest = max(self._breaker.held(names[1]), self.rest(option), self.spend.wait(cost))
        return at + rest + random() * min(rest / 4, SPREAD)


_TOO_LATE = frozenset({"expired", "validity_too_short"})
"""What providers refuse without calling the vendor, so it says nothing of whether that works."""


def _is_outage(error: SendError) -> bool:
    """Whether every other message would fail too: the vendor is down, or the account is shut."""
    shut = error.scope is Scope.ACCOUNT
    return shut or (not error.permanent and error.scope is Scope.PROVIDER)
