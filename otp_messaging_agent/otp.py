"""Make, hash and compare one-time codes. Pure but for `secrets` in `make_code`."""

from __future__ import annotations

import hashlib
import hmac
import secrets


def make_code(length: int) -> str:
    """Return *length* random digits, leading zeros included, from the system's CSPRNG."""
    return f"{secrets.randbelow(10**length):0{length}d}"


def code_hash(key: bytes, verification_id: str, code: str) -> bytes:
    """Return the keyed hash under which a code is kept: HMAC-SHA-256, bound to its verification.

    The key never lies in the store, so a copy of the store does not let 10^6 codes be tried.
    """
    return hmac.digest(key, f"{verification_id}:{code}".encode(), hashlib.sha256)


def matches(key: bytes, verification_id: str, code: str, stored: bytes) -> bool:
    """Compare *code* with a stored hash in constant time."""
    return hmac.compare_digest(code_hash(key, verification_id, code), stored)
