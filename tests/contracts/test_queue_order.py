"""The order of every queue, against the rule written down once more."""

import random
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otp_messaging_agent import plugins
from otp_messaging_agent.message import RANKS, MessageType, Priority, Ticket, rank_of

from .queue_parts import PATIENT, Handler, Shelf, plugged

QUEUES = plugins.names("queues")
each_queue = pytest.mark.parametrize("engine", [plugins.load("queues", n) for n in QUEUES])


class Rule:
    """CRITICAL, HIGH, MEDIUM, LOW; OTPs first within each; then by due time.

    A rank that was passed over *patience* times while it had a message due gets the next turn;
    of several such ranks the one passed over most often, then the most urgent.
    """

    def __init__(self, patience):
        self.patience = patience
        self.lanes = {rank: [] for rank in RANKS}
        self.passed = Counter()

    def put(self, ticket):
        lane = self.lanes[ticket.rank]
        lane.append((ticket.due_at, ticket.message_id))
        lane.sort()

    def next(self):
        due = [rank for rank in RANKS if self.lanes[rank]]
        starving = [rank for rank in due if self.passed[rank] >= self.patience]
        turn = min(starving, key=lambda rank: (-self.passed[rank], rank), default=due[0])
        del self.passed[turn]
        self.passed.update(rank for rank in due if rank > turn)
        return self.lanes[turn].pop(0)[1]

    def drain(self, more):
        order = []
        while any(self.lanes.values()):
            order.append(self.next())
            for ticket in more.get(order[-1], ()):
                self.put(ticket)
        return order


def drained(engine, tickets, more):
    """Return in what order one worker handles *tickets* and what each of them brings along."""
    handler = Handler()
    queue = engine.make(80_000)
    queue.run(handler, Shelf(), workers=1)

    def bring(message_id):
        for ticket in more[message_id]:
            queue.put(ticket)

    for message_id in more:
        handler.then[message_id] = lambda message_id=message_id: bring(message_id)
    with plugged(queue, handler):
        for ticket in tickets:
            queue.put(ticket)
    handler.wait_count(1 + len(tickets) + sum(map(len, more.values())))
    assert queue.stop(PATIENT)
    return handler.seen[1:]


@each_queue
@settings(max_examples=60, deadline=None)
@given(
    counts=st.tuples(*[st.integers(0, 130)] * len(RANKS)),
    late=st.integers(0, 60),
    seed=st.integers(0, 2**32),
)
def test_the_order_is_the_rule(engine, counts, late, seed):
    chance = random.Random(seed)
    base = time.time() - 10_000
    tickets = [
        Ticket(rank, base + chance.randrange(50), f"{chance.getrandbits(64):016x}")
        for rank, count in enumerate(counts)
        for _ in range(count)
    ]
    chance.shuffle(tickets)
    more = {}
    for i in range(late if tickets else 0):
        bringer = chance.choice(tickets).message_id
        ticket = Ticket(chance.choice(RANKS), base + chance.randrange(50), f"late-{i}")
        more.setdefault(bringer, []).append(ticket)
    rule = Rule(engine.PATIENCE)
    for ticket in tickets:
        rule.put(ticket)
    assert drained(engine, tickets, more) == rule.drain(more)


@each_queue
def test_urgent_goes_first_and_codes_first_within_a_lane(engine):
    lanes = [(p, t) for p in Priority for t in (MessageType.OTP, MessageType.ALERT)]
    tickets = [Ticket(rank_of(p, t), 1000.0, f"{p} {t}") for p, t in lanes]
    assert drained(engine, tickets[::-1], {}) == [
        "CRITICAL otp",
        "CRITICAL alert",
        "HIGH otp",
        "HIGH alert",
        "MEDIUM otp",
        "MEDIUM alert",
        "LOW otp",
        "LOW alert",
    ]


@each_queue
def test_within_a_rank_the_longest_due_goes_first(engine):
    names = [f"m{i:03}" for i in range(100)]
    tickets = [Ticket(3, 1000.0 + i // 2, name) for i, name in enumerate(names)]
    random.Random(1).shuffle(tickets)
    assert drained(engine, tickets, {}) == names


@each_queue
def test_no_rank_starves(engine):
    urgent = [Ticket(0, 1000.0 + i, f"urgent-{i}") for i in range(250)]
    low = [Ticket(7, 1000.0 + i, f"low-{i}") for i in range(3)]
    order = drained(engine, [*urgent, *low], {})
    turns = [order.index(t.message_id) for t in low]
    assert turns == [50, 101, 152]  # after every fifty turns of others


@each_queue
def test_two_starving_ranks_have_a_turn_each(engine):
    urgent = [Ticket(0, 1000.0 + i, f"urgent-{i}") for i in range(110)]
    others = [Ticket(rank, 1000.0, f"other-{rank}") for rank in (6, 7)]
    order = drained(engine, [*urgent, *others], {})
    assert (order.index("other-6"), order.index("other-7")) == (50, 51)


@each_queue
def test_of_starving_ranks_the_one_passed_over_most_goes_first(engine):
    urgent = [Ticket(0, 1000.0 + i, f"urgent-{i}") for i in range(110)]
    others = [Ticket(rank, 1000.0, f"other-{rank}") for rank in (5, 7)]
    more = {"urgent-0": [Ticket(6, 1000.0, "other-6")]}
    order = drained(engine, [*urgent, *others], more)
    assert [order.index(f"other-{rank}") for rank in (5, 7, 6)] == [50, 51, 52]
