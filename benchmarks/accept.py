"""Durable accepts in one process: 16 callers of `send_message` against a commit for every row."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from otp_messaging_agent import IntelligentOTPAgent, MessageRequest
from otp_messaging_agent.message import Message
from otp_messaging_agent.stores.sql import rows

from . import measure, setting

CALLERS = 16
MESSAGES = 8000
ROWS = 3200
"""Of the floors, which are slower; rates are compared."""


def _together(callers: int, work: Callable[[int], None]) -> measure.Sample:
    """Run *work* in so many threads that start at one moment; return wall and CPU seconds."""
    gate = threading.Barrier(callers + 1)

    def run(number: int) -> None:
        gate.wait()
        work(number)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(callers)]
    for thread in threads:
        thread.start()
    gate.wait()
    wall, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.join()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def product(callers: int, messages: int) -> measure.Sample:
    """Accept *messages* that are made on the spot, as a caller makes them."""
    share = messages // callers
    waits: list[float] = []
    with setting.folder() as data, IntelligentOTPAgent(setting.sandbox(), data) as agent:

        def call(number: int) -> None:
            request = MessageRequest(
                phone_number=setting.phone(number), content=setting.CONTENT, priority="LOW"
            )
            agent.send_message(request)

        def work(caller: int) -> None:
            for i in range(share):
                began = time.perf_counter()
                call(caller * share + i)
                waits.append(time.perf_counter() - began)

        for i in range(200):
            call(messages + i)
        taken = _together(callers, work)
    return _figures(share * callers, taken, waits)


def floor(callers: int, count: int) -> measure.Sample:
    """Insert the same rows ready made, each caller by its own connection and commits."""
    share = count // callers
    waits: list[float] = []
    with setting.folder() as data:
        made = _rows(data, count)
        names = list(made[0])
        insert = f"INSERT INTO messages ({','.join(names)}) VALUES ({','.join('?' * len(names))})"

        def work(caller: int) -> None:
            connection = _connect(data)
            for row in made[caller * share : (caller + 1) * share]:
                began = time.perf_counter()
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(insert, tuple(row.values()))
                connection.execute("COMMIT")
                waits.append(time.perf_counter() - began)
            connection.close()

        taken = _together(callers, work)
    return _figures(share * callers, taken, waits)


def _rows(data: Path, count: int) -> list[dict[str, Any]]:
    """Make the schema in *data* and return rows as the product stores them."""
    with IntelligentOTPAgent(setting.sandbox(), data) as agent:
        made: list[dict[str, Any]] = []
        parts = agent._parts  # noqa: SLF001 - there is no public way to a row that is not stored
        for i in range(count):
            request = MessageRequest(
                phone_number=setting.phone(i), content=setting.CONTENT, priority="LOW"
            )
            message = parts.intake._row(request, time.time())  # noqa: SLF001
            assert isinstance(message, Message)
            made.append(rows.message_row(message, parts.keys))
    return made


def _connect(data: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(data / "agent.db", timeout=60, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=10000"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def sync() -> measure.Sample:
    """Time a sync of 4 KB, which both sides wait for: the slower it is, the more sharing helps."""
    waits = []
    with setting.folder() as data, Path(f"{data}.sync").open("wb", buffering=0) as file:
        for _ in range(300):
            file.write(b"0" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            waits.append(time.perf_counter() - began)
    return {"p50_ms": 1000 * measure.percentile(waits, 0.5)}


def _figures(count: int, taken: measure.Sample, waits: list[float]) -> measure.Sample:
    return {
        "per_second": count / taken["wall"],
        "p50_ms": 1000 * measure.percentile(waits, 0.5),
        "p99_ms": 1000 * measure.percentile(waits, 0.99),
        "cpu_us_each": 1e6 * taken["cpu"] / count,
    }


def main() -> None:
    given = measure.arguments(__doc__)
    ours, own, single = "agent, 16 callers", "own commits, 16 callers", "own commits, 1 caller"
    samples = measure.rounds(
        {
            ours: lambda: measure.apart(product, CALLERS, MESSAGES),
            own: lambda: measure.apart(floor, CALLERS, ROWS),
            single: lambda: measure.apart(floor, 1, ROWS),
            "a sync of this disk": lambda: measure.apart(sync),
        },
        given,
    )
    promises = [
        measure.Ratio("agent / own commits, 16 callers each", ours, own, "per_second", 4.0),
        measure.Ratio("agent / own commits without contention", ours, single, "per_second"),
    ]
    measure.report("accept", "Durable accepts in one process", samples, promises)


if __name__ == "__main__":
    main()
