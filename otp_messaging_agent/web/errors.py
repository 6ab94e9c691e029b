"""Every refusal as one shape: RFC 9457 `application/problem+json` with a stable `code`."""

from __future__ import annotations

import math
import traceback
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, request
from pydantic import BaseModel, Field
from pydantic_core import to_json
from werkzeug.exceptions import HTTPException

from .. import log
from ..errors import AgentError, InvalidRequest, RateLimited
from .headers import REQUEST_ID

_log = log.get(__name__)

PROBLEM = "application/problem+json"


class FaultView(BaseModel):
    """One thing wrong with the input; the value itself is never repeated."""

    loc: list[str | int] = Field(
        description="The path to it; empty where it is about the whole.",
        examples=[["phone_number"]],
    )
    msg: str = Field(description="What is allowed there.", examples=["is not a phone number"])


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(description="The status in words.", examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(description="For people.", examples=["phone_number: is not a phone number"])
    code: str = Field(description="For programs; stable.", examples=["invalid_request"])
    permanent: bool = Field(description="Whether trying the same again cannot help.")
    errors: list[FaultView] = Field([], description="With bad input: every fault found.")
    next_resend_at: datetime = Field(
        None, description="With 429 of `/send-otp`: when the recipient may be sent a code again."
    )  # type: ignore[assignment]  # left out, never null


class Malformed(AgentError):
    """The request could not be read at all."""

    code = "malformed"
    status = 400


class Unauthorized(AgentError):
    """The caller did not show a right to call."""

    code = "unauthorized"
    status = 401


class Forbidden(AgentError):
    """The caller may not do this."""

    code = "forbidden"
    status = 403

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class UnsupportedMediaType(AgentError):
    """The body is not declared as JSON."""

    code = "unsupported_media_type"
    status = 415


class NotReady(AgentError):
    """A part the service needs does not work."""

    code = "not_ready"
    permanent = False
    status = 503

    def __init__(self, parts: dict[str, Any]) -> None:
        super().__init__("not ready; see parts")
        self.parts = parts


_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 400: "malformed"}


def install(app: Flask) -> None:
    """Answer every error of *app* with a problem, the unexpected ones without a trace of it."""
    app.register_error_handler(AgentError, _refused)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def problem(error: AgentError, **more: Any) -> dict[str, Any]:
    """Return what the caller is told about *error*."""
    return {
        "type": "about:blank",
        "title": _title(error.status),
        "status": error.status,
        "detail": _detail(error),
        "code": error.code,
        "permanent": error.permanent,
        **({"errors": _faults(error)} if isinstance(error, InvalidRequest) else {}),
        **more,
    }


def wait_of(error: AgentError) -> int:
    """Return the whole seconds to wait before trying again, at least 1."""
    return max(1, math.ceil(error.retry_after or 1))


def _refused(error: AgentError) -> Response:
    more: dict[str, Any] = {}
    if isinstance(error, NotReady):
        more = {"ready": False, "parts": error.parts}
    elif isinstance(error, RateLimited) and request.endpoint == "send.send_otp":
        again = datetime.now(UTC) + timedelta(seconds=error.retry_after or 0)
        more = {"next_resend_at": again}
    response = Response(to_json(problem(error, **more)), error.status, mimetype=PROBLEM)
    if not error.permanent:
        response.headers["Retry-After"] = str(wait_of(error))
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = 'Bearer realm="otp-agent"'
    return response


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if status < HTTPStatus.BAD_REQUEST:  # a redirect travels as an exception too
        return error.get_response()  # type: ignore[return-value]
    told = AgentError(_SAID.get(status) or error.description or "")
    told.status = status
    told.code = _CODES.get(status, _title(status).lower().replace(" ", "_"))
    response = Response(to_json(problem(told)), status, mimetype=PROBLEM)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


_SAID = {
    404: "nothing is at this address",
    405: "this address does not take this method; see Allow",
    413: "the body is larger than server.max_body_bytes",
}


def _unexpected(error: Exception) -> Response:
    # Without the variables of each frame, which hold codes and numbers.
    trace = "".join(traceback.format_exception(error))
    request_id = request.environ.get(REQUEST_ID)
    _log.error("unexpected error", endpoint=request.endpoint, request_id=request_id, trace=trace)
    told = AgentError("an unexpected error; the log has it under this answer's X-Request-Id")
    return Response(to_json(problem(told)), told.status, mimetype=PROBLEM)


def _faults(error: InvalidRequest) -> list[dict[str, Any]]:
    return [fault.as_json() for fault in error.faults]


def _detail(error: AgentError) -> str:
    if isinstance(error, InvalidRequest):
        if len(error.faults) == 1:
            return error.detail.removeprefix(": ")
        return f"{len(error.faults)} faults; see errors"
    return error.detail or error.code.replace("_", " ")


def _title(status: int) -> str:
    return HTTPStatus(status).phrase
