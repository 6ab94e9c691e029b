"""Reads the stored history and decides it again under the settings to try.

It may run beside a service: the store is not opened as a process of the service would, so
nothing is made or migrated, and no key either.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .. import config as configuration
from .. import plugins
from ..assembly import Parts, build, price_faults, provider_faults
from ..channels.base import Medium
from ..config import Config
from ..errors import ConfigError, StoreUnavailable
from ..flow.learn import HALF_LIVES, Learner
from ..flow.lesson import Prior
from ..flow.replay import Past, Replayed, Trial, replay, tallied
from ..message import Channel
from ..safety.encryption import VARIABLE, key_file
from ..stores.base import Store
from .period import period
from .told import Result

PAGE = 500
"""Messages that are read at a time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What to replay.

    config: of the service, where its store is; changed: the settings to try, None for the same;
    since, until: as `period.moment` reads them, until None for now; limit: the most messages.
    """

    config: str | None
    data_dir: Path
    changed: str | None
    since: str
    until: str | None
    limit: int


def run(asked: Asked) -> Result:
    """Return what the settings would have chosen.

    Raises ConfigError, InvalidRequest for a time that cannot be read, StoreUnavailable.
    """
    config = _load(asked.config)
    changed = config if asked.changed is None else _tried(asked.changed)
    _refuse_new(config, asked.data_dir)
    parts = build(config, asked.data_dir)
    zone = parts.rules.zone
    since, until = period(asked.since, asked.until, time.time(), zone)
    history = _History(parts.store, since, until, asked.limit)
    try:
        total, by_part = tallied(_replayed(history, parts, build(changed, asked.data_dir)))
    except StoreUnavailable as e:
        msg = f"{e}; was it last used by an older version? A start of the service renews it"
        raise StoreUnavailable(msg) from None
    finally:
        parts.store.close(1.0)
    settings = asked.changed or asked.config or "those in use"
    return Result(settings, since, until, zone, total, by_part, asked.limit, history.reached)


class _History:
    """The stored messages of a period, oldest first, read by pages."""

    def __init__(self, store: Store, since: float, until: float, limit: int) -> None:
        self.since, self.until = since, until
        self._store = store
        self._left = limit
        self.reached: float | None = None

    def __iter__(self) -> Iterator[Past]:
        after = None
        while self._left:
            wanted = min(PAGE, self._left)
            page = self._store.history(self.since, self.until, after, wanted)
            yield from page
            if len(page) < wanted:
                return
            after, self._left = page[-1][0].id, self._left - wanted
            self.reached = None if self._left else page[-1][0].created_at


def _replayed(history: _History, then: Parts, tried: Parts) -> Iterator[Replayed]:
    media = _media()
    priors = {c: Prior(m.reliability, m.latency) for c, m in media.items()}
    learned = tried.ways.learned.afresh(priors)
    learner = Learner(then.store, learned, media, time.time)
    # What waited long may be tried after the period: what is known by then counts as well.
    known = learner.lessons(history.since - HALF_LIVES * learned.half_life, time.time())
    ways = tried.ways
    trial = Trial(ways.options, ways.policy, media, then.ways.policy.max_attempts)
    return replay(history, (lesson for _, lesson in known), learned, trial)


def _media() -> dict[Channel, Medium]:
    """Return the medium of every channel: of one that is off now there is history too."""
    return {c: plugins.load("channels", c.value.lower()).MEDIUM for c in Channel}


def _load(source: str | None) -> Config:
    return configuration.load(source, check=provider_faults, check_prices=price_faults)


def _tried(source: str) -> Config:
    """Return the settings to try; each fault says that it is one of theirs."""
    try:
        return _load(source)
    except ConfigError as e:
        told = [f if f.startswith(f"{source}: ") else f"{source}: {f}" for f in e.faults]
        raise ConfigError(told) from None


def _refuse_new(config: Config, data_dir: Path) -> None:
    """Refuse to begin where there is no store or no key: both would be made."""
    url = config.store.url
    store = Path(url.removeprefix("sqlite:///")) if url else data_dir / "agent.db"
    hint = "name the service's settings and data folder before the command: --config, --data-dir"
    if not store.exists():
        raise ConfigError([f"{store}: no store is there; {hint}"])
    if VARIABLE not in os.environ and not key_file(data_dir).exists():
        raise ConfigError([f"{key_file(data_dir)}: no key file is there; {hint}"])
