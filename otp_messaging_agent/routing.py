"""What the router learned, as callers see it."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from .answer import Answer, Expected, Mode
from .message import Channel, Priority


class Choice(Answer):
    """One way to send: a channel by one of its providers."""

    channel: Channel
    provider: str


class WayView(Expected, Choice):
    """One way to a country: what is to be expected, what it costs, whether it is free now."""

    price: float = Field(description="Money for a message of one part.")
    resting_seconds: float = Field(description="Until its provider, which failed, is tried again.")
    waiting_seconds: float = Field(description="Until its rate limit is free.")


class CountryView(Answer):
    """What was learned of the ways to one country, and what that leads to."""

    country: str = Field(
        description='ISO 3166-1 alpha-2. "": everywhere together, by which mail to those '
        "without a number is judged.",
        examples=["GB"],
    )
    ways: list[WayView] = Field(description="All that are configured, in that order.")
    chooses: dict[Priority, Choice | None] = Field(
        description="By what a notification of one part, to somebody there with a number and an "
        "e-mail address, would be sent first now; null where nothing could carry it."
    )


class Routing(Answer):
    """What the router learned, by country; those without evidence are not listed."""

    mode: Mode
    as_of: datetime
    countries: list[CountryView]
