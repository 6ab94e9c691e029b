"""What the benchmarks work on: configurations, filled stores, and a provider that takes 50 ms."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from otp_messaging_agent import IntelligentOTPAgent, Priority

LATENCY = 0.05
"""Seconds the provider takes for an answer."""

SID, TOKEN, SENDER = "AC" + "0" * 32, "0" * 32, "+14155552345"
CONTENT = "Your order has shipped and will arrive on Thursday. Thank you for shopping with us."
_ALL = {f"{p.value}": "SMS" for p in Priority}


def sandbox(**more: Any) -> dict[str, Any]:
    """Return a configuration with SMS by the sandbox, without a rate limit."""
    return _config({"provider": "sandbox"}, more)


def twilio(port: int, **more: Any) -> dict[str, Any]:
    """Return a configuration with SMS by Twilio, at a local server."""
    return _config(
        {
            "provider": "twilio",
            "account_sid": SID,
            "auth_token": TOKEN,
            "from_number": SENDER,
            "base_url": f"http://127.0.0.1:{port}",
        },
        more,
    )


def _config(api: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    return {
        "channels": {"SMS": {"api_config": api}},
        "priority_channel_mapping": _ALL,
        "log": {"level": "WARNING"},
        **more,
    }


def phone(number: int) -> str:
    """Return the *number*-th phone number."""
    return f"+1415{2_000_000 + number:07d}"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Make a data folder that is gone afterwards, with the key beside it."""
    with tempfile.TemporaryDirectory(prefix="otp-bench-") as made:
        yield Path(made) / "data"


def copy(source: Path, target: Path) -> None:
    """Copy a closed data folder and its key."""
    shutil.copytree(source, target)
    shutil.copy(f"{source}.key", f"{target}.key")


def fill(data: Path, count: int, priorities: Sequence[str]) -> None:
    """Put *count* messages into the store of *data*, the priorities in turn; sends nothing."""
    with IntelligentOTPAgent(sandbox(), data) as agent:
        for start in range(0, count, 5000):
            agent.send_bulk(requests(start, min(start + 5000, count), priorities))


def requests(start: int, end: int, priorities: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of a bulk request."""
    return [
        {"phone_number": phone(i), "content": CONTENT, "priority": priorities[i % len(priorities)]}
        for i in range(start, end)
    ]


@contextlib.contextmanager
def provider() -> Iterator[int]:
    """Run the 50 ms provider in a process of its own; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.setting", str(port)]
    with serving(command, port):
        yield port


@contextlib.contextmanager
def agent(data: Path, config: dict[str, Any], *, patience: float = 30) -> Iterator[tuple[int, int]]:
    """Run `api_server.py` as a user does; gives its port and process id."""
    written = Path(f"{data}.json")
    written.write_text(json.dumps(config))
    port = free_port()
    command = [sys.executable, "api_server.py", "--config", str(written), "--data-dir", str(data)]
    with serving([*command, "--port", str(port)], port, patience=patience) as pid:
        yield port, pid


@contextlib.contextmanager
def serving(command: Sequence[str], port: int, *, patience: float = 30) -> Iterator[int]:
    """Run a server until the end of the block; gives its process id. patience: to end, in s."""
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.DEVNULL)
    try:
        _await(process, port)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.05)
    msg = f"nothing listens on port {port}"
    raise RuntimeError(msg)


_BODY = json.dumps(
    {
        "account_sid": SID,
        "api_version": "2010-04-01",
        "body": CONTENT,
        "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
        "date_sent": None,
        "date_updated": "Thu, 24 Aug 2023 05:01:45 +0000",
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": SENDER,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": None,
        "sid": "SM%032d",
        "status": "queued",
        "subresource_uris": {"media": f"/2010-04-01/Accounts/{SID}/Messages/SM/Media.json"},
        "to": "+15558675310",
        "uri": f"/2010-04-01/Accounts/{SID}/Messages/SM.json",
    }
)


class _Connection(asyncio.Protocol):
    """Answers every request, whatever it asks, with a message taken (asyncio sets TCP_NODELAY)."""

    taken = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._waiting = b""

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        while (end := self._waiting.find(b"\r\n\r\n")) >= 0:
            head = self._waiting[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._waiting) < end + 4 + length:
                return
            self._waiting = self._waiting[end + 4 + length :]
            asyncio.get_running_loop().call_later(LATENCY, self._answer)

    def _answer(self) -> None:
        if self._transport.is_closing():
            return
        _Connection.taken += 1
        body = (_BODY % _Connection.taken).encode()
        self._transport.write(
            b"HTTP/1.1 201 CREATED\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
