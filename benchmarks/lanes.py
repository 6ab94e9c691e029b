"""The place of a code that is asked for while 50 000 LOW messages wait.

32 workers, a provider that takes 50 ms. Counted are the bulk sends that began after the code was
durable (its `send_otp` returned) and before its own send began: 0 is next in line. Each of the
28 workers that take bulk may have had one in hand already; more would have overtaken the code.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from otp_messaging_agent import IntelligentOTPAgent

from . import measure, setting

BULK = 50_000
CODES = 20
OTPS = 2_000_000


def product(source: Path, port: int) -> measure.Sample:
    durable: dict[str, float] = {}
    with setting.folder() as data:
        setting.copy(source, data)
        agent = IntelligentOTPAgent(setting.twilio(port), data)
        agent.start_processing()
        time.sleep(1.0)
        for i in range(CODES):
            accepted = agent.send_otp(setting.phone(OTPS + i))
            durable[accepted.message_id] = time.time()
            time.sleep(0.1)
        time.sleep(0.5)
        agent.stop()
        places, waits = _places(data, durable)
    return {
        "place_p50": measure.percentile(places, 0.5),
        "place_worst": max(places),
        "start_after_durable_p50_ms": measure.percentile(waits, 0.5),
        "start_after_durable_worst_ms": max(waits),
    }


def _places(data: Path, durable: dict[str, float]) -> tuple[list[float], list[float]]:
    store = sqlite3.connect(data / "agent.db")
    places, waits = [], []
    for message_id, at in durable.items():
        (began,) = store.execute(
            "SELECT started_at FROM attempts WHERE message_id = ? AND number = 1", (message_id,)
        ).fetchone()
        (before,) = store.execute(
            "SELECT count(*) FROM attempts WHERE started_at > ? AND started_at < ?", (at, began)
        ).fetchone()
        places.append(float(before))
        waits.append(1000 * max(0.0, began - at))
    (left,) = store.execute("SELECT count(*) FROM messages WHERE tries = 0").fetchone()
    store.close()
    if left < BULK // 2:
        msg = f"only {left} bulk messages were still waiting at the end"
        raise RuntimeError(msg)
    return places, waits


def main() -> None:
    given = measure.arguments(__doc__)
    case = "code behind 50 000"
    with setting.provider() as port, setting.folder() as near:
        measure.apart(setting.fill, near, BULK, ["LOW"])
        samples = measure.rounds({case: lambda: measure.apart(product, near, port)}, given)
    promises = [
        measure.Bound("bulk sends begun before a code, median of 20 codes", case, "place_p50", 0),
        measure.Bound("bulk sends begun before a code, worst of 20 codes", case, "place_worst", 28),
    ]
    measure.report("lanes", "A code among 50 000 waiting messages", samples, promises)


if __name__ == "__main__":
    main()
