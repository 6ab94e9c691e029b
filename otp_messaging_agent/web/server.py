"""Serves the application with waitress until told to stop, and lets running requests finish."""

from __future__ import annotations

import contextlib
import errno
import gc
import logging
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import click
from pydantic_core import to_json
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask

from ..errors import AgentError
from . import create_app
from .access import is_loopback
from .errors import PROBLEM, problem

if TYPE_CHECKING:
    from ..agent import IntelligentOTPAgent

FINISH_SECONDS = 10.0
"""How long running requests may take to finish once told to stop; as long again for sends."""

_POLL_SECONDS = 0.25
_BACKLOG_BYTES = 1_000_000
"""An answer this far behind its client is written by the loop while it is still made."""


class CannotServe(Exception):
    """The address cannot be served; the message is one line for the operator."""


class _ProblemTask(ErrorTask):
    """Says what waitress itself refuses (a body too large, a broken header) as a problem too."""

    def execute(self) -> None:
        """Write the refusal and close."""
        task: Any = self  # the stubs of waitress know little of it
        refused = task.request.error
        told = AgentError("the request could not be read as HTTP within the limits of this server")
        told.status, told.code = refused.code, refused.reason.lower().replace(" ", "_")
        if told.status == 413:  # noqa: PLR2004 - as `errors` names it
            told.code, told.detail = "too_large", "the body is larger than server.max_body_bytes"
        body = to_json(problem(told))
        self.status = f"{refused.code} {refused.reason}"
        task.response_headers.append(("Content-Type", PROBLEM))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):
    error_task_class = _ProblemTask

    def writable(self) -> bool:
        """Leave the writing to the thread that answers, but for what it could not write.

        Otherwise the loop turns for nothing from the first byte of an answer until its thread
        is done with it: seven turns a request under load, and most of the server's time.
        """
        if self.requests and self.total_outbufs_len < _BACKLOG_BYTES:
            return bool(self.will_close)
        return bool(super().writable())


def serve(agent: IntelligentOTPAgent, host: str, port: int, *, stop: threading.Event) -> bool:
    """Start *agent*, serve it at *host*:*port* until *stop* is set, then stop both in order.

    Returns whether everything that ran could finish in time. Raises CannotServe, with nothing
    started, where the address is taken or not this machine's own.
    """
    with contextlib.closing(_listen(host, port)) as listening:
        server = _server(agent, listening)
        try:
            agent.start_processing()
            # What stands by now stays: not to look through it again spares every thread a stop
            # of a tenth of a second each time.
            gc.collect()
            gc.freeze()
            _announce(host, listening.getsockname()[1])
            while not stop.is_set():
                _turn(server, _POLL_SECONDS)
        finally:
            finished = _finish(server)
            finished &= agent.stop(FINISH_SECONDS)
    return finished


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        msg = f"{host} is not an address of this machine; name another with --host"
        raise CannotServe(msg) from None
    family, _, _, _, address = found[0]
    if not is_loopback(str(address[0])):
        msg = (
            f"refusing to listen on {host}: no API key exists, and without one only this machine "
            "may call; use --host 127.0.0.1"
        )
        raise CannotServe(msg)
    try:
        return socket.create_server(address[:2], family=family, backlog=1024)
    except OSError as e:
        taken = e.errno == errno.EADDRINUSE
        why = "is taken by another process" if taken else f"cannot be used ({e.strerror})"
        msg = f"port {port} of {host} {why}; name another with --port"
        raise CannotServe(msg) from None


def _server(agent: IntelligentOTPAgent, listening: socket.socket) -> Any:
    settings = agent.config.server
    server: Any = create_server(
        create_app(agent),
        sockets=[listening],
        threads=settings.threads,
        backlog=1024,
        connection_limit=1000,
        max_request_body_size=settings.max_body_bytes,
        max_request_header_size=64 * 1024,
        asyncore_use_poll=True,
        # The access rules must see what a proxy added; waitress would drop it silently.
        clear_untrusted_proxy_headers=False,
        ident=None,
    )
    server.channel_class = _Channel
    # A line for each request that waits its turn says nothing /metrics does not, and costs more.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    return server


def _announce(host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}"
    click.echo(
        f"Sandbox inbox  {url}/sandbox\n"
        f"API docs       {url}/docs\n"
        f"API            {url}\n"
        "No API key exists: requests from this machine are served without one, others refused."
    )


def _turn(server: Any, seconds: float) -> None:
    wasyncore.loop(timeout=seconds, use_poll=True, map=server._map, count=1)  # noqa: SLF001


def _finish(server: Any) -> bool:
    """Take no more, let what runs end and be written, within FINISH_SECONDS."""
    end = time.monotonic() + FINISH_SECONDS
    wasyncore.dispatcher.close(server)  # the listening socket alone; answers still need the rest
    while (busy := _busy(server)) and time.monotonic() < end:
        _turn(server, 0.05)
    left = max(0.0, end - time.monotonic())
    server.task_dispatcher.shutdown(cancel_pending=True, timeout=left)
    server.trigger.close()
    wasyncore.close_all(server._map)  # noqa: SLF001
    return not busy


def _busy(server: Any) -> int:
    """Close the connections that wait for nothing; return how many others there are."""
    busy = 0
    for channel in list(server.active_channels.values()):
        if channel.requests or channel.total_outbufs_len:
            busy += 1
        else:
            channel.handle_close()
    return busy
