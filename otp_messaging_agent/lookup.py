"""What is looked up: filters of a search, pages of a list."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from .faults import shaped
from .message import Channel, MessageType, Status
from .request import Line

_Cursor = Annotated[
    Line, shaped("[a-z]{3}_[0-9a-z]{26}", "must be the `next_cursor` of the page before")
]


class Everything(BaseModel):
    """Nothing is filtered."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Paging(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: _Cursor | None = None


class NumberPaging(Paging):
    """Which page of a list that is numbered."""

    cursor: Annotated[int, Field(ge=0, lt=2**63)] | None = None  # type: ignore[assignment]


class MessageSearch(BaseModel):
    """Filters; all given ones must hold. Newest first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Status | None = None
    channel: Channel | None = Field(None, description="The channel last tried.")
    message_type: MessageType | None = None
    batch_id: Annotated[Line, Field(max_length=64)] | None = None
    reference: Annotated[Line, Field(max_length=200)] | None = None
    since: datetime | None = Field(None, description="Accepted at or after.")
    until: datetime | None = Field(None, description="Accepted before.")
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: _Cursor | None = None


class PersonSearch(MessageSearch):
    """The same with what must never stand in a URL."""

    phone_number: Annotated[Line, Field(max_length=40)] | None = None
    email: Annotated[Line, Field(max_length=254)] | None = None
    user_id: Annotated[Line, Field(max_length=200)] | None = None
