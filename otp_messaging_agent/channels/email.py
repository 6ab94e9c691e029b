"""E-mail. Its receipts say that it lies in a mailbox, not that somebody has looked."""

from .base import Medium

MEDIUM = Medium(
    address="email",
    max_length=10_000,
    reliability=0.97,
    latency=10,
    patience=90,
    cost=0.0009,
    order=3,
    receipt_within=3600,
    seen=0.65,
    noticed=30,
)
