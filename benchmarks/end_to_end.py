"""Messages that wait in the store, sent through Twilio's SDK to a provider that takes 50 ms.

Compared with threads that do nothing but send: `provider.send` in a loop (the agent's own client,
without store, queue, routing and verdicts), and the SDK as it comes. The same number of messages
and of threads; the time from the first send's start to the last result.
"""

from __future__ import annotations

import itertools
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twilio.rest import Client

from otp_messaging_agent import Channel, IntelligentOTPAgent, MessageType, Priority
from otp_messaging_agent.providers import twilio
from otp_messaging_agent.providers.base import Context, Outgoing

from . import measure, setting

SECONDS_OF_WORK = 5
URGENT, BULK = Priority.HIGH.value, Priority.LOW.value


def product(source: Path, port: int, workers: int) -> measure.Sample:
    """Start the workers over a filled store and wait until its last message is settled."""
    with setting.folder() as data:
        setting.copy(source, data)
        agent = IntelligentOTPAgent(setting.twilio(port, workers=workers), data)
        store = sqlite3.connect(data / "agent.db")
        waits = "SELECT EXISTS (SELECT 1 FROM messages WHERE due_at IS NOT NULL)"
        agent.metrics()  # opens the store, which is no part of sending
        wall, cpu = time.perf_counter(), time.process_time()
        agent.start_processing()
        while store.execute(waits).fetchone()[0] and time.perf_counter() < wall + 120:
            time.sleep(0.02)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        agent.stop()
        counted = "SELECT count(*) FROM messages WHERE status = 'sent' AND tries = 1"
        (sent,) = store.execute(counted).fetchone()
        (asked,) = store.execute("SELECT count(*) FROM messages").fetchone()
        store.close()
    if sent != asked:
        msg = f"{sent} of {asked} messages were sent at the first try"
        raise RuntimeError(msg)
    return _figures(sent, wall, cpu)


def client(port: int, threads: int, count: int) -> measure.Sample:
    """Send by the agent's own client and nothing else."""
    settings = twilio.Settings(
        account_sid=setting.SID,
        auth_token=setting.TOKEN,
        from_number=setting.SENDER,
        base_url=f"http://127.0.0.1:{port}",
    )
    made = twilio.make(settings, Context("twilio", _no_inbox, time.time, time.sleep))

    def send(number: int) -> None:
        out = Outgoing(
            attempt_id=f"{number}.1",
            message_id=str(number),
            channel=Channel.SMS,
            type=MessageType.NOTIFICATION,
            to=setting.phone(number),
            content=setting.CONTENT,
        )
        assert made.send(out, timeout=10).provider_message_id

    return _loop(send, threads, count)


_no_inbox: Any = None


def sdk(port: int, threads: int, count: int, clients: int) -> measure.Sample:
    """Send by `twilio.rest.Client` as it comes, so many clients for all threads."""

    def make() -> Client:
        made = Client(setting.SID, setting.TOKEN)
        made.api.base_url = f"http://127.0.0.1:{port}"
        return made

    made = itertools.cycle([make() for _ in range(clients)])
    own = threading.local()

    def send(number: int) -> None:
        if not hasattr(own, "client"):
            own.client = next(made)
        assert own.client.messages.create(
            to=setting.phone(number), from_=setting.SENDER, body=setting.CONTENT
        ).sid

    return _loop(send, threads, count)


def _loop(send: Callable[[int], None], threads: int, count: int) -> measure.Sample:
    numbers = itertools.count()

    def run() -> None:
        while (number := next(numbers)) < count:
            send(number)

    running = [threading.Thread(target=run) for _ in range(threads)]
    wall, cpu = time.perf_counter(), time.process_time()
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return _figures(count, time.perf_counter() - wall, time.process_time() - cpu)


def _figures(count: int, wall: float, cpu: float) -> measure.Sample:
    return {"per_second": count / wall, "cpu_us_each": 1e6 * cpu / count}


def _count(threads: int) -> int:
    return int(SECONDS_OF_WORK * min(threads / setting.LATENCY, 1600))


def main() -> None:
    given = measure.arguments(__doc__)
    few, many = 32, 128
    with setting.provider() as port, setting.folder() as near:
        urgent32, bulk32, urgent128 = (near / name for name in ("urgent32", "bulk32", "urgent128"))
        measure.apart(setting.fill, urgent32, _count(few), [URGENT])
        measure.apart(setting.fill, bulk32, _count(few), [BULK])
        measure.apart(setting.fill, urgent128, _count(many), [URGENT])
        cases = {
            "agent, 32 workers, HIGH": lambda: measure.apart(product, urgent32, port, few),
            "agent, 32 workers, LOW": lambda: measure.apart(product, bulk32, port, few),
            "client loop, 32 threads": lambda: measure.apart(client, port, few, _count(few)),
            "agent, 128 workers, HIGH": lambda: measure.apart(product, urgent128, port, many),
            "client loop, 128 threads": lambda: measure.apart(client, port, many, _count(many)),
            "SDK, 128 threads, one client": lambda: measure.apart(
                sdk, port, many, _count(many) // 2, 1
            ),
            "SDK, 128 threads, own clients": lambda: measure.apart(
                sdk, port, many, _count(many) // 2, many
            ),
        }
        samples = measure.rounds(cases, given)
    names = list(cases)
    rate = "per_second"
    promises = [
        measure.Ratio("32 workers, HIGH / client loop", names[0], names[2], rate, 0.85),
        measure.Ratio("32 workers, LOW (28 of them) / client loop", names[1], names[2], rate),
        measure.Ratio("128 workers / SDK as it comes", names[3], names[5], rate, 2.0),
        measure.Ratio("128 workers / SDK, a client for each thread", names[3], names[6], rate),
        measure.Ratio("128 workers / client loop", names[3], names[4], rate),
    ]
    measure.report("end_to_end", "From the store to the provider", samples, promises)


if __name__ == "__main__":
    main()
