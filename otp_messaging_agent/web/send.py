"""What sends and what checks: /send-otp /verify-otp /send-message /send-bulk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_openapi3 import APIBlueprint, Tag

from ..answer import Accepted, BulkAccepted, CheckResult, OtpAccepted
from ..request import CheckRequest, MessageRequest, OtpRequest
from .document import BulkRequest
from .endpoint import takes

if TYPE_CHECKING:
    from ..agent import IntelligentOTPAgent
    from ..stores.base import Once

api = APIBlueprint("send", __name__, abp_tags=[Tag(name="Sending", description="Send and check.")])


@takes(api, "/send-otp", OtpRequest, OtpAccepted, 429)
def send_otp(agent: IntelligentOTPAgent, asked: OtpRequest, once: Once | None) -> OtpAccepted:
    """Send a one-time password.

    While one is pending for the same recipient and purpose, this sends it again: the same code,
    the same expiry, the same count of tries. The code is never in an answer.
    """
    return agent.submit_otp(asked, once=once)


@takes(api, "/verify-otp", CheckRequest, CheckResult, 429, status=200)
def verify_otp(agent: IntelligentOTPAgent, asked: CheckRequest, once: Once | None) -> CheckResult:
    """Check a code that somebody typed.

    Each call counts as one try. A wrong, expired or unknown code is an answer with
    `verified: false` and a `reason`, not an error.
    """
    return agent.check(asked, once=once)


@takes(api, "/send-message", MessageRequest, Accepted, 429)
def send_message(agent: IntelligentOTPAgent, asked: MessageRequest, once: Once | None) -> Accepted:
    """Send a message, now or later.

    Later is `scheduled_for`. The channel is chosen by priority, cost and what was learned of
    each; `preferred_channel` goes first. With `message_type` otp this is `/send-otp`.
    """
    return agent.send_message(asked, once=once)


@takes(api, "/send-bulk", BulkRequest, BulkAccepted, 429, rows=True)
def send_bulk(agent: IntelligentOTPAgent, asked: BulkRequest, once: Once | None) -> BulkAccepted:
    """Send up to 10 000 messages.

    Good rows are taken, bad rows are named in `results`. When no row is good, nothing is taken
    and the answer is 422.
    """
    return agent.send_bulk(asked.messages, once=once)
