"""The best ways to try within so many tries, checked against trying all orders of all sets."""

import math
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otp_messaging_agent.flow.plan import Prospect, worthwhile

PROSPECTS = st.lists(
    st.builds(Prospect, st.floats(0, 1), st.floats(0, 1) | st.sampled_from([0.0, 0.01])), max_size=5
)
WORTH, TRIES = st.floats(0, 3), st.integers(0, 6)


def brings(order, worth):
    """Return what trying *order* until one succeeds is expected to bring."""
    total, open_ = 0.0, 1.0
    for success, cost in order:
        total += open_ * (success * worth - cost)
        open_ *= 1 - success
    return total


def best(prospects, worth, tries):
    orders = (
        order for n in range(min(tries, len(prospects)) + 1) for order in permutations(prospects, n)
    )
    return max(brings(order, worth) for order in orders)


@settings(deadline=None)
@given(PROSPECTS, WORTH, TRIES)
def test_no_other_order_of_any_other_set_brings_more(prospects, worth, tries):
    chosen = worthwhile(prospects, worth, tries)
    assert len(set(chosen)) == len(chosen) <= tries
    found = brings([prospects[i] for i in chosen], worth)
    assert math.isclose(found, best(prospects, worth, tries), rel_tol=1e-9, abs_tol=1e-9)


@settings(deadline=None)
@given(PROSPECTS, WORTH, TRIES)
def test_what_is_chosen_comes_in_the_order_of_what_one_success_costs(prospects, worth, tries):
    costs = [
        prospects[i].cost / max(prospects[i].success, 1e-9)
        for i in worthwhile(prospects, worth, tries)
    ]
    assert costs == sorted(costs)


@given(PROSPECTS, WORTH, TRIES)
def test_nothing_is_chosen_that_does_not_pay_by_itself(prospects, worth, tries):
    for i in worthwhile(prospects, worth, tries):
        assert prospects[i].success * worth > prospects[i].cost


@given(PROSPECTS, WORTH)
def test_with_tries_enough_all_that_pays_is_chosen(prospects, worth):
    prospects = [p._replace(success=0.9 * p.success) for p in prospects]  # none is certain
    pays = {i for i, p in enumerate(prospects) if p.success * worth - p.cost > 1e-9}
    assert pays <= set(worthwhile(prospects, worth, len(prospects)))


@pytest.mark.parametrize(
    ("tries", "chosen"), [(0, []), (1, [2]), (2, [1, 2]), (3, [0, 1, 2]), (9, [0, 1, 2])]
)
def test_one_try_goes_to_the_surest_and_more_begin_with_the_cheapest(tries, chosen):
    cheap, fair, sure = Prospect(0.3, 0.001), Prospect(0.6, 0.01), Prospect(0.95, 0.05)
    assert worthwhile([cheap, fair, sure], 1.0, tries) == chosen


def test_without_ways_or_tries_nothing_is_chosen():
    assert worthwhile([], 1.0, 3) == []
    assert worthwhile([Prospect(1.0, 0.0)], 1.0, -1) == []
