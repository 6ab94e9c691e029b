"""Repeating a request safely: an idempotency key, and what a repetition gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Once:
    """An idempotency key: the first request with it is carried out, the rest get its answer.

    body: a digest of the request, so another body under the same key is refused.
    """

    key: str
    body: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Replay:
    """The answer an earlier request with the same key and body got."""

    response: Any


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The key came before with another body."""
