"""Make, hash and compare one-time codes. Pure but for `secrets` in `make_code`."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence


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


def free_at(
    times: Sequence[float], windows: Sequence[tuple[float, int]], cooldown: float, now: float
) -> float:
    """Return when one more event is allowed: *now* or later.

    times: of the events so far, ascending; windows: (seconds, number allowed in them), moving;
    cooldown: least seconds after the last event.
    """
    waits = [times[-n] + seconds for seconds, n in windows if len(times) >= n]
    if times and cooldown:
        waits.append(times[-1] + cooldown)
    return max([now, *waits])
