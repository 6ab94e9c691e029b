"""What the configuration says about routing: what a delivery is worth, what each type may. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ..message import Channel, MessageType, Priority
from .sending import Part

_AnyCase = Field(strict=False)
_Channel = Annotated[Channel, _AnyCase]
_Priority = Annotated[Priority, _AnyCase]
_Type = Annotated[MessageType, _AnyCase]
# Much more, or much less time, and money would drown what sets one kind of ways behind another.
_Worth = Annotated[float, Field(gt=0, le=1e9)]
_Seconds = Annotated[float, Field(ge=1)]

_WORTH = dict(zip(Priority, (1.0, 0.4, 0.15, 0.04), strict=True))
_WORTHLESS = dict(zip(Priority, (300.0, 1200.0, 36_000.0, 1_000_000.0), strict=True))


def _filled(
    defaults: dict[Priority, float],
) -> Callable[[dict[Priority, float]], dict[Priority, float]]:
    return lambda given: {**defaults, **given}


class TypeRouting(Part):
    """What holds for one message type.

    channels: the only ones, None: all. max_cost: money that one message may cost.
    min_reliability: share that has to arrive; ways below it come after those that reach it.
    """

    channels: Annotated[list[_Channel], Field(min_length=1)] | None = None
    max_cost: Annotated[float, Field(gt=0)] | None = None
    min_reliability: Annotated[float, Field(ge=0, le=1)] = 0
    stop_when_unprofitable: bool = False


class Routing(Part):
    """How ways are ranked: by what was learned of them (adaptive), or by this file alone (fixed).

    evidence: tries of a channel in a country before it may come before the mapped one.
    memory_hours: after so long what was learned counts half. worth: money that a delivery in
    time is worth; it falls evenly to nothing within worthless_after_seconds. max_attempts: tries
    of one message, over all channels.
    """

    mode: Literal["adaptive", "fixed"] = "adaptive"
    evidence: Annotated[float, Field(ge=0)] = 10
    memory_hours: Annotated[float, Field(ge=0.1, le=720)] = 6
    worth: Annotated[dict[_Priority, _Worth], AfterValidator(_filled(_WORTH))] = _WORTH
    worthless_after_seconds: Annotated[
        dict[_Priority, _Seconds], AfterValidator(_filled(_WORTHLESS))
    ] = _WORTHLESS
    max_attempts: Annotated[int, Field(ge=1, le=100)] | None = None
    types: dict[_Type, TypeRouting] = Field(default_factory=dict)

    @property
    def hurry(self) -> dict[Priority, float]:
        """Money that each second of delay costs."""
        return {p: self.worth[p] / after for p, after in self.worthless_after_seconds.items()}
