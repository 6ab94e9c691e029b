"""Every provider against a real local peer that speaks as its vendor does, faults included.

A provider without a peer fails here: `tests/simulators/NAME.py` holds

* `Peer()`, a context manager that runs the server, with
* `make(channel, **context)`, a provider over it;
* `do(kind)`: what the next send meets, one of KINDS;
* `unspoken`, optional: the kinds that its protocol cannot show, each with the reason;
* `taken()`: how many messages the peer has taken.
"""

import contextlib
import functools
import importlib
import time

import pytest

from otp_messaging_agent import plugins
from otp_messaging_agent.errors import Scope, SendError
from otp_messaging_agent.message import Channel, MessageType, Status
from otp_messaging_agent.providers.base import Outgoing

TIMEOUT = 0.6
KINDS = ("permanent", "account", "temporary", "busy", "hang", "cut", "garbage")
VENDORS = [name for name in plugins.names("providers") if name != "sandbox"]
PEERS = {name: importlib.import_module(f"tests.simulators.{name}").Peer for name in VENDORS}
WAYS = [(name, c) for name in VENDORS for c in plugins.load("providers", name).CHANNELS]
TO = {Channel.EMAIL: "ada@example.com"}
TEXT = "Your code is 123456."


def meeting(*kinds):
    """Parametrize by vendor, channel and each of *kinds* that the vendor can show at all."""
    able = [(w, k) for w in WAYS for k in kinds if k not in getattr(PEERS[w[0]], "unspoken", {})]
    ids = [f"{name}-{channel}-{kind}" for (name, channel), kind in able]
    return pytest.mark.parametrize(("sending", "kind"), able, ids=ids, indirect=["sending"])


@pytest.fixture(scope="module")
def peers():
    """Run each vendor's peer once, when it is first needed."""
    with contextlib.ExitStack() as running:
        yield functools.cache(lambda name: running.enter_context(PEERS[name]()))


@pytest.fixture
def sending(request, peers):
    name, channel = request.param
    peer = peers(name)
    provider = peer.make(channel)
    out = Outgoing(
        attempt_id="msg_1.1",
        message_id="msg_1",
        channel=channel,
        type=MessageType.OTP,
        to=TO.get(channel, "+447700900001"),
        content=TEXT,
        subject="Your code" if channel is Channel.EMAIL else None,
        code="123456",
        validity=300.0,
    )
    yield peer, lambda: provider.send(out, timeout=TIMEOUT)
    provider.close()


def _met(sending, kind):
    peer, send = sending
    before = peer.taken()
    peer.do(kind)
    began = time.monotonic()
    with pytest.raises(SendError) as caught:
        send()
    assert time.monotonic() - began < TIMEOUT + 2
    return caught.value, peer.taken() - before


@pytest.mark.parametrize("sending", WAYS, ids=lambda w: f"{w[0]}-{w[1]}", indirect=True)
def test_a_message_is_taken_and_has_an_id(sending):
    peer, send = sending
    before = peer.taken()
    sent = send()
    assert sent.provider_message_id
    assert sent.status is Status.SENT
    assert peer.taken() == before + 1


@meeting("permanent")
def test_a_refusal_of_the_recipient_is_permanent_and_no_fault_of_the_account(sending, kind):
    error, taken = _met(sending, kind)
    assert error.permanent
    assert error.scope in {Scope.RECIPIENT, Scope.CHANNEL}
    assert (error.ambiguous, taken) == (False, 0)


@meeting("account")
def test_a_wrong_password_is_the_accounts_fault(sending, kind):
    error, taken = _met(sending, kind)
    assert error.permanent
    assert error.scope is Scope.ACCOUNT
    assert (error.ambiguous, taken) == (False, 0)


@meeting("temporary")
def test_trouble_over_there_is_temporary(sending, kind):
    error, _ = _met(sending, kind)
    assert not error.permanent
    assert error.scope is Scope.PROVIDER


@meeting("busy")
def test_too_many_at_once_is_told_apart_and_its_wait_kept(sending, kind):
    error, taken = _met(sending, kind)
    assert error.code == "rate_limited"
    assert (error.permanent, error.ambiguous, taken) == (False, False, 0)
    assert error.retry_after in {None, 7.0}


@meeting("hang", "cut", "garbage")
def test_an_answer_that_never_came_leaves_it_open(sending, kind):
    error, _ = _met(sending, kind)
    assert (error.ambiguous, error.permanent) == (True, False)


def test_every_peer_shows_every_kind_or_says_why_it_cannot():
    for peer in PEERS.values():
        assert set(getattr(peer, "unspoken", {})) < set(KINDS)
        assert all(getattr(peer, "unspoken", {}).values())
