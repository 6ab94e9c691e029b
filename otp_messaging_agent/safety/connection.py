"""TCP connections whose every wait ends by one deadline, the look-up of the name included."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import Future
from threading import Thread
from time import monotonic
from typing import Any

from urllib3.util.wait import wait_for_read

IDLE_FOR = 50.0
"""Seconds a connection rests at most: firewalls drop one in silence after a minute or more."""

_SLACK = 0.02
"""Seconds a wait may outlast its deadline: most reads then need no system call to set it."""


class Connection(socket.socket):
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


class TlsConnection(Connection, ssl.SSLSocket):
    """The same over TLS."""


def look_up(host: str | None, port: int, deadline: float) -> list[Any]:
    """Return what `getaddrinfo` knows of *host*, or raise as it does, TimeoutError when late.

    The system's resolver knows no time-out, so it is asked from outside. A hung one keeps a
    thread.
    """
    asked: Future[list[Any]] = Future()

    def ask() -> None:
        try:
            asked.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as e:
            asked.set_exception(e)

    Thread(target=ask, daemon=True, name="resolver").start()
    return asked.result(deadline - monotonic())


def dial(found: Sequence[Any], deadline: float) -> Connection:
    """Connect to the first of these addresses that answers; each gets its share of the time."""
    for left, (family, _, _, _, address) in zip(range(len(found), 0, -1), found, strict=True):
        sock = Connection(family, socket.SOCK_STREAM)
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
