"""The headers every answer carries, and the id that ties an answer to its log lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .. import log
from ..ids import entropy

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = log.get(__name__)

REQUEST_ID = "otp_agent.request_id"
"""Where a request's id stands in its WSGI environment."""

_LETTERS = str.maketrans("0123456789", "ghijkmnpqr")  # the log would take digits for a number
NO_PAGE = "default-src 'none'; frame-ancestors 'none'"
_FIXED = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
]
_SET_HERE = {name.lower() for name, _ in _FIXED}
_POLICY = "content-security-policy"


class Headers:
    """Adds the headers below Flask, so that no answer, however it came about, is without them.

    A refusal is logged with its request id; a success is not, the store has it. What was asked
    for is logged as the name of the route: an address can hold anything.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        environ[REQUEST_ID] = request_id = entropy.take(8).hex().translate(_LETTERS)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            sent = [h for h in headers if h[0].lower() not in _SET_HERE]
            sent += _FIXED
            if not any(name.lower() == _POLICY for name, _ in headers):
                sent.append(("Content-Security-Policy", NO_PAGE))
            sent.append(("X-Request-Id", request_id))
            if status >= "4":
                _tell(environ, status)
            return start_response(status, sent, exc_info)

        return self._app(environ, start)


def _tell(environ: WSGIEnvironment, status: str) -> None:
    request = environ.get("werkzeug.request")
    _log.info(
        "request refused",
        method=environ.get("REQUEST_METHOD"),
        endpoint=getattr(request, "endpoint", None),
        status=int(status[:3]),
        request_id=environ[REQUEST_ID],
    )
