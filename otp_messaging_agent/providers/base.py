"""The contract of a provider: hand one message to a vendor, or say exactly why not.

A provider is one file in this folder with

* `Settings`, a pydantic model (extra="forbid") of its `api_config` without `provider`;
* `CHANNELS`, the channels it can carry;
* `make(settings, context)`, which connects to nothing and starts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from ..inbox import Inbox
from ..message import Channel, MessageType, Receipt, Status


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message as a provider gets it.

    to: E.164 number, or e-mail address for Email.
    code: the one-time code in `content`, for channels that say it digit by digit.
    validity: seconds after which it must not be delivered any more; None = no limit.
    """

    attempt_id: str
    message_id: str
    channel: Channel
    type: MessageType
    to: str
    content: str
    subject: str | None = None
    code: str | None = None
    validity: float | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A provider took the message.

    status: `sent`, or already `delivered` where the provider knows at once.
    """

    provider_message_id: str
    status: Status = Status.SENT
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What a provider may use beside its settings.

    name: under which it stands in the config and in stored attempts.
    """

    name: str
    inbox: Inbox
    clock: Callable[[], float]
    sleep: Callable[[float], None]


class Provider(Protocol):
    """A vendor. Every method may be called from many threads at once."""

    receipts: bool
    """Whether this provider will say what became of a message (`sent` is final where not)."""

    def send(self, out: Outgoing, *, timeout: float) -> Sent:
        """Hand *out* over and return within *timeout* seconds of wall clock.

        Raises SendError and nothing else; its `ambiguous` is True where the vendor may have
        taken the message.
        """

    def lookup(self, out: Outgoing, *, since: float, timeout: float) -> Sent | None:
        """Say whether an earlier send of *out*, begun at *since*, was taken; None = it was not.

        Raises LookupUnsupported where the vendor cannot be asked, SendError where it did not
        answer.
        """

    def poll(self, now: float) -> Iterable[Receipt]:
        """Return receipts that came by no webhook; called about once a second."""

    def close(self) -> None:
        """Release connections; the provider is not used again."""
