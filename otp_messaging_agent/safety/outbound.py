"""The one place outgoing HTTP connections are made: bounded in time and size, verified, honest.

A request ends by its deadline, whatever the other side does: with a time-out per read an answer
dripped a byte at a time holds a worker for minutes, so each wait here is for what is left of the
whole. Where no answer came, the error says whether the request may have been carried out.

No redirect is followed, nothing is sent twice, no proxy or password comes from the environment.
Pool and sockets are our own: one write a request, no system call that a kept connection can spare.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage, HTTPResponse, IncompleteRead
from threading import Thread
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, urlsplit

from urllib3.util.wait import wait_for_read

from ..errors import AgentError

MAX_ANSWER = 1 << 20  # bytes of a body; a longer one counts as garbled

IDLE_FOR = 50.0
"""Seconds a connection rests at most: firewalls drop one in silence after a minute or more."""

_SLACK = 0.02
"""Seconds a wait may outlast its deadline: most reads then need no system call to set it."""

_PORTS = {"http": 80, "https": 443}
_FIRST_LINE = re.compile(r"[A-Z]+ /[!-\"$-~]* HTTP/1\.1")  # visible ASCII, no fragment
Headers = Mapping[str, str]


class OutboundError(AgentError):
    """There was no answer, or none that can be understood.

    code: `unreachable`, `timeout`, `connection_cut` or `garbled_answer`.
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


class Socket(socket.socket):
    """A TCP connection whose every wait ends by `deadline`, on the clock of `monotonic`."""

    deadline = rests_since = 0.0
    ended = False

    def arm(self) -> None:
        """Let the next wait last until the deadline; TimeoutError where that has passed."""
        left = self.deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        now = self.gettimeout()
        if now is None or abs(now - left) > _SLACK:
            self.settimeout(left)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """Receive as a socket does; every read of an answer comes through here."""
        self.arm()
        received = super().recv_into(*args, **kwargs)
        self.ended = not received
        return received

    def is_usable(self) -> bool:
        """Whether it rested briefly and in silence: a close, like stray bytes, is readable."""
        return monotonic() - self.rests_since < IDLE_FOR and not wait_for_read(self, 0.0)


class TlsSocket(Socket, ssl.SSLSocket):
    """The same over TLS."""


class Outbound:
    """An HTTP/1.1 client for many threads that keeps its connections.

    pool_size: connections kept per host; threads beyond that connect anew each time.
    tls: whom to trust, by default the authorities the system trusts.
    """

    def __init__(self, *, pool_size: int = 256, tls: ssl.SSLContext | None = None) -> None:
        self._pool_size = pool_size
        self._tls = tls or ssl.create_default_context()
        self._tls.sslsocket_class = TlsSocket
        self._resting: dict[str, list[Socket]] = {}
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
        resting = self._resting.setdefault(f"{place.scheme}://{place.netloc}", [])
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

    def _connect(self, place: SplitResult, deadline: float) -> Socket:
        sock: Socket | None = None
        try:
            sock = dial(place.hostname, place.port or _PORTS[place.scheme], deadline)
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
    place = urlsplit(base)
    if place.scheme not in _PORTS or not place.hostname or "@" in place.netloc or place.port == 0:
        msg = "must be an http or https URL without user and password"
        raise ValueError(msg)
    return place


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


def _read(sock: Socket, response: HTTPResponse) -> tuple[Answer, bool]:
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


def _kept(resting: list[Socket], deadline: float) -> Socket | None:
    with suppress(IndexError):  # none is left: `while resting` could lose to another thread
        while sock := resting.pop():
            sock.deadline = deadline
            if sock.is_usable():
                return sock
            sock.close()
    return None


def dial(host: str | None, port: int, deadline: float) -> Socket:
    """Connect to the first address that answers; each gets its share of the time left."""
    found = _addresses(host, port, deadline)
    for left, (family, _, _, _, address) in zip(range(len(found), 0, -1), found, strict=True):
        sock = Socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(max((deadline - monotonic()) / left, _SLACK))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            sock.close()
            if left == 1:
                raise
        else:
            return sock
    raise ConnectionError


def _addresses(host: str | None, port: int, deadline: float) -> list[Any]:
    """Ask the system's resolver from outside: it knows no time-out. A hung one keeps a thread."""
    asked: Future[list[Any]] = Future()

    def ask() -> None:
        try:
            asked.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as e:
            asked.set_exception(e)

    Thread(target=ask, daemon=True, name="resolver").start()
    return asked.result(deadline - monotonic())
