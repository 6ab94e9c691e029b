"""What people ask for by one word, and what an opt-out bars. Pure.

The words are those that carriers and Twilio act on
(https://help.twilio.com/articles/223134027); the whole message must be one of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum

from ..message import Channel, MessageType


class Wish(StrEnum):
    """What one word asks for."""

    STOP = "stop"
    START = "start"
    HELP = "help"


_WORDS = {
    Wish.STOP: "stop stopall unsubscribe cancel end quit revoke optout",
    Wish.START: "start yes unstop",
    Wish.HELP: "help info",
}
_WISHES = {word: wish for wish, words in _WORDS.items() for word in words.split()}


def wish_of(text: str) -> Wish | None:
    """Return what *text* asks for, None where it is anything but one such word in any case."""
    return _WISHES.get(text.strip().casefold())


def bars(
    blocked: Iterable[tuple[Channel | None, MessageType | None]],
    channel: Channel,
    type_: MessageType,
    stop_types: Collection[MessageType],
) -> bool:
    """Whether opt-outs bar messages of *type_* on *channel*.

    An opt-out of no certain type bars *stop_types*.
    """
    return any(
        of in {None, channel} and (what is type_ or (what is None and type_ in stop_types))
        for of, what in blocked
    )
