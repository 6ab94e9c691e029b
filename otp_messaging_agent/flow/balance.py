"""How providers of one channel that are as good as each other share its load. Pure.

Each draws a number from the message and its own name, exponentially distributed with its weight
as the rate. The least falls to each in proportion to its weight, the next to each of the others
in proportion to theirs (P. S. Efraimidis and P. G. Spirakis, Weighted random sampling with a
reservoir, 2006). What one draws does not depend on what else there is, nor on the process, so
that a retry goes on where the last try was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from ..message import Channel
from .way import Option

FARTHEST = 100.0
"""No draw is above it: a light provider must not seem worse than one that fails."""


def draws(message_id: str, options: Sequence[Option]) -> list[float]:
    """Return what each option draws: some 1 for the heaviest of its channel, for others more."""
    heaviest = _heaviest(options)
    return [_draw(message_id, o, o.weight / heaviest[o.channel]) for o in options]


def places(message_id: str, options: Sequence[Option]) -> list[int]:
    """Return the place of each option among the providers of its channel, from 0.

    As configured, and by draw where one has a weight of its own.
    """
    weighted = {o.channel for o in options if o.weight != 1}
    if not weighted:
        return [o.index for o in options]
    order = sorted(range(len(options)), key=draws(message_id, options).__getitem__)
    placed: dict[Channel, int] = {}
    found = [o.index for o in options]
    for i in order:
        channel = options[i].channel
        if channel in weighted:
            found[i] = placed.get(channel, 0)
            placed[channel] = found[i] + 1
    return found


def _heaviest(options: Iterable[Option]) -> dict[Channel, float]:
    found: dict[Channel, float] = {}
    for o in options:
        found[o.channel] = max(o.weight, found.get(o.channel, 0.0))
    return found


def _draw(message_id: str, option: Option, weight: float) -> float:
    key = f"{message_id}/{option.channel.value}/{option.provider}".encode()
    u = (int.from_bytes(blake2b(key, digest_size=4).digest()) + 0.5) / 2**32
    drawn = -math.log(u)
    return drawn * FARTHEST / (drawn + weight * FARTHEST)  # drawn / weight, without its long tail
