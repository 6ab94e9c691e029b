"""What the configuration says arrives at the parts that an agent is made of."""

import pytest

from otp_messaging_agent import IntelligentOTPAgent, config
from otp_messaging_agent.assembly import build
from otp_messaging_agent.errors import ConfigError
from otp_messaging_agent.flow.lesson import Kind, Lesson, Place
from otp_messaging_agent.flow.verdict import Proof
from otp_messaging_agent.flow.way import HURRY, WORTH, Policy, TypeRules
from otp_messaging_agent.message import Channel, MessageType, Priority

from .flow.routes import MEDIA, NOW, message

SMS, CALL, OTP = Channel.SMS, Channel.CALL, MessageType.OTP
BOX = {"provider": "sandbox"}
HEADER = "channel,provider,country,price,per,currency,source,as_of"


@pytest.fixture
def parts(tmp_path):
    def made(**keys):
        return build(config.load(keys, environ={}), tmp_path / "data")

    return made


def table(tmp_path, *rows):
    path = tmp_path / "prices.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return str(path)


def sms(**keys):
    return {"SMS": {"api_config": BOX, **keys}}


def test_every_provider_of_a_channel_is_a_way_in_its_order(parts):
    second = {**BOX, "name": "second"}
    ways = parts(channels={**sms(providers=[second]), "Call": {"providers": [second]}}).ways
    assert [(o.channel, o.provider, o.index, o.siblings) for o in ways.options] == [
        (SMS, "sandbox", 0, 2),
        (SMS, "second", 1, 2),
        (CALL, "second", 0, 1),
    ]
    assert {o.vendor for o in ways.options} == {"sandbox"}
    assert set(ways.providers) == {(o.channel, o.provider) for o in ways.options}


@pytest.mark.parametrize(
    ("channel", "provider", "cost"),
    [(0.5, 0.25, 0.25), (0.5, None, 0.5), (0.5, 0, 0), (0, None, 0), (None, None, 0.05)],
)
def test_a_providers_cost_comes_before_its_channels_and_that_before_the_table(
    parts, channel, provider, cost
):
    entry = {**BOX, "cost_per_message": provider}
    (option,) = parts(channels=sms(api_config=entry, cost_per_message=channel)).ways.options
    assert option.price(message(), 1) == cost


def test_a_file_of_prices_replaces_the_shipped_table(parts, tmp_path):
    file = table(tmp_path, "SMS,sandbox,GB,0.7,part,EUR,contract,2026-01-31")
    ways = parts(channels={**sms(), "Call": {"api_config": BOX}}, prices={"file": file}).ways
    prices = {o.channel: o.price(message(), 2) for o in ways.options}
    assert prices == {SMS: 1.4, CALL: 2 * MEDIA[CALL].cost}


def test_faults_of_the_prices_are_told_with_all_others_before_anything_begins(tmp_path):
    file = table(tmp_path, "Fax,*,*,1,part,EUR,contract,2026-01-31", "SMS")
    with pytest.raises(ConfigError) as wrong:
        IntelligentOTPAgent({"workers": 0, "prices": {"file": file}}, tmp_path / "data")
    assert [f.split(": must")[0] for f in wrong.value.faults] == [
        "workers",
        f"prices.file: {file}: line 2: channel",
        f"prices.file: {file}: line 3",
    ]
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("file", ["", "none.csv"])
def test_a_file_of_prices_that_is_not_there_is_a_fault(tmp_path, file, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"prices\.file"):
        IntelligentOTPAgent({"prices": {"file": file}}, tmp_path / "data")


def test_limits_are_of_the_channel_and_of_its_provider(parts):
    second = {**BOX, "name": "second", "rate_limit_per_minute": 1}
    ways = parts(channels=sms(providers=[second], rate_limit_per_minute=3)).ways
    first, other = ways.options
    assert [bool(ways.gate.take(other, 0)) for _ in range(2)] == [True, False]
    assert [bool(ways.gate.take(first, 0)) for _ in range(3)] == [True, True, False]


def test_without_a_limit_there_is_none(parts):
    ways = parts(channels=sms()).ways
    assert all(ways.gate.take(ways.options[0], 1e9) for _ in range(500))


def test_breaker_spend_and_ceiling_are_as_configured(parts):
    ways = parts(
        channels=sms(),
        breaker={"failures": 1, "rest_seconds": 7},
        spend={"max_per_day": 2, "max_per_message": 0.5},
        consent={"stop_types": ["marketing"]},
    ).ways
    (way,) = ways.options
    assert ways.gate.spend.wait(2.1) > 0 == ways.gate.spend.wait(2.0)
    breaker = ways.gate._breaker
    breaker.leave(breaker.enter("SMS/sandbox"), "a", ok=False)
    assert 6 < ways.gate.rest(way) <= 7
    assert (ways.policy.ceiling, set(ways.policy.stop_types)) == (0.5, {MessageType.MARKETING})


@pytest.mark.parametrize(
    ("spend", "ceiling"),
    [
        ({}, None),
        ({"max_per_message": 2}, 2),
        ({"max_per_day": 3}, 3),
        ({"max_per_message": 2, "max_per_day": 3}, 2),
        ({"max_per_message": 4, "max_per_day": 3}, 3),
    ],
)
def test_what_no_day_can_pay_for_is_too_dear(parts, spend, ceiling):
    assert parts(channels=sms(), spend=spend).ways.policy.ceiling == ceiling


@pytest.mark.parametrize(
    ("given", "after"), [(None, MEDIA[SMS].fallback_after), (0, None), (12.5, 12.5)]
)
def test_when_a_missing_receipt_sends_a_code_another_way(parts, given, after):
    ways = parts(channels=sms(fallback_after_seconds=given)).ways
    assert ways.proof == {SMS: Proof(expected=True, fallback_after=after)}


def test_where_no_receipts_are_to_be_expected(parts):
    ways = parts(channels=sms(receipts={"expected": False, "none_in": ["gb"]})).ways
    assert not ways.proof[SMS].expected
    assert ways.proof[SMS].without == {"GB"}


# Routing


def test_a_weight_is_that_of_the_entry_it_stands_in(parts):
    first, second = {**BOX, "weight": 0.25}, {**BOX, "name": "second", "weight": 3}
    others = [second, {**BOX, "name": "third"}]
    ways = parts(channels=sms(api_config=first, providers=others)).ways
    assert [o.weight for o in ways.options] == [0.25, 3, 1]
    assert [o.weight for o in ways.now()] == [0.25, 3, 1]


def test_what_is_not_said_of_routing_is_as_the_policy_has_it(parts):
    policy = parts(channels=sms()).ways.policy
    plain = Policy(policy.mapping, policy.retries)
    assert (policy.adaptive, policy.evidence) == (plain.adaptive, plain.evidence) == (True, 10)
    assert (policy.worth, policy.hurry) == (WORTH, HURRY)
    assert (policy.max_attempts, policy.types) == (None, {})


def test_the_policy_is_as_the_configuration_says(parts):
    policy = parts(
        channels=sms(),
        routing={
            "mode": "fixed",
            "evidence": 3.5,
            "worth": {"HIGH": 12},
            "worthless_after_seconds": {"HIGH": 60, "LOW": 4},
            "max_attempts": 5,
        },
    ).ways.policy
    assert (policy.adaptive, policy.evidence, policy.max_attempts) == (False, 3.5, 5)
    assert policy.worth == WORTH | {Priority.HIGH: 12}
    assert policy.hurry == HURRY | {Priority.HIGH: 12 / 60, Priority.LOW: 0.04 / 4}


def test_the_rules_of_a_type_are_as_the_configuration_says(parts):
    otp = {"channels": ["sms", "call"], "max_cost": 0.05, "min_reliability": 0.9}
    types = {"otp": {**otp, "stop_when_unprofitable": True}, "alert": {}}
    policy = parts(channels=sms(), routing={"types": types}).ways.policy
    assert policy.rules(OTP) == TypeRules(frozenset({SMS, CALL}), 0.05, 0.9, stop=True)
    assert policy.rules(MessageType.ALERT) == TypeRules(frozenset())
    assert policy.rules(MessageType.MARKETING) == TypeRules()


@pytest.mark.parametrize(("given", "hours"), [({}, 6), ({"memory_hours": 0.5}, 0.5)])
def test_what_was_learned_counts_half_after_so_many_hours(parts, given, hours):
    learned = parts(channels=sms(), routing=given).ways.learned
    place = Place("GB", "")
    learned.add(Lesson(SMS, "sandbox", place, Kind.ARRIVED, NOW))
    before, after = (learned.outlook(place, at).trials(SMS) for at in (NOW, NOW + hours * 3600))
    assert (before, after) == (1, pytest.approx(0.5))
