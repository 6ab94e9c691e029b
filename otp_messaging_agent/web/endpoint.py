"""Joins a route to a call of the agent: strict reading before it, one way of answering after it.

A view is one line, `(agent, what was asked, ...) -> answer model`. flask-openapi3 documents the
route from the annotations set here; it does not validate, because its reading of a request is
neither strict nor cheap (it makes a JSON schema for every query string it reads).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Response, current_app, request
from flask_openapi3 import APIBlueprint
from pydantic import BaseModel, ValidationError
from werkzeug.routing import BaseConverter

from ..errors import Fault, InvalidRequest
from ..faults import invalid
from . import body
from .document import IdempotencyHeader, responses

if TYPE_CHECKING:
    from ..agent import IntelligentOTPAgent

_Model = TypeVar("_Model", bound=BaseModel)
View = Callable[..., BaseModel]
Register = Callable[[View], View]

JSON = "application/json"
_READING = (400, 413, 415, 422)


class Id(BaseConverter):
    """What an id in a path looks like; anything else is an address that does not exist.

    Not every store can be asked for every text (NUL in PostgreSQL), and `/messages/search` is
    no message.
    """

    regex = r"(?!search$)[A-Za-z0-9_.-]{1,64}"


def agent() -> IntelligentOTPAgent:
    """Return the agent the running app serves."""
    found: IntelligentOTPAgent = current_app.extensions["agent"]
    return found


def respond(answer: BaseModel, status: int = 200) -> Response:
    """Return *answer* as JSON; times are ISO 8601 in UTC."""
    return Response(answer.__pydantic_serializer__.to_json(answer), status, mimetype=JSON)


def takes(
    api: APIBlueprint,
    path: str,
    model: type[BaseModel],
    answer: type[BaseModel],
    *refusals: int,
    status: int = 202,
    once: bool = True,
    rows: bool = False,
) -> Register:
    """Register `view(agent, model, once)` as POST with a JSON body.

    once: False where the call only reads; a key is then checked and not used, and the view is
    called without it.
    rows: the model is a frame of rows that the agent reads itself, each on its own.
    """

    def register(view: View) -> View:
        def handler() -> Response:
            raw, value = body.read()
            key = body.once(value)
            asked = body.as_frame(model, value) if rows else body.as_model(model, raw, value)
            given = (asked, key) if once else (asked,)
            return respond(view(agent(), *given), status)

        also = (*_READING, *refusals, *((409,) if once else ()), 503)
        _document(handler, view, body=model, header=IdempotencyHeader)
        api.post(path, **_told(view, status, answer, *also))(handler)
        return view

    return register


def acts(api: APIBlueprint, path: str, names: type[BaseModel], answer: type[BaseModel]) -> Register:
    """Register `view(agent, id, once)` as POST on the thing that *names* names, without a body."""

    def register(view: View) -> View:
        def handler(**where: str) -> Response:
            body.read_nothing()
            key = body.once({})
            return respond(view(agent(), *where.values(), key))

        _document(handler, view, path=names, header=IdempotencyHeader)
        api.post(path, **_told(view, 200, answer, 404, 409, *_READING, 503))(handler)
        return view

    return register


def reads(
    api: APIBlueprint, path: str, names: type[BaseModel], answer: type[BaseModel]
) -> Register:
    """Register `view(agent, id)` as GET of the thing that *names* names."""

    def register(view: View) -> View:
        def handler(**where: str) -> Response:
            return respond(view(agent(), *where.values()))

        _document(handler, view, path=names)
        api.get(path, **_told(view, 200, answer, 404, 503))(handler)
        return view

    return register


def sets(
    api: APIBlueprint,
    path: str,
    names: type[BaseModel],
    model: type[BaseModel],
    answer: type[BaseModel],
) -> Register:
    """Register `view(agent, id, model)` as PUT of the thing that *names* names."""

    def register(view: View) -> View:
        def handler(**where: str) -> Response:
            asked = body.as_model(model, *body.read())
            return respond(view(agent(), *where.values(), asked))

        _document(handler, view, path=names, body=model)
        api.put(path, **_told(view, 200, answer, 404, *_READING, 503))(handler)
        return view

    return register


def removes(api: APIBlueprint, path: str, names: type[BaseModel]) -> Callable[..., Any]:
    """Register `view(agent, id)` as DELETE of the thing that *names* names."""

    def register(view: Callable[..., None]) -> Callable[..., None]:
        def handler(**where: str) -> Response:
            body.read_nothing()
            view(agent(), *where.values())
            return Response(status=204)

        _document(handler, view, path=names)
        told = _told(view, 204, None, 404, *_READING, 503)
        told["responses"][204] = {"description": "It is gone."}
        api.delete(path, **told)(handler)
        return view

    return register


def filters(api: APIBlueprint, path: str, model: type[_Model], answer: type[BaseModel]) -> Register:
    """Register `view(agent, model)` as GET with *model* as its query string."""

    def register(view: View) -> View:
        def handler() -> Response:
            return respond(view(agent(), _query(model)))

        _document(handler, view, query=model)
        api.get(path, **_told(view, 200, answer, 422, 503))(handler)
        return view

    return register


def _document(
    handler: Callable[..., Response], view: Callable[..., Any], **annotations: type[BaseModel]
) -> None:
    handler.__name__, handler.__doc__ = view.__name__, view.__doc__
    handler.__annotations__ = annotations
    vars(handler)["__delay_validate_request__"] = True  # flask-openapi3: leave the reading to us


def _told(
    view: Callable[..., Any], status: int, answer: type[BaseModel] | None, *refusals: int
) -> dict[str, Any]:
    """Return what the document says of a route; the view's docstring is its text."""
    summary, _, more = (view.__doc__ or "").partition("\n")
    return {
        "operation_id": view.__name__,
        "summary": summary.rstrip("."),
        "description": " ".join(more.split()) or summary,
        "responses": responses(status, answer, *refusals),
    }


def _query(model: type[_Model]) -> _Model:
    given = request.args.to_dict(flat=False)
    twice = [name for name, values in given.items() if len(values) > 1]
    if twice:
        raise InvalidRequest([Fault((name[:64],), "is given more than once") for name in twice])
    value = {name: values[0] for name, values in given.items()}
    body.check_times(model, value)
    try:
        return model.model_validate_strings(value)
    except ValidationError as e:
        raise invalid(e) from None
