"""Parses JSON strictly: what two parsers could read differently is refused.

Broken JSON, NaN, a name given twice and deep nesting are 400; a value no field can hold (a lone
surrogate, a number beyond 64 bits) is 422 and names its field.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from ..errors import Fault, InvalidRequest
from .errors import Malformed

MAX_DEPTH = 64
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class _Beyond64BitsError(Exception):
    pass


def parse(raw: bytes) -> Any:
    """Return the value of the JSON in *raw*."""
    if not raw.strip():
        msg = "the body is empty; a JSON object is expected"
        raise Malformed(msg)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        msg = "the body is not UTF-8"
        raise Malformed(msg) from None
    try:
        value = _decode(_STRICT, text)
    except _Beyond64BitsError:
        # Read again to learn where it stands, so that the honest never pay for the search.
        value = _decode(_LENIENT, text)
        _refuse(value, lambda leaf: leaf is _BEYOND, "must be a number within 64 bits")
    if _SURROGATE.search(text):
        _refuse(value, _has_surrogate, "must be valid Unicode, without a lone surrogate")
    return value


def _decode(decoder: json.JSONDecoder, text: str) -> Any:
    try:
        value = decoder.decode(text)
    except json.JSONDecodeError as e:
        msg = f"the body is not JSON: {e.msg} (line {e.lineno}, column {e.colno})"
        raise Malformed(msg) from None
    except RecursionError:
        _too_deep()
    _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    """Walk level by level, so that depth costs no stack."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    _too_deep()


def _too_deep() -> NoReturn:
    msg = f"the body is nested deeper than {MAX_DEPTH} levels"
    raise Malformed(msg)


def _refuse(value: Any, bad: Callable[[Any], bool], msg: str) -> None:
    faults = [Fault(loc, msg) for loc, leaf in _leaves(value, ()) if bad(leaf)]
    if faults:
        raise InvalidRequest(faults)


def _leaves(node: Any, loc: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield every name and every value that holds no other, with where it stands."""
    if isinstance(node, dict):
        for name, child in node.items():
            safe = name.encode("ascii", "replace").decode()[:64]
            yield (*loc, safe), name
            yield from _leaves(child, (*loc, safe))
    elif isinstance(node, list):
        for i, child in enumerate(node):
            yield from _leaves(child, (*loc, i))
    else:
        yield loc, node


def _has_surrogate(leaf: Any) -> bool:
    return isinstance(leaf, str) and any("\ud800" <= c <= "\udfff" for c in leaf)


_BEYOND = object()
_LONGEST_INT = len(str(-(2**63)))


def _int(text: str) -> int:
    if len(text) > _LONGEST_INT or not -(2**63) <= (value := int(text)) < 2**63:
        raise _Beyond64BitsError
    return value


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _Beyond64BitsError
    return value


def _marked(read_number: Callable[[str], float]) -> Callable[[str], Any]:
    def number(text: str) -> Any:
        try:
            return read_number(text)
        except _Beyond64BitsError:
            return _BEYOND

    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        msg = "the body is not JSON that can be trusted: a name is given twice in one object"
        raise Malformed(msg)
    return value


def _no_constant(_: str) -> NoReturn:
    msg = "the body is not JSON: NaN and Infinity are not JSON numbers"
    raise Malformed(msg)


_STRICT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_int, parse_float=_float
)
_LENIENT = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_constant=_no_constant,
    parse_int=_marked(_int),
    parse_float=_marked(_float),
)
