"""What every store promises to the sandbox: outages, ordered in one process, met in another."""

from dataclasses import replace

import pytest

from otp_messaging_agent.inbox import Outage, OutageMode
from otp_messaging_agent.message import Channel

from .store_parts import NOW

MAIN = Outage("main", OutageMode.REJECT, NOW + 60)
SMS = Outage("main", OutageMode.FAIL, NOW + 90, 0.25, Channel.SMS)
BACKUP = Outage("backup", OutageMode.SILENT, NOW + 120, 0.5)


@pytest.fixture
def store(store):
    for outage in (SMS, MAIN, BACKUP):
        store.put_outage(outage, NOW)
    return store


def test_what_was_ordered_stands_for_every_process(store, place):
    assert store.outages(NOW) == place.store().outages(NOW) == [BACKUP, MAIN, SMS]


def test_each_is_over_when_its_time_is(store):
    assert store.outages(NOW + 59.9) == [BACKUP, MAIN, SMS]
    assert store.outages(NOW + 60) == [BACKUP, SMS]
    assert store.outages(NOW + 120) == []


def test_the_same_provider_and_channel_has_the_last_one(store):
    other = replace(MAIN, mode=OutageMode.SILENT, until=NOW + 5, share=0.1)
    store.put_outage(other, NOW)
    assert store.outages(NOW) == [BACKUP, other, SMS]


def test_a_provider_is_well_again_on_every_channel(store):
    assert store.end_outages("main", NOW) == 2
    assert store.outages(NOW) == [BACKUP]
    assert store.end_outages("main", NOW) == 0
    assert store.end_outages("nobody", NOW) == 0


def test_what_is_over_is_not_ended(store):
    assert store.end_outages("main", NOW + 60) == 1
    assert store.end_outages("backup", NOW + 120) == 0


def test_what_is_over_is_not_kept(store):
    new = Outage("new", OutageMode.FAIL, NOW + 300)
    store.put_outage(new, NOW + 100)
    assert store.outages(NOW) == [BACKUP, new]
