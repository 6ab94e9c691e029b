"""Twilio: text messages, WhatsApp and calls, with status callbacks and replies, over its SDK.

Twilio knows no idempotency key: a send whose answer was lost is ambiguous, and `lookup` finds out.
"""

from .codes import VERDICTS
from .provider import CHANNELS, Twilio, make
from .settings import Settings

__all__ = ["CHANNELS", "VERDICTS", "Settings", "Twilio", "make"]
