"""Builds the ways out from the configuration: providers with their limits, and how they rank."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import plugins, prices
from .channels.base import Medium
from .config import OURS, Config
from .config.sending import ChannelConfig
from .flow import validate, way
from .flow.gate import Gate, limit_names
from .flow.learned import Learned
from .flow.lesson import Prior
from .flow.verdict import Proof, Ways
from .message import Channel
from .providers.base import Context, Provider
from .retry import RetryPolicy
from .safety.breaker import Breaker
from .safety.pace import Pace
from .safety.spend import Spend
from .stores.base import Store

_HOUR = 3600.0


def make_ways(config: Config, rules: validate.Rules, store: Store) -> Ways:
    """Return the ways out by all providers of the channels that *rules* has."""
    table = prices.load(Path(config.prices.file)) if config.prices.file else prices.load()
    options: list[way.Option] = []
    providers: dict[tuple[Channel, str], Provider] = {}
    limits: dict[str, int] = {}
    for channel, medium in rules.media.items():
        c = config.channels[channel]
        entries = [given for _, given in c.provider_settings]
        for index, given in enumerate(entries):
            vendor, name = given["provider"], given.get("name", given["provider"])
            providers[channel, name] = _provider(config, store, given)
            cost = given.get("cost_per_message", c.cost_per_message)
            option = way.Option(channel, name, medium, cost, index, len(entries))
            weight, patience = given.get("weight", 1), _fallback_after(c, medium)
            option = replace(option, vendor=vendor, prices=table, weight=weight)
            options.append(replace(option, patience=patience))
            by_channel, by_provider = limit_names(channel, name)
            limits[by_provider] = given.get("rate_limit_per_minute", 0)
            limits[by_channel] = c.rate_limit_per_minute or 0
    clock = time.time
    resting = config.breaker
    gate = Gate(
        Pace({name: n for name, n in limits.items() if n}),
        Breaker(resting.failures, resting.rest_seconds, clock),
        Spend(config.spend.max_per_day, rules.zone, clock),
    )
    return Ways(
        options,
        providers,
        _policy(config, rules),
        _learned(config, rules),
        gate,
        clock,
        _proof(config, rules),
    )


def _learned(config: Config, rules: validate.Rules) -> Learned:
    priors = {c: Prior(m.reliability, m.latency) for c, m in rules.media.items()}
    return Learned(priors, config.routing.memory_hours * _HOUR)


def _provider(config: Config, store: Store, given: Mapping[str, Any]) -> Provider:
    vendor = given["provider"]
    module = plugins.load("providers", vendor)
    name = given.get("name", vendor)
    context = Context(name, store, time.time, time.sleep, config.server.public_url)
    own = {key: value for key, value in given.items() if key not in OURS}
    provider: Provider = module.make(module.Settings(**own), context)
    return provider


def _policy(config: Config, rules: validate.Rules) -> way.Policy:
    retry, spend, routing = config.retry_config, config.spend, config.routing
    # What no day can pay for would wait for ever.
    ceilings = (spend.max_per_message, spend.max_per_day)
    return way.Policy(
        mapping=config.priority_channel_mapping,
        retries=RetryPolicy(
            retry.max_retries,
            retry.exponential_backoff,
            retry.base_delay_seconds,
            retry.max_delay_seconds,
        ),
        stop_types=rules.stop_types,
        ceiling=min((c for c in ceilings if c is not None), default=None),
        sample=config.otp.template.format(
            code="0" * config.otp.code_length, minutes=10, purpose="login"
        ),
        adaptive=routing.mode == "adaptive",
        evidence=routing.evidence,
        worth=routing.worth,
        hurry=routing.hurry,
        max_attempts=routing.max_attempts,
        types={
            type_: way.TypeRules(
                frozenset(given.channels or ()),
                given.max_cost,
                given.min_reliability,
                given.stop_when_unprofitable,
            )
            for type_, given in routing.types.items()
        },
    )


def _proof(config: Config, rules: validate.Rules) -> dict[Channel, Proof]:
    proof: dict[Channel, Proof] = {}
    for channel, medium in rules.media.items():
        c = config.channels[channel]
        after = _fallback_after(c, medium)
        proof[channel] = Proof(c.receipts.expected, after, frozenset(c.receipts.none_in))
    return proof


def _fallback_after(c: ChannelConfig, medium: Medium) -> float | None:
    """Return after how many seconds without a receipt another way is tried, None for never."""
    if c.fallback_after_seconds is None:
        return medium.fallback_after
    return c.fallback_after_seconds or None
