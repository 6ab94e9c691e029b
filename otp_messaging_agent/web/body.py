"""Reads the body and the idempotency key of a request, and makes a model of them."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar, get_args

from flask import request
from pydantic import BaseModel, ValidationError

from ..errors import Fault, InvalidRequest
from ..faults import TIME, invalid
from ..stores.base import Once
from . import strict_json
from .errors import Malformed, UnsupportedMediaType

_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UTF8 = {"", "utf-8", "utf8"}
_Model = TypeVar("_Model", bound=BaseModel)


def read() -> tuple[bytes, dict[str, Any]]:
    """Return the request's body as sent and as an object, or raise what is wrong with it."""
    environ = request.environ
    if environ.get("CONTENT_TYPE") != "application/json":
        _check_type()
    if environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        msg = "a compressed body is not read; send it without Content-Encoding"
        raise UnsupportedMediaType(msg)
    raw = request.get_data(cache=False)
    value = strict_json.parse(raw)
    if not isinstance(value, dict):
        raise InvalidRequest([Fault((), "must be a JSON object")])
    return raw, value


def read_nothing() -> None:
    """Accept an empty body or `{}`, for calls that take none."""
    if request.content_length and (value := read()[1]):
        raise InvalidRequest([Fault((name[:64],), "is not a known field") for name in value])


def as_model(model: type[_Model], raw: bytes, value: dict[str, Any]) -> _Model:
    """Return *raw* as *model*; the document's types are meant, so "60" is not 60."""
    check_times(model, value)
    try:
        return model.model_validate_json(raw, strict=True)
    except ValidationError as e:
        raise invalid(e) from None


def as_frame(model: type[_Model], value: dict[str, Any]) -> _Model:
    """Return *value* as *model* without reading it again; for a model whose rows are left as is."""
    try:
        return model.model_validate(value)
    except ValidationError as e:
        raise invalid(e) from None


def check_times(model: type[BaseModel], value: Mapping[str, Any]) -> None:
    """Refuse a time that is a number in disguise, which pydantic would take as Unix seconds."""
    for name in _times(model):
        given = value.get(name)
        if isinstance(given, str) and not _DATE.match(given):
            raise InvalidRequest([Fault((name,), TIME)])


@functools.cache
def _times(model: type[BaseModel]) -> tuple[str, ...]:
    fields = model.model_fields.items()
    return tuple(name for name, field in fields if datetime in get_args(field.annotation))


def once(value: Any) -> Once | None:
    """Return the request's idempotency key with a digest of *value*, None where it has none."""
    key = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        msg = "Idempotency-Key must be 1 to 255 printable ASCII characters"
        raise Malformed(msg)
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return Once(f"{request.path}\n{key}", hashlib.sha256(canonical).digest(), time.time())


def _check_type() -> None:
    if request.mimetype == "application/json":
        if request.mimetype_params.get("charset", "").lower() in _UTF8:
            return
        msg = "JSON is UTF-8; another charset is not read"
        raise UnsupportedMediaType(msg)
    msg = "send JSON, with the header Content-Type: application/json"
    raise UnsupportedMediaType(msg)
