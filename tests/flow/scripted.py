"""A stage for the delivery: real store, queue and limits, a scripted provider, a clock to turn."""

from collections import defaultdict
from zoneinfo import ZoneInfo

from otp_messaging_agent import plugins
from otp_messaging_agent.errors import Forged, LookupUnsupported
from otp_messaging_agent.flow.deliver import Deliverer, Sending
from otp_messaging_agent.flow.dispatch import Dispatcher
from otp_messaging_agent.flow.enqueue import Bound, Codes, Intake
from otp_messaging_agent.flow.gate import Gate
from otp_messaging_agent.flow.hear import Answers, Listener
from otp_messaging_agent.flow.learn import Learner
from otp_messaging_agent.flow.learned import Learned
from otp_messaging_agent.flow.validate import Rules
from otp_messaging_agent.flow.verdict import Ways
from otp_messaging_agent.flow.verify import Verifier
from otp_messaging_agent.flow.way import Option, Policy
from otp_messaging_agent.message import Channel, MessageType
from otp_messaging_agent.providers.base import Sent
from otp_messaging_agent.queues.memory import MemoryQueue
from otp_messaging_agent.request import MessageRequest, OtpRequest
from otp_messaging_agent.retry import RetryPolicy
from otp_messaging_agent.safety.breaker import Breaker
from otp_messaging_agent.safety.consent import Wish
from otp_messaging_agent.safety.encryption import Keyring
from otp_messaging_agent.safety.pace import Pace
from otp_messaging_agent.safety.spend import Spend
from otp_messaging_agent.stores.base import Limits

from .routes import MAPPING, MEDIA, PRIORS

START = 1_800_000_000.0
PHONE = "+447700900001"
TIMEOUT = 10.0
TEXTS = {Wish.STOP: "stopped", Wish.START: "started", Wish.HELP: "help"}


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, at=START):
        self.at = at

    def __call__(self):
        return self.at


class Scripted:
    """A provider that does what its script says, then takes everything.

    A step is what `send` or `lookup` returns, raises, or calls with what it was given.
    """

    def __init__(self, *steps, answers=(), receipts=True):
        self.steps, self.answers, self.receipts = list(steps), list(answers), receipts
        self.outs, self.asked, self.timeouts = [], [], []
        self.due, self.closed, self.heard = [], False, {}

    def send(self, out, *, timeout):
        self.outs.append(out)
        self.timeouts.append(timeout)
        return self._play(self.steps, out, Sent(f"ext-{out.attempt_id}"))

    def lookup(self, out, *, since, timeout):
        self.asked.append((out, since))
        self.timeouts.append(timeout)
        return self._play(self.answers, out, LookupUnsupported())

    @staticmethod
    def _play(script, out, otherwise):
        step = script.pop(0) if script else otherwise
        if isinstance(step, Exception):
            raise step
        return step(out) if callable(step) else step

    def hear(self, callback):
        if callback not in self.heard:
            raise Forged
        return self.heard[callback]

    def poll(self, now):
        due, self.due = self.due, []
        return due

    def close(self):
        self.closed = True


class Stage:
    """Everything of one process but its threads. providers: (channel, name) -> provider."""

    def __init__(
        self,
        folder,
        providers,
        *,
        clock=None,
        per_minute=None,
        retries=None,
        random=0.0,
        failures=1000,
        per_day=None,
        ceiling=None,
        proof=None,
        adaptive=True,
    ):
        self.clock = clock or Clock()
        self.providers = providers
        keys = Keyring.load(folder / "data", {})
        self.store = plugins.load("stores", "sql").make(
            f"sqlite:///{folder / 'agent.db'}", synchronous="NORMAL", keys=keys
        )
        self.store.open()
        self.queue = MemoryQueue(8_000, clock=self.clock)
        media = {c: MEDIA[c] for c, _ in providers}
        stops = frozenset(MessageType) - {MessageType.OTP}
        rules = Rules(media, ZoneInfo("UTC"), stop_types=stops)
        limits = Limits(sends=((600.0, 5),), wrong_per_day=20)
        codes = Codes(keys.code_key, ttl=300, length=6, max_attempts=5, limits=limits)
        self.intake = Intake(
            self.store, self.queue, rules, codes, Bound(1_000_000, 5.0), self.clock
        )
        self.verifier = Verifier(self.store, rules, codes, self.clock)
        self.pace = Pace(per_minute or {}, self.clock)
        self.breaker = Breaker(failures, 30.0, self.clock)
        self.spend = Spend(per_day, ZoneInfo("UTC"), self.clock)
        gate = Gate(self.pace, self.breaker, self.spend)
        retries = retries or RetryPolicy()
        policy = Policy(MAPPING, retries, rules.stop_types, ceiling, adaptive=adaptive)
        self.ways = ways = Ways(
            list(_options(providers)),
            providers,
            policy,
            Learned(PRIORS),
            gate,
            self.clock,
            proof or {},
        )
        text = "Your code is {code}, for {minutes} minutes, to {purpose}."
        self.deliverer = Deliverer(
            self.store, self.queue, ways, Sending(TIMEOUT, text), self.clock, lambda: random
        )
        answers = Answers(confirm=True, texts=TEXTS)
        self.listener = Listener(self.store, ways, self.deliverer.verdicts, answers, self.clock)
        self.learner = Learner(self.store, ways.learned, MEDIA, self.clock)
        self.dispatcher = Dispatcher(
            self.store,
            self.intake,
            ways,
            self.listener,
            "stage",
            self.clock,
            learner=self.learner,
        )

    def take(self, **fields):
        """Take a message in and return its id."""
        asked = MessageRequest(**{"phone_number": PHONE, "content": "hello", **fields})
        return self.intake.send_message(asked, None).message_id

    def take_otp(self, **fields):
        """Take an OTP in and return the answer."""
        return self.intake.send_otp(OtpRequest(**{"phone_number": PHONE, **fields}), None)

    def step(self, message_id):
        """Handle the message when it is next due; returns how long that took from now."""
        due = self.message(message_id).due_at
        waited = max(0.0, due - self.clock.at)
        self.clock.at += waited
        self.deliverer.handle(message_id)
        return waited

    def finish(self, message_id, most=60):
        """Handle the message until nothing is left to do; returns the waits between."""
        waits = []
        while self.message(message_id).due_at is not None:
            waits.append(self.step(message_id))
            assert len(waits) <= most, "it goes on for ever"
        return waits

    def flush(self):
        """Wait until everything handed to the store is kept."""
        self.store.forget_keys(0.0)

    def message(self, message_id):
        self.flush()
        return self.store.message(message_id)[0]

    def attempts(self, message_id):
        self.flush()
        return self.store.message(message_id)[1]

    def status(self, message_id):
        return self.message(message_id).status.value

    def tries(self, message_id):
        """Return channel, provider, outcome and error of every attempt."""
        return [
            (a.channel.value, a.provider, a.outcome and a.outcome.value, a.error_code)
            for a in self.attempts(message_id)
        ]

    def close(self):
        self.store.close(5.0)


def _options(providers):
    of = defaultdict(list)
    for channel, name in providers:
        of[channel].append(name)
    for channel in Channel:
        for index, name in enumerate(of[channel]):
            medium = MEDIA[channel]
            yield Option(channel, name, medium, medium.cost, index, len(of[channel]))
