"""Read a raw tree beside its model: the environment's values, names, references, placeholders.

The types and ranges of what comes out are the model's affair.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

PREFIX = "OTP_AGENT__"
_REFERENCE = re.compile(
    r"\$(?:(?P<escaped>\$\{)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<open>\{))"
)
_PLACEHOLDER = re.compile(r"(?<![A-Za-z0-9])YOUR_[A-Z0-9_]*")
_TEXT = (str, Any)
_NOWHERE = "there is no such place in the configuration"


class Object(dict[str, Any]):
    """A JSON object that remembers which keys stood there twice."""

    twice: tuple[str, ...] = ()

    @classmethod
    def of(cls, pairs: list[tuple[str, Any]]) -> Object:
        """Make one from the pairs of `json.loads`."""
        names = [name for name, _ in pairs]
        made = cls(pairs)
        made.twice = tuple(name for name in made if names.count(name) > 1)
        return made


class Reader:
    """One reading; afterwards `faults` maps key paths to what is wrong, the first of each.

    hidden: key paths whose value came from the environment, which no message may show.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.faults: dict[str, str] = {}
        self.hidden: set[str] = set()
        self._environ = environ

    def fault(self, path: str, text: str) -> None:
        """Note a fault; the first one at a path stays."""
        self.faults.setdefault(path, text)

    def is_hidden(self, path: str) -> bool:
        """Whether the value at *path*, or all it stands in, came from the environment."""
        return any(f"{path}.".startswith(f"{hidden}.") for hidden in self.hidden)

    def overlay(self, tree: dict[str, Any], model: type[BaseModel]) -> None:
        """Put every `OTP_AGENT__KEY__KEY` of the environment in its place in *tree*."""
        for name in sorted(self._environ):  # a whole object comes before what stands inside it
            if name.upper().startswith(PREFIX):
                try:
                    self._put(tree, model, name[len(PREFIX) :].split("__"), self._environ[name])
                except LookupError as unknown:
                    self.fault(name, str(unknown))

    def read(self, node: Any, kind: Any, path: str = "") -> Any:
        """Return *node* as plain dicts and lists without nulls, by the names that *kind* knows."""
        kind = _plain(kind)
        if isinstance(node, Mapping):
            return self._object(node, kind, path)
        if isinstance(node, list | tuple):
            item = _item(kind)
            return [self.read(each, item, _join(path, i)) for i, each in enumerate(node)]
        if isinstance(node, str):
            return self._text(node, kind, path)
        if isinstance(node, float) and not math.isfinite(node):
            self.fault(path, "must be a finite number")
        return node

    def _object(self, node: Mapping[Any, Any], kind: Any, path: str) -> dict[str, Any]:
        known, read = _known(kind), {}
        for name in getattr(node, "twice", ()):
            self.fault(_join(path, name), "stands there twice")
        for raw, value in node.items():
            name = _name(str(raw), kind)
            where = _join(path, name)
            if known is not None and name not in known:
                self.fault(where, _unknown(name, known))
            elif name in read:
                self.fault(where, "stands there twice, in two spellings")
            elif value is not None:
                read[name] = self.read(value, known[name] if known else Any, where)
        return read

    def _text(self, text: str, kind: Any, path: str) -> Any:
        # What comes from the environment stands as it is there: a password may hold ${ itself.
        literal = self.is_hidden(path)
        value = text if literal else _REFERENCE.sub(lambda m: self._referred(m, path), text)
        if any("\ud800" <= c <= "\udfff" or c == "\0" for c in value):
            self.fault(path, "must not contain NUL or half a surrogate pair")
        left = _PLACEHOLDER.search(value)
        if left:
            shown = "" if self.is_hidden(path) else f" ({left[0]})"
            self.fault(path, f"placeholder left in{shown}; put the real value or ${{NAME}} there")
        whole = _REFERENCE.fullmatch(text) and kind not in _TEXT
        typed = _typed(value, kind) if whole else value
        return value if isinstance(typed, str) else self.read(typed, kind, path)

    def _referred(self, match: re.Match[str], path: str) -> str:
        if match["escaped"]:
            return "${"
        self.hidden.add(path)
        if match["open"]:
            self.fault(path, "${ must be followed by NAME}; write $${ for the two characters")
        elif match["name"] not in self._environ:
            self.fault(path, f"${{{match['name']}}} is not set in the environment")
        else:
            return self._environ[match["name"]]
        return match[0]

    def _put(self, node: Any, kind: Any, parts: Sequence[str], value: str, path: str = "") -> None:
        """Set one value of the environment; LookupError where nothing can stand there."""
        key, inner = _place(node, kind, parts[0])
        path = _join(path, _name(str(key), kind))
        if len(parts) > 1:
            self._put(_inside(node, key, inner), inner, parts[1:], value, path)
            return
        self.hidden.add(path)
        if key == len(node):
            node.append(None)
        node[key] = _typed(value, inner)


def _place(node: Any, kind: Any, part: str) -> tuple[Any, Any]:
    """Return the key in *node* that *part* of a variable's name means, and the kind there."""
    if isinstance(node, list):
        if not re.fullmatch(r"[0-9]{1,4}", part) or int(part) > len(node):
            raise LookupError(_NOWHERE)
        return int(part), _item(kind)
    known = _known(kind)
    name = _alike(part, node if known is None else known)
    if name is None and (known is not None or not part):
        raise LookupError(_unknown(part, known or ()))
    name = name or part.lower()
    return _alike(name, node) or name, known[name] if known else Any


def _inside(node: Any, key: Any, kind: Any) -> Any:
    """Return the object or list at *key*, made where there is none yet."""
    if key == len(node):
        node.append(None)
    inner = node[key] if isinstance(node, list) else node.get(key)
    if inner is None:
        inner = node[key] = _empty(kind)
    if isinstance(inner, dict | list):
        return inner
    raise LookupError(_NOWHERE)


def _empty(kind: Any) -> Any:
    """Return the empty object or list that *kind* begins with, None where it is neither."""
    if get_origin(kind) is list:
        return []
    return {} if kind is Any or get_origin(kind) is dict or _known(kind) is not None else None


def _plain(kind: Any) -> Any:
    """Return *kind* without Annotated and without None."""
    if get_origin(kind) not in {Annotated, Union, UnionType}:
        return kind
    return _plain(next(a for a in get_args(kind) if a is not NoneType))


def _item(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is list else Any


def _words(kind: Any) -> type[StrEnum] | None:
    """Return the words that are the keys of *kind*, where it is a dict with such."""
    if get_origin(kind) is not dict:
        return None
    key = _plain(get_args(kind)[0])
    return key if isinstance(key, type) and issubclass(key, StrEnum) else None


def _known(kind: Any) -> dict[str, Any] | None:
    """Return the keys that *kind* knows and what each holds; None where any key goes."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: _plain(field.annotation) for name, field in kind.model_fields.items()}
    words = _words(kind)
    return {word.value: _plain(get_args(kind)[1]) for word in words} if words else None


def _alike(name: str, names: Iterable[Any]) -> Any:
    return next((n for n in names if str(n).casefold() == name.casefold()), None)


def _name(name: str, kind: Any) -> str:
    """Return *name* as it is written: words are read in any case, other keys as they are."""
    words = _words(kind)
    return str(_alike(name, words) or name) if words else name


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _unknown(name: str, known: Iterable[str]) -> str:
    """Say that *name* is no key and which key is the nearest."""
    names = {n.casefold(): n for n in known}
    near = difflib.get_close_matches(name.casefold(), names, n=1, cutoff=0)
    return f"unknown key; the nearest known key is {names[near[0]]}" if near else "unknown key"


def _typed(text: str, kind: Any) -> Any:
    """Return what *text* of the environment means where *kind* is expected.

    Numbers, booleans, lists and objects are JSON. Where text is expected text stays, and so do
    single values of a provider's settings: only its own model knows that a token of digits is
    text, and reads a port from text by itself.
    """
    if kind is str:
        return text
    try:
        value = json.loads(text, object_pairs_hook=Object.of, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    allowed = list | dict if kind is Any else list | dict | bool | int | float
    return value if isinstance(value, allowed) else text


def _refuse(constant: str) -> None:
    raise ValueError(constant)
