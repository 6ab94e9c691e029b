"""When to try again, or never. Pure: the jitter's random number is an argument."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Retries of one channel.

    max_retries: after the first try; base_delay and max_delay in seconds;
    exponential: double the delay each time (1, 2, 4 s), else the same each time.
    """

    max_retries: int = 3
    exponential: bool = True
    base_delay: float = 1.0
    max_delay: float = 300.0


JITTER = 0.25
"""At most this share is added, never taken away: a delay is never shorter than it says."""


def delay(
    policy: RetryPolicy, tries: int, *, retry_after: float | None = None, random: float = 0.0
) -> float | None:
    """Return the seconds to wait before the next try on a channel, None for no more tries.

    tries: how many were made on it (1 or more); random: in [0, 1).
    A provider's *retry_after* wins where it is longer, even over `max_delay`; jitter comes on
    top of the backoff so that clients that failed together do not return together
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    if tries > policy.max_retries:
        return None
    factor = 2 ** min(tries - 1, 62) if policy.exponential else 1
    backoff = min(policy.base_delay * factor, policy.max_delay) * (1 + JITTER * random)
    return max(backoff, retry_after or 0.0)
