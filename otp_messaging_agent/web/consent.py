"""What people want and write: /opt-outs /inbound, and /unsubscribe, which an e-mail links to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Response, render_template, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from ..errors import InvalidRequest
from ..lookup import NumberPaging, Paging
from ..request import OptOutRequest
from ..view import InboundPage, OptOutPage, OptOutView
from .document import OptOutPath, responses
from .endpoint import agent, filters, removes, takes
from .pages import page

if TYPE_CHECKING:
    from ..agent import IntelligentOTPAgent
    from ..stores.base import Once

api = APIBlueprint(
    "consent", __name__, abp_tags=[Tag(name="Consent", description="Who wants no more of what.")]
)


@filters(api, "/opt-outs", Paging, OptOutPage)
def list_opt_outs(agent: IntelligentOTPAgent, asked: Paging) -> OptOutPage:
    """List opt-outs, newest first."""
    return agent.opt_outs(limit=asked.limit, cursor=asked.cursor)


@takes(api, "/opt-outs", OptOutRequest, OptOutView, status=200)
def opt_out(agent: IntelligentOTPAgent, asked: OptOutRequest, once: Once | None) -> OptOutView:
    """Opt somebody out.

    Of one channel or all, of one message type or all that `consent.stop_types` names. The same
    again changes nothing and gets the same answer.
    """
    return agent.opt_out(asked, once=once)


@removes(api, "/opt-outs/<id:opt_out_id>", OptOutPath)
def revoke_opt_out(agent: IntelligentOTPAgent, opt_out_id: str) -> None:
    """Take an opt-out back."""
    agent.revoke(opt_out_id)


@filters(api, "/inbound", NumberPaging, InboundPage)
def list_inbound(agent: IntelligentOTPAgent, asked: NumberPaging) -> InboundPage:
    """List what people wrote, newest first."""
    return agent.inbound(limit=asked.limit, cursor=asked.cursor)


class Token(BaseModel):
    """What an unsubscribe link holds."""

    token: str = Field("", description="As it stands in the link.")


_FORM = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_ANSWERS: dict[str | int, Any] = responses(200, None, 503)
_ANSWERS[200] = {
    "description": "The page.",
    "content": {"text/html": {"schema": {"type": "string"}}},
}
_ANSWERS[422] = {**_ANSWERS[200], "description": "The link is not one of ours, or was cut short."}


@api.get(
    "/unsubscribe",
    operation_id="unsubscribe_page",
    summary="See what an unsubscribe link ends",
    responses=_ANSWERS,
)
def unsubscribe_page(query: Token) -> Response:
    """Ask the recipient first: mail scanners open every link, so opening one changes nothing."""
    return _unsubscribe(query.token, done=False)


@api.post(
    "/unsubscribe",
    operation_id="unsubscribe",
    summary="Do what an unsubscribe link asks for",
    responses=_ANSWERS,
)
def unsubscribe(query: Token) -> Response:
    """Opt out by the button of the page, or by one click in a mail program (RFC 8058)."""
    return _unsubscribe(query.token, done=True)


def _unsubscribe(token: str, *, done: bool) -> Response:
    kind, status = None, 200
    try:
        _, kind = agent().link(token)
        if done:
            agent().unsubscribe(token)
    except InvalidRequest:
        status = 422
    html = render_template(
        "unsubscribe.html",
        kind=kind and kind.value,
        done=done,
        query=request.query_string.decode("latin-1"),
    )
    answer = page(html, _FORM)
    answer.status_code = status
    return answer
