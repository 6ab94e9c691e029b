"""The HTTP side: `create_app(agent)` makes the WSGI application, one blueprint a file.

A request passes `headers` (id, security headers) -> `access` (who may call) -> `body` (strict
reading) -> the agent -> `endpoint` (the answer), or `errors` (a problem) from any of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_openapi3 import OpenAPI

from . import access, consent, errors, messages, outages, pages, send, service, webhooks
from .document import INFO
from .endpoint import Id
from .headers import Headers

if TYPE_CHECKING:
    from ..agent import IntelligentOTPAgent

__all__ = ["create_app"]


def create_app(agent: IntelligentOTPAgent) -> OpenAPI:
    """Return the WSGI application that serves *agent*; starts nothing."""
    app = OpenAPI(__name__, info=INFO, doc_ui=False)
    app.extensions["agent"] = agent
    app.config["MAX_CONTENT_LENGTH"] = agent.config.server.max_body_bytes
    app.url_map.merge_slashes = False  # another spelling of an address is another address
    app.url_map.converters["id"] = Id
    app.before_request(access.guard)
    errors.install(app)
    for part in (send, messages, consent, outages, webhooks, service, pages):
        app.register_api(part.api)
    app.wsgi_app = Headers(app.wsgi_app)  # type: ignore[method-assign]
    return app
