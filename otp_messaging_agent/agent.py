"""The agent as programs use it: the composition root with the public methods on it.

`api_server.py` and a script of yours hold the same object; constructing it starts nothing.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from . import answer, log, view
from . import config as configuration
from .assembly import Parts, build, price_faults, provider_faults
from .errors import Conflict, IdempotencyConflict, NotFound, NotRunning
from .faults import invalid
from .flow import ingest
from .message import Status
from .people import People
from .request import CheckRequest, MessageRequest, OtpRequest
from .stores.base import KeyReused, Once

_log = log.get(__name__)
DRAIN_SECONDS = 10.0
"""How long a script that ends without `stop()` goes on sending what is due."""


class IntelligentOTPAgent(People):
    """Sends messages and checks codes.

    config: a path, a dict, or None for config.json in the working directory (the built-in
    sandbox where there is none); data_dir: where the store lies, default `data`.
    Raises ConfigError naming every fault. Use it as a context manager or call `stop`.
    """

    def __init__(
        self,
        config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        data_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.config = configuration.load(config, check=provider_faults, check_prices=price_faults)
        self.data_dir = Path(data_dir or "data")
        self._lock = threading.RLock()
        self._built: Parts | None = None
        self._processing = False
        self._stopped = False
        self._started_at = time.time()

    def __enter__(self) -> Self:
        """Return the agent itself; what was started is stopped at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ------------------------------------------------------------- life

    @property
    def _parts(self) -> Parts:
        """The parts, with the store opened on first use."""
        if self._built is not None and not self._stopped:
            return self._built
        with self._lock:
            if self._stopped:
                msg = "this agent was stopped"
                raise NotRunning(msg)
            if self._built is None:
                parts = build(self.config, self.data_dir)
                parts.store.open()
                self._built = parts
            return self._built

    def start_processing(self) -> None:
        """Start the workers; returns at once. A second call changes nothing."""
        with self._lock:
            if self._processing:
                return
            parts = self._parts
            self._processing = True
            self._started_at = time.time()
            for doubt in (*self.config.warnings(), *parts.keys.warnings):
                _log.warning("heed", detail=doubt)
            parts.dispatcher.tick()
            parts.queue.run(self._handle, parts.dispatcher, workers=self.config.workers)
            atexit.register(self._drain)

    def _handle(self, message_id: str) -> None:
        parts = self._parts
        if parts.dispatcher.leading:
            parts.deliverer.handle(message_id)

    def _drain(self) -> None:
        """At interpreter exit: go on for a while where messages are due, then stop."""
        end = time.monotonic() + DRAIN_SECONDS
        parts = self._parts
        while parts.dispatcher.leading and not parts.queue.idle() and time.monotonic() < end:
            time.sleep(0.02)
        self.stop(max(1.0, end - time.monotonic()))

    def stop(self, timeout: float = 10.0) -> bool:
        """Take no more work, finish what is being sent within *timeout* s, keep all on disk.

        Returns False where a send was still running then; what became of it is found out by
        the next process over the store.
        """
        with self._lock:
            if self._stopped:
                return True
            self._stopped, self._processing = True, False
            atexit.unregister(self._drain)
            parts = self._built
        if parts is None:
            return True
        done = parts.queue.stop(timeout)
        if done:
            parts.dispatcher.resign()
        for provider in parts.ways.providers.values():
            provider.close()
        parts.store.close(timeout)
        return done

    # ------------------------------------------------------------- sending

    def send_otp(
        self,
        phone_number: str | None = None,
        *,
        email: str | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> answer.OtpAccepted:
        """Send a code to a number or an e-mail address; returns once it is durable.

        fields: the rest of `OtpRequest` (user_id, purpose, preferred_channel, ttl_seconds ...).
        Raises InvalidRequest, RateLimited, QueueFull.
        """
        try:
            request = OtpRequest(phone_number=phone_number, email=email, **fields)
        except ValidationError as e:
            raise invalid(e) from None
        return self.submit_otp(request, once=self._once("send_otp", idempotency_key, request))

    def submit_otp(self, request: OtpRequest, *, once: Once | None = None) -> answer.OtpAccepted:
        """Take in a request for a code."""
        return self._parts.intake.send_otp(request, once)

    def send_message(self, request: MessageRequest, *, once: Once | None = None) -> answer.Accepted:
        """Take in one message; returns once it is durable."""
        return self._parts.intake.send_message(request, once)

    def send_bulk(
        self,
        requests: Sequence[MessageRequest | Mapping[str, Any]],
        *,
        once: Once | None = None,
    ) -> answer.BulkAccepted:
        """Take in up to 10 000 messages: good rows are taken, bad rows named."""
        return self._parts.intake.send_bulk(requests, once)

    # ------------------------------------------------------------- checking

    def verify_otp(
        self,
        phone_number: str | None = None,
        code: str | None = None,
        *,
        email: str | None = None,
        verification_id: str | None = None,
        purpose: str | None = None,
    ) -> answer.CheckResult:
        """Check the code somebody typed: `verify_otp("+44...", "123456")`."""
        given = {
            "phone_number": phone_number,
            "email": email,
            "verification_id": verification_id,
            "purpose": purpose,
            "code": code,
        }
        try:
            request = CheckRequest(**{k: v for k, v in given.items() if v is not None})
        except ValidationError as e:
            raise invalid(e) from None
        return self.check(request)

    def check(self, request: CheckRequest, *, once: Once | None = None) -> answer.CheckResult:
        """Check a code."""
        return self._parts.verifier.check(request, once)

    def cancel_verification(
        self, verification_id: str, *, once: Once | None = None
    ) -> view.VerificationView:
        """End a pending verification; its code is worth nothing from then on."""
        self._parts.verifier.cancel(verification_id, once)
        return self.verification(verification_id)

    def cancel(self, message_id: str, *, once: Once | None = None) -> view.MessageView:
        """Cancel a message that was not sent yet; Conflict where it is too late."""
        result = self._parts.store.cancel_message(message_id, time.time(), once)
        if result is None:
            msg = "no message has this id"
            raise NotFound(msg)
        if isinstance(result, KeyReused):
            msg = "this idempotency key was used with another body"
            raise IdempotencyConflict(msg)
        if isinstance(result, Status) and result is not Status.CANCELED:
            msg = f"the message is {result.value}; only one not yet sending can be canceled"
            raise Conflict(msg)
        return self.get_message(message_id)

    @staticmethod
    def _once(name: str, key: str | None, request: OtpRequest) -> Once | None:
        if key is None:
            return None
        return Once(f"{name}\n{key}", ingest.digest(request), time.time())
