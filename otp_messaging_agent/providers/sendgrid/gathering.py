"""Lets threads that send at about the same time share one call, each with its own deadline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Event, Lock
from time import monotonic
from typing import Any, NamedTuple

from ...safety.outbound import Answer, OutboundError

WAIT = 0.05
"""Seconds that the first waits for others, at most a quarter of the time it has."""

MOST = 1000
"""Letters in a call: the personalizations that SendGrid takes."""


class Letter(NamedTuple):
    """One mail. envelope: its personalization; bodies: as plain text and as HTML."""

    to: str
    envelope: Mapping[str, Any]
    bodies: tuple[str, str]


Post = Callable[[list[Letter], float], Answer]


class _Call:
    """Letters that go together; `answer` is what everyone who brought one waits for."""

    def __init__(self, deadline: float) -> None:
        self.letters: list[Letter] = []
        self.recipients: set[str] = set()
        self.deadline = deadline
        self.closed = Event()
        self.answer: Future[Answer] = Future()

    def takes(self, letter: Letter, deadline: float) -> bool:
        """Whether *letter* may come along: SendGrid lets a call name nobody twice.

        A call ends by the deadline of who leads it, so nobody with an earlier one may wait for it,
        and nobody with an earlier one shortens it for the others.
        """
        return deadline >= self.deadline and letter.to.casefold() not in self.recipients

    def add(self, letter: Letter) -> None:
        """Take *letter* along; the last there is room for closes the call."""
        self.letters.append(letter)
        self.recipients.add(letter.to.casefold())
        if len(self.letters) == MOST:
            self.closed.set()


class Gathering:
    """Where they meet. post: makes one call, by a deadline on the clock of `monotonic`."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._lock = Lock()
        self._open: _Call | None = None

    def post(self, letter: Letter, deadline: float) -> tuple[Answer, bool]:
        """Return the answer to the call *letter* went in, and whether others were in it.

        Raises what the call raised, for every letter in it, and OutboundError at *deadline*.
        """
        call, leads = self._join(letter, deadline)
        if leads:
            self._lead(call)
        try:
            answer = call.answer.result(max(0.0, deadline - monotonic()))
        except TimeoutError as e:
            raise OutboundError(e, written=True) from None
        return answer, len(call.letters) > 1

    def _join(self, letter: Letter, deadline: float) -> tuple[_Call, bool]:
        with self._lock:
            call = self._open
            fits = call is not None and not call.closed.is_set() and call.takes(letter, deadline)
            if call is None or not fits:
                if call is not None:
                    call.closed.set()  # it goes now: a thread finds only the newest
                call = self._open = _Call(deadline)
            call.add(letter)
        return call, not fits

    def _lead(self, call: _Call) -> None:
        try:
            self._wait_for_others(call)
            call.answer.set_result(self._post(call.letters, call.deadline))
        except Exception as e:  # noqa: BLE001 - every waiting thread raises it for itself
            call.answer.set_exception(e)
        except BaseException:  # this thread ends; the others must not wait for it
            call.answer.set_exception(OutboundError(ConnectionError(), written=True))
            raise

    def _wait_for_others(self, call: _Call) -> None:
        try:
            call.closed.wait(min(WAIT, (call.deadline - monotonic()) / 4))
        finally:
            with self._lock:
                call.closed.set()
