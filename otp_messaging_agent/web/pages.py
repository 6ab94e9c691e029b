"""What people open: /sandbox, /docs and the document itself; nothing on them is from elsewhere."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import TYPE_CHECKING, cast

from flask import (
    Response,
    current_app,
    make_response,
    render_template,
    request,
    send_from_directory,
)
from flask_openapi3 import APIBlueprint, Tag

from ..view import InboxPage
from .document import render, responses
from .endpoint import JSON, agent, respond
from .examples import EXAMPLES

if TYPE_CHECKING:
    from flask_openapi3 import OpenAPI

api = APIBlueprint("pages", __name__, abp_tags=[Tag(name="Pages", description="For people.")])

_OWN = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
_SANDBOX = (
    _OWN + "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DOCS = _SANDBOX
_HTML = "text/html"

_INBOX = responses(200, InboxPage, 503)
_INBOX[200]["content"][_HTML] = {"schema": {"type": "string"}}
_PAGE = responses(200, None)
_PAGE[200] = {"description": "The page.", "content": {_HTML: {"schema": {"type": "string"}}}}
_DOCUMENT = responses(200, None)
_DOCUMENT[200] = {
    "description": "The document.",
    "content": {JSON: {"schema": {"type": "object"}}},
}


def home() -> Response:
    """Lead to what shows something at once."""
    return Response(status=302, headers={"Location": "/sandbox"})


api.add_url_rule("/", view_func=home)


@api.get("/sandbox", operation_id="sandbox", summary="See the sandbox's inbox", responses=_INBOX)
def sandbox() -> Response:
    """Show what each recipient would have got: a live page, or JSON where that is accepted."""
    if request.accept_mimetypes.best_match([_HTML, JSON]) == JSON:
        return respond(agent().inbox())
    html = render_template("sandbox.html", base_url=request.host_url.rstrip("/"))
    return page(html, _SANDBOX)


@api.get("/docs", operation_id="docs", summary="Read the API's documentation", responses=_PAGE)
def docs() -> Response:
    """Show Swagger UI, served from here."""
    return page(render_template("docs.html"), _DOCS)


def swagger(name: str) -> Response:
    """Serve a file of Swagger UI."""
    return send_from_directory(_swagger_folder(), name)


api.add_url_rule("/docs/assets/<path:name>", view_func=swagger)


@api.get("/openapi.json", operation_id="openapi", summary="Get this document", responses=_DOCUMENT)
def openapi() -> Response:
    """Give the OpenAPI 3.1 document of this API."""
    app = cast("OpenAPI", current_app)
    kept = app.extensions.get("openapi")
    if kept is None:
        # Made at the first request, when every route stands, and kept.
        kept = app.extensions["openapi"] = render(app, EXAMPLES)
    return Response(kept, mimetype=JSON)


@functools.cache
def _swagger_folder() -> str:
    return str(files("flask_openapi3_swagger").joinpath("templates", "swagger"))


def page(html: str, policy: str) -> Response:
    """Return a page under a policy of what it may load."""
    answer = make_response(html)
    answer.headers["Content-Security-Policy"] = policy
    return answer
