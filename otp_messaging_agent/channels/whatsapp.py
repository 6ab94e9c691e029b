"""WhatsApp. The Cloud API takes 4096 characters of text, Twilio 1600; the smaller holds."""

from .base import Medium

MEDIUM = Medium("phone_number", 1600, 0.93, 0.005, 1, 600, fallback_after=30)
