"""Scenarios beside the judge's own, so that the router is not judged by those alone.

In `benchmarks/routing_judge`: `python -m routing_sim --policy-file ../routing_adapter.py:make
--scenarios heldout --heldout-file ../routing_scenarios.py --seeds heldout`.
"""

from __future__ import annotations

import numpy as np
from routing_sim.scenarios import FOREVER, HOUR, MINUTE, Scenario, Spec
from routing_sim.world import ArmSpec, Effect

ARMS = (
    ArmSpec("sms", "north", "aggregator", 45),
    ArmSpec("sms", "south", "direct", 70),
    ArmSpec("whatsapp", "first", "direct", 50),
    ArmSpec("whatsapp", "second", "grey", 60),
    ArmSpec("call", "voice", "direct", 25),
    ArmSpec("email", "post", "direct", 200),
    ArmSpec("email", "mail", "aggregator", 200),
)
COUNTRIES = ["US", "GB", "IN", "BR", "NG", "DE"]


def regional(rng: np.random.Generator) -> Spec:
    """Lose all text messages of two countries, and WhatsApp by one provider partly."""
    start = float(rng.uniform(0.6, 1)) * HOUR
    where = tuple(str(c) for c in rng.choice(COUNTRIES, 2, replace=False))
    return Spec(
        effects=(
            Effect("outage", "sms:*", start, start + 50 * MINUTE, 0.95, "silent", where),
            Effect(
                "outage",
                "whatsapp:alpha",
                start + 20 * MINUTE,
                start + 70 * MINUTE,
                0.7,
                "fail",
                where,
            ),
        )
    )


def receipts(rng: np.random.Generator) -> Spec:
    """Lose the receipts of the best provider of text messages, which delivers."""
    start = float(rng.uniform(0.6, 1)) * HOUR
    return Spec(arms=ARMS, effects=(Effect("receipts", "sms:south", start, start + HOUR, 0.9),))


def prices(rng: np.random.Generator) -> Spec:
    """Make WhatsApp four times as dear, then text messages half as dear."""
    start = float(rng.uniform(0.4, 0.8)) * HOUR
    dearer = Effect("price", "whatsapp:first", start, FOREVER, 4.0)
    return Spec(arms=ARMS, effects=(dearer, Effect("price", "sms:*", start + HOUR, FOREVER, 0.5)))


def come_and_go(rng: np.random.Generator) -> Spec:
    """Let the best provider of one channel appear when that of another vanishes."""
    start = float(rng.uniform(0.6, 1)) * HOUR
    gone = Effect("absent", "whatsapp:alpha", start, FOREVER)
    return Spec(effects=(Effect("absent", "sms:alpha", 0, start), gone))


def flapping(rng: np.random.Generator) -> Spec:
    """Make short outages of every kind, one after the other."""
    at, effects = 20 * MINUTE, []
    while at < 2.7 * HOUR:
        length = float(rng.uniform(5, 15)) * MINUTE
        arm = str(rng.choice(["sms:south", "sms:north", "whatsapp:first"]))
        level, mode = float(rng.uniform(0.6, 1)), str(rng.choice(["silent", "fail", "reject"]))
        effects.append(Effect("outage", arm, at, at + length, level, mode))
        at += length + float(rng.uniform(5, 15)) * MINUTE
    return Spec(arms=ARMS, effects=tuple(effects))


def slow(rng: np.random.Generator) -> Spec:
    """Make text messages take twenty times as long for an hour, then WhatsApp eight times."""
    start = float(rng.uniform(0.5, 1)) * HOUR
    texts = Effect("slow", "sms:alpha", start, start + HOUR, 20.0)
    return Spec(effects=(texts, Effect("slow", "whatsapp:*", start + HOUR, FOREVER, 8.0)))


def swap(rng: np.random.Generator) -> Spec:
    """Make the good provider bad at once, and the other a little better."""
    start = float(rng.uniform(0.8, 1.2)) * HOUR
    return Spec(
        arms=ARMS,
        effects=(
            Effect("base", "sms:south", start, FOREVER, -0.3),
            Effect("base", "sms:north", start, FOREVER, 0.04),
            Effect("base", "whatsapp:first", start + 0.5 * HOUR, FOREVER, -0.4),
        ),
    )


def quiet(rng: np.random.Generator) -> Spec:
    """Make a silent outage in little traffic."""
    start = float(rng.uniform(0.7, 1.1)) * HOUR
    lost = Effect("outage", "sms:alpha", start, start + HOUR, 1.0, "silent")
    return Spec(duration_s=4 * HOUR, rate_per_s=0.15, effects=(lost,))


HELDOUT = tuple(
    Scenario(build.__name__, str(build.__doc__), build)
    for build in (regional, receipts, prices, come_and_go, flapping, slow, swap, quiet)
)
HELDOUT_SEEDS = [21, 22, 23]
