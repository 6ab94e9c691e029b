"""Voice call. 1000 characters take over a minute to say, and TwiML in a request is bounded."""

from .base import Medium

MEDIUM = Medium("phone_number", 1000, 0.97, 0.014, 2, 900, fallback_after=120)
