"""Receipts by the thousand, shuffled, doubled, unknown and forged, told by many threads at once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from twilio.request_validator import RequestValidator

from otp_messaging_agent import IntelligentOTPAgent
from otp_messaging_agent.errors import Forged
from otp_messaging_agent.providers.base import Callback
from tests.simulators.twilio import ACCOUNT, SENDER, TOKEN, TwilioSimulator
from tests.until import until

from .agents import at_rest, send

THREADS = 16
PLANS: list[tuple[list[str], str]] = [
    ([], "sent"),
    (["sent"], "sent"),
    (["sent", "delivered"], "delivered"),
    (["sent", "undelivered"], "undelivered"),
    (["sent", "undelivered", "delivered"], "delivered"),  # it came after all
    (["sent", "delivered", "read"], "read"),
    (["queued", "sending", "sent", "delivered"], "delivered"),
]
"""What is told of a message in whatever order, and what it is then."""

UNKNOWN, TWICE, FORGED = 0.1, 0.2, 0.05
"""Shares of all receipts; the forged ones come on top."""

EARLY = 20
"""Of one message in so many, all is told before its send is even answered."""


@dataclass
class Seen:
    """What came of it."""

    wrong: list[str] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    counters: dict[str, int] = field(default_factory=dict)
    by_status: Counter[str] = field(default_factory=Counter)


class Telling(TwilioSimulator):
    """Knows what it took by recipient, and calls `early` before it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: dict[str, dict[str, Any]] = {}
        self.early: Callable[[str], None] = lambda _: None

    def accept(self, kind: str, form: Any) -> dict[str, Any]:
        entry = super().accept(kind, form)
        self.taken[form["To"]] = entry
        self.early(form["To"])
        return entry


def callback(url: str, sid: str, status: str, token: str = TOKEN) -> Callback:
    """Return a status callback as Twilio signs it."""
    fields = {"AccountSid": ACCOUNT, "MessageSid": sid, "SmsSid": sid, "MessageStatus": status}
    fields |= {"ErrorCode": "30005"} if status == "undelivered" else {}
    headers = {
        "x-twilio-signature": RequestValidator(token).compute_signature(url, fields),
        "content-type": "application/x-www-form-urlencoded",
    }
    query = parse_qsl(urlsplit(url).query)
    return Callback("POST", url, query, headers, urlencode(fields).encode(), time.time())


@dataclass
class World:
    """An agent that sends by a stand-in for Twilio, and what is told of which recipient."""

    agent: IntelligentOTPAgent
    sim: Telling
    plans: dict[str, tuple[list[str], str]]
    seen: Seen = field(default_factory=Seen)

    def tell(self, kind: str, number: str, status: str) -> None:
        """Hand in one callback as soon as the message was taken."""
        until(lambda: number in self.sim.taken, 120)
        entry = self.sim.taken[number]
        url = entry["form"]["StatusCallback"]
        sid = f"SM{number[1:]:0>32}" if kind == "unknown" else entry["sid"]
        given = callback(url, sid, status, "forged" if kind == "forged" else TOKEN)
        refused = False
        try:
            self.agent._parts.listener.callback("twilio", given)
        except Forged:
            refused = True
        self.seen.told[kind] += 1
        if refused != (kind == "forged"):
            self.seen.wrong.append(f"{kind} {status} of {number}: refused={refused}")

    def check(self, ids: dict[str, str]) -> None:
        """Compare every message with what was told of it."""
        for number, (told, expected) in self.plans.items():
            view = self.agent.get_message(ids[number])
            self.seen.by_status[view.status.value] += 1
            (attempt,) = view.attempts or [None]
            known = "sent" if "sent" in told else None
            receipt = expected if expected != "sent" else known
            found = (view.status.value, attempt and attempt.receipt_status)
            if found != (expected, receipt):
                self.seen.wrong.append(f"{number} told {told}: {found}")


def orders(plans: dict[str, tuple[list[str], str]], count: int, random: Random) -> list[Any]:
    """Return (kind, number, status) of all that is told, shuffled."""
    real = [("real", n, s) for n, (told, _) in plans.items() for s in told]
    numbers = list(plans)
    told = real + random.choices(real, k=int(count * TWICE))
    told += [("unknown", random.choice(numbers), "delivered") for _ in range(int(count * UNKNOWN))]
    told += [
        ("forged", random.choice(numbers), random.choice(["delivered", "read", "undelivered"]))
        for _ in range(int(count * FORGED))
    ]
    random.shuffle(told)
    return told


def run(count: int, folder: Path, seed: int = 7) -> Seen:
    """Send, tell *count* receipts and the forged ones, and return what came of it."""
    random = Random(seed)
    wanted, plans = int(count * (1 - UNKNOWN - TWICE)), {}
    while wanted > 0:
        plans[f"+4479110{len(plans):05}"] = plan = random.choice(PLANS)
        wanted -= len(plan[0])
    told = orders(plans, count, random)
    soon = set(list(plans)[::EARLY])
    with Telling() as sim, IntelligentOTPAgent(config(sim.url), folder) as agent:
        world = World(agent, sim, plans)

        def early(number: str) -> None:
            for status in plans[number][0] if number in soon else ():
                world.tell("early", number, status)

        sim.early = early
        agent.start_processing()
        with ThreadPoolExecutor(THREADS) as threads:
            done = [threads.submit(world.tell, *one) for one in told]
            ids = send(agent, list(plans))
            for future in done:
                future.result()
        store = agent._parts.store
        until(lambda: not store.join_parked(time.time() - 3600) and at_rest(agent), 60)
        world.check(ids)
        store.join_parked(time.time() + 1)  # what nobody's send explains is given up now
        world.seen.counters = dict(store.figures(time.time()).counters)
        return world.seen


def config(url: str) -> dict[str, Any]:
    account = {"provider": "twilio", "account_sid": ACCOUNT, "auth_token": TOKEN}
    way = {"api_config": {**account, "from_number": SENDER, "base_url": url}}
    return {"channels": {"SMS": way}, "log": {"level": "ERROR"}}
