"""The figures people look at, from what the store counted."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otp_messaging_agent.flow.report import metrics, percentile, success_rate
from otp_messaging_agent.message import Status
from otp_messaging_agent.stores.base import Figures

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOW = 1_800_000_000.0
BAD = ("undelivered", "failed", "expired", "unknown")
COUNTS = {"sent": 3, "failed": 1, "ambiguous": 1, "delivered": 2, "undelivered": 1, "duplicates": 1}


def told(figures=None, **fields):
    given_ = {"now": NOW, "started_at": NOW - 60, "tickets": 0, "max_waiting": 1000, **fields}
    return metrics(figures or Figures(), **given_)


def alerts(**figures):
    return {a["name"]: a for a in told(Figures(**figures))["alerts"]}


def test_with_nothing_sent_every_figure_is_there_and_zero():
    shown = told()
    assert shown["queue_size"] == 0
    assert shown["database_stats"]["total"] == 0
    assert shown["database_stats"]["success_rate"] == 0
    assert shown["database_stats"]["by_status"] == {s.value: 0 for s in Status}
    assert shown["channels"] == {}
    assert shown["cost"] == {"total": 0, "by_channel": {}}
    assert shown["verifications"] == {"total": 0, "by_status": {}, "conversion": 0.0}
    assert shown["alerts"] == []
    assert shown["uptime_seconds"] == 60
    assert shown["queue"]["max_waiting"] == 1000
    assert shown["latency"]["queue_wait_seconds"] == {"p50": None, "p95": None, "p99": None}
    assert shown["latency"]["processing_seconds_average"] is None
    json.dumps(shown)


def test_success_is_the_share_of_finished_messages_that_arrived():
    counts = {
        "delivered": 6,
        "read": 1,
        "failed": 1,
        "undelivered": 1,
        "duplicates": 1,
        "unknown": 1,
        "expired": 1,
    }
    assert success_rate(counts, 0) == pytest.approx(7 / 11, abs=1e-6)
    assert success_rate({**counts, "sent": 5}, 5) == pytest.approx(12 / 16, abs=1e-6)


@pytest.mark.parametrize("status", ["canceled", "suppressed", "queued", "sending", "accepted"])
def test_what_did_not_finish_or_was_called_off_is_not_judged(status):
    assert success_rate({"delivered": 1, "failed": 1, status: 98}, 0) == 0.5


@pytest.mark.parametrize("status", BAD)
def test_every_bad_end_counts_against_it(status):
    assert success_rate({"delivered": 3, status: 1}, 0) == 0.75


def test_a_message_that_still_awaits_its_receipt_is_not_judged():
    assert success_rate({"delivered": 1, "failed": 1, "sent": 10}, 0) == 0.5


@PATIENT
@given(st.dictionaries(st.sampled_from([s.value for s in Status]), st.integers(0, 10**9)))
def test_success_is_a_share(counts):
    assert 0 <= success_rate(counts, counts.get("sent", 0)) <= 1


@PATIENT
@given(st.lists(st.floats(0, 1e6), max_size=50), st.floats(0.01, 1))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values, share):
    found = percentile(values, share)
    if not values:
        assert found is None
        return
    assert found in values
    assert sum(v <= found for v in values) >= share * len(values)
    smaller = [v for v in values if v < found]
    assert not smaller or sum(v <= max(smaller) for v in values) < share * len(values)


def test_percentiles_of_a_hundred():
    values = [float(i) for i in range(100, 0, -1)]
    assert [percentile(values, s) for s in (0.5, 0.95, 0.99, 1)] == [50, 95, 99, 100]


def test_the_queue_is_shown_by_lane_codes_and_the_rest_together():
    shown = told(
        Figures(
            waiting_by_rank={0: 1, 1: 2, 3: 4, 7: 8},
            oldest_due_by_rank={0: NOW - 5, 1: NOW - 9, 3: NOW - 1, 7: NOW - 100},
        ),
        tickets=12,
    )
    lanes = shown["queue"]["lanes"]
    assert {p: (x["waiting"], x["oldest_wait_seconds"]) for p, x in lanes.items()} == {
        "CRITICAL": (3, 9),
        "HIGH": (4, 1),
        "MEDIUM": (0, 0),
        "LOW": (8, 100),
    }
    assert shown["queue_size"] == 15
    assert shown["queue"]["tickets"] == 12


def row(channel, provider, cost, **counts):
    given_ = {"attempts": 5, **COUNTS, **counts}
    return {"channel": channel, "provider": provider, "cost": cost, "duplicate_cost": 0.0, **given_}


def test_channels_are_the_sum_of_their_providers():
    figures = Figures(
        channels=[
            row("SMS", "a", 0.1),
            row("SMS", "b", 0.2, attempts=1, sent=1, failed=0, ambiguous=0),
            row("Call", "a", None, delivered=None),
        ]
    )
    shown = told(figures)
    sms = shown["channels"]["SMS"]
    assert sms["providers"]["a"] == {
        "attempts": 5,
        **COUNTS,
        "cost": 0.1,
        "duplicate_cost": 0,
    }
    assert {n: sms[n] for n in ("attempts", *COUNTS)} == {
        "attempts": 6,
        "sent": 4,
        "failed": 1,
        "ambiguous": 1,
        "delivered": 4,
        "undelivered": 2,
        "duplicates": 2,
    }
    assert sms["cost"] == pytest.approx(0.3)
    assert shown["channels"]["Call"]["delivered"] == shown["channels"]["Call"]["cost"] == 0
    assert shown["cost"]["total"] == pytest.approx(0.3)
    assert shown["cost"]["by_channel"] == {"SMS": pytest.approx(0.3), "Call": 0}


def test_money_adds_up_without_dust():
    figures = Figures(channels=[row("SMS", str(i), 0.1) for i in range(3)])
    assert told(figures)["cost"]["total"] == 0.3
    assert told(figures)["cost"]["by_channel"]["SMS"] == 0.3
    assert told(figures)["channels"]["SMS"]["cost"] == 0.3


def test_waiting_and_sending_are_timed_apart():
    timings = [(NOW, NOW + i, NOW + i + 0.5) for i in range(1, 101)]
    shown = told(Figures(timings=timings))["latency"]
    assert shown["samples"] == 100
    assert shown["queue_wait_seconds"] == {"p50": 50, "p95": 95, "p99": 99}
    assert shown["send_seconds"] == {"p50": 0.5, "p95": 0.5, "p99": 0.5}
    assert shown["processing_seconds_average"] == 51


def test_verifications_show_how_many_were_completed():
    shown = told(Figures(verifications={"approved": 3, "pending": 1, "expired": 2}))
    assert shown["verifications"]["total"] == 6
    assert shown["verifications"]["conversion"] == 0.5
    assert shown["verifications"]["by_status"]["expired"] == 2
    assert told(Figures(verifications={"expired": 2}))["verifications"]["conversion"] == 0


def test_more_than_a_tenth_failing_is_an_alert():
    assert alerts(by_status={"delivered": 90, "failed": 10}) == {}
    (alert,) = alerts(by_status={"delivered": 89, "failed": 11}).values()
    assert (alert["name"], alert["value"], alert["threshold"]) == ("failure_rate", 0.11, 0.1)


@pytest.mark.parametrize("status", BAD)
def test_every_bad_end_alerts(status):
    assert "failure_rate" in alerts(by_status={"delivered": 15, status: 5})


def test_a_few_messages_say_nothing_about_failure():
    assert alerts(by_status={"failed": 19}) == {}
    assert "failure_rate" in alerts(by_status={"failed": 20})
    assert alerts(by_status={"failed": 2, "sent": 18}, final_sent=18) == {}
    assert "failure_rate" in alerts(by_status={"failed": 3, "sent": 17}, final_sent=17)


def test_more_than_a_hundred_waiting_is_an_alert():
    assert alerts(waiting_by_rank={1: 60, 7: 40}) == {}
    (alert,) = alerts(waiting_by_rank={1: 60, 7: 41}).values()
    assert alert == {"name": "queue_length", "value": 101, "threshold": 100}


def test_more_than_five_seconds_of_processing_is_an_alert():
    assert alerts(timings=[(NOW, NOW + 4, NOW + 5)]) == {}
    slow = alerts(timings=[(NOW, NOW + 4, NOW + 5), (NOW, NOW + 4, NOW + 5.02)])
    value = pytest.approx(5.01)
    assert slow["slow_processing"] == {"name": "slow_processing", "value": value, "threshold": 5}


@PATIENT
@given(
    st.builds(
        Figures,
        by_status=st.dictionaries(st.sampled_from([s.value for s in Status]), st.integers(0, 1000)),
        waiting_by_rank=st.dictionaries(st.integers(0, 7), st.integers(0, 1000)),
        oldest_due_by_rank=st.dictionaries(st.integers(0, 7), st.floats(NOW - 1e6, NOW)),
        timings=st.lists(
            st.tuples(st.floats(0, 9), st.floats(10, 19), st.floats(20, 29)), max_size=9
        ),
    )
)
def test_whatever_was_counted_can_be_shown(figures):
    shown = told(figures)
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    assert shown["queue_size"] == sum(figures.waiting_by_rank.values())
    assert shown["database_stats"]["total"] == sum(figures.by_status.values())
