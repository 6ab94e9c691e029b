"""Links by which a recipient opts out: encrypted, so they say nothing and none can be made up."""

from __future__ import annotations

import base64
import binascii

from ..message import Channel, Message, MessageType
from .encryption import DecryptionError, Keyring

_ASKED_FOR = frozenset({MessageType.OTP, MessageType.ALERT})
"""What a person needs or asked for: no link invites to end it."""

_PLACE = {"table": "link", "column": "unsubscribe", "row": ""}
_LONGEST = 1000


class Links:
    """Makes and reads them. base: where this service can be reached, None = make none."""

    def __init__(self, keys: Keyring, base: str | None) -> None:
        self._keys = keys
        self._base = base

    def unsubscribe(self, message: Message, channel: Channel) -> str | None:
        """Return the URL by which the recipient of an e-mail ends messages of its type."""
        if self._base is None or channel is not Channel.EMAIL or message.type in _ASKED_FOR:
            return None
        sealed = self._keys.encrypt(f"{message.type}\n{message.email}", **_PLACE)
        token = base64.urlsafe_b64encode(sealed).decode().rstrip("=")
        return f"{self._base}/unsubscribe?token={token}"

    def read(self, token: str) -> tuple[str, MessageType]:
        """Return the address and the message type of a link; ValueError for any other text."""
        msg = "this link is not one of ours, or was cut short"
        try:
            padding = "=" * (-len(token) % 4)  # no more than is due, or it is refused
            sealed = base64.b64decode(token[:_LONGEST] + padding, altchars=b"-_", validate=True)
            kind, _, address = self._keys.decrypt(sealed, **_PLACE).partition("\n")
            return address, MessageType(kind)
        except (binascii.Error, DecryptionError, ValueError):
            raise ValueError(msg) from None
