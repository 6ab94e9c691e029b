"""5. Claim, send by the best way, keep the verdict: sent | try again at | ended.

One call of `Deliverer.handle` makes at most one attempt. The attempt is committed before the
provider is called and its result after, so that whatever happens between is known to be open:
an open or ambiguous attempt is settled by asking the provider before anything is sent again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from .. import log

from ..channels.base import Medium
from ..errors import LookupUnsupported, SendError
from ..message import Attempt, Channel, Message, MessageType, Outcome, Status, Ticket
from ..providers.base import Outgoing, Provider, Sent
from ..queues.base import Queue
from ..safety.pace import Pace
from ..stores.base import Dispatch, Verdict, Work
from . import route

GRACE = 30.0
"""Seconds a claim outlives its attempt's deadline, for a slow commit."""

ASK_AFTER = 2.0
"""Seconds before a provider is first asked about an ambiguous send; doubled each time."""

MAX_LOOKUPS = 5
"""Questions about one attempt; then it counts as unknown for good."""

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways out: providers by (channel, name), and how they are chosen."""

    options: Sequence[route.Option]
    providers: Mapping[tuple[Channel, str], Provider]
    policy: route.Policy
    learned: route.Learned
    pace: Pace

    def now(self) -> list[route.Option]:
        """Return the options with the wait that their limits ask for now."""
        waits = {o.channel: self.pace.wait(o.channel) for o in self.options}
        return [replace(o, wait=waits[o.channel]) if waits[o.channel] else o for o in self.options]

    def medium(self, channel: Channel) -> Medium:
        """Return the rules of a channel that is on."""
        return next(o.medium for o in self.options if o.channel is channel)


@dataclass(frozen=True, slots=True)
class Sending:
    """How an attempt is made. timeout: seconds of wall clock; template: the text of an OTP."""

    timeout: float
    template: str


class Deliverer:
    """Handles the tickets of a queue."""

    def __init__(
        self,
        store: Dispatch,
        queue: Queue,
        ways: Ways,
        sending: Sending,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._store = store
        self._queue = queue
        self._ways = ways
        self._sending = sending
        self._clock = clock
        self._random = random

    def handle(self, message_id: str) -> None:
        """Take the message one step on; does nothing where it is not due or not ours."""
        work = self._store.load(message_id)
        now = self._clock()
        if work is None or work.message.due_at is None or work.message.due_at > now:
            return
        m = work.message
        last = work.attempts[-1] if work.attempts else None
        if m.status is Status.SENDING and last is not None:
            self._ask(work, last, now)
        elif m.expires_at is not None and m.expires_at <= now:
            self._end(m, Status.EXPIRED, "expired", now)
        elif m.type is MessageType.OTP and work.code is None:
            self._end(m, Status.CANCELED, "verification_ended", now)
        else:
            self._try(work, now)

    # --------------------------------------------------------------- one attempt

    def _try(self, work: Work, now: float) -> None:
        m = work.message
        decision = route.decide(
            m, work.attempts, self._ways.now(), self._ways.policy, self._ways.learned
        )
        if not decision.ranked:
            self._end(m, *self._nothing_left(work.attempts, decision), now)
            return
        best = decision.ranked[0].option
        chosen = self._take(m, decision)
        if chosen is None and not best.wait and self._ways.pace.wait(best.channel):
            self._try(work, now)  # the limit was used up meanwhile: decide again, knowing it
            return
        if chosen is None:
            slot = self._ways.pace.slot(best.channel)
            self._later(m, m.version, m.status, slot, now)
            return
        attempt = Attempt(
            id=f"{m.id}.{m.tries + 1}",
            message_id=m.id,
            number=m.tries + 1,
            channel=chosen.channel,
            provider=chosen.provider,
            started_at=now,
            cost=chosen.cost,
            decision=decision.as_json(),
        )
        lease_until = now + self._sending.timeout + GRACE
        if self._store.begin(attempt, m.version, lease_until):
            self._send(replace(work, message=replace(m, version=m.version + 1)), attempt)

    def _take(self, m: Message, decision: route.Decision) -> route.Option | None:
        """Return the best option whose limit gave way, None where waiting is better."""
        for scored in decision.ranked:
            option = scored.option
            if self._ways.pace.take(option.channel):
                return option
            free = self._clock() + self._ways.pace.wait(option.channel)
            if m.expires_at is None or free < m.expires_at:
                return None
        return None

    def _send(self, work: Work, attempt: Attempt) -> None:
        provider = self._ways.providers[attempt.channel, attempt.provider]
        out = self._outgoing(work, attempt)
        try:
            sent = provider.send(out, timeout=self._sending.timeout)
        except SendError as e:
            self._failed(work, attempt, e)
        except Exception as e:  # noqa: BLE001 - a provider's bug must not lose the message
            _log.exception("provider_bug", attempt_id=attempt.id, provider=attempt.provider)
            bug = SendError("provider_bug", detail=type(e).__name__, ambiguous=True)
            self._failed(work, attempt, bug)
        else:
            self._sent(work.message, attempt, provider, sent)

    def _outgoing(self, work: Work, attempt: Attempt) -> Outgoing:
        m = work.message
        left = None if m.expires_at is None else m.expires_at - self._clock()
        content = m.content or ""
        if work.code is not None:
            lifetime = (m.expires_at or m.created_at) - m.created_at
            content = self._sending.template.format(
                code=work.code, minutes=max(1, math.ceil(lifetime / 60)), purpose=work.purpose
            )
        return Outgoing(
            attempt_id=attempt.id,
            message_id=m.id,
            channel=attempt.channel,
            type=m.type,
            to=self._ways.medium(attempt.channel).recipient(m),
            content=content,
            subject=m.subject,
            code=work.code,
            validity=left,
        )

    # --------------------------------------------------------------- verdicts

    def _sent(self, m: Message, attempt: Attempt, provider: Provider, sent: Sent) -> None:
        now = self._clock()
        known = sent.status is not Status.SENT
        within = self._ways.medium(attempt.channel).receipt_within
        ended = replace(
            attempt,
            finished_at=now,
            outcome=Outcome.SENT,
            provider_message_id=sent.provider_message_id,
            cost=attempt.cost if sent.cost is None else sent.cost,
            receipt_by=now + within if provider.receipts and not known else None,
            receipt_status=sent.status if known else None,
            receipt_at=now if known else None,
            error_code=None,
        )
        verdict = Verdict(m.id, m.version, sent.status, now, attempt=ended)
        self._store.settle(verdict, wait=False)

    def _failed(self, work: Work, attempt: Attempt, error: SendError) -> None:
        now = self._clock()
        ended = replace(
            attempt,
            finished_at=now,
            outcome=Outcome.AMBIGUOUS if error.ambiguous else Outcome.FAILED,
            error_code=error.code,
            error_detail=error.detail[:500] or None,
            permanent=error.permanent,
            scope=error.scope.value,
            retry_after=error.retry_after,
        )
        _log.info(
            "attempt_failed",
            attempt_id=attempt.id,
            channel=attempt.channel.value,
            provider=attempt.provider,
            code=error.code,
            ambiguous=error.ambiguous,
        )
        if error.ambiguous:
            m = work.message
            self._later(m, m.version, Status.SENDING, now + ASK_AFTER, now, ended)
        else:
            self._next(work, ended, now)

    def _next(self, work: Work, ended: Attempt, now: float) -> None:
        """After a try that did not send: retry, fall back, or end."""
        m = work.message
        tried = [*work.attempts, ended]
        if route.ends_message(ended):
            self._end(m, Status.FAILED, ended.error_code, now, ended)
            return
        ways = self._ways
        decision = route.decide(m, tried, ways.now(), ways.policy, ways.learned)
        due = route.next_try(tried, decision, ways.policy, self._random())
        if due is None:
            self._end(m, *self._nothing_left(tried, decision), now, ended)
        else:
            self._later(m, m.version, Status.QUEUED, due, now, ended)

    @staticmethod
    def _nothing_left(
        attempts: Sequence[Attempt], decision: route.Decision
    ) -> tuple[Status, str | None]:
        if route.out_of_time(decision):
            return Status.EXPIRED, "expired"
        return Status.FAILED, attempts[-1].error_code if attempts else "no_channel"

    def _later(
        self,
        m: Message,
        version: int,
        status: Status,
        due_at: float,
        now: float,
        attempt: Attempt | None = None,
    ) -> None:
        verdict = Verdict(
            m.id,
            version,
            status,
            now,
            due_at=due_at,
            error_code=attempt and attempt.error_code,
            attempt=attempt,
        )
        self._store.settle(verdict)
        self._queue.put(Ticket(m.rank, due_at, m.id))

    def _end(
        self,
        m: Message,
        status: Status,
        code: str | None,
        now: float,
        attempt: Attempt | None = None,
    ) -> None:
        self._store.settle(
            Verdict(m.id, m.version, status, now, error_code=code, attempt=attempt)
        )
        _log.info("message_ended", message_id=m.id, status=status.value, code=code)

    # --------------------------------------------------------------- open attempts

    def _ask(self, work: Work, last: Attempt, now: float) -> None:
        """Settle an attempt whose end nobody knows: a cut, a time-out, or our own death."""
        earlier = replace(work, attempts=work.attempts[:-1])
        provider = self._ways.providers.get((last.channel, last.provider))
        code_gone = work.message.type is MessageType.OTP and work.code is None
        if provider is None or code_gone:
            self._unproven(earlier, last, now)
            return
        out = self._outgoing(work, last)
        try:
            found = provider.lookup(out, since=last.started_at, timeout=self._sending.timeout)
        except LookupUnsupported:
            self._unproven(earlier, last, now)
        except SendError as e:
            self._ask_again(earlier, replace(last, lookups=last.lookups + 1), e)
        else:
            if found is not None:
                self._sent(work.message, last, provider, found)
            else:
                code = last.error_code or "interrupted"
                self._next(earlier, self._closed(last, Outcome.FAILED, code), now)

    def _ask_again(self, earlier: Work, last: Attempt, error: SendError) -> None:
        now = self._clock()
        open_ = self._closed(last, Outcome.AMBIGUOUS, last.error_code or error.code)
        if last.lookups >= MAX_LOOKUPS:
            self._unproven(earlier, open_, now)
            return
        m = earlier.message
        wait = max(ASK_AFTER * 2**last.lookups, error.retry_after or 0)
        self._later(m, m.version, Status.SENDING, now + wait, now, open_)

    def _unproven(self, earlier: Work, last: Attempt, now: float) -> None:
        """No one can say whether it was sent: send again, but never marketing or a dead code."""
        m = earlier.message
        ended = self._closed(last, Outcome.AMBIGUOUS, last.error_code or "interrupted")
        dead = m.expires_at is not None and m.expires_at <= now
        code_gone = m.type is MessageType.OTP and earlier.code is None
        if dead or code_gone or m.type is MessageType.MARKETING:
            self._end(m, Status.UNKNOWN, ended.error_code, now, ended)
        else:
            self._next(earlier, ended, now)

    def _closed(self, last: Attempt, outcome: Outcome, code: str) -> Attempt:
        return replace(
            last, finished_at=self._clock(), outcome=outcome, error_code=code, permanent=False
        )
