"""Messages that will be wanted soon, so that a worker need not read what was just written.

A plain cache: the store stays the truth, because a claim compares the version. Codes are never
in it. One thread that reads many rows costs far less than many threads that read one each.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

from ...message import Message, MessageType

ROOM = 4000
"""Messages held: a few MB of texts; what is over falls out at the old end."""


class Recent:
    """Messages by id, each given out once."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, Message] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, messages: Iterable[Message]) -> None:
        """Hold untried messages; codes and what was tried are left to the store."""
        with self._lock:
            for m in messages:
                if m.type is not MessageType.OTP and not m.tries:
                    self._held[m.id] = m
            while len(self._held) > ROOM:
                self._held.popitem(last=False)

    def take(self, message_id: str) -> Message | None:
        """Give a message out, None where it is not here."""
        with self._lock:
            return self._held.pop(message_id, None)

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Return the first of *ids* that are not here, no more than there is room for."""
        with self._lock:
            return [i for i in ids if i not in self._held][: ROOM // 2]
