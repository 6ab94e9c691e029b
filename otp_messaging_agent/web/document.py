"""The OpenAPI document: what the routes declare, completed once and kept as bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from flask_openapi3 import Info, OpenAPI
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from .. import answer, lookup, outage, request, routing, view
from .access import is_open
from .errors import PROBLEM, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ROWS = 10_000
_REF = "#/components/schemas/{model}"

INFO = Info(
    title="Intelligent OTP Messaging Agent",
    version="0.1.0",
    description=(
        "Sends one-time passwords, alerts and notifications by SMS, WhatsApp, call and e-mail, "
        "and checks the codes.\n\n"
        "* A `202` is given only once the message is durable.\n"
        "* Every refusal is `application/problem+json` (RFC 9457) with a stable `code`; "
        "`permanent: false` means that the same request may work later.\n"
        "* Repeat a `POST` safely by giving it an `Idempotency-Key`: within 24 hours the same key "
        "and body get the first answer again, the same key with another body gets `409`.\n"
        "* While no API key exists, requests from this machine are served without one."
    ),
)

SECURITY_SCHEMES: dict[str, dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same."},
}


class IdempotencyHeader(BaseModel):
    """What makes a POST safe to repeat."""

    idempotency_key: Annotated[
        str | None,
        WithJsonSchema(
            {
                "type": "string",
                "minLength": 1,
                "maxLength": 255,
                "pattern": "^[\\x21-\\x7e]([\\x20-\\x7e]*[\\x21-\\x7e])?$",
                "description": "1 to 255 printable ASCII characters, new for each new request. "
                "Calls that only read accept it and have no use for it.",
            }
        ),
    ] = Field(None, alias="Idempotency-Key")


class BulkRequest(BaseModel):
    """Messages to send together; each row is judged on its own."""

    model_config = ConfigDict(extra="forbid")

    messages: Annotated[list[Any], Field(min_length=1, max_length=MAX_ROWS)]


class MessagePath(BaseModel):
    """Names one message."""

    message_id: str = Field(description="`message_id` of the answer that took it.")


class BatchPath(BaseModel):
    """Names one bulk request."""

    batch_id: str = Field(description="`batch_id` of the answer of `/send-bulk`.")


class VerificationPath(BaseModel):
    """Names one verification."""

    verification_id: str = Field(description="`verification_id` of the answer of `/send-otp`.")


class OptOutPath(BaseModel):
    """Names one opt-out."""

    opt_out_id: str = Field(description="`opt_out_id` of the answer that took or listed it.")


class ProviderPath(BaseModel):
    """Names a configured provider."""

    provider: str = Field(description="The name it has in the configuration.")


class Health(BaseModel):
    """The process answers."""

    status: str = Field(examples=["ok"])


class Ready(BaseModel):
    """Every part works."""

    ready: bool
    parts: dict[str, Any] = Field(description="Each part and its state.")


class Metrics(BaseModel):
    """The figures of the service now."""

    model_config = ConfigDict(extra="allow")

    queue_size: int = Field(description="Messages due and not yet sending.")
    database_stats: dict[str, Any] = Field(description="`total`, `success_rate`, `by_status`.")
    channels: dict[str, Any]
    queue: dict[str, Any]
    latency: dict[str, Any]
    cost: dict[str, Any]
    verifications: dict[str, Any]
    webhooks: dict[str, int] = Field(description="Callbacks that were `forged`, `unknown_ids`.")
    alerts: list[Any]
    uptime_seconds: float


_TAKEN: tuple[type[BaseModel], ...] = (
    request.OtpRequest,
    request.CheckRequest,
    request.MessageRequest,
    lookup.PersonSearch,
    request.OptOutRequest,
    outage.OutageRequest,
    BulkRequest,
    Problem,
)
_GIVEN: tuple[type[BaseModel], ...] = (
    answer.OtpAccepted,
    answer.CheckResult,
    answer.Accepted,
    answer.BulkAccepted,
    view.MessageView,
    view.MessagePage,
    view.VerificationView,
    view.BatchView,
    answer.Explanation,
    routing.Routing,
    view.InboxPage,
    view.OptOutView,
    view.OptOutPage,
    view.InboundPage,
    outage.OutageView,
    outage.OutageList,
    Health,
    Ready,
    Metrics,
)

_WHY = {
    400: "The request could not be read: broken JSON, a bad Idempotency-Key.",
    401: "Not from this machine, or the API key does not exist.",
    403: "A page of another site, or a foreign Host header.",
    404: "Nothing has that id.",
    409: "The state does not allow it, or the Idempotency-Key came with another body.",
    413: "The body is larger than `server.max_body_bytes`.",
    415: "The body is not declared as `application/json`.",
    422: "A field is wrong; `errors` names every fault.",
    429: "A limit of the recipient is reached; `Retry-After` says for how many seconds.",
    500: "A fault of this service; the log has it under the `X-Request-Id`.",
    503: "Cannot take it now; `Retry-After` says when to try again.",
}
_RETRY = {"Retry-After": {"description": "Seconds, at least 1.", "schema": {"type": "integer"}}}


def responses(status: int, model: type[BaseModel] | None, *refusals: int) -> dict[str | int, Any]:
    """Return what a route answers: *model* with *status*, and problems with *refusals*."""
    told: dict[str | int, Any] = {code: _problem(code) for code in (401, 403, *refusals, 500)}
    if model is not None:
        ref = {"$ref": _REF.format(model=model.__name__)}
        told[status] = {
            "description": (model.__doc__ or "").splitlines()[0],
            "content": {"application/json": {"schema": ref}},
        }
    return told


def _problem(status: int) -> dict[str, Any]:
    told: dict[str, Any] = {
        "description": _WHY[status],
        "content": {PROBLEM: {"schema": {"$ref": _REF.format(model="Problem")}}},
    }
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        told["headers"] = _RETRY
    return told


def render(app: OpenAPI, examples: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return the whole document of *app*, with *examples* of request bodies by path."""
    document = dict(app.api_doc)
    document["components"] = {"schemas": _schemas(), "securitySchemes": SECURITY_SCHEMES}
    document["security"] = [{}, *({name: []} for name in SECURITY_SCHEMES)]
    open_ = (rule.rule for rule in app.url_map.iter_rules() if is_open(rule.endpoint))
    public = {re.sub("<[a-z]+:(.+?)>", r"{\1}", rule) for rule in open_}
    for path, operation in _operations(document):
        answers = operation["responses"]
        if "application/json" in answers.get("422", {}).get("content", {}):
            del answers["422"]  # the framework's own, which is never given here
        content = operation.get("requestBody", {}).get("content", {})
        if path in examples and "application/json" in content:
            content["application/json"]["examples"] = dict(examples[path])
        if path in public:
            operation["security"] = []
            for status in (401, 403):
                if answers.get(str(status), {}).get("description") == _WHY[status]:
                    del answers[str(status)]
    return json.dumps(document, ensure_ascii=False).encode()


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for operation in item.values():
            yield path, operation


def _schemas() -> Mapping[str, Any]:
    """Return pydantic's own schemas; the framework's copies of them lose examples and key rules."""
    modes: list[tuple[type[BaseModel], JsonSchemaMode]] = [(m, "validation") for m in _TAKEN]
    modes += [(m, "serialization") for m in _GIVEN]
    _, schema = models_json_schema(modes, ref_template=_REF)
    found: Mapping[str, Any] = schema["$defs"]
    # What the agent will take of each row, though it is not read here.
    row = {"$ref": _REF.format(model=request.MessageRequest.__name__)}
    found[BulkRequest.__name__]["properties"]["messages"]["items"] = row
    return found
