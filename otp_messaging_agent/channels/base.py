"""The contract of a channel: what the medium can carry, and to whom. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .. import segments
from ..message import Message


@dataclass(frozen=True, slots=True)
class Medium:
    """The rules and priors of one channel.

    address: the field of a message that this channel sends to.
    max_length: characters of content the medium takes.
    reliability: share of messages expected to arrive with no evidence yet (0 to 1).
    latency: seconds from the send until one arrives, with no evidence yet.
    patience: seconds after which one without a receipt counts as lost, until its receipt comes.
    cost: money per message where the config names none.
    order: place among the fallbacks (SMS, WhatsApp, Call as the guide has it, then Email).
    receipt_within: seconds in which a receipt normally comes; later it counts as missing.
    fallback_after: seconds without a receipt after which a code or an alert goes another way
    too; None = never for that.
    counts_parts: whether long texts are sent, and cost, as several messages.
    billed_on_arrival: whether what does not arrive is free.
    seen: share of what arrives that is seen within minutes; noticed: seconds until it is.
    """

    address: str
    max_length: int
    reliability: float
    latency: float
    patience: float
    cost: float
    order: int
    receipt_within: float
    fallback_after: float | None = None
    counts_parts: bool = False
    billed_on_arrival: bool = False
    seen: float = 1.0
    noticed: float = 0.0

    def parts(self, content: str) -> int:
        """Return how many messages *content* is sent as."""
        return segments.count(content).parts if self.counts_parts else 1

    def unusable(self, message: Message) -> str | None:
        """Return why *message* cannot go this way, or None where it can."""
        if getattr(message, self.address) is None:
            return f"no {self.address}"
        if message.content is not None and len(message.content) > self.max_length:
            return f"content over {self.max_length} characters"
        return None

    def recipient(self, message: Message) -> str:
        """Return the address this channel sends to."""
        return str(getattr(message, self.address))
