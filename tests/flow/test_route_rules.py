"""What `routing` and the weights of providers do to a decision: shares, and rules of a type."""

from collections import Counter
from dataclasses import replace
from itertools import combinations
from math import sqrt

import pytest

from otp_messaging_agent.flow.learned import Learned
from otp_messaging_agent.flow.lesson import Kind, Lesson, place_of
from otp_messaging_agent.flow.route import DEAR_FOR_TYPE, NOT_FOR_TYPE
from otp_messaging_agent.flow.score import BELOW, DOES_NOT_PAY
from otp_messaging_agent.flow.way import TypeRules
from otp_messaging_agent.message import MessageType, Priority

from .routes import (
    ALL,
    CALL,
    EMAIL,
    MAPPING,
    NOW,
    POLICY,
    PRIORS,
    SMS,
    WHATSAPP,
    attempt,
    message,
    option,
    reasons,
    route,
    siblings,
    ways,
)

OTP, MARKETING = MessageType.OTP, MessageType.MARKETING
FIXED = replace(POLICY, adaptive=False)
MODES = [pytest.param(POLICY, id="adaptive"), pytest.param(FIXED, id="fixed")]
MANY = 4000
PHONE = message().phone_number


def weighted(channel=SMS, **weights):
    made = siblings(channel, *weights)
    return [replace(o, weight=w) for o, w in zip(made, weights.values(), strict=True)]


PLAIN = weighted(a=1, b=1)


def providers(decision):
    return [s.option.provider for s in decision.ranked]


def rankings(options, policy, tried=(), many=MANY, **fields):
    """Return the providers of each of *many* messages, best first."""
    asked = (message(id=f"msg_{i}", **fields) for i in range(many))
    return [providers(route(one, tried, options, policy)) for one in asked]


def shared(firsts, **weights):
    """Say that each has its part of *firsts*, within four standard deviations of a draw."""
    found, whole = Counter(firsts), sum(weights.values())
    assert set(found) <= set(weights)
    for name, weight in weights.items():
        part, n = weight / whole, len(firsts)
        assert abs(found[name] - n * part) < 4 * sqrt(n * part * (1 - part)), (name, found)


# The parts of the load


@pytest.mark.parametrize("policy", MODES)
@pytest.mark.parametrize("order", [{"a": 3, "b": 1}, {"b": 1, "a": 3}], ids=["ab", "ba"])
def test_equals_share_the_load_by_their_weights(policy, order):
    found = rankings(weighted(**order), policy)
    shared([first for first, _ in found], a=3, b=1)


@pytest.mark.parametrize("policy", MODES)
def test_only_the_ratio_of_weights_counts(policy):
    few = rankings(weighted(a=0.003, b=0.001), policy, many=500)
    assert few == rankings(weighted(a=750, b=250), policy, many=500)


def test_a_light_channel_is_no_worse_than_another():
    for weights in ({"a": 0.003, "b": 0.001}, {"a": 750, "b": 250}):
        ranked = route(options=weighted(**weights)).ranked
        told = {s.option.provider: s.parts["balance"] for s in ranked}
        usual = {s.option.provider: s.parts["balance"] for s in route(options=PLAIN).ranked}
        assert told["a"] == pytest.approx(usual["a"])
        assert told["b"] == pytest.approx(3 * usual["b"], rel=0.1)


def test_what_costs_one_in_a_hundred_more_still_has_a_part_of_the_load():
    a, b = siblings(SMS, "a", "b")
    found = rankings([a, replace(b, cost=a.cost * 1.01)], POLICY, many=500)
    assert 0.2 < Counter(order[0] for order in found)["b"] / 500 < 0.5


@pytest.mark.parametrize("policy", MODES)
def test_what_the_heaviest_leaves_falls_to_the_others_by_their_weights(policy):
    found = rankings(weighted(a=100, b=2, c=1), policy)
    shared([order[0] for order in found], a=100, b=2, c=1)
    shared([order[1] for order in found if order[0] == "a"], b=2, c=1)


@pytest.mark.parametrize("policy", MODES)
def test_the_load_of_one_that_rests_or_is_out_falls_to_the_others_by_their_weights(policy):
    a, b, c = weighted(a=100, b=2, c=1)
    resting = [replace(a, rest=30.0), b, c]
    shared([order[0] for order in rankings(resting, policy)], b=2, c=1)
    dear = [replace(a, cost=9.0), b, c]
    shared([order[0] for order in rankings(dear, replace(policy, ceiling=1.0))], b=2, c=1)


def test_they_count_on_a_channel_that_too_little_is_known_of_too():
    options = [option(SMS), *weighted(WHATSAPP, a=3, b=1)]
    found = rankings(options, POLICY)
    assert {order[0] for order in found} == {"main"}
    shared([order[1] for order in found], a=3, b=1)


def test_without_weights_a_fixed_order_is_the_configured_one():
    for options in (siblings(SMS, "a", "b", "c"), weighted(a=1, b=1.0, c=1)):
        found = rankings([*options, *weighted(CALL, d=3, e=1)], FIXED, many=200)
        assert {tuple(order[:3]) for order in found} == {("a", "b", "c")}
        assert {tuple(order[3:]) for order in found} == {("d", "e"), ("e", "d")}


def test_without_weights_equals_share_alike_once_evidence_ranks():
    found = rankings(siblings(SMS, "a", "b", "c", "d"), POLICY)
    shared([order[0] for order in found], a=1, b=1, c=1, d=1)


@pytest.mark.parametrize("policy", MODES)
def test_each_retry_takes_another_provider_and_a_fixed_order_comes_round(policy):
    options, orders = weighted(a=3, b=1, c=0.1), set()
    for i in range(50):
        asked, tried = message(id=f"msg_{i}"), []
        for _ in range(4):
            tried.append(attempt(SMS, providers(route(asked, tried, options, policy))[0]))
        order = tuple(a.provider for a in tried)
        assert set(order[:3]) == {"a", "b", "c"}
        assert policy.adaptive or order[3] == order[0]
        orders.add(order[:3])
    assert len(orders) > 2


@pytest.mark.parametrize("policy", MODES)
def test_a_retry_goes_on_where_the_last_was_though_one_refused(policy):
    options = weighted(a=3, b=1, c=2)
    for i in range(50):
        asked = message(id=f"msg_{i}")
        first, second, third = providers(route(asked, (), options, policy))
        tried = [attempt(SMS, first), attempt(SMS, second, permanent=True)]
        assert providers(route(asked, tried, options, policy)) == [third, first]


@pytest.mark.parametrize("policy", MODES)
def test_who_else_there_is_does_not_change_the_order_of_two(policy):
    a, b, c = weighted(a=3, b=1, c=2)
    for i in range(100):
        asked = message(id=f"msg_{i}")
        whole = providers(route(asked, (), [a, b, c], policy))
        for two in combinations([c, b, a], 2):  # nor the order in which they stand there
            left = [name for name in whole if name in {o.provider for o in two}]
            assert providers(route(asked, (), two, policy)) == left


def test_a_draw_of_many_ways_is_one_for_each():
    """More ways than a hash has words: none may draw what another drew."""
    options = weighted(**{f"p{i}": 5 for i in range(40)})
    assert len({s.parts["balance"] for s in route(options=options).ranked}) == len(options)


@pytest.mark.parametrize("weight", [5e-324, 1e-9, 1000.0])
@pytest.mark.parametrize("policy", MODES)
def test_no_weight_outweighs_what_sets_ways_apart(policy, weight):
    light, other = weighted(a=weight, b=1000)
    for i in range(100):
        asked = message(id=f"msg_{i}", preferred_channel=SMS)
        assert ways(route(asked, (), [light, option(CALL)], policy))[0] is SMS
        assert providers(route(asked, (), [light, replace(other, rest=1.0)], policy))[0] == "a"
        mapped = message(id=f"msg_{i}")
        assert ways(route(mapped, (), [light, option(WHATSAPP)], policy))[0] is SMS


def test_a_better_provider_goes_first_whatever_the_weights():
    a, b = weighted(a=3, b=1)
    found = rankings([replace(a, cost=0.5), replace(b, cost=0.1)], POLICY, many=200)
    assert {order[0] for order in found} == {"b"}


# The channels and the costs of a type


def of_type(policy=POLICY, type_=OTP, **rules):
    return replace(policy, types={type_: TypeRules(**rules)})


@pytest.mark.parametrize("policy", MODES)
def test_a_type_goes_by_its_channels_only(policy):
    only = of_type(policy, channels={SMS, CALL})
    decision = route(message(type=OTP), policy=only)
    assert ways(decision) == [SMS, CALL]
    assert reasons(decision) == dict.fromkeys([(WHATSAPP, "main"), (EMAIL, "main")], NOT_FOR_TYPE)
    assert len(ways(route(message(), policy=only))) == len(ALL)


@pytest.mark.parametrize("policy", MODES)
def test_neither_mapping_nor_wish_brings_back_a_channel_that_its_type_has_not(policy):
    only = of_type(policy, channels={EMAIL})
    asked = message(type=OTP, priority=Priority.CRITICAL, preferred_channel=SMS)
    assert ways(route(asked, policy=only)) == [EMAIL]
    assert ways(route(message(type=OTP, email=None), policy=only)) == []


@pytest.mark.parametrize("policy", MODES)
@pytest.mark.parametrize(("most", "left"), [(0.014, {CALL}), (0.0083, set()), (None, {CALL})])
def test_what_costs_more_than_its_type_may_is_out(policy, most, left):
    decision = route(message(type=OTP), policy=of_type(policy, ceiling=most))
    assert set(ways(decision)) == {SMS, WHATSAPP, EMAIL} | left
    assert set(reasons(decision).values()) == ({DEAR_FOR_TYPE} if not left else set())
    assert CALL in ways(route(message(), policy=of_type(policy, ceiling=most)))


def test_all_parts_of_a_text_count_for_the_most_that_a_type_may_cost():
    asked, options = message(type=OTP, content="x" * 307), [replace(option(SMS), cost=0.1)]
    assert route(asked, options=options, policy=of_type(ceiling=0.3)).ranked
    assert not route(asked, options=options, policy=of_type(ceiling=0.299)).ranked


@pytest.mark.parametrize(("most", "of"), [(0.01, 0.001), (0.001, 0.01)])
def test_the_lower_of_two_ceilings_holds(most, of):
    policy = of_type(replace(POLICY, ceiling=most), ceiling=of)
    assert ways(route(message(type=OTP), policy=policy)) == [EMAIL]


@pytest.mark.parametrize("policy", MODES)
def test_an_answer_goes_back_where_it_was_asked_whatever_its_type_may(policy):
    rules = of_type(policy, MessageType.NOTIFICATION, channels={EMAIL}, ceiling=0.0001)
    asked = message(exempt=True, preferred_channel=SMS)
    assert ways(route(asked, policy=rules)) == [SMS]


# The share that has to arrive


def seen(*shares, tries=200):
    """Return what is learned of (channel, provider, arrivals of a hundred)."""
    learned, place = Learned(PRIORS), place_of(PHONE)
    for channel, provider, arrived in shares:
        for i in range(tries):
            kind = Kind.ARRIVED if i % 100 < arrived else Kind.FAILED
            learned.add(Lesson(channel, provider, place, kind, NOW - 3600, 5.0))
    return learned


CHEAP, DEAR = [
    replace(o, cost=cost)
    for o, cost in zip(siblings(SMS, "cheap", "dear"), (0.01, 0.3), strict=True)
]


@pytest.mark.parametrize(
    ("target", "order"),
    [(0.0, ["cheap", "dear"]), (0.7, ["cheap", "dear"]), (0.9, ["dear", "cheap"])],
)
def test_ways_below_what_has_to_arrive_come_after_those_that_reach_it(target, order):
    learned = seen((SMS, "cheap", 80), (SMS, "dear", 98))
    policy = of_type(target=target)
    found = route(message(type=OTP), (), [CHEAP, DEAR], policy, learned)
    assert providers(found) == order
    below = {s.option.provider for s in found.ranked if "target" in s.parts}
    assert below == ({"cheap"} if target == 0.9 else set())
    assert all(s.parts["target"] == -BELOW for s in found.ranked if "target" in s.parts)
    other = route(message(), (), [CHEAP, DEAR], policy, learned)
    assert providers(other) == ["cheap", "dear"]


def test_another_channel_that_reaches_it_goes_before_the_mapped_one():
    learned = seen((SMS, "main", 80), (WHATSAPP, "main", 97))
    options = [replace(option(SMS), cost=0.001), replace(option(WHATSAPP), cost=0.2)]
    asked = message(type=OTP)
    assert ways(route(asked, (), options, POLICY, learned)) == [SMS, WHATSAPP]
    assert ways(route(asked, (), options, of_type(target=0.9), learned)) == [WHATSAPP, SMS]


def test_where_none_reaches_it_all_are_still_tried():
    learned = seen((SMS, "cheap", 80), (SMS, "dear", 82))
    found = route(message(type=OTP), (), [CHEAP, DEAR], of_type(target=0.99), learned)
    assert providers(found) == ["cheap", "dear"]


# What does not pay

COSTLY = [replace(option(SMS), cost=0.2), replace(option(EMAIL), cost=0.0009)]
LOW = {"priority": Priority.LOW, "type": MARKETING}


@pytest.mark.parametrize(("stop", "out"), [(True, {(SMS, "main"): DOES_NOT_PAY}), (False, {})])
def test_a_way_that_does_not_pay_is_out_only_where_its_type_says_so(stop, out):
    learned = seen((SMS, "main", 95), (EMAIL, "main", 95))
    policy = of_type(type_=MARKETING, stop=stop)
    decision = route(message(**LOW), (), COSTLY, policy, learned)
    assert reasons(decision) == out
    assert ways(decision) == ([EMAIL] if stop else [EMAIL, SMS])
    other = route(message(**{**LOW, "type": MessageType.REMINDER}), (), COSTLY, policy, learned)
    assert reasons(other) == {}


def test_what_is_worth_more_pays():
    learned = seen((SMS, "main", 95), (EMAIL, "main", 95))
    policy = of_type(replace(POLICY, worth=dict.fromkeys(Priority, 50.0)), MARKETING, stop=True)
    assert reasons(route(message(**LOW), (), COSTLY, policy, learned)) == {}


def test_where_no_way_pays_none_is_left():
    policy = of_type(replace(POLICY, mapping=MAPPING | {Priority.LOW: SMS}), MARKETING, stop=True)
    decision = route(message(**LOW), (), COSTLY[:1], policy)
    assert (ways(decision), reasons(decision)) == ([], {(SMS, "main"): DOES_NOT_PAY})


# The most tries


@pytest.mark.parametrize("policy", MODES)
@pytest.mark.parametrize(("most", "goes"), [(1, False), (2, True), (None, True)])
def test_after_the_most_tries_no_channel_is_left(policy, most, goes):
    decision = route(tried=[attempt(SMS)], policy=replace(policy, max_attempts=most))
    assert bool(decision.ranked) is goes
    assert goes or set(reasons(decision).values()) == {"tries used up (routing.max_attempts)"}
    assert route(policy=replace(policy, max_attempts=most)).ranked
