"""Voice call. 1000 characters take over a minute to say, and TwiML in a request is bounded.

That two of three calls are answered is an assumption; only those cost
(https://www.twilio.com/en-us/voice/pricing).
"""

from .base import Medium

MEDIUM = Medium(
    address="phone_number",
    max_length=1000,
    reliability=0.70,
    latency=25,
    patience=60,
    cost=0.014,
    order=2,
    receipt_within=900,
    fallback_after=120,
    billed_on_arrival=True,
)
