"""E-mail."""

from .base import Medium

MEDIUM = Medium("email", 10_000, 0.90, 0.0009, 3, 3600)
