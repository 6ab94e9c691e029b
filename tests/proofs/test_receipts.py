"""Thousands of receipts, shuffled, doubled, unknown and forged, leave every message right."""

import pytest

from .receipts import FORGED, PLANS, UNKNOWN, run

COUNT = 10_000


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    return run(COUNT, tmp_path_factory.mktemp("receipts") / "data")


def test_every_message_is_what_was_told_of_it_and_every_forged_receipt_is_refused(seen):
    assert seen.wrong == []
    assert set(seen.by_status) == {status for _, status in PLANS}


def test_all_of_it_was_told(seen):
    assert seen.told["real"] >= COUNT * (1 - UNKNOWN)
    assert seen.told["unknown"] == COUNT * UNKNOWN
    assert seen.told["forged"] == COUNT * FORGED
    assert seen.told["early"] > 0


def test_what_is_unknown_and_what_is_forged_is_counted(seen):
    assert seen.counters["receipts_unknown"] == seen.told["unknown"]
    assert seen.counters["callbacks_forged"] == seen.told["forged"]
