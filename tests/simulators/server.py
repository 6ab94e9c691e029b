"""A scripted HTTP server on 127.0.0.1 that every stand-in for a vendor is made of.

What a request gets is scripted; without a script it is accepted, with the answer the vendor gives.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Reply:
    """How one request is answered.

    accepted: what was asked is done, whatever is answered. body: None = what the vendor says of
    an accepted request. wait: seconds before the answer. drip: seconds between two bytes of it.
    cut_at: bytes of the answer after which the connection closes.
    """

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    accepted: bool = False
    wait: float = 0.0
    drip: float = 0.0
    drip_head: bool = False
    cut_at: int | None = None


def refused(status: int, body: object = b"", **headers: str) -> Reply:
    """Refuse with *body*, JSON where it is no bytes; Retry_After=... for a header."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, raw, {k.replace("_", "-"): v for k, v in headers.items()})


def hang(seconds: float = 30.0, *, accepted: bool = True) -> Reply:
    return Reply(accepted=accepted, wait=seconds)


def cut(*, accepted: bool, after: int = 0) -> Reply:
    """Close the connection after *after* bytes of the answer."""
    return Reply(accepted=accepted, cut_at=after)


def garbage(body: bytes, status: int = 200) -> Reply:
    return Reply(status, body, accepted=True)


def drip(interval: float, *, head: bool = False) -> Reply:
    """Send the body, or with *head* all of the answer, a byte every *interval* seconds."""
    return Reply(accepted=True, drip=interval, drip_head=head)


def redirect(location: str) -> Reply:
    return Reply(307, b"", {"Location": location})


@dataclass(frozen=True)
class Request:
    """What the server saw. path: with its query; headers: names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Simulator:
    """The server, and what it saw: `requests` all of them, `accepted` those that were done.

    answer: what the vendor says of a request it accepts, or why it refuses one that is wrong
    (a status over 299 is not counted as accepted).
    """

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.requests: list[Request] = []
        self.accepted: list[Request] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self._answer = answer
        self._script: deque[Reply] = deque()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.sim = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def script(self, *replies: Reply) -> None:
        """Answer the next requests so; then accept again."""
        with self.lock:
            self._script.extend(replies)

    def forget(self) -> None:
        """Forget what was seen and scripted."""
        with self.lock:
            self.requests.clear()
            self.accepted.clear()
            self._script.clear()

    def reply_to(self, request: Request) -> Reply:
        usual = self._answer(request)
        with self.lock:
            self.requests.append(request)
            scripted = self._script.popleft() if self._script else None
            reply = scripted or replace(usual, accepted=usual.status < 300)
            if reply.accepted:
                self.accepted.append(request)
        if reply.body is None:
            return replace(usual, **{k: getattr(reply, k) for k in _MANNERS})
        return reply

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


_MANNERS = ("wait", "drip", "drip_head", "cut_at")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512
    sim: Simulator


class Speaker(BaseHTTPRequestHandler):
    """Answers in the manner of a reply; `server.sim.closing` ends all waits."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for an acknowledgement
    server: Any

    def say(self, reply: Any, body: bytes, at: float | None = None) -> None:
        """Answer with *body* as *reply* is to be made; at: what the clock of the vendor shows."""
        headers = {
            "Content-Type": "application/json",
            "Date": formatdate(at, usegmt=True),
            "Content-Length": str(len(body)),
            **reply.headers,
        }
        lines = [f"HTTP/1.1 {reply.status} X", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
        if self.server.sim.closing.wait(reply.wait):
            return
        try:
            self._write(reply, "\r\n".join(lines).encode(), body)
        except OSError:  # the client has gone, as clients do
            self.close_connection = True

    def _write(self, reply: Any, head: bytes, body: bytes) -> None:
        if reply.cut_at is not None:
            self.wfile.write((head + body)[: reply.cut_at])
            self.close_connection = True
        elif reply.drip:
            whole, rest = (b"", head + body) if reply.drip_head else (head, body)
            self.wfile.write(whole)
            for byte in rest:
                self.wfile.write(bytes([byte]))
                if self.server.sim.closing.wait(reply.drip):
                    return
        else:
            self.wfile.write(head + body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base names it so
        """Say nothing."""


class _Handler(Speaker):
    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {k.lower(): v for k, v in self.headers.items()}
        reply = self.server.sim.reply_to(Request(self.command, self.path, headers, body))
        self.say(reply, reply.body or b"")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names
