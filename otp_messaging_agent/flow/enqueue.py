"""3. Remembered once, durable, one ticket each: nothing is acknowledged before it is committed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import BaseModel

from ..answer import Accepted, BulkAccepted, OtpAccepted
from ..errors import Fault, IdempotencyConflict, InvalidRequest, QueueFull, RateLimited
from ..ids import Ids
from ..message import URGENT, Message, MessageType, Status, Ticket
from ..otp import code_hash, make_code
from ..queues.base import Queue
from ..request import MessageRequest, OtpRequest
from ..safety import consent
from ..stores import base as stores
from . import ingest, remembered, validate

A = TypeVar("A", bound=BaseModel)
MAX_ROWS = 10_000
"""Rows in one bulk request."""


@dataclass(frozen=True, slots=True)
class Codes:
    """How codes are made. key: of their hashes; the rest as in `otp` of the config."""

    key: bytes
    ttl: float
    length: int
    max_attempts: int
    limits: stores.Limits


@dataclass(frozen=True, slots=True)
class Bound:
    """How many messages may wait before new ones are refused, for *retry_after* s."""

    max_waiting: int
    retry_after: float


class Intake:
    """Takes requests in. Every method returns only when what it took is durable."""

    def __init__(
        self,
        store: stores.Intake,
        queue: Queue,
        rules: validate.Rules,
        codes: Codes,
        bound: Bound,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._queue = queue
        self._rules = rules
        self._codes = codes
        self.bound = bound
        self._clock = clock
        self._ids = Ids(clock)
        self.leading = False
        """Whether tickets go straight into this process's queue; else the dispatcher pages them."""
        self.waiting = 0
        """Messages that wait, as last counted; the bound is checked against it."""

    def send_message(self, request: MessageRequest, once: stores.Once | None) -> Accepted:
        """Take one message in."""
        if (earlier := self._earlier(once, Accepted)) is not None:
            return earlier
        now = self._clock()
        submission = stores.Submission(
            lambda: self._admit([self._row(request, now)]),
            now,
            once=once,
            respond=remembered.one,
            judge=self._judge,
        )
        return self._submit(submission, Accepted)

    def send_otp(self, request: OtpRequest, once: stores.Once | None) -> OtpAccepted:
        """Issue a code, or send the pending one again."""
        if (earlier := self._earlier(once, OtpAccepted)) is not None:
            return earlier
        now = self._clock()
        submission = stores.Submission(
            lambda: self._admit([self._order(request, now)]),
            now,
            once=once,
            respond=remembered.otp,
        )
        return self._submit(submission, OtpAccepted)

    def send_bulk(
        self, rows: Sequence[MessageRequest | Mapping[str, Any]], once: stores.Once | None
    ) -> BulkAccepted:
        """Take the good rows in and name the bad ones; InvalidRequest where none is good."""
        if not rows or len(rows) > MAX_ROWS:
            raise InvalidRequest([Fault(("messages",), f"must have 1 to {MAX_ROWS} rows")])
        if (earlier := self._earlier(once, BulkAccepted)) is not None:
            return earlier
        now = self._clock()
        good: list[stores.Row] = []
        errors: dict[int, InvalidRequest] = {}
        for index, row in enumerate(rows):
            try:
                good.append(self._row(ingest.read(row), now))
            except InvalidRequest as e:
                errors[index] = e
        if not good:
            raise InvalidRequest(
                [Fault(("messages", i, *f.loc), f.msg) for i, e in errors.items() for f in e.faults]
            )
        self._admit(good)
        batch_id = self._ids("bat")
        good = [_in_batch(row, batch_id) for row in good]
        indexes = [i for i in range(len(rows)) if i not in errors]

        def respond(results: Sequence[stores.RowResult]) -> Any:
            return remembered.bulk(batch_id, indexes, results, errors)

        submission = stores.Submission(good, now, batch_id, len(errors), once, respond, self._judge)
        return self._submit(submission, BulkAccepted)

    # ---------------------------------------------------------------- rows

    def _row(self, request: MessageRequest, now: float) -> stores.Row:
        if request.message_type is MessageType.OTP:
            return self._order(request.as_otp(), now)
        return validate.message(request, message_id=self._ids("msg"), now=now, rules=self._rules)

    def _order(self, request: OtpRequest, now: float) -> stores.OtpOrder:
        codes = self._codes
        expires_at = now + (request.ttl_seconds or codes.ttl)
        message = validate.otp(
            request,
            message_id=self._ids("msg"),
            now=now,
            expires_at=expires_at,
            rules=self._rules,
        )
        verification_id = self._ids("ver")
        code = make_code(request.code_length or codes.length)
        return stores.OtpOrder(
            message=message,
            verification_id=verification_id,
            purpose=request.purpose,
            code=code,
            code_hash=code_hash(codes.key, verification_id, code),
            expires_at=expires_at,
            max_attempts=codes.max_attempts,
            limits=codes.limits,
        )

    # ---------------------------------------------------------------- taking in

    def _judge(self, m: Message, blocked: Sequence[stores.Blocked]) -> Message:
        """Suppress a message at once where its recipient wants none by any way it could go."""
        rules = self._rules
        able = [c for c, medium in rules.media.items() if medium.unusable(m) is None]
        if not all(consent.bars(blocked, c, m.type, rules.stop_types) for c in able):
            return m
        return replace(
            m,
            status=Status.SUPPRESSED,
            due_at=None,
            scheduled_for=None,
            finished_at=m.created_at,
            error_code="opted_out",
        )

    def _admit(self, rows: Sequence[stores.Row]) -> Sequence[stores.Row]:
        """Return *rows*, or refuse what is over the bound; its last tenth is for urgent ones."""
        bound = self.bound.max_waiting
        if not all(_message(row).rank in URGENT for row in rows):
            bound -= bound // 10
        if self.waiting + len(rows) > bound:
            msg = f"{bound} messages wait already"
            raise QueueFull(msg, retry_after=self.bound.retry_after)
        return rows

    def _earlier(self, once: stores.Once | None, answer: type[A]) -> A | None:
        """Return the answer an earlier request with the same key got.

        Before anything is checked: what was right then may be too late by now.
        """
        found = None if once is None else self._store.answered(once)
        return None if found is None else _again(found, answer)

    def _submit(self, submission: stores.Submission, answer: type[A]) -> A:
        results = self._store.submit(submission)
        if isinstance(results, stores.Replay | stores.KeyReused):
            return _again(results, answer)
        if all(isinstance(r, stores.Limited) for r in results):
            raise _limited(results, submission.at)
        self.waiting += len(results)
        if self.leading:
            for ticket in map(_ticket, results):
                if ticket is not None:
                    self._queue.put(ticket)
        assert submission.respond is not None  # noqa: S101 - every submission above has one
        return answer.model_validate(submission.respond(results))


def _again(found: stores.Replay | stores.KeyReused, answer: type[A]) -> A:
    if isinstance(found, stores.KeyReused):
        msg = "this idempotency key was used with another body"
        raise IdempotencyConflict(msg)
    return answer.model_validate(found.response)


def _message(row: stores.Row) -> Message:
    return row if isinstance(row, Message) else row.message


def _ticket(result: stores.RowResult) -> Ticket | None:
    """Return the ticket of what was kept, None where nothing is to be sent."""
    if isinstance(result, stores.Limited):
        return None
    message = result if isinstance(result, Message) else result.message
    return None if message.due_at is None else Ticket(message.rank, message.due_at, message.id)


def _in_batch(row: stores.Row, batch_id: str) -> stores.Row:

    if isinstance(row, Message):
        return replace(row, batch_id=batch_id)
    return replace(row, message=replace(row.message, batch_id=batch_id))


def _limited(results: Sequence[stores.RowResult], now: float) -> RateLimited:
    free = min(r.free_at for r in results if isinstance(r, stores.Limited))
    msg = "too many codes or wrong tries for this recipient"
    return RateLimited(msg, retry_after=free - now)
