"""Text message. Ten concatenated parts is the most that networks and Twilio take (1600)."""

from .base import Medium

MEDIUM = Medium("phone_number", 1600, 0.95, 0.0083, 0, 600, fallback_after=60, counts_parts=True)
