"""Consent: who wants no more of what, and what people write to us."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ...message import Channel, Inbound, Message, MessageType
from .once import KeyReused, Once, Replay


@dataclass(frozen=True, slots=True)
class OptOut:
    """Somebody wants no more messages.

    recipient: E.164 number or e-mail address. channel, category: None = all of them, of
    categories all that the configuration's `consent.stop_types` names.
    source: `inbound`, `link` or `api`.
    """

    id: str
    recipient: str
    at: float
    source: str
    channel: Channel | None = None
    category: MessageType | None = None


Blocked = tuple[Channel | None, MessageType | None]
"""Channel and category of an opt-out, as `OptOut` has them."""


class Consent(Protocol):
    """Who wants no more of what."""

    def opt_out(self, wish: OptOut, once: Once | None = None) -> str | Replay | KeyReused:
        """Keep *wish*; return the id under which it stands.

        That is an earlier one's where the same (recipient, channel, category) stood already.
        """

    def opt_in(self, recipient: str, channel: Channel | None) -> int:
        """Drop what stands of *recipient* on *channel* (None: on all); return how many."""

    def revoke(self, opt_out_id: str) -> bool:
        """Drop one opt-out; False where there is none."""

    def opt_outs(
        self, *, limit: int, after: str | None = None, recipient: str | None = None
    ) -> Sequence[OptOut]:
        """Return opt-outs, newest first; *after* is the id that the last page ended with."""

    def blocked(self, message: Message) -> Sequence[Blocked]:
        """Return what the recipient of *message* has opted out of."""


class Letters(Protocol):
    """What people write to us."""

    def note(self, inbound: Inbound) -> bool:
        """Keep what somebody wrote; False where the same came before."""

    def noted(self, inbound: Inbound) -> bool:
        """Whether *inbound* was kept before; never so where the vendor gave it no id."""

    def inbound(self, *, limit: int, after: int | None = None) -> Sequence[tuple[int, Inbound]]:
        """Return what people wrote, newest first, each with a number to page by."""
