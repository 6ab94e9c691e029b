"""Text message. Ten concatenated parts is the most that networks and Twilio take (1600)."""

from .base import Medium

MEDIUM = Medium(
    address="phone_number",
    max_length=1600,
    reliability=0.92,
    latency=8,
    patience=30,
    cost=0.0083,
    order=0,
    receipt_within=600,
    fallback_after=60,
    counts_parts=True,
)
