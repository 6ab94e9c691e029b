"""Find, read and judge a configuration.

A fault is one line, `key.path: what is wrong and what is allowed`. A value stands in it only
where it can be no secret.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import ConfigError
from ..message import Channel
from .model import Config
from .reader import Object, Reader
from .sending import ChannelConfig

HEAVIEST = 1000
_NUMBERS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "rate_limit_per_minute": (
        lambda n: isinstance(n, int) and n >= 1,
        "must be a whole number of at least 1",
    ),
    "cost_per_message": (lambda n: n >= 0, "must be a number of at least 0"),
    "weight": (lambda n: 0 < n <= HEAVIEST, f"must be a number above 0, at most {HEAVIEST}"),
}
"""Our own numbers beside a provider's settings: which are allowed, and that in words."""
OURS = frozenset({"provider", "name", *_NUMBERS})
"""What stands beside a provider's own settings and is not its own."""

LoadSettings = Callable[[str, Channel, dict[str, Any], str], Iterable[str]]
"""(provider, channel, its settings, their key path) -> the faults of those settings."""

_COSTS = {Channel.SMS: 0.0083, Channel.WHATSAPP: 0.005, Channel.CALL: 0.014, Channel.EMAIL: 0.0009}
_RATES = {Channel.SMS: 100, Channel.WHATSAPP: 80, Channel.CALL: 30, Channel.EMAIL: 300}
_FILE = Path("config.json")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_SECRET = re.compile(
    r"token|secret|passw|key|sid|auth|header|url|api_config|providers", re.IGNORECASE
)
_SHOWN = 40
_SHOULD = re.compile("^(Input|String) should ")

DEFAULT: Mapping[str, Any] = {
    "channels": {
        channel.value: {
            "api_config": {"provider": "sandbox"},
            "rate_limit_per_minute": _RATES[channel],
            "cost_per_message": _COSTS[channel],
        }
        for channel in Channel
    }
}
"""The configuration where none is given: what the shipped config.json says."""


def load(
    source: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    check: LoadSettings | None = None,
    check_prices: Callable[[str], Iterable[str]] | None = None,
) -> Config:
    """Return the configuration, or raise ConfigError with every fault at once.

    source: a path, a dict, or None for config.json of the working directory where there is
    one, else `DEFAULT`. check: judges each provider's own settings; check_prices: the file of
    prices.
    """
    reader = Reader(os.environ if environ is None else environ)
    tree = _tree(source)
    try:
        tree = _thawed(tree)
        reader.overlay(tree, Config)
        data = reader.read(tree, Config)
    except RecursionError:
        raise ConfigError(["config: nested too deep"]) from None
    draft = _draft(data)
    _read_numbers(draft, reader)
    config = _validated(data, reader)
    for path, text in _entry_faults(draft):
        reader.fault(path, text)
    for line in check_providers(draft, check) if check else ():
        path, _, text = line.partition(": ")
        reader.fault(path, text)
    for line in check_prices(file) if check_prices and (file := _price_file(data)) else ():
        path, _, text = line.rpartition(": ")
        reader.fault(f"prices.file: {path}", text)
    if config is None or reader.faults:
        raise ConfigError([f"{path}: {text}" for path, text in reader.faults.items()])
    return config


def check_providers(config: Config, load_settings: LoadSettings) -> list[str]:
    """Return what *load_settings* finds wrong with each provider of *config*."""
    faults: list[str] = []
    for channel, path, given in _entries(config):
        provider = given.get("provider")
        if isinstance(provider, str):
            rest = {name: v for name, v in given.items() if name not in OURS}
            faults += load_settings(provider, channel, rest, path)
    return faults


def _tree(source: str | os.PathLike[str] | Mapping[str, Any] | None) -> Mapping[str, Any]:
    if isinstance(source, Mapping):
        return source
    if source is None and not _FILE.exists():
        return DEFAULT
    path = _FILE if source is None else Path(source)
    try:
        tree = _parsed(path)
    except ValueError as fault:
        raise ConfigError([f"{path}: {fault}"]) from None
    if not isinstance(tree, dict):
        raise ConfigError([f"{path}: must be a JSON object, {{ ... }}"])
    return tree


def _thawed(node: Any) -> Any:
    """Return a copy of the tree *node* that can be changed."""
    if isinstance(node, Mapping):
        copied = Object((name, _thawed(value)) for name, value in node.items())
        copied.twice = getattr(node, "twice", ())
        return copied
    return [_thawed(value) for value in node] if isinstance(node, list | tuple) else node


def _parsed(path: Path) -> Any:
    """Return the JSON in *path*; ValueError says in a line what is wrong with it."""
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=Object.of)
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    except json.JSONDecodeError as error:
        fault = f"line {error.lineno} column {error.colno}: is not JSON: {error.msg}"
    except UnicodeDecodeError:
        fault = "must be UTF-8 text"
    except (ValueError, RecursionError):
        fault = "is not JSON that can be read: a number too long, or nested too deep"
    raise ValueError(fault)


def _validated(data: dict[str, Any], reader: Reader) -> Config | None:
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            path = ".".join(map(str, each["loc"]))
            text = _SHOULD.sub("must ", each["msg"].removeprefix("Value error, "))
            reader.fault(path, text + _shown(path, each["input"], reader))
    return None


def _shown(path: str, value: object, reader: Reader) -> str:
    """Return the value for a fault, nothing where it might be a secret."""
    if _SECRET.search(path) or reader.is_hidden(path):
        return ""
    if isinstance(value, str):
        return f" (is {value!r})" if len(value) <= _SHOWN and "://" not in value else ""
    return f" (is {json.dumps(value)})" if isinstance(value, bool | int | float) else ""


def _draft(data: Mapping[str, Any]) -> Config:
    """Return what can be told of the providers of a configuration that has faults."""
    channels = data.get("channels")
    drafts = {
        Channel(name): ChannelConfig.model_construct(
            api_config=given.get("api_config"),
            providers=given["providers"] if isinstance(given.get("providers"), list) else [],
        )
        for name, given in (channels if isinstance(channels, dict) else {}).items()
        if isinstance(given, dict)
    }
    return Config.model_construct(channels=drafts)


def _read_numbers(config: Config, reader: Reader) -> None:
    """Make numbers of our own keys beside a provider's where the environment gives them.

    Everything else there stays text: only the provider's own model knows what it is.
    """
    for _, path, given in _entries(config):
        for name in _NUMBERS:
            text = given.get(name)
            if isinstance(text, str) and reader.is_hidden(f"{path}.{name}"):
                given[name] = _number(text)


def _number(text: str) -> int | float | str:
    """Return the number that *text* is, or the text where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else text


def _price_file(data: Mapping[str, Any]) -> str | None:
    given = data.get("prices")
    file = given.get("file") if isinstance(given, dict) else None
    return file if isinstance(file, str) else None


def _entries(config: Config) -> Iterator[tuple[Channel, str, dict[str, Any]]]:
    for channel, part in config.channels.items():
        for path, given in part.provider_settings:
            yield channel, f"channels.{channel}.{path}", given


def _entry_faults(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with our own keys of a provider; its name is unique in its channel."""
    names: set[tuple[Channel, str]] = set()
    for channel, path, given in _entries(config):
        provider = given.get("provider")
        name = given.get("name", provider)
        for number, (fits, allowed) in _NUMBERS.items():
            value = given.get(number)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if number in given and not (is_number and fits(value)):
                yield f"{path}.{number}", allowed
        if not isinstance(provider, str):
            yield f"{path}.provider", "is required: the name of a provider, e.g. sandbox"
        elif not isinstance(name, str) or not _NAME.fullmatch(name):
            yield (
                f"{path}.name",
                "must be 1 to 64 letters, digits, - and _, a letter or digit first",
            )
        elif (channel, name) in names:
            yield f"{path}.name", f"{name} is taken in this channel; give each its own `name`"
        else:
            names.add((channel, name))
