"""Making the sandbox fail: /sandbox/outages, to see how routing reacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from ..outage import OutageList, OutageRequest, OutageView
from .document import ProviderPath, responses
from .endpoint import agent, removes, respond, sets

if TYPE_CHECKING:
    from ..agent import IntelligentOTPAgent

api = APIBlueprint(
    "outages", __name__, abp_tags=[Tag(name="Outages", description="Making the sandbox fail.")]
)
_ONE = "/sandbox/outages/<id:provider>"


@sets(api, _ONE, ProviderPath, OutageRequest, OutageView)
def set_outage(agent: IntelligentOTPAgent, provider: str, asked: OutageRequest) -> OutageView:
    """Make a provider of the sandbox fail.

    It holds within a second, in whichever process sends, and takes the place of an earlier one of
    the same provider and channel. One for a channel goes before one for all. Magic recipients
    keep their behaviour.
    """
    return agent.set_outage(provider, asked)


@removes(api, _ONE, ProviderPath)
def end_outage(agent: IntelligentOTPAgent, provider: str) -> None:
    """Make a provider of the sandbox work again.

    Ends every outage of that name, on whatever channel; it holds within a second.
    """
    agent.end_outage(provider)


@api.get(
    "/sandbox/outages",
    operation_id="list_outages",
    summary="List the outages that stand",
    responses=responses(200, OutageList, 503),
)
def list_outages() -> Response:
    """By provider and channel, one for all channels first."""
    return respond(agent().outages())
