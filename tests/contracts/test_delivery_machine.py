"""Whatever happens in whatever order, no message is lost, sent twice or sent too late.

A random history of accepting, canceling, trying, receipts, waiting and dying runs over a real
store and the real delivery; after each step the rules below have to hold, and at the end every
message has to end.
"""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from otp_messaging_agent.flow.ask import MAX_LOOKUPS
from otp_messaging_agent.message import (
    WAITING,
    MessageType,
    Outcome,
    Receipt,
    Status,
    VerificationStatus,
)

from .service import RETRIES, Service
from .store_parts import CODE, Guess, keep, message, order
from .vendor import ANSWERS, SENDS, PowerCut

FORWARDS = [Status.SENT, Status.UNKNOWN, Status.UNDELIVERED, Status.DELIVERED, Status.READ]
KINDS = [MessageType.NOTIFICATION, MessageType.MARKETING, MessageType.OTP]
EMAILS = [None, "ada@example.com"]
REACH = {
    "recipient": lambda a, b: True,
    "channel": lambda a, b: a.channel is b.channel,
    "provider": lambda a, b: a.provider == b.provider,
    "account": lambda a, b: a.provider == b.provider,
}
"""What a permanent failure says of later attempts: none like this."""

ENDED = {Status.FAILED, Status.EXPIRED, Status.CANCELED, *FORWARDS}


class Delivery(RuleBasedStateMachine):
    """Histories of a service."""

    messages = Bundle("messages")

    @initialize(
        target=messages,
        sending=st.sampled_from(["take", "down", "cut before"]),
        answering=st.sampled_from(["honest", "cannot say", "away"]),
    )
    def begin(self, sending, answering):
        self.weather = sending, answering
        self.status = {}
        self.codes = {}
        self.sent = Counter()
        self.meanwhile = None
        self.service = Service(self.before_claim, self.check_send)
        kinds = [(type_, 300.0, email) for type_ in KINDS for email in EMAILS]
        return multiple(*(self.take_in(*kind) for kind in kinds))

    # ------------------------------------------------------------------ what may happen

    @rule(
        target=messages,
        type_=st.sampled_from(KINDS),
        lifetime=st.sampled_from([5.0, 60.0, 300.0]),
        email=st.sampled_from(EMAILS),
    )
    def accept(self, type_, lifetime, email):
        return self.take_in(type_, lifetime, email)

    def take_in(self, type_, lifetime, email):
        now = self.service.now
        if type_ is MessageType.OTP:
            number = f"+44770090{len(self.status):04}"
            code = order(at=now, number=number, email=email, expires_at=now + lifetime)
            row, given = code.message, code
            self.codes[row.id] = code.verification_id
        else:
            expires = None if lifetime > 60 else now + lifetime
            row = message(due_at=now, created_at=now, type=type_, email=email, expires_at=expires)
            given = row
        keep(self.service.store, given, at=now)
        self.status[row.id] = row.status
        return row.id

    @rule(
        pick=st.integers(0, 50),
        tries=st.lists(
            st.tuples(
                st.sampled_from(SENDS),
                st.sampled_from(ANSWERS),
                st.sampled_from([None, None, None, "claimed", "sent"]),
            ),
            min_size=3,
            max_size=8,
        ),
    )
    def handle(self, pick, tries):
        open_ = [id_ for id_, status in self.status.items() if status not in ENDED]
        id_ = open_[pick % len(open_)] if open_ else self.take_in(KINDS[pick % 3], 60.0, EMAILS[1])
        for sending, answering, self.meanwhile in tries:
            self.pass_time_until_due(id_)
            try:
                self.service.handle(id_, sending, answering)
            except PowerCut:
                self.service.die()
            self.every_message_is_in_order()
        self.meanwhile = None

    def pass_time_until_due(self, id_):
        due = self.service.message(id_)[0].due_at
        self.service.now = max(self.service.now, due or 0.0)

    @rule(id_=messages)
    def handle_at_once(self, id_):
        self.service.handle(id_)

    @rule(id_=messages, statuses=st.lists(st.sampled_from(FORWARDS), min_size=1, max_size=4))
    def receipts(self, id_, statuses):
        self.pass_time_until_due(id_)
        self.service.handle(id_)
        for status in statuses:
            for a in self.service.message(id_)[1]:
                self.service.store.receive(Receipt(a.provider, a.id, status, self.service.now))
            self.every_message_is_in_order()

    @rule(seconds=st.sampled_from([1.0, 5.0, 41.0, 700.0]))
    def wait(self, seconds):
        self.service.now += seconds
        for missed in self.service.store.overdue(self.service.now, 100):
            self.service.store.receive(missed)

    @rule()
    def crash(self):
        self.service.die()

    @rule(id_=messages)
    def call_off(self, id_):
        self.approve(id_)
        self.service.store.cancel_message(id_, self.service.now)

    def approve(self, id_):
        if id_ in self.codes:
            Guess(self.service.store)(CODE, self.codes[id_], at=self.service.now)

    # ------------------------------------------------------------------ what has to hold

    def before_claim(self, id_):
        """Let another process be first."""
        if self.meanwhile == "claimed":
            self.call_off(id_)

    def check_send(self, out):
        """Look at what is about to be sent: it is claimed, kept, in time and still wanted."""
        service = self.service
        m, attempts = service.store.message(out.message_id)
        assert m.status is Status.SENDING
        assert self.status[m.id] not in ENDED
        assert attempts[-1].id == out.attempt_id
        assert attempts[-1].outcome is None
        assert m.expires_at is None or service.now < m.expires_at
        assert out.validity == (None if m.expires_at is None else m.expires_at - service.now)
        if m.type is MessageType.OTP:
            v = service.store.verification(m.verification_id, service.now)
            assert v.status is VerificationStatus.PENDING
            assert out.code in out.content
        self.sent[m.id] += 1
        if self.meanwhile == "sent":
            self.approve(m.id)
            assert service.store.cancel_message(m.id, service.now) is Status.SENDING

    @invariant()
    def every_message_is_in_order(self):
        self.service.flush()
        for id_, before in self.status.items():
            m, attempts = self.service.store.message(id_)
            self.check_progress(before, m.status)
            self.check_message(m, attempts)
            self.check_attempts(m, attempts)
            self.status[id_] = m.status

    def check_progress(self, before, now):
        """Check that what ended stays as it ended, but for receipts, which only go forwards."""
        if before in FORWARDS:
            assert now in FORWARDS[FORWARDS.index(before) :]
        elif before in ENDED:
            assert now is before

    def check_message(self, m, attempts):
        """Check that it waits or ended, and what it cost."""
        waits = m.status in WAITING or m.status is Status.SENDING
        assert waits is (m.due_at is not None)
        awaited = any(a.receipt_by is not None for a in attempts)
        assert (m.finished_at is None) is (waits or (m.status is Status.SENT and awaited))
        assert m.tries == len(attempts) >= self.sent[m.id]
        assert m.cost == sum(a.cost for a in attempts if a.outcome is Outcome.SENT)

    def check_attempts(self, m, attempts):
        """Check that what is kept of each try is true, and that only a doubtful one is repeated."""
        taken = self.service.taken(attempts)
        ids = {o: [a.id for a in attempts if a.outcome is o] for o in (*Outcome, None)}
        last = [attempts[-1].id] if attempts else []
        assert set(ids[Outcome.SENT]) <= taken
        assert not taken & set(ids[Outcome.FAILED])
        assert ids[Outcome.SENT] in ([], last)
        assert ids[None] in ([], last)
        assert len(taken) <= 1 + len(ids[Outcome.AMBIGUOUS]) + len(ids[None])
        assert {*ids[Outcome.AMBIGUOUS]} - {*last} <= self.service.asked(attempts)
        per_channel = Counter(a.channel for a in attempts)
        assert max(per_channel.values(), default=0) <= RETRIES.max_retries + 1
        assert [a.number for a in attempts] == list(range(1, len(attempts) + 1))
        assert all(a.lookups <= MAX_LOOKUPS for a in attempts)
        for a in attempts:
            if a.permanent:
                assert not [b for b in attempts[a.number :] if REACH[a.scope](a, b)]
        if m.status in WAITING:
            assert not ids[None] + ids[Outcome.SENT]

    def teardown(self):
        """Whatever the weather is like, every message ends; nothing is left to wait for."""
        if not hasattr(self, "service"):
            return
        try:
            self.drain()
            self.every_message_is_in_order()
            assert set(self.status.values()) <= ENDED
            assert all(self.service.message(id_)[0].finished_at for id_ in self.status)
        finally:
            self.service.close()

    def drain(self):
        for _ in range(30 * len(self.status)):
            self.service.flush()
            found = [self.service.store.message(id_)[0] for id_ in self.status]
            due = [(m.due_at, m.id) for m in found if m.due_at is not None]
            if not due:
                break
            at, id_ = min(due)
            self.service.now = max(self.service.now, at)
            self.service.handle(id_, *self.weather)
        self.wait(10_000)


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
