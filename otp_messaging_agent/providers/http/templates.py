"""Text with placeholders, and dotted paths into what a vendor says. Pure.

A value fills text inside a body, a query or a header; it never adds to their structure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

LABELS = frozenset({"attempt_id", "message_id", "channel"})
WORDS = LABELS | {"to", "to_digits", "from", "code", "type", "validity_seconds"}
PLACEHOLDERS = WORDS | {"content", "spoken", "subject", "callback", "unsubscribe"}

Values = Mapping[str, str | int | None]
"""What fills each placeholder; None = this message has no such thing."""

_PART = re.compile(r"\{\{|\}\}|\{([a-z_]+)\}|[{}]")
_LEFT_OUT = object()


def used(text: str, allowed: Iterable[str] = PLACEHOLDERS) -> set[str]:
    """Return the placeholders in *text*; ValueError where one is not of the *allowed*."""
    found = {m[1] or "" for m in _PART.finditer(text) if m[0] not in {"{{", "}}"}}
    if not found <= set(allowed):  # a lonely brace has no name
        known = ", ".join(f"{{{name}}}" for name in sorted(allowed))
        msg = f"a placeholder here must be one of {known}; {{{{ and }}}} stand for braces"
        raise ValueError(msg)
    return found


def texts(node: Any) -> Iterator[str]:
    """Return every text of a template that may hold placeholders."""
    if isinstance(node, dict):
        if any(_PART.search(name) for name in node):
            msg = "placeholders may stand in values only, not in names"
            raise ValueError(msg)
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from texts(inner)
    elif isinstance(node, str):
        yield node


def filled(text: str, values: Values, encode: Callable[[str], str] = str) -> str:
    """Return *text* with each placeholder's value, encoded, in its place."""

    def value(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        found = values[match[1]]
        return "" if found is None else encode(str(found))

    return _PART.sub(value, text)


def made(node: Any, values: Values) -> Any:
    """Return a template with its placeholders filled.

    A value that is one placeholder and nothing else keeps its type, and is left out where this
    message has no such thing.
    """
    if isinstance(node, dict):
        inner = {name: made(value, values) for name, value in node.items()}
        return {name: value for name, value in inner.items() if value is not _LEFT_OUT}
    if isinstance(node, list):
        return [value for each in node if (value := made(each, values)) is not _LEFT_OUT]
    if not isinstance(node, str):
        return node
    whole = _PART.fullmatch(node)
    if whole is None or whole[1] is None:
        return filled(node, values)
    found = values[whole[1]]
    return _LEFT_OUT if found is None else found


def parsed(body: bytes) -> Any:
    """Return the JSON in *body*; ValueError where there is none."""
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError from None


def at(node: Any, path: str) -> Any:
    """Return what stands at *path*, names and places in lists with dots between; None = nothing."""
    for step in path.split("."):
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and re.fullmatch("[0-9]{1,4}", step):
            node = node[int(step)] if int(step) < len(node) else None
        else:
            return None
    return node


def word_at(node: Any, path: str) -> str | None:
    """Return the text, whole number, true or false at *path*, as text; None for anything else."""
    return word(at(node, path))


def word(value: Any) -> str | None:
    """Return a text, whole number, true or false as text, so that 0 and "0" are the same."""
    return json.dumps(value) if isinstance(value, int) else value if type(value) is str else None
