"""Builds the parts of an agent from its configuration. Nothing is opened or started here."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import SystemRandom
from typing import Any
from zoneinfo import ZoneInfo

import tzlocal
from pydantic import ValidationError

from . import plugins, prices
from .channels.base import Medium
from .config import OURS, Config
from .errors import ConfigError
from .faults import invalid
from .flow import validate, way
from .flow.deliver import Deliverer, Sending
from .flow.dispatch import Dispatcher
from .flow.enqueue import Bound, Codes, Intake
from .flow.gate import Gate, limit_names
from .flow.hear import Answers, Listener
from .flow.learn import Learner
from .flow.learned import Learned, Prior
from .flow.verdict import Proof, Ways
from .flow.verify import Verifier
from .message import Channel
from .providers.base import Context, Provider
from .queues.base import Queue
from .retry import RetryPolicy
from .safety.breaker import Breaker
from .safety.consent import Wish
from .safety.encryption import Keyring
from .safety.links import Links
from .safety.pace import Pace
from .safety.spend import Spend
from .stores.base import Limits, Store


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything an agent is made of."""

    keys: Keyring
    store: Store
    queue: Queue
    rules: validate.Rules
    ways: Ways
    learner: Learner
    intake: Intake
    verifier: Verifier
    deliverer: Deliverer
    listener: Listener
    dispatcher: Dispatcher
    links: Links


def provider_faults(
    provider: str, channel: Channel, settings: dict[str, Any], path: str
) -> Iterable[str]:
    """Return what is wrong with the settings of one provider, each with its key path."""
    try:
        module = plugins.load("providers", provider)
    except ValueError as e:
        return [f"{path}.provider: {e}"]
    if channel not in module.CHANNELS:
        able = ", ".join(module.CHANNELS)
        return [f"{path}.provider: {provider} cannot send by {channel}; it can by {able}"]
    try:
        module.Settings(**settings)
    except ValidationError as e:
        return [f"{'.'.join([path, *map(str, f.loc)])}: {f.msg}" for f in invalid(e).faults]
    return []


def price_faults(file: str) -> Iterable[str]:
    """Return what is wrong with a file of prices, each fault with its line."""
    try:
        prices.load(Path(file))
    except ConfigError as e:
        return e.faults
    return []


def build(config: Config, data_dir: Path) -> Parts:
    """Return the parts, wired."""
    clock = time.time
    keys = Keyring.load(data_dir, os.environ)
    url = config.store.url or f"sqlite:///{data_dir.absolute() / 'agent.db'}"
    store: Store = plugins.load("stores", "sql").make(
        url, synchronous=config.store.synchronous, keys=keys
    )
    queue: Queue = plugins.load("queues", config.queue.use).make(config.queue.max_tickets)
    rules = _rules(config)
    ways = _ways(config, rules, store)
    codes = _codes(config, keys)
    bound = Bound(config.queue.max_waiting, config.queue.retry_after_seconds)
    intake = Intake(store, queue, rules, codes, bound, clock)
    links = Links(keys, config.server.public_base_url)
    sending = Sending(
        config.delivery.attempt_timeout_seconds, config.otp.template, links.unsubscribe
    )
    deliverer = Deliverer(store, queue, ways, sending, clock, SystemRandom().random)
    listener = Listener(store, ways, deliverer.verdicts, _answers(config), clock)
    return Parts(
        keys=keys,
        store=store,
        queue=queue,
        rules=rules,
        ways=ways,
        learner=Learner(store, ways.learned, rules.media, clock),
        intake=intake,
        verifier=Verifier(store, rules, codes, clock),
        deliverer=deliverer,
        listener=listener,
        dispatcher=Dispatcher(store, intake, ways, listener, secrets.token_hex(4), clock),
        links=links,
    )


def _answers(config: Config) -> Answers:
    said = config.consent
    texts = {Wish.STOP: said.stop_text, Wish.START: said.start_text, Wish.HELP: said.help_text}
    return Answers(said.confirm, texts)


def _rules(config: Config) -> validate.Rules:
    quiet = config.quiet_hours
    media: dict[Channel, Medium] = {
        channel: plugins.load("channels", channel.value.lower()).MEDIUM
        for channel, c in config.channels.items()
        if c.on
    }
    return validate.Rules(
        media=media,
        zone=ZoneInfo(config.timezone or tzlocal.get_localzone_name()),
        strict_numbers=config.phone_numbers.strict,
        allow_premium=config.phone_numbers.allow_premium,
        allow_countries=frozenset(config.phone_numbers.allow_countries),
        deny_countries=frozenset(config.phone_numbers.deny_countries),
        quiet=frozenset(quiet.message_types) if quiet.enabled else frozenset(),
        quiet_start=quiet.start,
        quiet_end=quiet.end,
        stop_types=frozenset(config.consent.stop_types),
    )


def _ways(config: Config, rules: validate.Rules, store: Store) -> Ways:
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
            options.append(replace(option, vendor=vendor, prices=table))
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
        _learned(rules),
        gate,
        clock,
        _proof(config, rules),
    )


def _learned(rules: validate.Rules) -> Learned:
    return Learned({c: Prior(m.reliability, m.latency) for c, m in rules.media.items()})


def _provider(config: Config, store: Store, given: Mapping[str, Any]) -> Provider:
    vendor = given["provider"]
    module = plugins.load("providers", vendor)
    name = given.get("name", vendor)
    context = Context(name, store, time.time, time.sleep, config.server.public_url)
    own = {key: value for key, value in given.items() if key not in OURS}
    provider: Provider = module.make(module.Settings(**own), context)
    return provider


def _policy(config: Config, rules: validate.Rules) -> way.Policy:
    retry, spend = config.retry_config, config.spend
    # What no day can pay for would wait for ever.
    ceilings = (spend.max_per_message, spend.max_per_day)
    return way.Policy(
        config.priority_channel_mapping,
        RetryPolicy(
            retry.max_retries,
            retry.exponential_backoff,
            retry.base_delay_seconds,
            retry.max_delay_seconds,
        ),
        rules.stop_types,
        min((c for c in ceilings if c is not None), default=None),
        config.otp.template.format(code="0" * config.otp.code_length, minutes=10, purpose="login"),
    )


def _proof(config: Config, rules: validate.Rules) -> dict[Channel, Proof]:
    proof: dict[Channel, Proof] = {}
    for channel, medium in rules.media.items():
        c = config.channels[channel]
        after = medium.fallback_after
        if c.fallback_after_seconds is not None:
            after = c.fallback_after_seconds or None
        proof[channel] = Proof(c.receipts.expected, after, frozenset(c.receipts.none_in))
    return proof


def _codes(config: Config, keys: Keyring) -> Codes:
    otp, limits = config.otp, config.otp.limits
    return Codes(
        key=keys.code_key,
        ttl=otp.ttl_seconds,
        length=otp.code_length,
        max_attempts=otp.max_attempts,
        limits=Limits(
            sends=(
                (600.0, limits.sends_per_10_minutes),
                (3600.0, limits.sends_per_hour),
                (86_400.0, limits.sends_per_day),
            ),
            wrong_per_day=limits.wrong_per_day,
            cooldown=limits.cooldown_seconds,
        ),
    )
