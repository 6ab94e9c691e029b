"""What 100 000 waiting messages add to the memory of the process that serves them.

The messages are put into the store by another process beforehand, 25 000 of each priority, so
that what taking them in leaves behind in an allocator is not measured. Then `api_server.py` is
started once over that store and once over an empty one, and its resident memory is read when it
has paged in what it holds in memory. Every worker is busy with a send that takes 30 s meanwhile,
so the messages wait. For comparison: a process that accepted them itself, and one that has been
sending for a while.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from otp_messaging_agent import IntelligentOTPAgent, Priority

from . import measure, setting

WAITING = 100_000
SETTLE = 3.0
"""Seconds after the start in which the process pages in its tickets."""

BULK = 1000
MEGABYTE = 1 << 20
_SLOW: dict[str, Any] = {"api_config": {"provider": "sandbox", "latency_seconds": 30}}


def served(source: Path | None) -> measure.Sample:
    """Serve a store, filled or empty, with every send lasting longer than the measurement."""
    with setting.folder() as data:
        if source is not None:
            setting.copy(source, data)
        config = setting.sandbox(channels={"SMS": _SLOW})
        with setting.agent(data, config, patience=60) as (_, pid):
            time.sleep(SETTLE)
            return {"megabytes": _resident(pid)}


def accepted() -> measure.Sample:
    """Take the messages in, in requests of 1000, in the process whose memory is read."""
    with setting.folder() as data:
        setting.fill(data, BULK, list(Priority))
        with IntelligentOTPAgent(setting.sandbox(), data) as agent:
            agent.send_bulk(setting.requests(0, BULK, list(Priority)))
            before = _resident("self")
            for start in range(BULK, WAITING, BULK):
                agent.send_bulk(setting.requests(start, start + BULK, list(Priority)))
            return {"more_megabytes": _resident("self") - before}


def sending(source: Path, port: int) -> measure.Sample:
    """Send for a while: every worker's connection to the store then has its cache filled."""
    with setting.folder() as data:
        setting.copy(source, data)
        agent = IntelligentOTPAgent(setting.twilio(port, workers=32), data)
        agent.start_processing()
        time.sleep(1.0)
        before = _resident("self")
        time.sleep(15.0)
        after = _resident("self")
        agent.stop()
        return {"more_megabytes": after - before}


def _resident(pid: int | str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    msg = "this system does not tell the memory of a process"
    raise RuntimeError(msg)


def main() -> None:
    given = measure.arguments(__doc__, rounds=3)
    full, empty = "served, 100 000 waiting", "served, none waiting"
    with setting.provider() as port, setting.folder() as near:
        measure.apart(setting.fill, near, WAITING, list(Priority), seconds=600)
        cases = {
            full: lambda: served(near),
            empty: lambda: served(None),
            "accepting them itself, 1000 a request": lambda: measure.apart(accepted),
            "15 s of sending with 32 workers": lambda: measure.apart(sending, near, port),
        }
        samples = measure.rounds(cases, given)
    for one, other in zip(samples[full], samples[empty], strict=True):
        one["more_than_empty"] = one["megabytes"] - other["megabytes"]
    promises = [measure.Bound("for 100 000 waiting messages, MB", full, "more_than_empty", 60)]
    measure.report("memory", "Memory of waiting messages", samples, promises)


if __name__ == "__main__":
    main()
