"""A provider that rests is passed by, and its probe is one send that always comes to an end."""

import pytest

from otp_messaging_agent.errors import SendError, StoreUnavailable
from otp_messaging_agent.message import Channel

from .scripted import Scripted

SMS = Channel.SMS
REST = 30.0


@pytest.fixture
def on(stage):
    """Two providers of which the first has failed and may be tried again by now."""
    first, second = Scripted(SendError("provider_unavailable")), Scripted()
    made = stage({(SMS, "first"): first, (SMS, "second"): second}, failures=1)
    made.finish(made.take())
    assert (len(first.outs), len(second.outs)) == (1, 1)
    made.clock.at += REST
    return made


def providers(on, message_id):
    return [provider for _, provider, _, _ in on.tries(message_id)]


def test_while_one_message_probes_the_others_go_the_other_way_at_once(on):
    other, during = on.take(), []

    def probed(out):
        assert out.message_id != other
        on.deliverer.handle(other)
        during.extend(providers(on, other))
        raise SendError("provider_unavailable")

    on.providers[SMS, "first"].steps.append(probed)
    on.deliverer.handle(on.take())
    assert during == ["second"]


def test_who_comes_second_to_a_probe_goes_the_other_way_at_once(on, monkeypatch):
    gate, crowd = on.ways.gate, ["another worker"]
    take = gate.take

    def crowded(option, cost):
        if crowd:
            crowd.pop()
            assert on.breaker.enter("SMS/first")
        return take(option, cost)

    monkeypatch.setattr(gate, "take", crowded)
    made = on.take()
    on.deliverer.handle(made)
    assert crowd == []
    assert providers(on, made) == ["second"]


def test_a_probe_that_the_store_did_not_note_is_over(on, monkeypatch):
    made = on.take()

    def away(*_):
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(on.store, "begin", away)
        with pytest.raises(StoreUnavailable):
            on.deliverer.handle(made)
    on.deliverer.handle(made)
    assert providers(on, made) == ["first"]
