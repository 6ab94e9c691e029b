"""What came of an attempt, kept: sent, try again at, or ended. Used by `deliver` and `ask`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .. import log
from ..channels.base import Medium
from ..errors import SendError
from ..message import Attempt, Channel, Message, MessageType, Outcome, Status, Ticket
from ..providers.base import Provider, Sent
from ..queues.base import Queue
from ..safety.addresses import country
from ..stores.base import Dispatch, Verdict, Work
from . import route, way
from .gate import Gate
from .learned import Learned
from .lesson import Place, place_of
from .score import FULL

ASK_AFTER = 2.0
"""Seconds before a provider is first asked about an ambiguous send; doubled each time."""

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether receipts of a channel are to be waited for.

    fallback_after: seconds until a code or an alert without one goes another way too, None =
    never. without: countries (ISO 3166-1 alpha-2) whose networks give none.
    """

    expected: bool = True
    fallback_after: float | None = None
    without: frozenset[str] = frozenset()


URGENT_TYPES = frozenset({MessageType.OTP, MessageType.ALERT})
"""What goes another way too where no receipt comes in time."""


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways out: providers by (channel, name), and how they are chosen."""

    options: Sequence[way.Option]
    providers: Mapping[tuple[Channel, str], Provider]
    policy: way.Policy
    learned: Learned
    gate: Gate
    clock: Callable[[], float]
    proof: Mapping[Channel, Proof] = field(default_factory=dict)

    def now(self) -> list[way.Option]:
        """Return the options with the waits that limits and resting providers ask for now."""
        found = [(o, *self.gate.load(o)) for o in self.options]
        return [
            replace(o, wait=wait, rest=rest, used=used) if wait or rest or used >= FULL else o
            for o, wait, rest, used in found
        ]

    def decide(
        self, work: Work, attempts: Sequence[Attempt], place: Place | None = None
    ) -> way.Decision:
        """Rank the ways for the next try of *work* after *attempts*, as they stand now.

        place: where it goes, None: what its number says.
        """
        place = place or place_of(work.message.phone_number)
        return route.decide(
            work.message,
            attempts,
            self.now(),
            self.policy,
            self.learned.outlook(place, self.clock()),
            work.blocked,
        )

    def receipt_by(self, m: Message, a: Attempt, now: float) -> float | None:
        """Return when the receipt of *a* is overdue, None where none is to be expected."""
        proof = self.proof.get(a.channel, Proof())
        to = country(m.phone_number) if proof.without and m.phone_number else None
        if not proof.expected or to in proof.without:
            return None
        another = self._another(a)
        if m.type in URGENT_TYPES and another and proof.fallback_after is not None:
            return now + proof.fallback_after
        return now + self.medium(a.channel).receipt_within

    def _another(self, a: Attempt) -> bool:
        """Whether a way is left for a message should *a* not arrive."""
        most, way = self.policy.max_attempts, (a.channel.value, a.provider)
        ranked = [(o["channel"], o["provider"]) for o in a.decision.get("ranked", ())]
        again = a.number <= self.policy.retries.max_retries  # so a sibling may be tried
        left = [w for w in ranked if w[0] != way[0] or (again and w != way)]
        return bool(left) and (most is None or a.number < most)

    def medium(self, channel: Channel) -> Medium:
        """Return the rules of a channel that is on."""
        return next(o.medium for o in self.options if o.channel is channel)


class Verdicts:
    """Writes verdicts and puts the ticket of whatever is to be tried again."""

    def __init__(
        self,
        store: Dispatch,
        queue: Queue,
        ways: Ways,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._store = store
        self._queue = queue
        self._ways = ways
        self._clock = clock
        self._random = random

    def sent(self, m: Message, attempt: Attempt, provider: Provider, sent: Sent) -> None:
        """Keep that the provider took it."""
        now = self._clock()
        known = sent.status is not Status.SENT
        awaited = provider.receipts and not known
        ended = replace(
            attempt,
            finished_at=now,
            outcome=Outcome.SENT,
            provider_message_id=sent.provider_message_id,
            cost=_planned(attempt) if sent.cost is None else sent.cost,
            receipt_by=self._ways.receipt_by(m, attempt, now) if awaited else None,
            receipt_status=sent.status if known else None,
            receipt_at=now if known else None,
            error_code=None,
        )
        verdict = Verdict(m.id, m.version, sent.status, now, attempt=ended)
        self._store.settle(verdict, wait=False)

    def failed(self, work: Work, attempt: Attempt, error: SendError) -> None:
        """Keep that the provider did not take it, or that nobody knows."""
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
            self.later(m, m.version, Status.SENDING, now + ASK_AFTER, now, ended)
        else:
            self.next(work, ended, now)

    def next(self, work: Work, ended: Attempt, now: float) -> None:
        """After a try that did not send: retry, fall back, or end."""
        m = work.message
        tried = [*work.attempts, ended]
        if route.ends_message(ended):
            over = ended.error_code == "expired"  # its last second passed before it was sent
            status = Status.EXPIRED if over else Status.FAILED
            self.end(m, status, ended.error_code, now, ended)
            return
        policy = self._ways.policy
        decision = self._ways.decide(work, tried)
        due = route.next_try(tried, decision, policy, self._random())
        if due is not None and m.expires_at is not None and due >= m.expires_at:
            due = route.next_try(tried, decision, policy, 0.0)  # jitter must not end it
        if due is None:
            self.end(m, *self.nothing_left(tried, decision), now, ended)
        else:
            self.later(m, m.version, Status.QUEUED, due, now, ended)

    @staticmethod
    def nothing_left(
        attempts: Sequence[Attempt], decision: way.Decision
    ) -> tuple[Status, str | None]:
        """Return how a message ends for which no way is left, and why."""
        if route.suppressed(decision):
            return Status.SUPPRESSED, "opted_out"
        if route.out_of_time(decision):
            return Status.EXPIRED, "expired"
        if not attempts and any(s.out in route.DEAR for s in decision.excluded):
            return Status.FAILED, "over_price_ceiling"
        return Status.FAILED, attempts[-1].error_code if attempts else "no_channel"

    def later(
        self,
        m: Message,
        version: int,
        status: Status,
        due_at: float,
        now: float,
        attempt: Attempt | None = None,
    ) -> None:
        """Try again at *due_at*; version is the one the message was read with."""
        verdict = Verdict(
            m.id,
            version,
            status,
            now,
            due_at=due_at,
            error_code=None if attempt is None else attempt.error_code,
            attempt=attempt,
        )
        self._store.settle(verdict)
        self._queue.put(Ticket(m.rank, due_at, m.id))

    def end(
        self,
        m: Message,
        status: Status,
        code: str | None,
        now: float,
        attempt: Attempt | None = None,
    ) -> None:
        """Nothing more will be tried."""
        self._store.settle(Verdict(m.id, m.version, status, now, error_code=code, attempt=attempt))
        _log.info("message_ended", message_id=m.id, status=status.value, code=code)


def _planned(a: Attempt) -> float:
    """Return what the attempt was to cost; one that was open for a while kept it here alone."""
    way = a.channel.value, a.provider
    ranked = a.decision.get("ranked", ())
    planned = (o["cost"] for o in ranked if (o["channel"], o["provider"]) == way)
    return float(next(planned, a.cost))
