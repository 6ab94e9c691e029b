"""What config.json may say: every key with its type, range and default. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ..message import Channel, MessageType, Priority
from . import values
from .routing import Routing
from .sending import (
    Breaker,
    ChannelConfig,
    Consent,
    Delivery,
    Part,
    PriceTable,
    Retry,
    SpendConfig,
)

_AnyCase = Field(strict=False)  # the words of the contract are read in any case
_Channel = Annotated[Channel, _AnyCase]
_Priority = Annotated[Priority, _AnyCase]
_Type = Annotated[MessageType, _AnyCase]
_Positive = Annotated[int, Field(ge=1)]
_Country = Annotated[str, AfterValidator(values.country)]

_Clock = Annotated[time, BeforeValidator(values.clock)]


class Server(Part):
    """Where the HTTP API listens; public_base_url is where providers call back."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 5000
    public_base_url: Annotated[str, AfterValidator(values.base_url)] | None = None
    threads: Annotated[int, Field(ge=1, le=256)] = 16
    max_body_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024

    @property
    def public_url(self) -> str:
        """Where providers call back: `public_base_url`, else where the API listens."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_base_url or f"http://{shown}:{self.port}"


class OtpLimits(Part):
    """How often one recipient may be sent codes and may guess wrong."""

    sends_per_10_minutes: _Positive = 5
    sends_per_hour: _Positive = 10
    sends_per_day: _Positive = 20
    wrong_per_day: _Positive = 20
    cooldown_seconds: Annotated[float, Field(ge=0)] = 0


class Otp(Part):
    """One-time codes. NIST SP 800-63B, 5.1.3.2: valid for 10 minutes at most."""

    ttl_seconds: Annotated[int, Field(ge=10, le=600)] = 300
    code_length: Annotated[int, Field(ge=4, le=10)] = 6
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 5
    template: Annotated[str, AfterValidator(values.template)] = (
        "Your verification code is {code}. It expires in {minutes} minutes. Do not share it."
    )
    limits: OtpLimits = OtpLimits()


class PhoneNumbers(Part):
    """Which numbers are taken: only assigned ones (strict), premium ones too, of which countries.

    An empty list of countries says nothing.
    """

    strict: bool = False
    allow_premium: bool = False
    allow_countries: list[_Country] = Field(default_factory=list)
    deny_countries: list[_Country] = Field(default_factory=list)

    @model_validator(mode="after")
    def _is_one_list(self) -> Self:
        if self.allow_countries and self.deny_countries:
            msg = "give allow_countries or deny_countries, not both: the first denies all others"
            raise ValueError(msg)
        return self


class Store(Part):
    """Where messages lie (None: SQLite in the data folder) and how soon a commit is on disk."""

    url: Annotated[str, AfterValidator(values.store_url)] | None = None
    synchronous: Literal["FULL", "NORMAL"] = "FULL"


class Queue(Part):
    """The queue and its bound; retry_after_seconds is what a caller is told when it is full."""

    use: Literal["memory"] = "memory"
    max_tickets: Annotated[int, Field(ge=8)] = 20_000
    max_waiting: _Positive = 1_000_000
    retry_after_seconds: Annotated[float, Field(gt=0)] = 5


class QuietHours(Part):
    """When messages of these types wait, in the recipient's zone."""

    enabled: bool = True
    message_types: list[_Type] = Field(default_factory=lambda: [MessageType.MARKETING])
    start: _Clock = time(20)
    end: _Clock = time(9)

    @model_validator(mode="after")
    def _is_a_window(self) -> Self:
        if self.start == self.end:
            msg = "start and end must differ; enabled: false ends quiet hours"
            raise ValueError(msg)
        return self


class Log(Part):
    """How much is logged."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"


_SAFE_LENGTH = 6
_MAPPING = dict(
    zip(Priority, (Channel.CALL, Channel.SMS, Channel.WHATSAPP, Channel.EMAIL), strict=True)
)


def _every_lane(mapping: dict[Priority, Channel]) -> dict[Priority, Channel]:
    return {**_MAPPING, **mapping}


class Config(Part):
    """All of config.json; a channel that is not in it is off."""

    server: Server = Server()
    channels: dict[_Channel, ChannelConfig] = Field(default_factory=dict)
    priority_channel_mapping: Annotated[dict[_Priority, _Channel], AfterValidator(_every_lane)] = (
        _MAPPING
    )
    retry_config: Retry = Retry()
    otp: Otp = Otp()
    phone_numbers: PhoneNumbers = PhoneNumbers()
    store: Store = Store()
    queue: Queue = Queue()
    workers: Annotated[int, Field(ge=1, le=512)] = 32
    delivery: Delivery = Delivery()
    timezone: Annotated[str, AfterValidator(values.zone)] | None = None
    quiet_hours: QuietHours = QuietHours()
    breaker: Breaker = Breaker()
    spend: SpendConfig = SpendConfig()
    prices: PriceTable = PriceTable()
    consent: Consent = Consent()
    routing: Routing = Routing()
    log: Log = Log()

    def warnings(self) -> list[str]:
        """Return what is allowed but should be known at start, each with its key path."""
        return [text for wrong, text in self._doubts() if wrong]

    def _doubts(self) -> Iterator[tuple[bool, str]]:
        yield from self._doubts_of_single_keys()
        on = {channel for channel, c in self.channels.items() if c.on}
        yield not on, "channels: none is on, so no message can be sent"
        for type_, rules in self.routing.types.items():
            where = f"routing.types.{type_}"
            yield (
                rules.channels is not None and on.isdisjoint(rules.channels),
                f"{where}.channels: none of them is on, so no message of this type can be sent",
            )
            yield (
                self.routing.mode == "fixed"
                and (rules.min_reliability > 0 or rules.stop_when_unprofitable),
                f"{where}: min_reliability and stop_when_unprofitable need routing.mode adaptive",
            )

    def _doubts_of_single_keys(self) -> Iterator[tuple[bool, str]]:
        length = self.otp.code_length
        yield (
            length < _SAFE_LENGTH,
            (f"otp.code_length: {length} digits make only {10**length} codes; 6 or more are safer"),
        )
        yield (
            self.store.synchronous == "NORMAL",
            ("store.synchronous: with NORMAL a power cut can lose messages already accepted"),
        )
        yield (
            MessageType.OTP in self.quiet_hours.message_types and self.quiet_hours.enabled,
            ("quiet_hours.message_types: codes held back expire before they are sent"),
        )
