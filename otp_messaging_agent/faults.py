"""What is wrong with an input, in words that name what is allowed and never repeat a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import AfterValidator, ValidationError

from .errors import Fault, InvalidRequest

_LONGEST_NAME = 64


def shaped(pattern: str, words: str) -> AfterValidator:
    """For text that must match *pattern* as a whole: a fault says *words*, not the pattern."""
    whole = re.compile(pattern)

    def check(text: str) -> str:
        if not whole.fullmatch(text):
            raise ValueError(words)
        return text

    return AfterValidator(check)


def invalid(error: ValidationError) -> InvalidRequest:
    """Return *error* as a refusal, one fault for each place that is wrong."""
    found: dict[tuple[str | int, ...], Fault] = {}
    for one in error.errors(include_url=False, include_input=False):
        loc = _place(one["loc"])
        found.setdefault(loc, Fault(loc, _say(one["type"], one.get("ctx", {}), one["msg"], loc)))
    return InvalidRequest(list(found.values()))


def _place(loc: Iterable[str | int]) -> tuple[str | int, ...]:
    """Leave out what pydantic adds about unions; names are cut so that none can flood a log."""
    parts = tuple(p[:_LONGEST_NAME] if isinstance(p, str) else p for p in loc)
    return parts[:2] if parts and parts[0] == "metadata" else parts


def _say(kind: str, ctx: Mapping[str, Any], said: str, loc: tuple[str | int, ...]) -> str:
    if loc[:1] == ("metadata",) and len(loc) > 1:
        return _METADATA
    if kind == "string_pattern_mismatch" and loc == ("code",):
        return "must be 4 to 10 digits"
    known = _WORDS.get(kind)
    return known(ctx) if known else said.removeprefix("Value error, ")


_METADATA = (
    "must be text of at most 500 characters, a number, true, false or null, "
    "under a name of at most 40 characters"
)
TIME = "must be an ISO 8601 time, for example 2030-01-31T09:00:00Z"


def _always(text: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda _: text


def _one_of(ctx: Mapping[str, Any]) -> str:
    return "must be one of " + str(ctx["expected"]).replace("'", "").replace(" or ", ", ")


def _length(bound: str, key: str) -> Callable[[Mapping[str, Any]], str]:
    def say(ctx: Mapping[str, Any]) -> str:
        # pydantic calls what is neither text nor a list, a secret above all, a "Value"
        one = "character" if ctx.get("field_type", "Value") == "Value" else "item"
        return f"must have {bound} {ctx[key]} {one}{'' if ctx[key] == 1 else 's'}"

    return say


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": _always("is required"),
    "extra_forbidden": _always("is not a known field"),
    "string_type": _always("must be text"),
    "int_type": _always("must be a whole number"),
    "int_parsing": _always("must be a whole number"),
    "int_from_float": _always("must be a whole number"),
    "dict_type": _always("must be an object"),
    "list_type": _always("must be an array"),
    "model_type": _always("must be a JSON object"),
    "enum": _one_of,
    "literal_error": _one_of,
    "greater_than": lambda ctx: f"must be greater than {ctx['gt']:g}",
    "greater_than_equal": lambda ctx: f"must be at least {ctx['ge']}",
    "less_than_equal": lambda ctx: f"must be at most {ctx['le']}",
    "string_too_short": _length("at least", "min_length"),
    "string_too_long": _length("at most", "max_length"),
    "too_short": _length("at least", "min_length"),
    "too_long": _length("at most", "max_length"),
    "datetime_type": _always(TIME),
    "datetime_parsing": _always(TIME),
    "datetime_from_date_parsing": _always(TIME),
    "datetime_object_invalid": _always(TIME),
}
