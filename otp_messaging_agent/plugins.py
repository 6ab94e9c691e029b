"""A plug-in is a file: its name is the name in config.json."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


def names(kind: str) -> list[str]:
    """Return the plug-ins in the folder *kind*, in order of their names."""
    folder = import_module(f"{__package__}.{kind}")
    found = {m.name for m in iter_modules(folder.__path__)}
    return sorted(found - {"base", "migrations"})


@cache
def load(kind: str, name: str) -> ModuleType:
    """Return the module of plug-in *name*; ValueError names those there are."""
    if name not in names(kind):
        msg = f"must be one of {', '.join(names(kind))}"
        raise ValueError(msg)
    return import_module(f"{__package__}.{kind}.{name}")
