"""Whose a record at Twilio is: what callbacks and other sends tell, so that none is taken twice."""

import time

import pytest

from otp_messaging_agent.errors import SendError
from otp_messaging_agent.message import Channel, MessageType, Status
from otp_messaging_agent.providers import twilio
from otp_messaging_agent.providers.base import Callback, Context, Outgoing, Sent
from otp_messaging_agent.providers.twilio import owners
from tests.simulators.server import Reply, Simulator
from tests.simulators.twilio import ACCOUNT, SENDER, TOKEN, TwilioSimulator, cut

TO = "+447700900001"
BOTH = pytest.mark.parametrize("channel", [Channel.SMS, Channel.CALL])


@pytest.fixture
def sim():
    with TwilioSimulator() as made:
        yield made


def make(sim, public_url="http://127.0.0.1:5000"):
    settings = twilio.Settings(
        account_sid=ACCOUNT, auth_token=TOKEN, from_number=SENDER, base_url=sim.url
    )
    context = Context("twilio", None, time.time, time.sleep, public_url=public_url)
    return twilio.make(settings, context)


def out(attempt, channel=Channel.SMS):
    text = "Suspicious login."  # the same in every one
    return Outgoing(attempt, "m1", channel, MessageType.ALERT, TO, text)


def lose(sim, provider, attempt, channel, *, accepted):
    sim.script(TO, [cut(accepted=accepted)])
    with pytest.raises(SendError) as caught:
        provider.send(out(attempt, channel), timeout=5)
    assert caught.value.ambiguous


def questions(sim):
    return sum(r["method"] == "GET" for r in sim.requests)


@BOTH
def test_what_was_sent_to_the_same_number_before_is_not_taken_for_it(sim, channel):
    provider, begun = make(sim), time.time()
    first = provider.send(out("m1.1", channel), timeout=5)
    lose(sim, provider, "m2.1", channel, accepted=False)
    assert provider.lookup(out("m2.1", channel), since=begun, timeout=5) is None
    lose(sim, provider, "m3.1", channel, accepted=True)
    found = provider.lookup(out("m3.1", channel), since=begun, timeout=5)
    assert found == Sent(sim.accepted[1]["sid"])
    assert provider.lookup(out("m1.1", channel), since=begun, timeout=5) == first


@BOTH
def test_two_whose_answers_were_lost_are_not_one(sim, channel):
    provider, begun = make(sim), time.time()
    lose(sim, provider, "m1.1", channel, accepted=True)
    lose(sim, provider, "m2.1", channel, accepted=True)
    found = [provider.lookup(out(a, channel), since=begun, timeout=5) for a in ("m1.1", "m2.1")]
    assert found == [Sent(e["sid"]) for e in sim.accepted]
    lose(sim, provider, "m3.1", channel, accepted=False)
    assert provider.lookup(out("m3.1", channel), since=begun, timeout=5) is None


@pytest.mark.parametrize(("channel", "status"), [("SMS", "queued"), ("Call", "initiated")])
def test_a_report_tells_that_it_was_taken_before_any_list_does(sim, channel, status):
    def listen(request):
        query = [("attempt", request.path.partition("attempt=")[2])]
        url = hook.url + request.path
        provider.hear(
            Callback(request.method, url, query, request.headers, request.body, time.time())
        )
        return Reply(200, b"")

    with Simulator(listen) as hook:
        provider, begun = make(sim, hook.url), time.time()
        lose(sim, provider, "m1.1", Channel(channel), accepted=True)
        lose(sim, provider, "m2.1", Channel(channel), accepted=True)
        second = sim.accepted[1]["sid"]
        assert sim.report(second, status) == 200
        for entry in sim.accepted:
            entry["to"] = "+447700900002"  # the list lags: neither is in it
        found = provider.lookup(out("m2.1", Channel(channel)), since=begun, timeout=5)
        assert found == Sent(second, Status.SENT)
        assert questions(sim) == 0
        assert provider.lookup(out("m1.1", Channel(channel)), since=begun, timeout=5) is None


def test_a_record_belongs_to_one_attempt():
    known = owners.Owners()
    assert known.claim("SM1", "m1.1")
    assert known.claim("SM1", "m1.1")
    assert not known.claim("SM1", "m2.1")
    assert known.is_anothers("SM1", "m2.1")
    assert not known.is_anothers("SM1", "m1.1")
    assert not known.is_anothers("SM2", "m2.1")
    assert (known.record_of("m1.1"), known.record_of("m2.1")) == ("SM1", None)


def test_only_the_latest_are_remembered(monkeypatch):
    monkeypatch.setattr(owners, "KEPT", 3)
    known = owners.Owners()
    for number in range(10):
        known.claim(f"SM{number}", f"m{number}.1")
        known.claim(f"SM{number}", f"m{number}.1")
    assert [known.record_of(f"m{n}.1") is not None for n in range(10)] == [False] * 7 + [True] * 3
