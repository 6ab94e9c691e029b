"""Twilio: text messages, WhatsApp and calls, with status callbacks and replies, over its SDK.

Twilio knows no idempotency key: a send whose answer was lost is ambiguous, and `lookup` finds out.
A call's record holds nothing of ours. So each status callback's URL names its attempt, and this
process remembers which attempt each record belongs to; after a restart two calls to one number
within two minutes look alike again, as do two messages of the same text.
"""

from .codes import VERDICTS
from .provider import CHANNELS, Twilio, make
from .settings import Settings

__all__ = ["CHANNELS", "VERDICTS", "Settings", "Twilio", "make"]
