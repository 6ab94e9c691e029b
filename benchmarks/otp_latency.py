"""How long a code waits behind bulk at full speed: from its request to the start of its send.

Default settings (32 workers), no rate limit, a provider that takes 50 ms, and enough LOW messages
in the store to keep every worker busy. A caller in the same process asks for a code every 20 to
50 ms. What counts is `attempt.started_at - message.created_at`, commits included.
"""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path

from otp_messaging_agent import IntelligentOTPAgent

from . import measure, setting

BULK = 10_000
SECONDS = 10.0
WARM = 1.0
OTPS = 2_000_000
"""First number that gets a code; those of the bulk are lower."""


def product(source: Path, port: int) -> measure.Sample:
    draw = random.Random(1)
    accepts = []
    with setting.folder() as data:
        setting.copy(source, data)
        agent = IntelligentOTPAgent(setting.twilio(port), data)
        agent.start_processing()
        time.sleep(WARM)
        began = time.time()
        while time.time() < began + SECONDS:
            time.sleep(draw.uniform(0.02, 0.05))
            asked = time.perf_counter()
            agent.send_otp(setting.phone(OTPS + len(accepts)))
            accepts.append(time.perf_counter() - asked)
        ended = time.time()
        time.sleep(1.0)
        agent.stop()
        return {**_figures(data, began, ended), "accept_p99_ms": 1000 * _p99(accepts)}


def _figures(data: Path, began: float, ended: float) -> measure.Sample:
    store = sqlite3.connect(data / "agent.db")
    codes = store.execute(
        "SELECT a.started_at - m.created_at FROM messages m"
        " JOIN attempts a ON a.message_id = m.id AND a.number = 1 WHERE m.type = 'otp'"
    ).fetchall()
    (asked,) = store.execute("SELECT count(*) FROM messages WHERE type = 'otp'").fetchone()
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


def _p99(values: list[float]) -> float:
    return measure.percentile(values, 0.99)


def main() -> None:
    given = measure.arguments(__doc__)
    case = "code behind bulk"
    with setting.provider() as port, setting.folder() as near:
        measure.apart(setting.fill, near, BULK, ["LOW"])
        samples = measure.rounds({case: lambda: measure.apart(product, near, port)}, given)
    promises = [measure.Bound("request to start of send, p99, ms", case, "p99_ms", 100)]
    measure.report("otp_latency", "Codes behind bulk at full speed", samples, promises)


if __name__ == "__main__":
    main()
