"""Kill the server while it works and count messages: `python -m tests.crash --rounds 50`.

Threads post messages, each under its own idempotency key until it is acknowledged; the server is
killed (SIGKILL) at a random point of each round and started again over the same data. In the end
every acknowledged message must be delivered, and be in the sandbox's inbox once; twice only where
its send was in flight at a kill.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from otp_messaging_agent import IntelligentOTPAgent

ROOT = Path(__file__).parents[1]
CONFIG = {
    "channels": {
        c: {"api_config": {"provider": "sandbox", "latency_seconds": 0.01}}
        for c in ("SMS", "WhatsApp", "Call", "Email")
    },
    "log": {"level": "ERROR"},
}
POSTERS = 8
PATIENCE = 120.0


@dataclass
class Tally:
    """What happened; `in_flight`: messages whose send had begun and not ended at a kill."""

    kills: int = 0
    cut_posts: int = 0
    acknowledged: dict[str, str] = field(default_factory=dict)
    in_flight: set[str] = field(default_factory=set)
    doubles: int = 0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {len(self.acknowledged)} messages acknowledged, "
            f"{self.cut_posts} posts repeated, {len(self.in_flight)} sends in flight at a kill, "
            f"{self.doubles} sent twice, none lost"
        )


class Server:
    """The real server over one data folder, started and killed at will."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self._config = folder / "config.json"
        self._config.write_text(json.dumps(CONFIG))
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "api_server.py", "--config", str(self._config)]
        command += ["--data-dir", str(self.data), "--port", str(self.port)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while self.ask("GET", "/health") is None:
            assert self._process.poll() is None, "the server ended by itself"
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.02)

    def kill(self) -> set[str]:
        """Kill it; return the messages whose send was in flight."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        store = sqlite3.connect(self.data / "agent.db")
        try:
            found = store.execute("SELECT message_id FROM attempts WHERE outcome IS NULL")
            return {message_id for (message_id,) in found}
        finally:
            store.close()

    def ask(self, method: str, path: str, body: object = None, key: str = "") -> dict | None:
        """Return the answer, None where there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            told = json.loads(answer.read())
            assert answer.status in {200, 202}, told
        except (OSError, http.client.HTTPException, ValueError):
            return None
        else:
            return told
        finally:
            connection.close()


class Posting:
    """Threads that post until they are told to stop; no message is given up."""

    def __init__(self, server: Server, tally: Tally, messages: int) -> None:
        self._server = server
        self._tally = tally
        self._numbers = iter(range(messages))
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(POSTERS)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            self._post(number)

    def _post(self, number: int) -> None:
        body: dict[str, object] = {"phone_number": f"+4477{number:08d}", "reference": str(number)}
        path = "/send-otp" if number % 10 == 0 else "/send-message"
        if path == "/send-message":
            body |= {"content": f"message {number}", "priority": ("LOW", "HIGH")[number % 2]}
        while (told := self._server.ask("POST", path, body, key=str(number))) is None:
            self._tally.cut_posts += 1
            time.sleep(0.05)
        self._tally.acknowledged[str(number)] = told["message_id"]

    def join(self) -> None:
        """Wait until everything is acknowledged."""
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not any(t.is_alive() for t in self._threads), "posting did not end"


def crash(folder: Path, rounds: int, messages: int, seed: int) -> Tally:
    """Run it and check every promise; AssertionError where one is broken."""
    chance = random.Random(seed)
    server, tally = Server(folder), Tally()
    server.start()
    posting = Posting(server, tally, messages)
    for number in range(rounds):
        wanted = messages * (number + chance.random()) / rounds
        end = time.monotonic() + PATIENCE
        while len(tally.acknowledged) < wanted and time.monotonic() < end:
            time.sleep(0.002)
        time.sleep(chance.random() * 0.05)
        tally.in_flight |= server.kill()
        tally.kills += 1
        server.start()
    posting.join()
    _finish(server, messages)
    server.kill()
    _check(server, tally, messages)
    return tally


def _finish(server: Server, messages: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        stats = (server.ask("GET", "/metrics") or {}).get("database_stats", {"by_status": {}})
        if stats["by_status"].get("delivered") == messages:
            return
        assert time.monotonic() < end, f"not everything was sent: {stats}"
        time.sleep(0.1)


def _check(server: Server, tally: Tally, messages: int) -> None:
    with IntelligentOTPAgent(CONFIG, server.data) as agent:
        stats = agent.metrics()["database_stats"]
        sent = Counter(e.message_id for e in agent.inbox(limit=10 * messages).messages)
    assert stats["total"] == messages == len(set(tally.acknowledged.values())), stats
    for reference, message_id in tally.acknowledged.items():
        most = 2 if message_id in tally.in_flight else 1
        assert 1 <= sent[message_id] <= most, f"message {reference} was sent {sent[message_id]}x"
    tally.doubles = sum(n > 1 for n in sent.values())


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="otp-crash-") as folder:
        tally = crash(Path(folder), given.rounds, given.messages, given.seed)
    print(f"seed {given.seed}: {tally}")  # noqa: T201 - a command that reports


if __name__ == "__main__":
    main()
