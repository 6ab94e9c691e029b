"""Where vendors call: /webhooks/{provider}/status and /inbound. Either takes either kind."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qsl

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag

from ..providers.base import Callback
from .document import ProviderPath, responses
from .endpoint import agent
from .errors import Malformed

api = APIBlueprint(
    "webhooks", __name__, abp_tags=[Tag(name="Webhooks", description="For providers.")]
)


_ANSWERS: dict[str | int, Any] = responses(200, None, 400, 404, 413, 503)
_ANSWERS[403] = {**_ANSWERS[403], "description": "The vendor's signature is missing or wrong."}
_ANSWERS[200] = {
    "description": "Heard; the text is what the vendor wants back.",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}


def _told(name: str, what: str, method: str) -> dict[str, Any]:
    return {
        "operation_id": f"{name}_{method}",
        "summary": f"Hear {what} from a provider",
        "description": "The provider's own signature is checked.",
        "responses": _ANSWERS,
    }


def status(path: ProviderPath) -> Response:
    """Hear what became of messages."""
    return _hear(path.provider)


def inbound(path: ProviderPath) -> Response:
    """Hear what people wrote."""
    return _hear(path.provider)


for view, what in ((status, "receipts"), (inbound, "messages")):
    address = f"/webhooks/<id:provider>/{view.__name__}"
    api.get(address, **_told(view.__name__, what, "get"))(view)
    api.post(address, **_told(view.__name__, what, "post"))(view)


def _hear(provider: str) -> Response:
    told = request.query_string.decode("latin-1")
    query = f"?{told}" if told else ""
    # The address as the vendor was told it: what signatures cover. Host is the caller's word.
    url = f"{agent().config.server.public_url}{request.path}{query}"
    callback = Callback(
        method=request.method,
        url=url,
        query=parse_qsl(told, keep_blank_values=True),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=request.get_data(cache=False),
        at=time.time(),
    )
    try:
        answer = agent().hear(provider, callback)
    except ValueError:
        msg = "this is not what the provider sends"
        raise Malformed(msg) from None
    return Response(answer, mimetype="text/plain")
