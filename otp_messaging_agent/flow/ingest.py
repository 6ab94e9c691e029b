"""1. What a source hands in -> requests; a bad row is set aside with its reasons."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from ..faults import invalid
from ..lookup import MessageSearch, PersonSearch
from ..request import MessageRequest
from ..stores.base import Search
from .validate import Rules, moment, recipient


def read(row: MessageRequest | Mapping[str, Any] | object) -> MessageRequest:
    """Return the request a row says; InvalidRequest names every reason why it says none."""
    if isinstance(row, MessageRequest):
        return row
    try:
        return MessageRequest.model_validate(row)
    except ValidationError as e:
        raise invalid(e) from None


def digest(request: BaseModel) -> bytes:
    """Return a digest that is the same for the same request."""
    return hashlib.sha256(request.model_dump_json().encode()).digest()


def search(request: MessageSearch, rules: Rules) -> Search:
    """Return the filters a search asks for, its addresses in their canonical form."""
    person = request if isinstance(request, PersonSearch) else PersonSearch()
    phone, email = recipient(person.phone_number, person.email, rules)
    return Search(
        status=request.status,
        channel=request.channel,
        type=request.message_type,
        batch_id=request.batch_id,
        reference=request.reference,
        since=moment(request.since, rules),
        until=moment(request.until, rules),
        phone_number=phone,
        email=email,
        user_id=person.user_id,
        after=request.cursor,
        limit=request.limit,
    )
