"""Kill the server while it works, start it again, and count what every recipient got.

    python -m tests.crash --rounds 50 --messages 2000 --seed 1

Several threads post messages to a real `api_server.py`, which is ended with SIGKILL at random
moments. What was answered 202 has to be delivered in the end, once; twice is allowed only to
what was in the middle of a send at a kill. What was cut off before an answer is repeated under
its idempotency key, or given up where it has none: then it is there once, or not at all.
"""

import random
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import click

from otp_messaging_agent import IntelligentOTPAgent

from .crash_parts import CONFIG, Job, Posting, Server, jobs, left_open
from .until import until

MOMENT = 0.06
"""Seconds at most between the answer that a kill was waiting for and the kill."""


@dataclass
class Report:
    """What happened. hits: kills that cut a post, or a send, or left messages waiting."""

    kills: int = 0
    hits: int = 0
    cut: list[Job] = field(default_factory=list)
    open_sends: set[str] = field(default_factory=set)
    waiting: int = 0
    acknowledged: int = 0
    delivered: int = 0
    twice: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        repeated = sum(job.key is not None for job in self.cut)
        return (
            f"crash: {self.kills} kills in {self.seconds:.0f} s, {self.hits} of them mid-work: "
            f"{len(self.cut)} posts cut ({repeated} repeated), {len(self.open_sends)} sends open, "
            f"{self.waiting} messages waiting; {self.acknowledged} acknowledged, "
            f"{self.delivered} delivered, {self.twice} twice; {len(self.problems)} problems"
        )


def crash(folder: Path, rounds: int, messages: int, seed: int) -> Report:
    """Run it and return what happened, every broken promise under `problems`."""
    began = time.monotonic()
    chance, report, server = random.Random(seed), Report(), Server(folder)
    todo = jobs(messages, chance)
    every = list(todo)
    try:
        for number in range(rounds):
            server.start()
            wanted = messages * (number + chance.random()) / rounds - report.acknowledged
            posting = Posting(server, todo)
            posting.wait(wanted)
            threading.Event().wait(chance.random() * MOMENT)
            server.kill()
            _count(report, posting, server)
        server.start()
        posting = Posting(server, todo)
        posting.join()
        report.acknowledged += posting.acknowledged
        report.problems += posting.refused
        until(lambda: _finished(server), 300.0)
        if (code := server.stop()) != 0:
            report.problems.append(f"the server ended with {code}")
    finally:
        server.close()
    _audit(report, every, server.data)
    report.seconds = time.monotonic() - began
    return report


def _count(report: Report, posting: Posting, server: Server) -> None:
    posting.join()
    open_sends, waiting = left_open(server.data)
    report.kills += 1
    report.hits += bool(posting.cut or open_sends or waiting)
    report.cut += posting.cut
    report.open_sends |= open_sends
    report.waiting += waiting
    report.acknowledged += posting.acknowledged
    report.problems += posting.refused


def _finished(server: Server) -> bool:
    by_status = server.get("/metrics")["database_stats"]["by_status"]
    return not any(by_status[s] for s in ("accepted", "scheduled", "queued", "sending"))


def _audit(report: Report, every: list[Job], data: Path) -> None:
    """Compare what was acknowledged with what is in the store and in the inbox."""
    with IntelligentOTPAgent(CONFIG, data) as agent:
        inbox = agent.inbox(limit=10**9).messages
        sent = Counter(entry.message_id for entry in inbox)
        owned = {address: job for job in every for address in job.addresses}
        rows = {message_id: owned[entry.to] for entry in inbox if (message_id := entry.message_id)}
        acknowledged = [message_id for job in every for message_id in job.ids]
        for message_id in acknowledged:
            status = agent.get_message(message_id).status.value
            report.delivered += status == "delivered"
            if status != "delivered" or not sent[message_id]:
                report.problems.append(f"{message_id} is {status}, sent {sent[message_id]} times")
    for message_id, times in sent.items():
        report.twice += times > 1
        if times > 1 + (message_id in report.open_sends):
            report.problems.append(f"{message_id} was sent {times} times")
    made = Counter(id(job) for job in rows.values())
    for job in every:
        if made[id(job)] not in {job.rows, 0 if job in report.cut and not job.ids else job.rows}:
            report.problems.append(f"{job.path} {job.key} made {made[id(job)]} messages")


@click.command()
@click.option("--rounds", default=50, show_default=True, help="How often to kill.")
@click.option("--messages", default=2000, show_default=True, help="How many to post in all.")
@click.option("--seed", type=int, help="Where the random moments come from; default: anywhere.")
def main(rounds: int, messages: int, seed: int | None) -> None:
    """Kill the server while it works, and count messages."""
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    with tempfile.TemporaryDirectory(prefix="otp-crash-") as folder:
        report = crash(Path(folder), rounds, messages, seed)
    for problem in report.problems:
        click.echo(problem, err=True)
    click.echo(f"{report}; seed {seed}")
    raise SystemExit(1 if report.problems or not report.hits else 0)


if __name__ == "__main__":
    main()
