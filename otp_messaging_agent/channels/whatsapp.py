"""WhatsApp. The Cloud API takes 4096 characters of text, Twilio 1600; the smaller holds.

Meta bills what was delivered (https://developers.facebook.com/docs/whatsapp/pricing).
"""

from .base import Medium

MEDIUM = Medium(
    address="phone_number",
    max_length=1600,
    reliability=0.92,
    latency=5,
    patience=20,
    cost=0.005,
    order=1,
    receipt_within=600,
    fallback_after=30,
    billed_on_arrival=True,
)
