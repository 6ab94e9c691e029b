"""What the router knows is told as it is: values that were taught, and what is chosen by them."""

import math
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import phonenumbers
import pytest

from otp_messaging_agent import prices
from otp_messaging_agent.errors import SendError
from otp_messaging_agent.flow import tell
from otp_messaging_agent.flow.gate import Gate
from otp_messaging_agent.flow.learned import Learned
from otp_messaging_agent.flow.lesson import NOWHERE, Kind, Lesson, Place, place_of
from otp_messaging_agent.flow.verdict import Ways
from otp_messaging_agent.message import Channel, Priority
from otp_messaging_agent.safety.breaker import Breaker
from otp_messaging_agent.safety.pace import Pace
from otp_messaging_agent.safety.spend import Spend
from otp_messaging_agent.stores.base import Work

from .routes import (
    ALL,
    CALL,
    EMAIL,
    MAPPING,
    MEDIA,
    NOW,
    POLICY,
    PRIORS,
    SMS,
    WHATSAPP,
    message,
    option,
    siblings,
)
from .scripted import Clock

GB = place_of("+447700900001")
REST = 30.0
HIGH = Priority.HIGH


def made(options=ALL, policy=POLICY, per_minute=()):
    clock = Clock(NOW)
    gate = Gate(
        Pace(dict(per_minute), clock),
        Breaker(1, REST, clock),
        Spend(None, ZoneInfo("UTC"), clock),
    )
    return Ways(options, {}, policy, Learned(PRIORS), gate, clock)


def teach(ways, channel, kind=Kind.ARRIVED, place=GB, times=80, **fields):
    given = {"provider": "main", "at": NOW, "seconds": 4.0 if kind is Kind.ARRIVED else None}
    lesson = Lesson(channel=channel, kind=kind, place=place, **{**given, **fields})
    for _ in range(times):
        ways.learned.add(lesson)


def countries(ways):
    return [c.country for c in tell.learned(ways).countries]


def told(ways, country="GB"):
    (found,) = (c for c in tell.learned(ways).countries if c.country == country)
    return found


def way(ways, channel, country="GB", provider="main"):
    (found,) = (
        w for w in told(ways, country).ways if (w.channel, w.provider) == (channel, provider)
    )
    return found


def first(ways, priority=HIGH, country="GB"):
    choice = told(ways, country).chooses[priority]
    return choice and choice.channel


# ------------------------------------------------------------- what was learned


def test_where_nothing_was_learned_no_country_is_told():
    answer = tell.learned(made())
    assert (answer.mode, answer.countries) == ("adaptive", [])
    assert answer.as_of == datetime.fromtimestamp(NOW, UTC)


@pytest.mark.parametrize(("adaptive", "mode"), [(True, "adaptive"), (False, "fixed")])
def test_the_mode_is_told(adaptive, mode):
    ways = made(policy=replace(POLICY, adaptive=adaptive))
    assert tell.learned(ways).mode == mode
    assert tell.explanation(Work(message()), ways).mode == mode


def test_what_was_taught_is_what_is_told():
    ways = made()
    teach(ways, SMS, times=80)
    # Each level is a prior of so many tries for the next: LEVEL 20, REACHES 10, PACED 5.
    channel = (20 * 0.92 + 80) / 100
    everywhere = {"rate": (20 * channel + 80) / 100, "reach": (10 * 0.95 + 80) / 90}
    seconds = (5 * (5 * 8 + 80 * 4) / 85 + 320) / 85
    sms = way(ways, SMS)
    assert sms.rate == sms.success == pytest.approx((20 * everywhere["rate"] + 80) / 100, abs=1e-4)
    assert sms.reach == pytest.approx((10 * everywhere["reach"] + 80) / 90, abs=1e-4)
    assert sms.latency_seconds == pytest.approx((5 * seconds + 320) / 85, abs=1e-3)
    assert (sms.health, sms.trust, sms.trials) == (1, 1, 80)


def test_every_way_is_told_in_its_order_and_one_without_evidence_by_what_it_promises():
    ways = made([*siblings(SMS, "main", "second"), option(CALL)])
    teach(ways, SMS)
    assert [(w.channel, w.provider) for w in told(ways).ways] == [
        (SMS, "main"),
        (SMS, "second"),
        (CALL, "main"),
    ]
    call = way(ways, CALL)
    assert (call.reach, call.rate, call.success) == (0.95, MEDIA[CALL].reliability, call.rate)
    assert (call.health, call.trust, call.trials) == (1, 1, 0)
    assert call.latency_seconds == MEDIA[CALL].latency
    assert way(ways, SMS, provider="second").trials == 0


def test_a_failing_way_is_told_apart_from_one_that_few_have():
    ways = made()
    teach(ways, SMS, Kind.FAILED, times=10)
    teach(ways, WHATSAPP, Kind.UNREACHABLE, times=80)
    sms, whatsapp = way(ways, SMS), way(ways, WHATSAPP)
    assert sms.health < 0.2
    assert sms.success == pytest.approx(sms.rate * sms.health * sms.trust, abs=1e-4)
    assert whatsapp.reach < 0.02
    assert whatsapp.success == MEDIA[WHATSAPP].reliability


def test_codes_that_are_not_typed_in_are_told_as_trust():
    ways = made(siblings(SMS, "main", "second"))
    for provider, kind in [("main", Kind.ASKED), ("second", Kind.ASKED), ("second", "confirmed")]:
        teach(ways, SMS, Kind(kind), provider=provider, times=300)
    teach(ways, SMS)
    assert way(ways, SMS).trust < 0.1
    assert way(ways, SMS, provider="second").trust == 1


def test_evidence_fades_until_its_country_is_no_longer_told():
    ways = made()
    teach(ways, SMS, times=8)
    ways.clock.at = NOW + 21_600
    assert way(ways, SMS).trials == 4
    ways.clock.at = NOW + 20 * 21_600
    assert countries(ways) == []


def test_countries_are_told_apart_and_in_order():
    ways = made()
    teach(ways, SMS)
    teach(ways, SMS, Kind.FAILED, Place("BR", "+55119"))
    teach(ways, CALL, place=Place("IN", "+91981"))
    assert countries(ways) == ["BR", "GB", "IN"]
    assert way(ways, SMS, "BR").rate < 0.6
    assert way(ways, SMS, "GB").rate > 0.9


def test_mail_to_nobody_with_a_number_is_told_as_everywhere_and_only_mail_is_that():
    ways = made()
    teach(ways, SMS)
    assert countries(ways) == ["GB"]
    teach(ways, EMAIL, place=NOWHERE)
    assert countries(ways) == ["", "GB"]
    assert way(ways, EMAIL, "").trials == 80
    assert set(told(ways, "").chooses.values()) == {
        tell.routing.Choice(channel=EMAIL, provider="main")
    }


def test_a_price_is_that_of_the_country():
    table = prices.load()
    ways = made([replace(o, cost=None, prices=table, vendor="twilio") for o in ALL])
    teach(ways, SMS)
    teach(ways, SMS, place=Place("US", "+1212"))
    assert [way(ways, SMS, c).price for c in ("GB", "US")] == [0.05, 0.0083]
    assert way(ways, EMAIL).price == 0.00016


def test_ways_that_rest_or_wait_say_for_how_long():
    ways = made(per_minute={"Call": 1})
    teach(ways, SMS)
    ways.gate.take(ALL[2], 0.0)
    ways.gate.leave(ways.gate.take(ALL[0], 0.0), "msg_1", SendError("provider_unavailable"))
    sms, call = way(ways, SMS), way(ways, CALL)
    assert (sms.resting_seconds, sms.waiting_seconds) == (REST, 0)
    assert call.resting_seconds == 0
    assert call.waiting_seconds > 0
    assert first(ways) is not SMS


# ------------------------------------------------------------- what is chosen by it


def test_where_too_little_is_known_the_mapping_chooses():
    ways = made()
    teach(ways, SMS, times=1)
    assert {p: first(ways, p) for p in Priority} == MAPPING


def test_what_fails_in_a_country_is_not_chosen_there():
    ways = made()
    teach(ways, SMS)
    teach(ways, SMS, place=Place("BR", "+55119"))
    teach(ways, CALL, place=Place("BR", "+55119"))
    assert first(ways, country="BR") is SMS
    teach(ways, SMS, Kind.FAILED, Place("BR", "+55119"), times=400, at=NOW - 3600)
    assert first(ways, country="BR") is CALL
    assert first(ways, country="GB") is SMS


def test_the_country_is_told_not_the_area_of_the_example():
    ways = made()
    example = phonenumbers.example_number("GB")
    number = f"+44{example.national_number}"
    teach(ways, SMS, Kind.FAILED, place_of(number), times=400, at=NOW - 3600)
    teach(ways, SMS, times=2000)
    asked = message(phone_number=number, priority=HIGH)
    assert ways.decide(Work(asked), []).ranked[0].option.channel is not SMS
    assert first(ways) is SMS


def test_where_nothing_could_carry_it_nothing_is_chosen():
    ways = made([option(SMS)], replace(POLICY, ceiling=0.0))
    teach(ways, SMS)
    assert told(ways).chooses == dict.fromkeys(Priority)


def test_a_country_that_nobody_has_a_number_of_is_told_too():
    ways = made()
    teach(ways, SMS, place=Place("XX", "+9990"))
    assert first(ways, country="XX") is EMAIL


def test_there_is_somebody_to_choose_for_in_every_country():
    ways = made(policy=replace(POLICY, adaptive=False))
    for country in phonenumbers.SUPPORTED_REGIONS:
        teach(ways, SMS, place=Place(country, ""), times=1)
    found = tell.learned(ways).countries
    assert len(found) == len(phonenumbers.SUPPORTED_REGIONS)
    assert {c.chooses[HIGH].channel for c in found} == {SMS}


# ------------------------------------------------------------- one message


def explained(ways, **fields):
    return tell.explanation(Work(message(**fields)), ways)


def taught():
    ways = made([*siblings(SMS, "main", "second"), option(WHATSAPP), option(CALL), option(EMAIL)])
    for channel in Channel:
        teach(ways, channel, times=20)
    teach(ways, SMS, Kind.FAILED, times=6)
    teach(ways, WHATSAPP, Kind.UNREACHABLE, times=20)
    teach(ways, SMS, Kind.ASKED, times=40)
    return ways


@pytest.mark.parametrize("priority", list(Priority), ids=str)
@pytest.mark.parametrize("adaptive", [True, False])
def test_the_parts_of_every_way_add_up_to_its_score(priority, adaptive):
    ways = taught()
    ways = replace(ways, policy=replace(ways.policy, adaptive=adaptive))
    answer = explained(ways, priority=priority, preferred_channel=CALL)
    assert len(answer.ranked) == 5
    for w in answer.ranked:
        assert sum(w.parts.values()) == pytest.approx(w.score, abs=1e-5)


def test_each_way_that_may_be_used_says_what_is_expected_of_it():
    ways = taught()
    answer = explained(ways)
    for w in answer.ranked:
        e = ways.learned.outlook(GB, NOW).of(w.channel, w.provider)
        assert w.estimate.model_dump() == {
            "reach": pytest.approx(e.reach, abs=1e-4),
            "rate": pytest.approx(e.rate, abs=1e-4),
            "health": pytest.approx(e.health, abs=1e-4),
            "trust": pytest.approx(e.trust, abs=1e-4),
            "success": pytest.approx(e.success, abs=1e-4),
            "latency_seconds": pytest.approx(e.seconds, abs=1e-3),
            "trials": pytest.approx(e.trials, abs=1e-2),
        }
    assert len({w.estimate.success for w in answer.ranked}) == 5


def test_the_parts_by_evidence_are_logarithms_of_what_is_expected():
    ways = taught()
    sms = next(w for w in explained(ways).ranked if (w.channel, w.provider) == (SMS, "main"))
    assert "unproven" not in sms.parts
    for part in ("reach", "rate", "health"):
        expected = getattr(sms.estimate, part)
        assert sms.parts[part] == pytest.approx(math.log10(expected), abs=1e-3)
        assert expected < 1


def test_what_is_expected_is_that_of_where_it_goes():
    ways = made()
    teach(ways, SMS)
    there = explained(ways).ranked
    elsewhere = explained(ways, phone_number="+551199999999").ranked
    trials = [[w.estimate.trials for w in r if w.channel is SMS] for r in (there, elsewhere)]
    assert trials == [[80], [0]]


def test_what_is_left_out_is_expected_nothing_of():
    answer = explained(made(), email=None)
    (out,) = answer.excluded
    assert (out.channel, out.out, out.estimate) == (EMAIL, "no email", None)
