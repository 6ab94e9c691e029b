"""SendGrid: e-mail over its Mail Send API (v3), and its Signed Event Webhook.

A message is known by our attempt id, which travels in its `custom_args` and comes back with every
event. SendGrid's own id stands for a call, so for all mail in it, and is lost with a lost answer.
SendGrid cannot be asked whether it took a mail, and tries to deliver one for up to three days.
"""

from .provider import CHANNELS, VERDICTS, SendGrid, make
from .settings import Settings

__all__ = ["CHANNELS", "VERDICTS", "SendGrid", "Settings", "make"]
