"""A service as one process after the other over one store, with a clock to turn."""

import contextlib
import tempfile
from pathlib import Path
from unittest import mock
from zoneinfo import ZoneInfo

from otp_messaging_agent import plugins
from otp_messaging_agent.flow.deliver import Deliverer, Sending
from otp_messaging_agent.flow.gate import Gate
from otp_messaging_agent.flow.learned import Learned
from otp_messaging_agent.flow.lesson import Prior
from otp_messaging_agent.flow.verdict import Ways
from otp_messaging_agent.flow.way import Option, Policy
from otp_messaging_agent.message import Channel, Priority
from otp_messaging_agent.retry import RetryPolicy
from otp_messaging_agent.safety.breaker import Breaker
from otp_messaging_agent.safety.pace import Pace
from otp_messaging_agent.safety.spend import Spend
from otp_messaging_agent.stores.sql import lease

from .store_parts import NOW, PATIENT, Place
from .vendor import Vendor

SMS, EMAIL = Channel.SMS, Channel.EMAIL
MEDIA = {c: plugins.load("channels", c.value.lower()).MEDIUM for c in (SMS, EMAIL)}
PRIORS = {c: Prior(m.reliability, m.latency) for c, m in MEDIA.items()}
RETRIES = RetryPolicy(max_retries=2, base_delay=1.0, max_delay=4.0)
OPTIONS = [
    Option(SMS, "first", MEDIA[SMS], 0.01, 0, 2),
    Option(SMS, "second", MEDIA[SMS], 0.01, 1, 2),
    Option(EMAIL, "post", MEDIA[EMAIL], 0.001),
]


class Claims:
    """The store as the delivery has it; *before* is called just before each claim."""

    def __init__(self, store, before) -> None:
        self._store, self._before = store, before

    def __getattr__(self, name):
        return getattr(self._store, name)

    def begin(self, attempt, *args):
        self._before(attempt.message_id)
        return self._store.begin(attempt, *args)


class Service:
    """Two vendors of text messages, one of e-mail.

    on_claim: called with the id of each message about to be claimed; on_send: called with each
    that is sent.
    """

    def __init__(self, on_claim, on_send) -> None:
        self._on_claim = on_claim
        self.now = NOW
        self.lives = 0
        self.vendors = {
            (SMS, "first"): Vendor(receipts=True, on_send=on_send),
            (SMS, "second"): Vendor(receipts=True, on_send=on_send),
            (EMAIL, "post"): Vendor(receipts=False, on_send=on_send),
        }
        self._closing = contextlib.ExitStack()
        folder = Path(self._closing.enter_context(tempfile.TemporaryDirectory()))
        place = Path(folder / "data")
        place.mkdir()
        self._place = Place(plugins.load("stores", "sql"), place)
        self._closing.callback(self._place.leave)
        # Each life leads under a name of its own, and all the earlier ones are known to be dead.
        for name, lie in (
            ("identity", lambda unique: f"host/boot/1/1/{unique}"),
            ("is_dead", lambda owner, here: owner != here),
        ):
            self._closing.enter_context(mock.patch.object(lease, name, lie))
        self.start()

    def start(self):
        """Come up as a new process: nothing is known but what is in the store."""
        self.lives += 1
        self._handed_in = False
        self.store = self._place.store()
        assert self.store.lead(f"life-{self.lives}", self.now, 10.0)
        policy = Policy(dict.fromkeys(Priority, SMS), RETRIES)
        ways = Ways(OPTIONS, self.vendors, policy, Learned(PRIORS), self._gate(), lambda: self.now)
        self._deliverer = Deliverer(
            Claims(self.store, self._on_claim),
            self,
            ways,
            Sending(10.0, "{code} for {purpose}"),
            lambda: self.now,
            random=lambda: 0.5,
        )

    def _gate(self):
        """Return a gate that is always open."""

        def clock():
            return self.now

        return Gate(
            Pace({}, clock), Breaker(10**6, 1.0, clock), Spend(None, ZoneInfo("UTC"), clock)
        )

    def put(self, ticket):
        """Stand in for the queue, which may forget."""
        assert ticket.due_at >= self.now

    def die(self):
        """End this process and start the next."""
        self.store.close(PATIENT)
        self.start()

    def handle(self, message_id, sending="take", answering="honest"):
        """Take a message one step on while the vendors behave as told."""
        for vendor in self.vendors.values():
            vendor.sending, vendor.answering = sending, answering
        self._handed_in = True
        self._deliverer.handle(message_id)

    def message(self, message_id):
        """Return the message and its attempts once all that was handed in is kept."""
        self.flush()
        return self.store.message(message_id)

    def flush(self):
        """Return once all that was handed to the store is kept."""
        if self._handed_in:
            self.store.forget_keys(0.0)
        self._handed_in = False

    def taken(self, attempts):
        """Return the ids of those of *attempts* that a vendor really took."""
        return {a.id for a in attempts if a.id in self.vendors[a.channel, a.provider].taken}

    def asked(self, attempts):
        """Return the ids of those of *attempts* that a vendor was asked about."""
        return {a.id for a in attempts if a.id in self.vendors[a.channel, a.provider].asked}

    def close(self):
        """End for good."""
        self._closing.close()
