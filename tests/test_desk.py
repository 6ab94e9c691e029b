"""What an agent can tell of what it did: messages, routes, batches, verifications and figures."""

import time
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from otp_messaging_agent import (
    IntelligentOTPAgent,
    InvalidRequest,
    MessageRequest,
    NotFound,
    StoreUnavailable,
)
from otp_messaging_agent.flow.lesson import NOWHERE, Kind, Lesson, place_of
from otp_messaging_agent.lookup import MessageSearch, PersonSearch
from otp_messaging_agent.message import Channel, Status
from otp_messaging_agent.stores.base import Tried

from .until import until

PHONE, OTHER = "+447700900001", "+447700900002"
SANDBOX = {"api_config": {"provider": "sandbox"}}
CONFIG = {"channels": {"SMS": SANDBOX, "Call": SANDBOX, "Email": SANDBOX}}
PRICE = 0.05  # of the shipped table, for GB
NOON = datetime(2030, 1, 10, 12, tzinfo=UTC)


@pytest.fixture
def agent(tmp_path):
    with IntelligentOTPAgent(CONFIG, tmp_path / "data") as made:
        yield made


def ask(**fields):
    return MessageRequest(**{"phone_number": PHONE, "content": "hello", **fields})


def send(agent, **fields):
    return agent.send_message(ask(**fields)).message_id


def known(agent, monkeypatch, *receipts):
    """Let the store know of *receipts* and of nothing else that was tried."""
    for name in ("failures", "silences", "codes"):
        monkeypatch.setattr(agent._parts.store, name, lambda *_: [], raising=False)
    monkeypatch.setattr(agent._parts.store, "receipts", lambda *_: receipts, raising=False)


def arrived(number, at):
    """Return a try by SMS in Britain that arrived 4 seconds after its send."""
    return Tried(
        attempt_id=f"msg_{number}.1",
        channel=Channel.SMS,
        provider="sandbox",
        country="GB",
        prefix="+44770",
        started_at=at - 4,
        finished_at=at - 4,
        error_code=None,
        permanent=None,
        scope=None,
        receipt_status=Status.DELIVERED,
        receipt_at=at,
        waits=False,
    )


def found(agent, **filters):
    return [m.message_id for m in agent.search(PersonSearch(**filters)).messages]


def test_a_message_is_shown_with_all_it_was_asked_with(agent):
    made = send(agent, email="ada@example.com", subject="s", user_id="u", metadata={"a": 1})
    view = agent.get_message(made)
    assert (view.phone_number, view.email, view.content) == (PHONE, "ada@example.com", "hello")
    assert (view.subject, view.user_id, view.metadata) == ("s", "u", {"a": 1})
    assert view.attempts == []


def test_what_has_no_such_id_is_not_found(agent):
    for ask_for in (
        agent.get_message,
        agent.batch,
        agent.verification,
        agent.cancel,
        agent.cancel_verification,
    ):
        with pytest.raises(NotFound):
            ask_for("msg_nobody")


def test_messages_are_found_by_what_they_are_newest_first(agent):
    with time_machine.travel(NOON, tick=False) as clock:
        plain = send(agent, reference="order-1")
        clock.shift(10)
        alert = send(agent, message_type="alert", user_id="ada")
        clock.shift(10)
        other = send(agent, phone_number=OTHER, email="ada@example.com")
        agent.cancel(other)
    assert found(agent) == [other, alert, plain]
    assert found(agent, message_type="alert") == [alert]
    assert found(agent, status="canceled") == [other]
    assert found(agent, reference="order-1") == [plain]
    assert found(agent, user_id="ada") == [alert]
    assert found(agent, email="ada@EXAMPLE.com") == [other]
    assert found(agent, phone_number="+44 (0)7700 900001") == [alert, plain]
    assert found(agent, since=NOON + timedelta(seconds=10)) == [other, alert]
    assert found(agent, until=NOON + timedelta(seconds=10)) == [plain]
    assert found(agent, status="accepted", message_type="alert") == [alert]
    assert found(agent, reference="order-2") == []


def test_a_search_for_what_is_no_address_is_refused(agent):
    with pytest.raises(InvalidRequest) as caught:
        agent.search(PersonSearch(phone_number="12", email="nobody"))
    assert {f.loc for f in caught.value.faults} == {("phone_number",), ("email",)}


def test_pages_hold_every_message_once(agent):
    made = [r.message_id for r in agent.send_bulk([ask() for _ in range(23)]).results]
    pages, cursor = [], None
    while True:
        page = agent.search(MessageSearch(limit=5, cursor=cursor))
        pages.append([m.message_id for m in page.messages])
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [m for page in pages for m in page] == made[::-1]
    assert [len(page) for page in pages] == [5, 5, 5, 5, 3]


def test_a_channel_is_found_by_what_went_over_it(agent):
    agent.start_processing()
    made = send(agent, preferred_channel="Call")
    until(lambda: agent.get_message(made).status == "delivered")
    assert found(agent, channel="call") == [made]
    assert found(agent, channel="sms") == []


def test_a_route_is_explained_and_nothing_is_sent(agent):
    agent.start_processing()
    told = agent.explain(ask(priority="CRITICAL"))
    assert [w.channel.value for w in told.ranked] == ["Call", "SMS"]
    assert told.ranked[0].score == pytest.approx(sum(told.ranked[0].parts.values()), abs=1e-5)
    (left_out,) = told.excluded
    assert (left_out.channel.value, left_out.out, left_out.score) == ("Email", "no email", None)
    code = agent.explain(MessageRequest(email="ada@example.com", message_type="otp"))
    assert [w.channel.value for w in code.ranked] == ["Email"]
    with pytest.raises(InvalidRequest):
        agent.explain(ask(phone_number="12"))
    assert agent.metrics()["database_stats"]["total"] == 0


def test_what_was_learned_is_told_by_country_and_of_each_way(agent, monkeypatch):
    known(agent, monkeypatch)
    learned, now = agent._parts.ways.learned, time.time()
    for _ in range(20):
        learned.add(Lesson(Channel.SMS, "sandbox", place_of(PHONE), Kind.ARRIVED, now, 4.0))
        learned.add(Lesson(Channel.CALL, "sandbox", place_of(PHONE), Kind.FAILED, now))
        learned.add(Lesson(Channel.EMAIL, "sandbox", NOWHERE, Kind.ARRIVED, now, 1.0))
    told = agent.routing()
    assert told.mode == "adaptive"
    assert [c.country for c in told.countries] == ["", "GB"]
    assert [w.channel for w in told.countries[1].ways] == ["SMS", "Call", "Email"]
    sms, call, _ = told.countries[1].ways
    assert (sms.trials, sms.price) == (pytest.approx(20, abs=0.1), PRICE)
    assert sms.success > 0.9
    assert call.success < 0.3
    assert told.countries[1].chooses["HIGH"].channel == "Email"  # so cheap that it may take longer
    there = next(w.estimate for w in agent.explain(ask()).ranked if w.channel == "SMS")
    # 20 tries weigh as much as what the level above says: of all SMS 0.96, everywhere 0.98.
    assert (sms.rate, there.rate) == (pytest.approx(0.99, abs=1e-3), pytest.approx(0.995, abs=1e-3))


def test_what_the_store_knows_is_learned_before_it_is_told(agent, monkeypatch):
    known(agent, monkeypatch)
    assert agent.routing().countries == []
    known(agent, monkeypatch, *(arrived(n, time.time()) for n in range(12)))
    (britain,) = agent.routing().countries
    assert britain.ways[0].trials == pytest.approx(12, abs=0.1)
    known(agent, monkeypatch, *(arrived(n, time.time()) for n in range(20)))
    sms = next(w for w in agent.explain(ask()).ranked if w.channel == "SMS")
    assert sms.estimate.trials == pytest.approx(20, abs=0.1)
    assert agent.explain(ask()).mode == "adaptive"
    assert agent.metrics()["database_stats"]["total"] == 0


def test_a_batch_shows_how_far_it_is(agent):
    answer = agent.send_bulk([ask(), ask(phone_number="12"), ask(phone_number=OTHER)])
    batch = agent.batch(answer.batch_id)
    assert (batch.accepted, batch.rejected, batch.by_status) == (2, 1, {"accepted": 2})
    agent.start_processing()
    until(lambda: agent.batch(answer.batch_id).by_status == {"delivered": 2})
    assert found(agent, batch_id=answer.batch_id) == [
        answer.results[2].message_id,
        answer.results[0].message_id,
    ]


def test_a_verification_shows_where_it_stands(agent):
    made = agent.send_otp(PHONE, purpose="pay", ttl_seconds=60)
    view = agent.verification(made.verification_id)
    assert (view.status, view.purpose, view.sends) == ("pending", "pay", 1)
    assert (view.attempts_remaining, view.approved_at) == (5, None)
    assert view.expires_at - view.created_at == timedelta(seconds=60)
    assert agent.cancel_verification(made.verification_id).status == "canceled"
    assert agent.get_message(made.message_id).status == "canceled"


def test_a_verification_past_its_time_is_expired_without_being_asked(agent):
    with time_machine.travel(NOON, tick=False) as clock:
        made = agent.send_otp(PHONE, ttl_seconds=60)
        clock.shift(60)
        assert agent.verification(made.verification_id).status == "expired"


def test_the_figures_follow_what_happens(agent):
    made = send(agent, preferred_channel="SMS")
    send(agent, scheduled_for=datetime.now(UTC) + timedelta(days=1))
    before = agent.metrics()
    assert before["queue_size"] == 1
    assert before["database_stats"]["by_status"]["scheduled"] == 1
    assert before["database_stats"]["success_rate"] == 0
    agent.start_processing()
    until(lambda: agent.get_message(made).status == "delivered")
    after = agent.metrics()
    assert after["queue_size"] == 0
    assert after["database_stats"]["total"] == 2
    assert after["database_stats"]["success_rate"] == 1
    assert after["channels"]["SMS"]["delivered"] == 1
    assert after["cost"]["total"] == pytest.approx(PRICE)
    assert after["latency"]["samples"] == 1
    assert after["alerts"] == []


def test_readiness_tells_of_every_part(agent):
    ready, parts = agent.ready()
    assert ready is False
    assert parts == {
        "store": "ok",
        "workers": "stopped",
        "dispatcher": "none here",
        "channels": ["Call", "Email", "SMS"],
    }
    agent.start_processing()
    ready, parts = agent.ready()
    assert ready is True
    assert (parts["workers"], parts["dispatcher"]) == ("running", "this process")


def test_a_store_that_does_not_answer_is_not_ready(agent, monkeypatch):
    agent.start_processing()

    def away(_):
        raise StoreUnavailable

    monkeypatch.setattr(agent._parts.store, "waiting", away)
    ready, parts = agent.ready()
    assert (ready, parts["store"]) == (False, "store_unavailable")


def test_an_agent_without_channels_is_never_ready(tmp_path):
    with IntelligentOTPAgent({"channels": {}}, tmp_path / "data") as agent:
        agent.start_processing()
        assert agent.ready()[0] is False


def test_every_message_can_be_shown_whatever_its_deadline(agent):
    try:
        made = send(agent, expires_at="9999-12-31T23:59:59-12:00")
    except InvalidRequest:
        made = send(agent, expires_at="9999-12-31T23:59:59Z")
    assert agent.get_message(made).expires_at.year == 9999


def test_a_waiting_message_says_what_it_will_cost(agent):
    later = datetime.now(UTC) + timedelta(days=1)
    made = send(agent, content="ü" * 161, preferred_channel="SMS", scheduled_for=later)
    found = agent.get_message(made)
    assert (found.segments, found.cost) == (2, 0)
    assert found.estimated_cost == pytest.approx(2 * PRICE)
    (listed,) = agent.search(MessageSearch(limit=1)).messages
    assert (listed.segments, listed.estimated_cost) == (None, None)


def test_a_sent_message_says_what_it_did_cost(agent):
    made = send(agent, content="ü" * 161, preferred_channel="SMS")
    agent.start_processing()
    until(lambda: agent.get_message(made).status == "delivered")
    found = agent.get_message(made)
    assert (found.estimated_cost, found.attempts[0].segments) == (None, 2)
    assert found.cost == found.attempts[0].cost == pytest.approx(2 * PRICE)
