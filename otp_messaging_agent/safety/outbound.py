"""The one place outgoing HTTP connections are made: bounded in time and size, verified, honest.

A request ends by its deadline, whatever the other side does: with a time-out per read an answer
dripped a byte at a time holds a worker for minutes, so each wait here is for what is left of the
whole. Where no answer came, the error says whether the request may have been carried out.

No redirect is followed, nothing is sent twice, no proxy or password comes from the environment.
Pool and sockets are our own: one write a request, no system call that a kept connection can spare.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage, HTTPResponse, IncompleteRead
from time import monotonic
from urllib.parse import SplitResult, urlsplit

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from ..errors import AgentError
from .connection import Connection, TlsConnection, dial, look_up
from .global_address import is_global

MAX_ANSWER = 1 << 20  # bytes of a body; a longer one counts as garbled

_PLACES = 4096
"""Counters that hosts share by chance, or strangers' names would fill the memory."""

_PORTS = {"http": 80, "https": 443}
_FIRST_LINE = re.compile(r"[A-Z]+ /[!-\"$-~]* HTTP/1\.1")  # visible ASCII, no fragment
Headers = Mapping[str, str]


class OutboundError(AgentError):
    """There was no answer, or none that can be understood.

    code: `unreachable`, `timeout`, `connection_cut` or `garbled_answer`, or those of `Refused`.
    written: the request began to be written, so it may have been carried out.
    """

    permanent = False

    def __init__(self, cause: Exception, *, written: bool) -> None:
        super().__init__(type(cause).__name__)
        self.written = written
        late, cut = isinstance(cause, TimeoutError), isinstance(cause, OSError | IncompleteRead)
        code = "timeout" if late else "connection_cut" if cut else "garbled_answer"
        self.code = code if written else "unreachable"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said. headers: found in any case of their name; body: as it came."""

    status: int
    headers: HTTPMessage
    body: bytes


class Refused(OutboundError):
    """The request was not made at all: `address_not_allowed` or `rate_limited`."""

    def __init__(self, code: str, detail: str, *, retry_after: float | None = None) -> None:
        AgentError.__init__(self, detail, retry_after=retry_after)
        self.code = code
        self.permanent = retry_after is None
        self.written = False


class Outbound:
    """An HTTP/1.1 client for many threads that keeps its connections.

    pool_size: connections kept per host; threads beyond that connect anew each time.
    tls: whom to trust, by default the authorities the system trusts.
    public_only: for URLs that somebody else wrote. A name is looked up once for each request, and
    unless all its addresses are global nothing is connected to; no connection is kept. Any port.
    per_second: requests to one host in any second; one more raises Refused (`rate_limited`).
    """

    def __init__(
        self,
        *,
        pool_size: int = 256,
        tls: ssl.SSLContext | None = None,
        public_only: bool = False,
        per_second: int | None = None,
    ) -> None:
        self._pool_size = 0 if public_only else pool_size  # or strangers' names would fill it
        self._public_only = public_only
        self._limit = RateLimitItemPerSecond(per_second) if per_second else None
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._tls = tls or ssl.create_default_context()
        self._tls.sslsocket_class = TlsConnection
        self._resting: dict[str, list[Connection]] = {}
        self._closed = False

    def request(
        self, method: str, url: str, *, timeout: float, headers: Headers, body: bytes | None = None
    ) -> Answer:
        """Send one request and return its answer, whatever its status, within *timeout* seconds.

        Raises OutboundError where there is none, ValueError for what is no request.
        """
        deadline = monotonic() + timeout
        base, mark, query = url.partition("?")
        place = _split(base)
        first = f"{method} {place.path or '/'}{mark}{query} HTTP/1.1"
        request = _render(first, place.netloc, headers, body)
        if self._limit is not None:
            self._take_turn(place.hostname, self._limit)
        site = f"{place.scheme}://{place.netloc}"
        resting = self._resting.setdefault(site, []) if self._pool_size else []
        sock = _kept(resting, deadline) or self._connect(place, deadline)
        try:
            sock.arm()
            sock.sendall(request)
            answer, reusable = _read(sock, HTTPResponse(sock, method=method))
        except BaseException as e:
            sock.close()
            if isinstance(e, OSError | HTTPException | ValueError):
                raise OutboundError(e, written=True) from None
            raise
        if reusable and not self._closed and len(resting) < self._pool_size:
            sock.rests_since = monotonic()
            resting.append(sock)
        else:
            sock.close()
        return answer

    def close(self) -> None:
        """Close what rests now; a connection in use is closed after its answer."""
        self._closed = True
        for resting in self._resting.values():
            while resting:
                resting.pop().close()

    def _take_turn(self, host: str | None, limit: RateLimitItemPerSecond) -> None:
        place = hash((host or "").rstrip(".")) % _PLACES
        if not self._windows.hit(limit, str(place)):
            msg = "more requests to this host in a second than are allowed"
            raise Refused("rate_limited", msg, retry_after=limit.get_expiry())

    def _connect(self, place: SplitResult, deadline: float) -> Connection:
        sock: Connection | None = None
        try:
            found = look_up(place.hostname, place.port or _PORTS[place.scheme], deadline)
            if self._public_only and not all(is_global(a[0]) for *_, a in found):
                msg = "the host of the URL is at an address that is not public"
                raise Refused("address_not_allowed", msg)
            sock = dial(found, deadline)
            sock.deadline = deadline
            sock.arm()  # a handshake as a whole lasts no longer than this
            if place.scheme == "https":
                sock = self._tls.wrap_socket(sock, server_hostname=place.hostname)  # type: ignore[assignment]
                sock.deadline = deadline
        except (OSError, UnicodeError) as e:
            if sock is not None:
                sock.close()
            raise OutboundError(e, written=False) from None
        return sock


@lru_cache(maxsize=64)
def _split(base: str) -> SplitResult:
    with suppress(ValueError):  # whose words would repeat parts of the URL
        place = urlsplit(base)
        if (
            place.scheme in _PORTS
            and place.hostname
            and "@" not in place.netloc
            and place.port != 0
        ):
            return place
    msg = "must be an http or https URL without user and password"
    raise ValueError(msg)


def _render(first: str, host: str, headers: Headers, body: bytes | None) -> bytes:
    lines = [first, f"Host: {host}", "Accept-Encoding: identity"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines)
    if not _FIRST_LINE.fullmatch(first) or {head.count("\n"), head.count("\r")} != {len(lines) - 1}:
        msg = "no blank may stand in a URL and no line break in a header"
        raise ValueError(msg)
    return head.encode("latin-1") + b"\r\n\r\n" + (body or b"")


def _read(sock: Connection, response: HTTPResponse) -> tuple[Answer, bool]:
    """Return the answer and whether its connection can be used again."""
    try:
        response.begin()
        if sock.ended:  # among the headers, which the standard library takes for their end
            raise ConnectionError
        if response.status < HTTPStatus.OK or (response.length or 0) > MAX_ANSWER:
            raise ValueError
        body = response.read(MAX_ANSWER + 1 if response.length is None else None)
    finally:
        response.close()
    if len(body) > MAX_ANSWER:
        raise ValueError
    return Answer(response.status, response.msg, body), not response.will_close


def _kept(resting: list[Connection], deadline: float) -> Connection | None:
    with suppress(IndexError):  # none is left: `while resting` could lose to another thread
        while sock := resting.pop():
            sock.deadline = deadline
            if sock.is_usable():
                return sock
            sock.close()
    return None
