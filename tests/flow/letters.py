"""What somebody writes to us."""

from itertools import count

from otp_messaging_agent.message import Channel, Inbound

from .scripted import PHONE, START

_numbers = count(1)


def letter(text, *, channel=Channel.SMS, sender=PHONE, id_=None, provider="main"):
    """Return what *sender* wrote; by itself each has an id of its own."""
    number = f"in-{next(_numbers)}" if id_ is None else id_
    return Inbound(provider, number, channel, sender, text, START)
