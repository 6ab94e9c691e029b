"""What ranks one kind of ways behind another: too little known, failing, crowded, off target."""

from dataclasses import replace

import pytest

from otp_messaging_agent.flow import score
from otp_messaging_agent.flow.way import TypeRules
from otp_messaging_agent.message import Channel, MessageType, Priority

from .lessons import (
    ABROAD,
    FAILED,
    HERE,
    HOUR,
    NEXT_DOOR,
    NOWHERE,
    UNREACHABLE,
    history,
    in_order,
    lesson,
    taught,
)
from .routes import (
    ALL,
    CALL,
    EMAIL,
    FIXED,
    MAPPING,
    MEDIA,
    NOW,
    POLICY,
    SMS,
    WHATSAPP,
    message,
    option,
    providers,
    reasons,
    route,
    siblings,
    ways,
)

MINUTE = 60.0
PROVEN = in_order(*(history(MEDIA[c].reliability, c) for c in Channel))


def parts(decision, channel):
    """Return the parts of the score of a channel's first way."""
    return next(s.parts for s in decision.ranked if s.option.channel is channel)


def with_rules(**rules):
    return replace(POLICY, types={MessageType.NOTIFICATION: TypeRules(**rules)})


# The mapping and evidence


@pytest.mark.parametrize("priority", Priority)
def test_the_mapped_channel_is_first_until_evidence_speaks(priority):
    assert ways(route(message(priority=priority)))[0] is MAPPING[priority]


@pytest.mark.parametrize("enough", [1, 10, 40])
def test_evidence_overrules_the_mapping_from_so_many_tries_on(enough):
    policy = replace(POLICY, evidence=float(enough))
    weak = history(0.6, SMS, 50, over=0)

    def best(tries):
        learned = taught(*weak, *history(1.0, WHATSAPP, tries, over=0))
        return ways(route(policy=policy, learned=learned))[0]

    assert best(enough - 1) is SMS
    assert best(enough) is WHATSAPP


def test_evidence_that_has_faded_overrules_nothing():
    learned = taught(*history(0.6, SMS, 50, over=0), *history(1.0, WHATSAPP, 12, over=0))
    assert ways(route(learned=learned))[0] is WHATSAPP
    assert ways(route(learned=learned, now=NOW + 6 * HOUR))[0] is SMS


@pytest.mark.parametrize(
    ("place", "best"), [(HERE, WHATSAPP), (NEXT_DOOR, WHATSAPP), (ABROAD, SMS)]
)
def test_a_channel_is_proven_country_by_country(place, best):
    learned = taught(*history(0.6, SMS, 50), *history(1.0, WHATSAPP, 50, place=place))
    assert ways(route(learned=learned))[0] is best


def test_mail_is_proven_by_mail_to_anyone_for_no_mailbox_is_in_a_country():
    learned = taught(*history(0.5, SMS, 50), *history(1.0, EMAIL, 50, place=NOWHERE))
    assert ways(route(learned=learned))[0] is EMAIL


def test_what_hardly_anybody_has_is_no_fault_of_it_and_comes_later_all_the_same():
    asked = message(priority=Priority.CRITICAL)
    assert ways(route(asked, learned=taught(*PROVEN)))[:2] == [WHATSAPP, SMS]
    decision = route(asked, learned=taught(*PROVEN, *[lesson(UNREACHABLE, WHATSAPP)] * 2000))
    assert ways(decision)[:2] == [SMS, CALL]
    assert parts(decision, WHATSAPP)["reach"] < -1
    assert "failing" not in parts(decision, WHATSAPP)


def test_the_unproven_are_ranked_by_the_configuration_behind_all_others():
    learned = taught(*history(0.8, EMAIL))
    decision = route(learned=learned)
    assert set(ways(decision)[:2]) == {SMS, EMAIL}
    assert ways(decision)[2:] == [WHATSAPP, CALL]
    assert parts(decision, CALL)["unproven"] == parts(decision, WHATSAPP)["unproven"] < 0
    assert "unproven" not in parts(decision, EMAIL)


def test_without_a_mapping_evidence_alone_decides():
    free = replace(POLICY, mapping={})
    assert ways(route(policy=free, learned=taught(*PROVEN)))[0] is not SMS
    assert not any("unproven" in s.parts for s in route(policy=free).ranked)


# A channel that fails


def test_a_mapped_channel_that_fails_falls_behind_one_that_is_unproven():
    assert ways(route(learned=taught(*history(0.6, over=HOUR / 4))))[0] is SMS
    decision = route(learned=taught(*history(0.1, over=HOUR / 4)))
    assert ways(decision) == [WHATSAPP, CALL, EMAIL, SMS]
    assert parts(decision, SMS)["failing"] < parts(decision, EMAIL)["unproven"]


def test_a_sibling_of_a_provider_that_fails_keeps_the_channel():
    learned = taught(*history(0.0, provider="a"))
    decision = route(options=[*siblings(SMS, "a", "b"), option(WHATSAPP)], learned=learned)
    assert providers(decision) == ["b", "main", "a"]


def test_it_comes_back_by_itself_when_what_is_known_of_it_has_faded():
    outage = [lesson(FAILED, at=NOW - i) for i in range(60)][::-1]
    learned = taught(*history(0.95, until=NOW - HOUR), *outage)

    def best(minutes):
        return ways(route(learned=learned, now=NOW + minutes * MINUTE))[0]

    assert [best(0), best(1)] == [WHATSAPP, WHATSAPP]
    assert [best(20), best(60)] == [SMS, SMS]


# Limits nearly used up


def crowded(channel):
    return [replace(o, used=0.8) if o.channel is channel else o for o in ALL]


@pytest.mark.parametrize("priority", Priority)
def test_the_rest_of_a_limit_is_kept_for_the_urgent(priority):
    learned, asked = taught(*PROVEN), message(priority=priority)
    best = ways(route(asked, learned=learned))[0]
    now = ways(route(asked, options=crowded(best), learned=learned))[0]
    urgent = priority in {Priority.CRITICAL, Priority.HIGH}
    assert (now is best) is urgent


@pytest.mark.parametrize("priority", [Priority.MEDIUM, Priority.LOW])
def test_but_not_at_the_price_of_trying_what_nothing_is_known_of(priority):
    asked, mapped = message(priority=priority), MAPPING[priority]
    decision = route(asked, options=crowded(mapped))
    assert ways(decision)[0] is mapped
    assert parts(decision, mapped)["crowded"] == -score.CROWDED
    almost = [replace(o, used=0.79) for o in ALL]
    assert "crowded" not in parts(route(asked, options=almost), mapped)


# What the rules of a type ask for


def test_what_arrives_less_often_than_its_type_needs_comes_after_what_does():
    learned = taught(*in_order(history(0.6, EMAIL), history(0.95, SMS), history(0.95, CALL)))
    asked = message(priority=Priority.LOW)
    assert ways(route(asked, learned=learned))[0] is EMAIL
    decision = route(asked, policy=with_rules(target=0.9), learned=learned)
    assert ways(decision)[0] is SMS
    assert parts(decision, EMAIL)["target"] < 0
    assert "target" not in parts(decision, SMS)


def test_a_target_that_no_way_meets_changes_no_order():
    learned = taught(*PROVEN)
    assert ways(route(policy=with_rules(target=1.0), learned=learned)) == ways(
        route(learned=learned)
    )


def test_the_channels_of_a_type_are_the_only_ones_in_both_modes():
    for mode in (POLICY, FIXED):
        rules = {MessageType.NOTIFICATION: TypeRules(channels=[EMAIL, CALL])}
        decision = route(policy=replace(mode, types=rules))
        assert set(ways(decision)) == {EMAIL, CALL}
        assert set(reasons(decision)) == {(SMS, "main"), (WHATSAPP, "main")}
        other = message(type=MessageType.ALERT)
        assert set(ways(route(other, policy=replace(mode, types=rules)))) == set(Channel)
