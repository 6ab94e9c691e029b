"""The sandbox makes every outcome happen, by the recipient's number, through the whole agent."""

import time
from dataclasses import replace

import pytest
import time_machine

from otp_messaging_agent import IntelligentOTPAgent, MessageRequest, config
from otp_messaging_agent.errors import Scope, SendError
from otp_messaging_agent.flow import verdict
from otp_messaging_agent.inbox import Outage, OutageMode
from otp_messaging_agent.message import Channel, MessageType, Receipt, Status
from otp_messaging_agent.outage import OutageRequest
from otp_messaging_agent.providers import sandbox
from otp_messaging_agent.providers.base import Context, Outgoing

from ..until import until

PLAIN = "+447700900001"
SOON = 0.4
CONFIG = {
    "channels": {c: {"api_config": {"provider": "sandbox"}} for c in ("SMS", "WhatsApp", "Call")},
    "retry_config": {"max_retries": 1, "base_delay_seconds": 0.05},
}
pytestmark = pytest.mark.xdist_group("sandbox")  # one agent for all of them
FINAL = {"delivered", "undelivered", "failed"}
NUMBERS = [PLAIN, *sandbox.MAGIC, *sandbox.RECEIPTS, sandbox.TAKEN_THEN_CUT, sandbox.SLOW]
WAITS_FOR_EVER = "+15005550005"


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Send to every number at once; return the agent and number -> message once all ended."""
    folder = tmp_path_factory.mktemp("sandbox") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "SLOW_SECONDS", SOON)
        for number, (status, after) in sandbox.RECEIPTS.items():
            patch.setitem(sandbox.RECEIPTS, number, (status, min(after, SOON)))
        with IntelligentOTPAgent(CONFIG, folder) as agent:
            agent.start_processing()
            rows = [
                MessageRequest(phone_number=n, content=f"to {n}", preferred_channel="SMS")
                for n in NUMBERS
            ]
            ids = [r.message_id for r in agent.send_bulk(rows).results]
            made = dict(zip(NUMBERS, ids, strict=True))
            for number, message_id in made.items():
                wanted = {"sent"} if number == WAITS_FOR_EVER else FINAL
                until(lambda m=message_id, w=wanted: agent.get_message(m).status.value in w)
            yield agent, made


def outcome(ended, number):
    """Return the status and, of each attempt, channel, outcome and error."""
    agent, made = ended
    view = agent.get_message(made[number])
    tries = [(a.channel.value, a.outcome.value, a.error_code) for a in view.attempts]
    return view.status.value, tries


def waited(ended, number):
    """Return the seconds between the first attempt's end and the second's begin."""
    agent, made = ended
    first, second, *_ = agent.get_message(made[number]).attempts
    return (second.started_at - first.finished_at).total_seconds()


SENT = ("SMS", "sent", None)


def test_any_other_number_gets_its_message(ended):
    assert outcome(ended, PLAIN) == ("delivered", [SENT])
    (entry,) = ended[0].inbox(to=PLAIN).messages
    assert (entry.content, entry.channel, entry.subject) == (f"to {PLAIN}", Channel.SMS, None)


def test_a_number_that_does_not_exist_ends_the_message(ended):
    assert outcome(ended, "+15005550001") == ("failed", [("SMS", "failed", "invalid_number")])


def test_a_first_failure_is_tried_again(ended):
    tries = [("SMS", "failed", "provider_unavailable"), SENT]
    assert outcome(ended, "+15005550002") == ("delivered", tries)
    assert waited(ended, "+15005550002") >= 0.05


def test_a_provider_that_asks_to_wait_is_waited_for(ended):
    tries = [("SMS", "failed", "rate_limited"), SENT]
    assert outcome(ended, "+15005550003") == ("delivered", tries)
    assert waited(ended, "+15005550003") >= 2


def test_a_slow_provider_is_waited_for(ended):
    agent, made = ended
    assert outcome(ended, sandbox.SLOW) == ("delivered", [SENT])
    (attempt,) = agent.get_message(made[sandbox.SLOW]).attempts
    assert (attempt.finished_at - attempt.started_at).total_seconds() >= SOON


def test_what_fails_every_time_tries_every_channel_and_fails(ended):
    order = [c for c in ("SMS", "WhatsApp", "Call") for _ in range(2)]
    tries = [(c, "failed", "provider_unavailable") for c in order]
    assert outcome(ended, "+15005550009") == ("failed", tries)
    assert ended[0].inbox(to="+15005550009").messages == []


@pytest.mark.parametrize(
    ("number", "tried"),
    [
        ("+15005550021", ["SMS"]),
        ("+15005550022", ["SMS", "WhatsApp"]),
        ("+15005550023", ["SMS", "WhatsApp", "Call"]),
    ],
)
def test_who_is_reachable_one_way_is_reached_that_way(ended, number, tried):
    failed = [(c, "failed", "unreachable_on_channel") for c in tried[:-1]]
    assert outcome(ended, number) == ("delivered", [*failed, (tried[-1], "sent", None)])


def test_what_was_taken_before_the_cut_is_found_and_not_sent_twice(ended):
    assert outcome(ended, sandbox.TAKEN_THEN_CUT) == ("delivered", [SENT])
    agent, made = ended
    assert len(agent.inbox(to=sandbox.TAKEN_THEN_CUT).messages) == 1
    (attempt,) = agent.get_message(made[sandbox.TAKEN_THEN_CUT]).attempts
    assert (attempt.finished_at - attempt.started_at).total_seconds() >= verdict.ASK_AFTER


def test_receipts_come_late_good_or_bad(ended):
    assert outcome(ended, "+15005550006") == ("delivered", [SENT])
    everywhere = [(channel, "sent", None) for channel in ("SMS", "WhatsApp", "Call")]
    assert outcome(ended, "+15005550007") == ("undelivered", everywhere)
    agent, made = ended
    (attempt,) = agent.get_message(made["+15005550006"]).attempts
    assert attempt.receipt_status is Status.DELIVERED
    assert attempt.receipt_at > attempt.finished_at


def test_a_receipt_that_never_comes_is_given_up_in_the_end(ended):
    agent, made = ended
    assert outcome(ended, WAITS_FOR_EVER) == ("sent", [SENT])
    with time_machine.travel(time.time() + 601):
        until(lambda: agent.get_message(made[WAITS_FOR_EVER]).status.value == "unknown")


def test_every_magic_number_is_one_that_is_taken_in_and_said_to_be_magic():
    magic = {*sandbox.MAGIC, *sandbox.RECEIPTS, sandbox.TAKEN_THEN_CUT, sandbox.SLOW}
    assert len(magic) == len(NUMBERS) - 1
    assert all(number.startswith("+1500555") and len(number) == 12 for number in magic)


class Recorded:
    """An inbox and a clock that only remember."""

    def __init__(self, *standing):
        self.slept, self.entries, self.looks = [], [], []
        self.standing, self.now = standing, 1000.0

    def provider(self, **settings):
        context = Context("box", self, lambda: self.now, self.slept.append)
        return sandbox.make(sandbox.Settings(**settings), context)

    def put_inbox(self, entry):
        self.entries.append(entry)

    def inbox_entry(self, entry_id):
        return next((e for e in self.entries if e.id == entry_id), None)

    def due_receipts(self, provider, now):
        due = [e for e in self.entries if e.receipt_due is not None and e.receipt_due <= now]
        self.entries = [replace(e, receipt_due=None) if e in due else e for e in self.entries]
        return due

    def outages(self, now):
        self.looks.append(now)
        return self.standing


def outgoing(to=PLAIN, number=1, channel=Channel.SMS):
    return Outgoing(f"msg_1.{number}", "msg_1", channel, MessageType.ALERT, to, "hello")


def test_a_send_takes_as_long_as_configured_and_never_longer_than_allowed(monkeypatch):
    monkeypatch.setattr(sandbox, "SLOW_SECONDS", 2.0)
    box = Recorded()
    provider = box.provider(latency_seconds=0.5)
    provider.send(outgoing(), timeout=10)
    provider.send(outgoing(sandbox.SLOW), timeout=10)
    provider.send(outgoing(sandbox.SLOW), timeout=1)
    assert box.slept == [0.5, 2.5, 1]


def test_only_the_first_answer_is_cut_and_what_was_taken_can_be_looked_up():
    box = Recorded()
    provider, first = box.provider(), outgoing(sandbox.TAKEN_THEN_CUT)
    with pytest.raises(SendError) as caught:
        provider.send(first, timeout=1)
    assert (caught.value.code, caught.value.ambiguous) == ("connection_cut", True)
    found = provider.lookup(first, since=0, timeout=1)
    assert (found.provider_message_id, found.status) == ("msg_1.1", Status.DELIVERED)
    second = outgoing(sandbox.TAKEN_THEN_CUT, 2)
    assert provider.lookup(second, since=0, timeout=1) is None
    assert provider.send(second, timeout=1).status is Status.DELIVERED


def test_what_is_looked_up_is_delivered_only_where_no_receipt_is_to_come():
    provider = Recorded().provider()
    told = {}
    for number, to in enumerate((PLAIN, "+15005550006", WAITS_FOR_EVER), 1):
        provider.send(outgoing(to, number), timeout=1)
        told[to] = provider.lookup(outgoing(to, number), since=0, timeout=1).status.value
    assert told == {PLAIN: "delivered", "+15005550006": "sent", WAITS_FOR_EVER: "sent"}


def test_it_carries_every_channel_and_has_no_other_settings():
    assert set(sandbox.CHANNELS) == set(Channel)
    assert config.load(CONFIG, environ={}).channels[Channel.SMS].on
    for wrong in ({"latency_seconds": -1}, {"latency_seconds": 31}, {"colour": "red"}):
        with pytest.raises(ValueError, match="validation error"):
            sandbox.Settings(**wrong)


def test_what_is_delivered_is_what_was_sent():
    box = Recorded()
    sent = box.provider().send(outgoing(), timeout=10)
    (entry,) = box.entries
    assert (entry.id, entry.message_id, entry.provider) == ("msg_1.1", "msg_1", "box")
    assert (entry.to, entry.content, entry.at) == (PLAIN, "hello", 1000)
    assert (sent.provider_message_id, sent.status) == ("msg_1.1", Status.DELIVERED)


# ------------------------------------------------------------------ outages

REJECT, FAIL, SILENT = OutageMode


def outage(mode, *, name="box", **fields):
    return Outage(name, mode, **{"until": 2000.0, **fields})


def met(provider, out):
    """Return the status that a send ends with, or the code of its error."""
    try:
        return provider.send(out, timeout=1).status.value
    except SendError as e:
        return e.code


def test_what_is_rejected_can_be_tried_again_and_was_not_sent():
    box = Recorded(outage(REJECT))
    provider = box.provider()
    with pytest.raises(SendError) as caught:
        provider.send(outgoing(), timeout=1)
    error = caught.value
    assert (error.code, error.scope) == ("provider_unavailable", Scope.PROVIDER)
    assert (error.permanent, error.ambiguous) == (False, False)
    assert box.entries == []
    assert provider.lookup(outgoing(), since=0, timeout=1) is None


def test_what_fails_is_taken_and_its_receipt_blames_the_provider():
    box = Recorded(outage(FAIL))
    provider = box.provider()
    assert met(provider, outgoing()) == "sent"
    assert list(provider.poll(1001.9)) == []
    (told,) = provider.poll(1002.0)
    assert (told.provider, told.provider_message_id, told.at) == ("box", "msg_1.1", 1002)
    assert (told.status, told.scope) == (Status.UNDELIVERED, "provider")
    assert told.error_code == "undelivered"
    assert list(provider.poll(1003.0)) == []
    assert provider.lookup(outgoing(), since=0, timeout=1).status is Status.SENT


def test_what_is_met_with_silence_is_taken_and_never_told_of_again():
    box = Recorded(outage(SILENT))
    provider = box.provider()
    assert met(provider, outgoing()) == "sent"
    assert list(provider.poll(10**9)) == []
    (entry,) = box.entries
    assert (entry.receipt_status, entry.receipt_due) == (None, None)
    assert provider.lookup(outgoing(), since=0, timeout=1).status is Status.SENT


@pytest.mark.parametrize("mode", list(OutageMode), ids=str)
@pytest.mark.parametrize("number", NUMBERS[1:])
def test_a_magic_recipient_behaves_as_ever(number, mode):
    ever, amid = Recorded(), Recorded(outage(mode))
    for tries in (1, 2):
        out = outgoing(number, tries)
        assert met(amid.provider(), out) == met(ever.provider(), out)
    assert amid.entries == ever.entries
    told = list(amid.provider().poll(1010.0))
    assert told == list(ever.provider().poll(1010.0))
    assert all(t == Receipt("box", t.provider_message_id, t.status, 1010.0) for t in told)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_share_is_hit_and_always_the_same_one(share):
    def hit():
        provider = Recorded(outage(REJECT, share=share)).provider()
        return [n for n in range(2000) if met(provider, outgoing(number=n)) != "delivered"]

    assert len(hit()) / 2000 == pytest.approx(share, abs=0.04)
    assert hit() == hit()


def test_an_outage_hits_its_provider_and_channel_alone_and_goes_before_one_of_all():
    others = Recorded(outage(REJECT, name="other"), outage(REJECT, channel=Channel.CALL))
    assert met(others.provider(), outgoing()) == "delivered"
    both = Recorded(outage(REJECT), outage(SILENT, channel=Channel.SMS)).provider()
    assert met(both, outgoing()) == "sent"
    assert met(both, outgoing(channel=Channel.CALL)) == "provider_unavailable"


def test_it_looks_once_a_second_and_again_where_the_clock_was_set_back():
    box = Recorded()
    provider = box.provider()
    for at in (1000.0, 1000.0, 1000.9, 1001.0, 1001.5, 990.0, 990.5):
        box.now = at
        provider.send(outgoing(), timeout=1)
    assert box.looks == [1000, 1001, 990]


def test_an_outage_ends_at_its_time_even_between_two_looks():
    box = Recorded(outage(REJECT, until=1000.5))
    provider = box.provider()
    assert met(provider, outgoing()) == "provider_unavailable"
    box.now = 1000.5
    assert met(provider, outgoing()) == "delivered"
    assert box.looks == [1000]


def test_an_outage_ordered_elsewhere_is_met_by_who_sends(tmp_path, monkeypatch):
    monkeypatch.setitem(sandbox.OUTAGES, FAIL, (Status.UNDELIVERED, SOON))
    folder = tmp_path / "data"
    with IntelligentOTPAgent(CONFIG, folder) as asked, IntelligentOTPAgent(CONFIG, folder) as sends:
        asked.set_outage("sandbox", OutageRequest(mode="fail", channel="SMS"))
        asked.set_outage("sandbox", OutageRequest(mode="reject", channel="WhatsApp"))
        sends.start_processing()
        wanted = MessageRequest(phone_number=PLAIN, content="hello", preferred_channel="SMS")
        made = asked.send_message(wanted).message_id
        until(lambda: asked.get_message(made).status == "delivered")
        tries = asked.get_message(made).attempts
    assert [(a.channel.value, a.error_code) for a in tries] == [
        ("SMS", "undelivered"),
        ("WhatsApp", "provider_unavailable"),
        ("WhatsApp", "provider_unavailable"),
        ("Call", None),
    ]
    assert (tries[0].outcome, tries[0].receipt_status) == ("sent", "undelivered")
