"""What the configuration says about sending: channels, retries, costs, consent. Pure."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ..message import MessageType
from . import values

_Positive = Annotated[int, Field(ge=1)]
_Provider = dict[str, Any]
_Country = Annotated[str, AfterValidator(values.country)]
_Answer = Annotated[str, Field(min_length=1, max_length=1600)]
_Type = Annotated[MessageType, Field(strict=False)]


class Part(BaseModel):
    """A part of the configuration; types are taken at their word, so `"5"` is no number."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )


class Receipts(Part):
    """Whether delivery receipts of a channel come at all, and where none come."""

    expected: bool = True
    none_in: list[_Country] = []


class ChannelConfig(Part):
    """One channel. Off where disabled or without a provider.

    cost_per_message: money, on SMS per part. fallback_after_seconds: without a receipt a code or
    an alert then goes the next way too; 0 = never.
    """

    enabled: bool = True
    api_config: Annotated[_Provider | None, Field(repr=False)] = None
    providers: Annotated[list[_Provider], Field(repr=False)] = []
    rate_limit_per_minute: _Positive | None = None
    cost_per_message: Annotated[float, Field(ge=0)] | None = None
    receipts: Receipts = Receipts()
    fallback_after_seconds: Annotated[float, Field(ge=0)] | None = None

    @property
    def on(self) -> bool:
        """Whether messages can go this way at all."""
        return self.enabled and bool(self.provider_settings)

    @property
    def provider_settings(self) -> list[tuple[str, dict[str, Any]]]:
        """Return (key path below the channel, settings) of each provider, in their order."""
        several = [(f"providers.{i}", given) for i, given in enumerate(self.providers)]
        entries = [("api_config", self.api_config), *several]
        return [(path, given) for path, given in entries if isinstance(given, dict)]


class Retry(Part):
    """Retries of one channel; delays in seconds."""

    max_retries: Annotated[int, Field(ge=0, le=20)] = 3
    exponential_backoff: bool = True
    base_delay_seconds: Annotated[float, Field(gt=0)] = 1
    max_delay_seconds: Annotated[float, Field(gt=0)] = 300


class Delivery(Part):
    """The wall-clock bound of one attempt."""

    attempt_timeout_seconds: Annotated[float, Field(ge=0.1, le=120)] = 10


class Breaker(Part):
    """When a provider that fails is left alone: failures in a row, seconds until it is tried."""

    failures: Annotated[int, Field(ge=1, le=1000)] = 5
    rest_seconds: Annotated[float, Field(gt=0, le=300)] = 30


class SpendConfig(Part):
    """What may be spent, in the unit of the prices; a day begins at 0:00 of `timezone`."""

    max_per_message: Annotated[float, Field(gt=0)] | None = None
    max_per_day: Annotated[float, Field(gt=0)] | None = None


class PriceTable(Part):
    """A CSV that replaces the shipped table of prices."""

    file: Annotated[str, Field(min_length=1)] | None = None


class Consent(Part):
    """What STOP ends, and what is answered to STOP, START and HELP."""

    stop_types: list[_Type] = [
        MessageType.NOTIFICATION,
        MessageType.ALERT,
        MessageType.REMINDER,
        MessageType.MARKETING,
    ]
    confirm: bool = True
    stop_text: _Answer = "You will get no more messages from us. Reply START to get them again."
    start_text: _Answer = "You will get our messages again. Reply STOP to end them."
    help_text: _Answer = "Reply STOP to get no more messages from us, START to get them again."
