"""A store of tries in memory that tells what was known of them at any moment, and a learner."""

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from otp_messaging_agent.flow.learn import Learner
from otp_messaging_agent.flow.learned import Learned
from otp_messaging_agent.message import Channel, Status
from otp_messaging_agent.stores.base import Tried

from .routes import MEDIA, NOW, PRIORS, SMS

TOLD = {Status.DELIVERED, Status.READ, Status.UNDELIVERED}
GIVEN_UP = 600.0  # seconds until a receipt that did not come is taken for none


@dataclass(frozen=True)
class Fact:
    """What happens to one try, in seconds from its send; None: it never does.

    failed: no provider took it; receipt: when it comes; typed: when its code is typed in;
    ends: when the time of its code is over; receipts: whether its provider gives any.
    """

    name: str = "try"
    started_at: float = NOW
    failed: float | None = None
    receipt: float | None = None
    status: Status = Status.DELIVERED
    typed: float | None = None
    ends: float | None = None
    receipts: bool = True
    channel: Channel = SMS
    provider: str = "main"
    code: str | None = None
    permanent: bool = False
    scope: str = "provider"
    place: tuple[str | None, str | None] = ("GB", "+44770")
    seen: float = 0.0  # seconds that anything of it is kept late

    def at(self, seconds):
        return None if seconds is None else self.started_at + seconds


class Memory:
    """The tries that are kept, as they stand now."""

    def __init__(self, facts, clock):
        self.facts, self.clock = facts, clock

    def _row(self, f):
        now = self.clock() - f.seen
        told_at = f.at(f.receipt)
        told = told_at is not None and told_at <= now
        given_up = not told and f.receipts and now >= f.started_at + GIVEN_UP
        status = f.status if told else Status.UNKNOWN if given_up else None
        typed_at = f.at(f.typed)
        approved = typed_at if typed_at is not None and typed_at <= now else None
        ended = f.failed is not None
        return Tried(
            f.name,
            f.channel,
            f.provider,
            *f.place,
            f.started_at,
            f.at(f.failed) if ended else f.started_at,
            f.code or ("provider_unavailable" if ended else None),
            f.permanent if ended or status is Status.UNDELIVERED else None,
            f.scope if ended or status is Status.UNDELIVERED else None,
            status,
            told_at if told else f.started_at + GIVEN_UP if given_up else None,
            waits=f.receipts and not ended and status is None,
            approved_at=approved,
            code_at=approved or f.at(f.ends),
        )

    def _rows(self, when, since, until, limit, *, failed=False):
        """Return the rows of which `when` is in the window, oldest first."""
        rows = [
            (when(row), row)
            for f in self.facts
            if (f.failed is not None) is failed and f.started_at + f.seen <= self.clock()
            for row in [self._row(f)]
        ]
        found = [(at, r) for at, r in rows if at is not None and since < at <= until]
        return [r for _, r in sorted(found, key=lambda one: one[0])][-limit:]

    def failures(self, since, until, limit):
        return self._rows(lambda r: r.finished_at, since, until, limit, failed=True)

    def receipts(self, since, until, limit):
        def when(r):
            return r.receipt_at if r.receipt_status in TOLD else None

        return self._rows(when, since, until, limit)

    def silences(self, channel, patience, since, until, limit):
        def when(r):
            over = r.started_at + patience
            late = r.receipt_status in TOLD and r.receipt_at > over
            silent = r.waits or late or r.receipt_status is Status.UNKNOWN
            return over if silent and r.channel is channel else None

        return self._rows(when, since, until, limit)

    def codes(self, since, until, limit):
        return self._rows(lambda r: r.code_at, since, until, limit)


class Notes(Learned):
    """What was learned, with every lesson noted."""

    def __init__(self):
        super().__init__(PRIORS)
        self.lessons = []

    def add(self, lesson):
        self.lessons.append(lesson)
        super().add(lesson)


def learn(facts, looks):
    """Return what a learner learned that looked at these moments."""
    now = [NOW - 1.0]
    notes = Notes()
    learner = Learner(Memory(facts, lambda: now[0]), notes, MEDIA, lambda: now[0])
    for now[0] in looks:
        learner.catch_up()
    return notes


def every(seconds, until=NOW + 2000):
    """Return moments of looking, so many seconds apart, the last at the end."""
    count = int((until - NOW) / seconds)
    return [*(NOW + seconds * i for i in range(1, count + 1)), until]


_SOON = st.none() | st.floats(0, 100)
FACTS = st.lists(
    st.builds(
        Fact,
        started_at=st.floats(NOW, NOW + 300),
        failed=st.sampled_from([None, None, None, 1.0]),
        receipt=_SOON,
        status=st.sampled_from(sorted(TOLD)),
        typed=_SOON,
        ends=st.just(300.0),
        receipts=st.booleans(),
        channel=st.sampled_from(Channel),
        permanent=st.booleans(),
        scope=st.sampled_from(["provider", "channel", "account", "recipient"]),
        place=st.sampled_from([("GB", "+44770"), ("US", "+1212"), (None, None)]),
    ),
    max_size=12,
).map(
    lambda facts: [
        replace(f, name=f"try_{i}", receipt=f.receipt if f.receipts else None)
        for i, f in enumerate(facts)
    ]
)
