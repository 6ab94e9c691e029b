"""Which ways are open now: rate limits, circuit breakers and the day's spend, asked together."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Scope, SendError
from ..safety.breaker import Breaker
from ..safety.pace import Pace
from ..safety.spend import Spend
from .way import Option

SPREAD = 300.0
"""Seconds of a rest that its spread grows with: a day's budget is back at 0:00, not hours later."""


def _names(option: Option) -> tuple[str, str]:
    return limit_names(option.channel, option.provider)


def limit_names(channel: str, provider: str) -> tuple[str, str]:
    """Return what a send falls under: its channel's limit and its provider's."""
    return channel, f"{channel}/{provider}"


class Gate:
    """Lets sends out. Every `take` that succeeds is followed by one `leave`."""

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

    def take(self, option: Option, cost: float) -> bool:
        """Let one send of *option* out for *cost*; False where something is used up."""
        way = _names(option)[1]
        if not self._breaker.enter(way):
            return False
        if self.spend.reserve(cost):
            if self.pace.take(_names(option)):
                return True
            self.spend.give_back(cost)
        self._breaker.leave(way, "", ok=None)
        return False

    def leave(self, option: Option, message_id: str, cost: float, error: SendError | None) -> None:
        """Say how a send that was let out went."""
        way = _names(option)[1]
        if error is not None and not error.ambiguous:
            self.spend.give_back(cost)
        limited = error is not None and error.code == "rate_limited"
        if error is not None and limited and error.retry_after:
            self._breaker.hold(way, error.retry_after)
        ok = error is None or limited or not _is_outage(error)
        self._breaker.leave(way, message_id, ok=ok)

    def unused(self, option: Option, cost: float) -> None:
        """Take back a send that was let out and not made."""
        self.spend.give_back(cost)
        self._breaker.leave(_names(option)[1], "", ok=None)

    def slot(self, option: Option, cost: float, random: Callable[[], float]) -> float:
        """Return when to try *option* again, Unix seconds: not all that wait at one moment."""
        names = _names(option)
        at = self.pace.slot(names)
        rest = max(self._breaker.held(names[1]), self.rest(option), self.spend.wait(cost))
        return at + rest + min(rest, SPREAD) * random() / 4


def _is_outage(error: SendError) -> bool:
    """Whether every other message would fail too: the vendor is down, or the account is shut."""
    return not error.permanent or error.scope is Scope.ACCOUNT
