"""Settle an attempt whose end nobody saw: a cut, a time-out, or our own death.

The provider is asked before anything is sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .. import log
from ..errors import LookupUnsupported, SendError
from ..message import Attempt, MessageType, Outcome, Status
from ..providers.base import Outgoing
from ..stores.base import Work
from .verdict import ASK_AFTER, Verdicts, Ways

MAX_LOOKUPS = 5
"""Questions about one attempt; then it counts as unknown for good."""

_log = log.get(__name__)


class Asker:
    """Asks providers what became of open attempts.

    outgoing: makes again what the attempt sent, to recognise it by; timeout: s of wall clock.
    """

    def __init__(
        self,
        ways: Ways,
        verdicts: Verdicts,
        outgoing: Callable[[Work, Attempt], Outgoing],
        timeout: float,
        clock: Callable[[], float],
    ) -> None:
        self._ways = ways
        self._verdicts = verdicts
        self._outgoing = outgoing
        self._timeout = timeout
        self._clock = clock

    def ask(self, work: Work, last: Attempt, now: float) -> None:
        """Take the message one step on from its open attempt *last*."""
        earlier = replace(work, attempts=work.attempts[:-1])
        provider = self._ways.providers.get((last.channel, last.provider))
        code_gone = work.message.type is MessageType.OTP and work.code is None
        if provider is None or code_gone:
            self._unproven(earlier, last, now)
            return
        out = self._outgoing(work, last)
        try:
            found = provider.lookup(out, since=last.started_at, timeout=self._timeout)
        except LookupUnsupported:
            self._unproven(earlier, last, now)
        except SendError as e:
            self._ask_again(earlier, replace(last, lookups=last.lookups + 1), e)
        except Exception:  # noqa: BLE001 - a provider's bug must not hold the message for ever
            _log.exception("provider_bug", attempt_id=last.id, provider=last.provider)
            bug = SendError("provider_bug")
            self._ask_again(earlier, replace(last, lookups=last.lookups + 1), bug)
        else:
            if found is not None:
                self._verdicts.sent(work.message, last, provider, found)
            else:
                code = last.error_code or "interrupted"
                self._verdicts.next(earlier, self._closed(last, Outcome.FAILED, code), now)

    def _ask_again(self, earlier: Work, last: Attempt, error: SendError) -> None:
        now = self._clock()
        open_ = self._closed(last, Outcome.AMBIGUOUS, last.error_code or error.code)
        if last.lookups >= MAX_LOOKUPS:
            self._unproven(earlier, open_, now)
            return
        m = earlier.message
        wait = max(ASK_AFTER * 2**last.lookups, error.retry_after or 0)
        self._verdicts.later(m, m.version, Status.SENDING, now + wait, now, open_)

    def _unproven(self, earlier: Work, last: Attempt, now: float) -> None:
        """No one can say whether it was sent: send again, but never marketing or a dead code."""
        m = earlier.message
        ended = self._closed(last, Outcome.AMBIGUOUS, last.error_code or "interrupted")
        dead = m.expires_at is not None and m.expires_at <= now
        code_gone = m.type is MessageType.OTP and earlier.code is None
        if dead or code_gone or m.type is MessageType.MARKETING:
            self._verdicts.end(m, Status.UNKNOWN, ended.error_code, now, ended)
        else:
            self._verdicts.next(earlier, ended, now)

    def _closed(self, last: Attempt, outcome: Outcome, code: str) -> Attempt:
        return replace(
            last, finished_at=self._clock(), outcome=outcome, error_code=code, permanent=False
        )
