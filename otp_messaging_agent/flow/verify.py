"""The way back: a code somebody typed -> counted, compared, answered."""

from __future__ import annotations

from collections.abc import Callable

from ..answer import CheckResult
from ..errors import Conflict, IdempotencyConflict, NotFound, RateLimited
from ..message import VerificationStatus
from ..otp import matches
from ..request import CheckRequest
from ..stores import base as stores
from . import validate
from .enqueue import Codes

DEFAULT_PURPOSE = "login"


class Verifier:
    """Checks codes; every answer is durable before it is given."""

    def __init__(
        self,
        store: stores.Intake,
        rules: validate.Rules,
        codes: Codes,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._rules = rules
        self._codes = codes
        self._clock = clock

    def check(self, request: CheckRequest, once: stores.Once | None) -> CheckResult:
        """Count one try and say whether the code was right; RateLimited past a day's bound."""
        recipient, code = validate.check(request, self._rules)
        now = self._clock()
        key = self._codes.key
        result = self._store.check(
            stores.Check(
                at=now,
                matches=lambda verification_id, stored: matches(key, verification_id, code, stored),
                limits=self._codes.limits,
                verification_id=request.verification_id,
                recipient=recipient,
                purpose=request.purpose or DEFAULT_PURPOSE,
                once=once,
            )
        )
        if isinstance(result, stores.KeyReused):
            msg = "this idempotency key was used with another body"
            raise IdempotencyConflict(msg)
        if isinstance(result, stores.Limited):
            msg = "too many wrong tries for this recipient"
            raise RateLimited(msg, retry_after=result.free_at - now)
        if isinstance(result, stores.Replay):
            return CheckResult.model_validate(result.response)
        return CheckResult(
            verified=result.verified,
            status=result.status,
            reason=result.reason,
            attempts_remaining=result.attempts_remaining,
        )

    def cancel(self, verification_id: str, once: stores.Once | None) -> None:
        """End a pending verification; NotFound, or Conflict where it has ended otherwise."""
        result = self._store.cancel_verification(verification_id, self._clock(), once)
        if result is None:
            msg = "no verification has this id"
            raise NotFound(msg)
        if isinstance(result, stores.KeyReused):
            msg = "this idempotency key was used with another body"
            raise IdempotencyConflict(msg)
        if isinstance(result, VerificationStatus) and result is not VerificationStatus.CANCELED:
            msg = f"the verification is {result.value}"
            raise Conflict(msg)
