"""The parts of a score by evidence: they add up to it, in powers of ten. Pure.

What one success costs is (money + delay) / (probability of success); the score is the negative
logarithm of that, so its factors are its parts:

* `reach`     share of recipients in this country who have the channel
* `rate`      share that arrived over hours, here, by this provider
* `health`    the last minutes, of what was to be expected
* `trust`     codes typed in, of what is usual here
* `others`    ways of this kind failed already: the phone may be off
* `cost`      money and the cost of waiting, expected of one try
* `balance`   lets equals share the load, those of one channel by `weight`

What sets one kind of ways behind another, however cheap, is larger than any of those:

* `turn`      was tried for this message already
* `unproven`  not the mapped channel, and too little is known: ranked by the configuration
* `failing`   arrives less than half as often as its channel should
* `late`      its rate limit is used up for longer than the priority can wait
* `crowded`   its rate limit is nearly used up, and the rest is kept for urgent messages
* `target`    below the reliability asked for by `routing.types`
* `rare`      hardly anybody there has the channel
* `spare`     does not pay, or only if there were more tries
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..message import Attempt, Channel, Message, Outcome, Priority, Status
from .balance import draws
from .configured import PATIENCE, Open, common, configured, scored
from .learned import Estimate, Outlook
from .plan import Prospect, worthwhile
from .way import Option, Policy, Scored

BEHIND = 30.0
"""Ranks one kind of ways behind another: costs per success differ by a factor of 10^15 at most."""
SPARE = 15.0
CROWDED = 20.0
TRIED = 25.0
EQUAL = 0.01
"""Costs per success that differ by some 2 % (in powers of ten: 0.01) are equal."""
_ALIKE = 10**EQUAL
FULL = 0.8
"""Share of a rate limit that messages below HIGH leave the rest of to urgent ones."""
FAILING = 0.5
OFF = 0.02
"""Share of phones that are off or out of coverage: every way to them fails together."""
REFUSED = 2.0
"""Seconds until a provider says that a recipient has no such channel."""
TRIES = 4
"""Tries that a message gets in time, where `routing.max_attempts` does not say."""
RARE = 0.1
"""Share of recipients who have a channel below which it is tried after those that more have."""
KNOWN = 0.7
"""Share of a channel's patience after which a failure is known, on average."""
_LEAST = 1e-9


def adaptive(
    message: Message,
    attempts: Sequence[Attempt],
    ways: Sequence[Open],
    policy: Policy,
    outlook: Outlook,
) -> list[Scored]:
    """Score *ways* by evidence, and by the configuration where there is none."""
    dearest = max((w.cost for w in ways), default=0.0) or 1.0
    off, drawn = _off(attempts, outlook), draws(message.id, [w.option for w in ways])
    found, prospects = [], {}
    for i, way in enumerate(ways):
        parts = common(message, attempts, way.option)
        if _unproven(message, way.option, policy, outlook):
            parts["unproven"] = -BEHIND
            parts |= configured(message, attempts, way, policy, dearest)
        else:
            e = outlook.of(way.option.channel, way.option.provider)
            prospects[i], told = _prospect(message, way, e, off, policy)
            parts.update(told)
            parts.update(_standing(message, attempts, way.option, e, policy))
            parts["balance"] = -EQUAL * drawn[i]
        found.append(parts)
    spare = _spare(message, attempts, prospects, policy)
    stop = policy.rules(message.type).stop
    for i in spare:
        found[i]["spare"] = -SPARE
    return [
        scored(way, parts, DOES_NOT_PAY if stop and i in spare else None)
        for i, (way, parts) in enumerate(zip(ways, found, strict=True))
    ]


def _spare(
    message: Message,
    attempts: Sequence[Attempt],
    prospects: Mapping[int, Prospect],
    policy: Policy,
) -> set[int]:
    """Return which of the ways that evidence ranks are not worth one of the tries left.

    Equals of one that is are worth it too, or they would never share its load.
    """
    tries = TRIES if policy.max_attempts is None else policy.max_attempts - len(attempts)
    indices, given = list(prospects), list(prospects.values())
    chosen = worthwhile(given, policy.worth[message.priority], tries)
    spare = set(range(len(given))).difference(chosen)
    return {indices[i] for i in spare if not any(_alike(given[i], given[c]) for c in chosen)}


def _alike(a: Prospect, b: Prospect) -> bool:
    """Whether both are as good, so that they share the load."""
    return (
        b.cost <= a.cost * _ALIKE
        and a.cost <= b.cost * _ALIKE
        and b.success <= a.success * _ALIKE
        and a.success <= b.success * _ALIKE
    )


DOES_NOT_PAY = "costs more than it brings"


def _prospect(
    message: Message, way: Open, e: Estimate, off: float, policy: Policy
) -> tuple[Prospect, dict[str, float]]:
    option, medium = way.option, way.option.medium
    one = 1.0 - off if medium.address == "phone_number" else 1.0
    arrives = e.success * one * medium.seen
    patience = medium.patience if option.patience is None else option.patience
    seconds = (1.0 - e.reach) * REFUSED + e.reach * (
        arrives * (e.seconds + medium.noticed) + (1.0 - arrives) * KNOWN * patience
    )
    billed = e.reach * (arrives if medium.billed_on_arrival else 1.0)
    cost = billed * way.cost + policy.hurry[message.priority] * (seconds + option.wait)
    parts = {
        "reach": math.log10(e.reach),
        "rate": math.log10(e.rate * medium.seen),
        "health": math.log10(e.health),
        "trust": math.log10(max(e.trust, _LEAST)),
        "others": math.log10(one),
        "cost": -math.log10(max(cost, _LEAST)),
    }
    return Prospect(e.reach * arrives, cost), parts


def _standing(
    message: Message,
    attempts: Sequence[Attempt],
    option: Option,
    e: Estimate,
    policy: Policy,
) -> dict[str, float]:
    cheap = message.priority in {Priority.MEDIUM, Priority.LOW}
    tried = sum(a.channel is option.channel and a.provider == option.provider for a in attempts)
    mapped = message.priority in policy.mapping
    target = policy.rules(message.type).target
    return {
        "turn": -TRIED * tried,
        "failing": -2 * BEHIND * (mapped and e.success < FAILING * option.medium.reliability),
        "late": -2 * BEHIND * (mapped and option.wait >= PATIENCE[message.priority]),
        "crowded": -CROWDED * (cheap and option.used >= FULL),
        "rare": -SPARE * (e.reach < RARE),
        "target": -BEHIND * (e.success < target),
    }


def _unproven(message: Message, option: Option, policy: Policy, outlook: Outlook) -> bool:
    mapped = policy.mapping.get(message.priority)
    if mapped is None or option.channel is mapped:
        return False
    return (
        outlook.trials(option.channel, anywhere=option.medium.address == "email") < policy.evidence
    )


def _off(attempts: Sequence[Attempt], outlook: Outlook) -> float:
    """Return the probability that the phone is off, after what was sent to it and did not arrive.

    By Bayes: each such try fails as its way does anyway, and for certain where the phone is off.
    """
    failed = 1.0
    for a in attempts:
        lost = a.outcome is Outcome.SENT and a.receipt_status in _LOST
        if lost and a.channel is not Channel.EMAIL:
            failed *= 1.0 - outlook.of(a.channel, a.provider).success
    return OFF / (OFF + (1.0 - OFF) * failed)


_LOST = frozenset({Status.UNDELIVERED, Status.UNKNOWN})
