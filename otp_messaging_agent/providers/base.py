"""The contract of a provider: hand one message to a vendor, or say exactly why not.

Below it stands what vendors over HTTP share: from their codes to ours, from a wire to a verdict.

A provider is one file in this folder with

* `Settings`, a pydantic model (extra="forbid") of its `api_config` without `provider`;
* `CHANNELS`, the channels it can carry;
* `make(settings, context)`, which connects to nothing and starts nothing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeVar
from urllib.parse import urlsplit

from ..errors import LookupUnsupported, Scope, SendError
from ..faults import shaped
from ..inbox import Inbox
from ..message import Channel, Inbound, MessageType, Receipt, Status
from ..safety.outbound import Answer, OutboundError

T = TypeVar("T")
_URL = shaped(r"https?://[!-\"$->A-~]+", "must be https:// and a host, without blanks and #?@")
BaseUrl = Annotated[str, _URL]
"""Where a vendor's API is instead: for proxies, tests and regions."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message as a provider gets it.

    to: E.164 number, or e-mail address for Email.
    code: the one-time code in `content`, for channels that say it digit by digit.
    validity: seconds after which it must not be delivered any more; None = no limit.
    bulk: not urgent, so it may wait a moment to travel with others in one call.
    unsubscribe: https URL at which the recipient can opt out of such messages.
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
    bulk: bool = False
    unsubscribe: str | None = None


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
    public_url: where this service can be reached, without a slash at its end.
    """

    name: str
    inbox: Inbox
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    public_url: str = "http://127.0.0.1:5000"

    def callback(self, api: str | None) -> str | None:
        """Return the URL at which the vendor can report what became of messages.

        api: where the vendor's API is, None for the vendor's own address. None is returned where
        the vendor is elsewhere and this service can only be reached from its own machine.
        """
        if _is_loopback(self.public_url) and (api is None or not _is_loopback(api)):
            return None
        return f"{self.public_url}/webhooks/{self.name}/status"


@dataclass(frozen=True, slots=True)
class Callback:
    """A request that came to one of a provider's webhooks.

    url: as the vendor was told it (public_url, path and query as received), which signatures
    cover; query: its parameters in order; headers: names in lower case; body: as it came;
    at: when it came.
    """

    method: str
    url: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What a callback said; `answer` is the text the vendor wants back."""

    receipts: Sequence[Receipt] = ()
    inbound: Sequence[Inbound] = ()
    answer: str = ""


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

    def hear(self, callback: Callback) -> Heard:
        """Read a callback, of either webhook, after checking the vendor's signature.

        Raises Forged where it is not the vendor's, ValueError for what cannot be read. What says
        nothing of interest (a status on the way) is an empty Heard.
        """

    def poll(self, now: float) -> Iterable[Receipt]:
        """Return receipts that came by no webhook; called about once a second."""

    def close(self) -> None:
        """Release connections; the provider is not used again."""


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# ------------------------------------------------------------------ what vendors over HTTP share

Verdicts = Mapping[str, tuple[str, bool, Scope]]
"""A vendor's code, or HTTP400, HTTP4xx -> our code, permanent, what it says something about."""


def verdicts(rows: Iterable[tuple[str, bool, Scope, str]]) -> Verdicts:
    """Return a table from rows whose last field lists the vendor's codes, apart by blanks."""
    return {theirs: row[:3] for row in rows for theirs in row[3].split()}


def refusal(answer: Answer, theirs: str | None, table: Verdicts) -> SendError:
    """Return the error that an HTTP answer other than 2xx stands for; *theirs*: the vendor's code.

    The status is asked first: 408 and 5xx may hide a message that was taken, 429 never does.
    Then the code, the status, and its family, which *table* must hold.
    """
    status = f"HTTP{answer.status}"
    family = f"{status[:-2]}xx"
    lost = status == "HTTP408" or family not in {"HTTP3xx", "HTTP4xx"}
    first = "HTTP5xx" if lost else "HTTP429" if status == "HTTP429" else theirs or status
    name, permanent, scope = table.get(first) or table.get(status) or table[family]
    wait = answer.headers.get("Retry-After", "")
    return SendError(
        name,
        permanent=permanent,
        scope=scope,
        retry_after=float(wait) if re.fullmatch("[0-9]{1,6}", wait) else None,
        detail=f"HTTP {answer.status}, error {theirs or 'none'}",  # their text repeats the number
        ambiguous=lost,
    )


def on_the_wire(ask: Callable[[], T]) -> T:
    """Return what *ask* returns; what goes wrong on the way or with the answer is a SendError."""
    try:
        return ask()
    except (SendError, LookupUnsupported):
        raise
    except OutboundError as e:
        raise SendError(e.code, ambiguous=e.written, detail=e.detail) from None
    except Exception as e:  # noqa: BLE001 - we, or an SDK, fell over what was answered
        why = type(e).__name__
        raise SendError("garbled_answer", ambiguous=True, detail=why) from None
