"""What became of it: /messages /batches /verifications; and /route/explain, /routing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_openapi3 import APIBlueprint, Tag

from ..answer import Explanation
from ..lookup import Everything, MessageSearch, PersonSearch
from ..request import MessageRequest
from ..routing import Routing
from ..view import BatchView, MessagePage, MessageView, VerificationView
from .document import BatchPath, MessagePath, VerificationPath
from .endpoint import acts, filters, reads, takes

if TYPE_CHECKING:
    from ..agent import IntelligentOTPAgent
    from ..stores.base import Once

api = APIBlueprint(
    "messages", __name__, abp_tags=[Tag(name="Messages", description="What became of them.")]
)


@filters(api, "/messages", MessageSearch, MessagePage)
def list_messages(agent: IntelligentOTPAgent, asked: MessageSearch) -> MessagePage:
    """List messages, newest first.

    Addresses and user ids never stand in a URL; `POST /messages/search` takes them.
    """
    return agent.search(asked)


@takes(api, "/messages/search", PersonSearch, MessagePage, status=200, once=False)
def search_messages(agent: IntelligentOTPAgent, asked: PersonSearch) -> MessagePage:
    """Search messages, also by recipient or user."""
    return agent.search(asked)


@reads(api, "/messages/<id:message_id>", MessagePath, MessageView)
def get_message(agent: IntelligentOTPAgent, message_id: str) -> MessageView:
    """Get a message with its attempts.

    Each attempt has the decision that chose its channel, its cost and its receipt.
    """
    return agent.get_message(message_id)


@acts(api, "/messages/<id:message_id>/cancel", MessagePath, MessageView)
def cancel_message(agent: IntelligentOTPAgent, message_id: str, once: Once | None) -> MessageView:
    """Cancel a message that is not being sent yet."""
    return agent.cancel(message_id, once=once)


@reads(api, "/batches/<id:batch_id>", BatchPath, BatchView)
def get_batch(agent: IntelligentOTPAgent, batch_id: str) -> BatchView:
    """See how far a bulk request is."""
    return agent.batch(batch_id)


@reads(api, "/verifications/<id:verification_id>", VerificationPath, VerificationView)
def get_verification(agent: IntelligentOTPAgent, verification_id: str) -> VerificationView:
    """See where a verification stands."""
    return agent.verification(verification_id)


@acts(api, "/verifications/<id:verification_id>/cancel", VerificationPath, VerificationView)
def cancel_verification(
    agent: IntelligentOTPAgent, verification_id: str, once: Once | None
) -> VerificationView:
    """Cancel a pending verification.

    Its code is no longer accepted, and what still waits to be sent of it is not sent.
    """
    return agent.cancel_verification(verification_id, once=once)


@takes(api, "/route/explain", MessageRequest, Explanation, status=200, once=False)
def explain_route(agent: IntelligentOTPAgent, asked: MessageRequest) -> Explanation:
    """Explain how a message would be routed; sends nothing.

    Every channel with the parts of its score and what is expected of it, best first, and why the
    others are left out.
    """
    return agent.explain(asked)


@filters(api, "/routing", Everything, Routing)
def get_routing(agent: IntelligentOTPAgent, _: Everything) -> Routing:
    """See what the router learned.

    For each country with evidence: what is expected of every channel and provider, and which
    would be the first for each priority now.
    """
    return agent.routing()
