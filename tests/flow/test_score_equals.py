"""Ways that cost about the same share the load, by weight; others do not."""

from collections import Counter
from dataclasses import replace

import pytest

from otp_messaging_agent.message import Channel

from .lessons import history, in_order, taught
from .routes import (
    ALL,
    MEDIA,
    SMS,
    WHATSAPP,
    message,
    option,
    providers,
    route,
    siblings,
)

PROVEN = in_order(*(history(MEDIA[c].reliability, c) for c in Channel))


def shares(options, **given):
    """Return how many of a thousand messages each provider gets."""
    found = [route(message(id=f"m{i}"), options=options, **given) for i in range(1000)]
    return Counter(providers(decision)[0] for decision in found)


@pytest.mark.parametrize("weights", [(1, 1), (1, 3), (70, 30), (0.2, 0.8)])
def test_equals_share_the_load_by_weight(weights):
    a, b = siblings(SMS, "a", "b")
    options = [replace(a, weight=weights[0]), replace(b, weight=weights[1]), option(WHATSAPP)]
    expected = 1000 * weights[0] / sum(weights)
    assert shares(options)["a"] == pytest.approx(expected, abs=64)  # four deviations


def test_a_message_draws_the_same_each_time_it_is_looked_at():
    options = siblings(SMS, *"abcdefgh")
    for name in ("msg_1", "msg_2"):
        drawn = {tuple(providers(route(message(id=name), options=options))) for _ in range(3)}
        assert len(drawn) == 1


def test_what_differs_is_not_shared():
    a, b = siblings(SMS, "a", "b")
    assert shares([a, replace(b, cost=2 * b.cost)])["a"] > 950


def test_the_weight_of_a_channels_only_provider_changes_nothing():
    learned = taught(*PROVEN)
    heavy = [replace(o, weight=0.01 if o.channel is WHATSAPP else 100.0) for o in ALL]
    assert route(options=heavy, learned=learned).as_json() == route(learned=learned).as_json()


def test_where_too_little_is_known_the_configured_order_holds():
    options = [option(SMS), *siblings(WHATSAPP, "a", "b")]
    for i in range(20):
        ranked = route(message(id=f"m{i}"), options=options).ranked
        assert [s.option.provider for s in ranked] == ["main", "a", "b"]
