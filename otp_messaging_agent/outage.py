"""An outage that the sandbox is to play: what is asked, and how it stands."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from .answer import Answer, as_time
from .inbox import Outage, OutageMode
from .message import Channel


class OutageRequest(BaseModel):
    """A provider of the sandbox is to fail for a while."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    mode: OutageMode = Field(
        description="`reject`: it takes nothing, `provider_unavailable`. `fail`: it takes the "
        "message and reports `undelivered` 2 seconds later. `silent`: it takes the message and "
        "never reports."
    )
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="Of its messages; which ones goes by the id of the attempt."
    )
    channel: Channel | None = Field(
        None, description="Default: every channel that has a provider of this name."
    )
    minutes: Annotated[float, Field(ge=0.1, le=1440)] = Field(
        60.0, description="Until it works again by itself."
    )


class OutageView(Answer):
    """An outage as it stands; a channel of null is every channel of that provider's name."""

    provider: str
    channel: Channel | None
    mode: OutageMode
    share: float
    until: datetime

    @classmethod
    def of(cls, o: Outage) -> Self:
        """Return the view of an outage."""
        return cls(
            provider=o.provider,
            channel=o.channel,
            mode=o.mode,
            share=o.share,
            until=as_time(o.until),
        )


class OutageList(Answer):
    """The outages that stand now."""

    outages: list[OutageView]
