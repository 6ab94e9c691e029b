"""One thread that writes: what waits becomes one transaction, so a sync is shared by many.

Callers of one moment have no order among themselves, so calls of the same operation are handed
to it together: an operation is a function (connection, arguments) -> results, one for each.
Where a transaction fails, its calls are tried one by one, so that only the bad one fails.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ... import log
from ...errors import NotRunning, StoreUnavailable

_log = log.get(__name__)
A = TypeVar("A")
R = TypeVar("R")
Operation = Callable[[Connection, Sequence[A]], Sequence[R]]

MAX_BATCH = 24
"""Calls in one transaction. More would share its sync, but keep all waiting for the last: workers
would then send in step, and answer in step."""

LINGER = 0.002
"""Seconds a transaction waits at most for as many calls as the last one had: a sync costs as
much as dozens of rows, and callers of the last transaction are likely to be back at once. Where
they were not, that is not tried again for a while."""

LAZY = 0.01
"""Seconds a call that nobody waits for waits at most for one that somebody does."""

LOST = 1.0
"""Seconds after which a caller looks for itself whether its call has ended."""

_MOST_DOUBT = 63


class _Call:
    """One call waiting for its commit; `done` is released once it has a result or an error."""

    __slots__ = ("argument", "done", "ended", "error", "next", "operation", "result", "urgent")

    def __init__(self, operation: Callable[..., Any], argument: Any, *, urgent: bool) -> None:
        self.operation = operation
        self.argument = argument
        self.urgent = urgent
        self.ended = False
        self.next: _Call | None = None
        self.result: Any = None
        self.error: Exception | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def is_made(self) -> bool:
        """Make the argument where it is to be made here; False where that failed."""
        if callable(self.argument):
            try:
                self.argument = self.argument()
            except Exception as e:  # noqa: BLE001 - goes to the caller, the thread lives on
                self.error = e
        return self.error is None

    def wait(self) -> Any:
        """Wait for the end; then wake the next that waits, one at a time.

        All at once they would only wait again, for the interpreter. Where one was interrupted
        and woke nobody, the next finds out by itself.
        """
        while not self.done.acquire(timeout=LOST):
            if self.ended:
                break
        if self.next is not None:
            with contextlib.suppress(RuntimeError):  # it found out by itself
                self.next.done.release()
        if self.error is not None:
            raise self.error
        return self.result


class Writer:
    """Carries out write operations durably, in groups."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._driver_error: type[Exception] = engine.dialect.loaded_dbapi.Error
        self._calls: deque[_Call] = deque()
        self._gate = threading.Condition(threading.Lock())
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._closed = False
        self._urgent = 0
        self._wanted = self._expected = 1
        self._doubt = self._skip = 0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Write all that waits, then end."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._gate.notify()
        if self._thread.is_alive():  # else it was never started: somebody only read
            self._thread.join(timeout)

    def call(self, operation: Operation[A, R], argument: A | Callable[[], A]) -> R:
        """Return the operation's result for *argument* once it is committed.

        argument: or what makes it, called here before the transaction begins.
        """
        result: R = self._hand_in(_Call(operation, argument, urgent=True)).wait()
        return result

    def post(self, operation: Operation[A, R], argument: A | Callable[[], A]) -> None:
        """Hand in a call that nobody waits for; it travels with the next that somebody does."""
        self._hand_in(_Call(operation, argument, urgent=False))

    def _hand_in(self, call: _Call) -> _Call:
        with self._gate:
            if self._closed:
                msg = "the store is closed"
                raise NotRunning(msg)
            self._calls.append(call)
            self._urgent += call.urgent
            # Every wake-up takes the interpreter from a caller about to hand in the next call.
            if self._urgent >= self._wanted or len(self._calls) == 1:
                self._gate.notify()
        return call

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            calls = [call for call in taken if call.is_made()]
            try:
                if calls:
                    self._commit(calls)
            except Exception:  # noqa: BLE001 - one bad call must not fail the others
                for call in calls:
                    self._alone(call)
            self._tell([call for call in taken if call.urgent])

    def _take(self) -> list[_Call] | None:
        """Return what waits, None once that is nothing and never will be again."""
        calls = self._calls
        with self._gate:
            self._wanted = 1
            while not self._urgent and not self._closed:
                if not self._gate.wait(LAZY if calls else None):
                    break
            if not calls:
                return None
            if self._urgent < self._expected and not self._closed:
                self._linger()
            taken = [calls.popleft() for _ in range(min(len(calls), MAX_BATCH))]
            self._expected = sum(call.urgent for call in taken)
            self._urgent -= self._expected
            return taken

    def _linger(self) -> None:
        """Wait for as many as came last time, unless they did not come lately. The gate is held."""
        if self._skip:
            self._skip -= 1
            return
        self._wanted = self._expected
        came = self._gate.wait(LINGER)
        self._doubt = 0 if came else min(2 * self._doubt + 1, _MOST_DOUBT)
        self._skip = self._doubt

    @staticmethod
    def _tell(waiting: Sequence[_Call]) -> None:
        for call, after in itertools.pairwise(waiting):
            call.next = after
        for call in waiting:
            call.ended = True
        if waiting:
            waiting[0].done.release()

    def _commit(self, calls: Sequence[_Call]) -> None:
        groups: dict[Callable[..., Any], list[_Call]] = {}
        for call in calls:
            groups.setdefault(call.operation, []).append(call)
        with self._engine.begin() as connection:
            for operation, group in groups.items():
                results = operation(connection, [c.argument for c in group])
                for call, result in zip(group, results, strict=True):
                    call.result = result

    def _alone(self, call: _Call) -> None:
        try:
            self._commit([call])
        except (SQLAlchemyError, self._driver_error) as e:
            call.error = StoreUnavailable(f"the store could not write: {type(e).__name__}")
            call.error.__cause__ = e
        except Exception as e:  # noqa: BLE001 - goes to the caller, the thread lives on
            call.error = e
        if call.error is not None:
            reason = type(call.error.__cause__ or call.error).__name__
            _log.error("write_failed", operation=call.operation.__name__, error=reason)
