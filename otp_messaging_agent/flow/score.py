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
from .learned import Outlook
from .lesson import Estimate
from .plan import Prospect, worthwhile
from .way import Option, Policy, Scored

SPARE = 15.0
"""Ranks one kind of ways behind another: costs per success differ by a factor of 10^15 at most."""
CROWDED = 20.0
TRIED = 25.0
BELOW = 30.0
UNPROVEN = 100.0
"""Above what else may be held against the mapped channel: without evidence it is first."""
UNFIT = 200.0
"""Above that: where it fails or is late, one that too little is known of is better."""
EQUAL = 0.02
"""Costs per success that differ by some 5 % (in powers of ten: 0.02) are equal."""
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
    found = []
    prospects: dict[int, Prospect] = {}
    planned: dict[int, Prospect] = {}
    for i, way in enumerate(ways):
        parts = common(message, attempts, way.option)
        if _unproven(message, way.option, policy, outlook):
            parts["unproven"] = -UNPROVEN
            parts |= configured(message, attempts, way, policy, dearest)
        else:
            e = outlook.of(way.option.channel, way.option.provider)
            prospects[i], told = _prospect(message, way, e, off, policy)
            equal = prospects[i].cost * 10 ** (EQUAL * drawn[i])
            planned[i] = Prospect(prospects[i].success, equal)
            parts.update(told)
            parts.update(_standing(message, attempts, way.option, e, policy))
            if parts["underway"]:  # each retry takes the next provider, whatever is known of it
                parts |= _NO_MATTER
            parts["balance"] = -EQUAL * drawn[i]
        found.append(parts)
    for i in _spare(message, attempts, planned, policy):
        found[i]["spare"] = -SPARE * (not found[i]["underway"])
    stop, worth = policy.rules(message.type).stop, policy.worth[message.priority]
    lost = {i for i, p in prospects.items() if stop and p.cost >= p.success * worth}
    return [
        scored(way, parts, DOES_NOT_PAY if i in lost else None)
        for i, (way, parts) in enumerate(zip(ways, found, strict=True))
    ]


_NO_MATTER = {"failing": 0.0, "crowded": 0.0, "target": 0.0}


def _spare(
    message: Message,
    attempts: Sequence[Attempt],
    prospects: Mapping[int, Prospect],
    policy: Policy,
) -> set[int]:
    """Return which of the ways that evidence ranks are not worth one of the tries left."""
    tries = TRIES if policy.max_attempts is None else policy.max_attempts - len(attempts)
    indices = list(prospects)
    chosen = worthwhile(list(prospects.values()), policy.worth[message.priority], tries)
    return set(prospects) - {indices[c] for c in chosen}


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
        "failing": -UNFIT * (mapped and e.success < FAILING * option.medium.reliability),
        "late": -UNFIT * (mapped and option.wait >= PATIENCE[message.priority]),
        "crowded": -CROWDED * (cheap and option.used >= FULL),
        "rare": -SPARE * (e.reach < RARE),
        "target": -BELOW * (e.success < target),
    }


def _unproven(message: Message, option: Option, policy: Policy, outlook: Outlook) -> bool:
    mapped = policy.mapping.get(message.priority)
    if mapped is None or option.channel is mapped:
        return False
    return outlook.trials(option.channel) < policy.evidence


def _off(attempts: Sequence[Attempt], outlook: Outlook) -> float:
    """Return the probability that the phone is off, after what was sent to it and did not arrive.

    By Bayes: each such try fails as its way does anyway, and for certain where the phone is off.
    """
    failed = 1.0
    for a in attempts:
        lost = a.outcome is Outcome.SENT and a.receipt_status in _LOST
        if lost and a.channel is not Channel.EMAIL:
            failed *= 1.0 - outlook.of(a.channel, a.provider).success
    # For certain would be no number of tens; what always arrived can be lost all the same.
    return min(1.0 - _LEAST, OFF / (OFF + (1.0 - OFF) * failed))


_LOST = frozenset({Status.UNDELIVERED, Status.UNKNOWN})
