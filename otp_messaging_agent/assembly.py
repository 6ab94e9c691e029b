"""Builds the parts of an agent from its configuration. Nothing is opened or started here."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Any
from zoneinfo import ZoneInfo

import tzlocal
from pydantic import ValidationError

from . import plugins, prices
from .channels.base import Medium
from .config import Config
from .errors import ConfigError
from .faults import invalid
from .flow import validate
from .flow.deliver import Deliverer, Sending
from .flow.dispatch import Dispatcher
from .flow.enqueue import Bound, Codes, Intake
from .flow.hear import Answers, Listener
from .flow.learn import Learner
from .flow.verdict import Ways
from .flow.verify import Verifier
from .message import Channel
from .queues.base import Queue
from .safety.consent import Wish
from .safety.encryption import Keyring
from .safety.links import Links
from .stores.base import Limits, Store
from .ways import make_ways


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything an agent is made of."""

    keys: Keyring
    store: Store
    queue: Queue
    rules: validate.Rules
    ways: Ways
    intake: Intake
    verifier: Verifier
    deliverer: Deliverer
    listener: Listener
    learner: Learner
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
    ways = make_ways(config, rules, store)
    codes = _codes(config, keys)
    bound = Bound(config.queue.max_waiting, config.queue.retry_after_seconds)
    intake = Intake(store, queue, rules, codes, bound, clock)
    links = Links(keys, config.server.public_base_url)
    sending = Sending(
        config.delivery.attempt_timeout_seconds, config.otp.template, links.unsubscribe
    )
    deliverer = Deliverer(store, queue, ways, sending, clock, SystemRandom().random)
    listener = Listener(store, ways, deliverer.verdicts, _answers(config), clock)
    learner = Learner(store, ways.learned, rules.media, clock)
    owner = secrets.token_hex(4)
    return Parts(
        keys=keys,
        store=store,
        queue=queue,
        rules=rules,
        ways=ways,
        intake=intake,
        verifier=Verifier(store, rules, codes, clock),
        deliverer=deliverer,
        listener=listener,
        learner=learner,
        dispatcher=Dispatcher(store, intake, ways, listener, owner, clock, learner=learner),
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
