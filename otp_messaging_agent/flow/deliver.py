"""5. Claim, send by the best way, keep the verdict: sent | try again at | ended.

One call of `Deliverer.handle` makes at most one attempt. The attempt is committed before the
provider is called and its result after, so that whatever happens between is known to be open:
an open or ambiguous attempt is settled by asking the provider before anything is sent again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from .. import log
from ..errors import Scope, SendError
from ..message import URGENT, Attempt, Channel, Message, MessageType, Priority, Status
from ..providers.base import Outgoing
from ..queues.base import Queue
from ..stores.base import Dispatch, Work
from . import way
from .ask import Asker
from .gate import Pass
from .lesson import place_of
from .verdict import Verdicts, Ways

GRACE = 30.0
"""Seconds a claim outlives its attempt's deadline, for a slow commit."""

CODE_SUBJECT = "Your verification code"
"""Of an e-mail that carries a code."""

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Sending:
    """How an attempt is made.

    timeout: seconds of wall clock; template: the text of an OTP; unsubscribe: makes the link by
    which a recipient can opt out, None where the message needs none.
    """

    timeout: float
    template: str
    unsubscribe: Callable[[Message, Channel], str | None] = lambda _, __: None


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
        self._ways = ways
        self._sending = sending
        self._clock = clock
        self._random = random
        self.verdicts = Verdicts(store, queue, ways, clock, random)
        self._asker = Asker(ways, self.verdicts, self._outgoing, sending.timeout, clock)

    def handle(self, message_id: str) -> None:
        """Take the message one step on; does nothing where it is not due or not ours."""
        work = self._store.load(message_id)
        now = self._clock()
        if work is None or work.message.due_at is None or work.message.due_at > now:
            return
        m = work.message
        last = work.attempts[-1] if work.attempts else None
        if m.status is Status.SENDING and last is not None:
            self._asker.ask(work, last, now)
        elif m.expires_at is not None and m.expires_at <= now:
            self.verdicts.end(m, Status.EXPIRED, "expired", now)
        elif m.type is MessageType.OTP and work.code is None:
            self.verdicts.end(m, Status.CANCELED, "verification_ended", now)
        else:
            self._try(work, now)

    # --------------------------------------------------------------- one attempt

    def _try(self, work: Work, now: float) -> None:
        m = work.message
        decision = self._ways.decide(work, work.attempts)
        if not decision.ranked:
            self.verdicts.end(m, *self.verdicts.nothing_left(work.attempts, decision), now)
            return
        gate, best = self._ways.gate, decision.ranked[0]
        taken = self._take(m, decision)
        if taken is None and not _waits(best.option) and gate.closed(best.option):
            self._try(work, now)  # it closed meanwhile: decide again, knowing it
        elif taken is None:
            slot = gate.slot(best.option, best.cost, self._random)
            # Where its turn comes too late it ends at its deadline, not at its turn.
            due = slot if m.expires_at is None else min(slot, m.expires_at)
            self.verdicts.later(m, m.version, m.status, due, now)
        else:
            self._begin(work, taken, decision, now)

    def _begin(
        self, work: Work, taken: tuple[way.Scored, Pass], decision: way.Decision, now: float
    ) -> None:
        m, (chosen, out), option = work.message, taken, taken[0].option
        place = place_of(m.phone_number)
        attempt = Attempt(
            id=f"{m.id}.{m.tries + 1}",
            message_id=m.id,
            number=m.tries + 1,
            channel=option.channel,
            provider=option.provider,
            started_at=now,
            cost=chosen.cost,
            decision=decision.as_json(),
            parts=chosen.segments,
            country=place.country or None,
            prefix=place.prefix or None,
        )
        lease_until = now + self._sending.timeout + GRACE
        try:
            won = self._store.begin(attempt, m.version, lease_until)
        except Exception:
            self._ways.gate.unused(out)  # else a probe that met a full disk is never over
            raise
        if won:
            self._send(replace(work, message=replace(m, version=m.version + 1)), attempt, out)
        else:
            self._ways.gate.unused(out)

    def _take(self, m: Message, decision: way.Decision) -> tuple[way.Scored, Pass] | None:
        """Return the best option that is let out, None where waiting is better."""
        gate = self._ways.gate
        for scored in decision.ranked:
            out = gate.take(scored.option, scored.cost)
            if out is not None:
                return scored, out
            wait = max(gate.wait(scored.option), gate.rest(scored.option))
            wait = max(wait, gate.spend.wait(scored.cost))
            if m.expires_at is None or self._clock() + wait < m.expires_at:
                return None
        return None

    def _send(self, work: Work, attempt: Attempt, out: Pass) -> None:
        gate = self._ways.gate
        provider = self._ways.providers[attempt.channel, attempt.provider]
        outgoing = self._outgoing(work, attempt)
        timeout = self._sending.timeout
        if outgoing.validity is not None and outgoing.validity <= 0:  # the claim was slow to keep
            gate.unused(out)
            over = SendError("expired", permanent=True, scope=Scope.MESSAGE)
            self.verdicts.failed(work, attempt, over)
            return
        if outgoing.validity is not None:
            timeout = max(0.1, min(timeout, outgoing.validity))
        try:
            sent = provider.send(outgoing, timeout=timeout)
        except SendError as e:
            gate.leave(out, attempt.message_id, e)
            self.verdicts.failed(work, attempt, e)
        except Exception as e:  # noqa: BLE001 - a provider's bug must not lose the message
            _log.exception("provider_bug", attempt_id=attempt.id, provider=attempt.provider)
            bug = SendError("provider_bug", detail=type(e).__name__, ambiguous=True)
            gate.leave(out, attempt.message_id, bug)
            self.verdicts.failed(work, attempt, bug)
        else:
            gate.leave(out, attempt.message_id, None, sent.cost)
            self.verdicts.sent(work.message, attempt, provider, sent)

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
            subject=m.subject or (CODE_SUBJECT if work.code is not None else None),
            code=work.code,
            validity=left,
            bulk=_is_bulk(m),
            unsubscribe=self._sending.unsubscribe(m, attempt.channel),
        )


def _waits(option: way.Option) -> bool:
    return bool(option.wait or option.rest)


def _is_bulk(m: Message) -> bool:
    """Whether it may wait a moment to travel with others."""
    return m.rank not in URGENT and (m.priority is Priority.LOW or m.batch_id is not None)
