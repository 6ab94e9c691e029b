"""Every error the agent raises: one tree, each with a stable `code` and `permanent`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input: where it is and what is allowed there.

    `msg` never repeats the value, so a fault can be logged and shown to anyone.
    """

    loc: tuple[str | int, ...]
    msg: str

    def as_json(self) -> dict[str, object]:
        """Return `{"loc": [...], "msg": ...}`, the shape every answer uses."""
        return {**asdict(self), "loc": list(self.loc)}


class AgentError(Exception):
    """Base of all errors of the agent; `status` is the HTTP status that says the same."""

    code = "internal"
    permanent = True
    status = 500

    def __init__(self, detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(detail or self.code)
        self.detail = detail
        self.retry_after = retry_after


class ConfigError(AgentError):
    """The configuration has faults; `faults` names every one of them."""

    code = "invalid_config"

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = list(faults)


class InvalidRequest(AgentError):
    """The request has faults; nothing of it was taken."""

    code = "invalid_request"
    status = 422

    def __init__(self, faults: Sequence[Fault], code: str = "invalid_request") -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, f.loc))}: {f.msg}" for f in faults))
        self.faults = list(faults)
        self.code = code


class NotFound(AgentError):
    """Nothing has that id."""

    code = "not_found"
    status = 404


class Conflict(AgentError):
    """The state the thing is in does not allow that."""

    code = "conflict"
    status = 409


class IdempotencyConflict(Conflict):
    """The idempotency key was used before with another body."""

    code = "idempotency_key_reused"


class RateLimited(AgentError):
    """A limit of the recipient is reached; `retry_after` says in how many seconds it is free."""

    code = "rate_limited"
    permanent = False
    status = 429


class QueueFull(AgentError):
    """More messages wait than the configured bound; try again in `retry_after` seconds."""

    code = "queue_full"
    permanent = False
    status = 503


class StoreUnavailable(AgentError):
    """The store could not take the write (disk full, locked); nothing of it was kept."""

    code = "store_unavailable"
    permanent = False
    status = 503


class NotRunning(AgentError):
    """The agent was stopped; it takes no more work."""

    code = "stopped"
    permanent = False
    status = 503


class Scope(StrEnum):
    """What a permanent failure says something about, and so how much it ends."""

    RECIPIENT = "recipient"  # no channel can reach this person: the message ends
    CHANNEL = "channel"  # this channel cannot reach this person: the next channel
    PROVIDER = "provider"  # this provider cannot send this message: the next provider
    ACCOUNT = "account"  # this account sends nothing to anybody: the next provider
    MESSAGE = "message"  # no one would carry this content: the message ends


class SendError(AgentError):
    """A provider did not take a message.

    code: ours, stable, e.g. `invalid_number`; the vendor's own code stands in `detail`.
    permanent: trying the same again cannot help.
    scope: what a permanent error ends (`Scope`).
    retry_after: seconds the provider asked to wait, if it did.
    ambiguous: the request was written and its answer never understood, so the message may
        have been taken: ask the provider before sending again.
    """

    def __init__(
        self,
        code: str,
        *,
        permanent: bool = False,
        scope: Scope = Scope.PROVIDER,
        retry_after: float | None = None,
        detail: str = "",
        ambiguous: bool = False,
    ) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.code = code
        self.permanent = permanent
        self.scope = scope
        self.ambiguous = ambiguous


class LookupUnsupported(AgentError):
    """The provider cannot say whether it took a message."""

    code = "lookup_unsupported"


class Forged(AgentError):
    """What came to a webhook was not signed by the vendor."""

    code = "bad_signature"
    status = 403
