"""What the crash test is made of: requests, the server as a process, and those who post."""

import contextlib
import json
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import deque
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from .until import until

ROOT = Path(__file__).parents[1]
THREADS = 8
BULK = 10
CONFIG = {
    "channels": {
        # A send takes a while, so that some are always under way.
        name: {"api_config": {"provider": "sandbox", "latency_seconds": 0.03}}
        for name in ("SMS", "WhatsApp", "Call", "Email")
    },
    "log": {"level": "WARNING"},
}


@dataclass
class Job:
    """One request for so many rows.

    key: with it the request is repeated where its answer was lost; ids: what it was answered.
    """

    path: str
    body: dict
    rows: int
    key: str | None
    ids: list[str] = field(default_factory=list)

    @property
    def addresses(self) -> list[str]:
        """Where its messages can arrive."""
        bodies = self.body.get("messages", [self.body])
        return [b[name] for b in bodies for name in ("phone_number", "email") if name in b]


def jobs(messages: int, chance: random.Random) -> deque[Job]:
    """Return requests for so many messages; each message has a recipient of its own."""
    made: deque[Job] = deque()
    serial = 0
    while serial < messages:
        kind = chance.random()
        rows = min(BULK, messages - serial) if kind < 0.03 else 1
        bodies = [_message(serial + i, chance) for i in range(rows)]
        path, body = "/send-message", bodies[0]
        if rows > 1:
            path, body = "/send-bulk", {"messages": bodies}
        elif kind < 0.3:
            path, body = "/send-otp", {"phone_number": body["phone_number"]}
        key = f"key-{serial}" if chance.random() < 0.6 else None
        made.append(Job(path, body, rows, key))
        serial += rows
    return made


def _message(serial: int, chance: random.Random) -> dict:
    return {
        "phone_number": f"+4479{serial:08}",
        "email": f"person-{serial}@example.com",
        "content": f"Message {serial}",
        "priority": chance.choice(["CRITICAL", "HIGH", "MEDIUM", "LOW"]),
        "message_type": chance.choice(["notification", "alert", "reminder"]),
    }


class Server:
    """The server as a process of its own over one data folder."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self._config = folder / "config.json"
        self._config.write_text(json.dumps(CONFIG))
        self._log = (folder / "server.log").open("wb")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it; returns once it answers."""
        command = [sys.executable, "api_server.py", "--config", self._config]
        command += ["--data-dir", self.data, "--port", str(self.port)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdout=self._log, stderr=subprocess.STDOUT
        )
        until(self._answers, 60.0)

    def _answers(self) -> bool:
        assert self._process.poll() is None, f"the server ended; see {self._log.name}"
        try:
            return self.get("/health") == {"status": "ok"}
        except (OSError, HTTPException):
            return False

    def get(self, path: str) -> dict:
        """Return the answer to a GET."""
        with contextlib.closing(self.connect()) as connection:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())

    def connect(self) -> HTTPConnection:
        """Return a connection, not yet opened."""
        return HTTPConnection("127.0.0.1", self.port, timeout=60)

    def kill(self) -> None:
        """End it without a chance to do anything."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End it gracefully and return its exit code."""
        self._process.terminate()
        return self._process.wait(60)

    def close(self) -> None:
        """End what is left of it."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._log.close()


class Posting:
    """Posts from several threads until nothing is left to post or the server is gone.

    acknowledged: messages answered with 202; cut: requests that got no answer, of which those
    with a key go back to what is to do; refused: what was answered otherwise.
    """

    def __init__(self, server: Server, todo: deque[Job]) -> None:
        self._server, self._todo = server, todo
        self.acknowledged = 0
        self.cut: list[Job] = []
        self.refused: list[str] = []
        self._changed = threading.Condition()
        self._running = THREADS
        self._threads = [threading.Thread(target=self._run) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def wait(self, acknowledged: float) -> None:
        """Return once so many messages are acknowledged, or nothing more will be."""
        with self._changed:
            self._changed.wait_for(lambda: self.acknowledged >= acknowledged or not self._running)

    def join(self) -> None:
        """Return once every thread has ended."""
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        ended = contextlib.suppress(IndexError)
        with contextlib.closing(self._server.connect()) as connection, ended:
            while self._post(self._todo.popleft(), connection):
                pass
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def _post(self, job: Job, connection: HTTPConnection) -> bool:
        headers = {"Content-Type": "application/json"}
        if job.key:
            headers["Idempotency-Key"] = job.key
        try:
            connection.request("POST", job.path, json.dumps(job.body), headers)
            answer = connection.getresponse()
            told = json.loads(answer.read())
        except (OSError, HTTPException):
            with self._changed:
                self.cut.append(job)
                if job.key:
                    self._todo.append(job)
            return False
        with self._changed:
            if answer.status == 202:
                job.ids = [row["message_id"] for row in told.get("results", [told])]
                self.acknowledged += job.rows
            else:
                self.refused.append(f"{job.path} was answered {answer.status}: {told}")
            self._changed.notify_all()
        return True


def left_open(data: Path) -> tuple[set[str], int]:
    """Return whose attempts are open, and how many messages wait; looks at a copy alone."""
    with tempfile.TemporaryDirectory() as scratch:
        for file in data.glob("agent.db*"):
            shutil.copy(file, scratch)
        with contextlib.closing(sqlite3.connect(Path(scratch) / "agent.db")) as copy:
            found = copy.execute("SELECT message_id FROM attempts WHERE outcome IS NULL")
            open_ = {message_id for (message_id,) in found}
            (waiting,) = copy.execute("SELECT count(*) FROM messages WHERE due_at > 0").fetchone()
    return open_, waiting
