"""How long a code waits behind bulk at full speed: from its request to the start of its send.

`api_server.py` with its default 32 workers, no rate limit, a provider that takes 50 ms, and
enough LOW messages in the store to keep every worker busy. A client posts a code every 20 to
50 ms. What counts is `attempt.started_at - message.created_at`, commits included.
"""

from __future__ import annotations

import http.client
import json
import random
import sqlite3
import time
from pathlib import Path

from . import measure, setting

BULK = 10_000
SECONDS = 10.0
WARM = 2.0
OTPS = 2_000_000
"""First number that gets a code; those of the bulk are lower."""


def product(source: Path, port: int) -> measure.Sample:
    with setting.folder() as data:
        setting.copy(source, data)
        with setting.agent(data, setting.twilio(port)) as (at, _):
            time.sleep(WARM)
            began = time.time()
            answers = _post(at, began + SECONDS)
            ended = time.time()
            time.sleep(1.0)
        taken = _figures(data, began, ended, len(answers))
    return {**taken, "answer_p99_ms": 1000 * measure.percentile(answers, 0.99)}


def _post(port: int, end: float) -> list[float]:
    """Ask for codes until *end*; return how long each answer took."""
    draw = random.Random(1)
    answers: list[float] = []
    connection = http.client.HTTPConnection("127.0.0.1", port)
    while time.time() < end:
        time.sleep(draw.uniform(0.02, 0.05))
        asked = json.dumps({"phone_number": setting.phone(OTPS + len(answers))})
        began = time.perf_counter()
        connection.request("POST", "/send-otp", asked, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        told = answer.read()
        answers.append(time.perf_counter() - began)
        if answer.status != 202:
            raise RuntimeError(told)
    connection.close()
    return answers


def _figures(data: Path, began: float, ended: float, asked: int) -> measure.Sample:
    store = sqlite3.connect(data / "agent.db")
    codes = store.execute(
        "SELECT a.started_at - m.created_at FROM messages m"
        " JOIN attempts a ON a.message_id = m.id AND a.number = 1 WHERE m.type = 'otp'"
    ).fetchall()
    (bulk,) = store.execute(
        "SELECT count(*) FROM attempts a JOIN messages m ON m.id = a.message_id"
        " WHERE m.priority = 'LOW' AND a.started_at BETWEEN ? AND ?",
        (began, ended),
    ).fetchone()
    (left,) = store.execute("SELECT count(*) FROM messages WHERE tries = 0").fetchone()
    store.close()
    if len(codes) != asked or not left:
        msg = f"{asked} codes asked for, {len(codes)} sent, {left} bulk messages left at the end"
        raise RuntimeError(msg)
    waits = [1000 * wait for (wait,) in codes]
    return {
        "p50_ms": measure.percentile(waits, 0.5),
        "p99_ms": measure.percentile(waits, 0.99),
        "longest_ms": max(waits),
        "codes": len(waits),
        "bulk_per_second_meanwhile": bulk / (ended - began),
    }


def main() -> None:
    given = measure.arguments(__doc__)
    case = "code behind bulk"
    with setting.provider() as port, setting.folder() as near:
        measure.apart(setting.fill, near, BULK, ["LOW"])
        samples = measure.rounds({case: lambda: product(near, port)}, given)
    promises = [measure.Bound("request to start of send, p99, ms", case, "p99_ms", 100)]
    measure.report("otp_latency", "Codes behind bulk at full speed", samples, promises)


if __name__ == "__main__":
    main()
