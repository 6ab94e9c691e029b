"""What every store promises of the lease: one process dispatches, and its death is noticed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from otp_messaging_agent.message import Status
from otp_messaging_agent.stores.sql import lease

from ..until import until
from .store_parts import NOW, PATIENT, attempt, keep, message, sent, together

TTL = 10.0


def test_the_first_leads_and_others_wait_until_its_lease_is_over(place):
    one, two = place.store(), place.store()
    assert one.lead("one", NOW, TTL)
    assert not two.lead("two", NOW, TTL)
    assert not two.lead("two", NOW + 9.9, TTL)
    assert two.lead("two", NOW + 10, TTL)
    assert not one.lead("one", NOW + 11, TTL)


def test_a_heartbeat_keeps_the_lease(place):
    one, two = place.store(), place.store()
    for second in range(60):
        assert one.lead("one", NOW + second, TTL)
        assert not two.lead("two", NOW + second + 0.5, TTL)
    assert two.lead("two", NOW + 59 + TTL, TTL)


def test_of_sixteen_that_start_at_once_exactly_one_leads(place):
    stores = [place.store() for _ in range(16)]
    led = together([lambda s=s: s.lead(str(id(s)), NOW, TTL) for s in stores])
    assert led.count(True) == 1
    assert [s.lead(str(id(s)), NOW + 1, TTL) for s in stores] == led


def test_who_resigns_is_replaced_at_once(place):
    one, two = place.store(), place.store()
    assert one.lead("one", NOW, TTL)
    assert not one.lead("one", NOW + 1, 0)
    assert two.lead("two", NOW + 1, TTL)


def test_who_does_not_lead_cannot_resign_for_another(place):
    one, two, three = (place.store() for _ in range(3))
    assert one.lead("one", NOW, TTL)
    assert not two.lead("two", NOW + 1, 0)
    assert not three.lead("three", NOW + 1, TTL)
    assert one.lead("one", NOW + 3, TTL)


def test_the_lease_outlives_the_store_object_it_was_taken_with(place):
    assert place.store().lead("one", NOW, TTL)
    again = place.store()
    assert not again.lead("two", NOW + 5, TTL)
    assert again.lead("one", NOW + 5, TTL)


LEADER = """
import sys
from pathlib import Path
from otp_messaging_agent import plugins
from tests.contracts.store_parts import NOW, Place, attempt, keep, message
store = Place(plugins.load("stores", sys.argv[1]), Path(sys.argv[2])).store()
rows = [message(f"msg_{i}") for i in range(3)]
keep(store, *rows)
assert store.lead("theirs", NOW, 10.0)
assert store.begin(attempt(rows[0]), 0, NOW + 40)
assert store.begin(attempt(rows[1]), 0, NOW - 5)
print("leads", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def leader(place):
    """Yield another process that leads and is sending msg_0; msg_1's lease is over."""
    name = place.plugin.__name__.rsplit(".", 1)[1]
    command = [sys.executable, "-c", LEADER, name, place.folder]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout.readline() == "leads\n"
        yield process
        process.kill()


def test_a_live_leader_keeps_its_lease_and_its_claims(place, leader):
    store = place.store()
    assert not store.lead("ours", NOW + 1, TTL)
    assert store.message("msg_0")[0].due_at == NOW + 40


def assert_taken_over(store):
    assert store.lead("ours", NOW + 1, TTL)
    freed, attempts = store.message("msg_0")
    assert (freed.status, freed.due_at, freed.tries) == (Status.SENDING, NOW + 1, 1)
    assert [a.outcome for a in attempts] == [None]
    assert [t.message_id for t in store.tickets(freed.rank, 9, NOW + 1)] == [
        "msg_1",
        "msg_2",
        "msg_0",
    ]
    assert store.settle(sent(attempts[0], version=1)) is False
    assert store.settle(sent(attempts[0], version=freed.version)) is True


def test_a_killed_leader_is_replaced_at_once_and_what_it_was_sending_is_due(place, leader):
    leader.kill()
    leader.wait(PATIENT)
    assert_taken_over(place.store())


def test_a_killed_leader_is_dead_though_nobody_buried_it(place, leader):
    store = place.store()
    os.kill(leader.pid, signal.SIGKILL)
    stat = Path(f"/proc/{leader.pid}/stat")
    until(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "Z")
    assert_taken_over(store)


def test_a_stopped_leader_is_not_dead(place, leader):
    store = place.store()
    leader.send_signal(signal.SIGSTOP)
    assert not store.lead("ours", NOW + 1, TTL)
    leader.send_signal(signal.SIGCONT)


# A process of another kind of place cannot be had in a test; what such a one would have written
# into the lease is written by this one, under a borrowed name.


@pytest.fixture
def leads_as(place, monkeypatch):
    """Return a function that leads under another identity and claims msg_0."""

    def lead(host=None, **lies):
        store = place.store()
        row = message("msg_0")
        keep(store, row)
        with monkeypatch.context() as patch:
            if host:
                patch.setattr(lease.socket, "gethostname", lambda: host)
            for name, value in lies.items():
                patch.setattr(lease, name, lambda *_, value=value: value)
            assert store.lead("theirs", NOW, TTL)
        assert store.begin(attempt(row), 0, NOW + 40)

    return lead


def test_a_leader_on_another_host_is_waited_for_and_its_claims_run_out(place, leads_as):
    leads_as(host="elsewhere", _started="0")
    store = place.store()
    assert not store.lead("ours", NOW + 9.9, TTL)
    assert store.lead("ours", NOW + 10, TTL)
    claimed, _ = store.message("msg_0")
    assert (claimed.due_at, claimed.version) == (NOW + 40, 1)  # it may be sending still


def test_a_leader_from_before_a_reboot_is_dead(place, leads_as):
    leads_as(_boot="an earlier boot")
    store = place.store()
    assert store.lead("ours", NOW + 1, TTL)
    assert store.message("msg_0")[0].due_at == NOW + 1


def test_a_leader_whose_process_number_is_anothers_by_now_is_dead(place, leads_as):
    leads_as(_started="12")
    store = place.store()
    assert store.lead("ours", NOW + 1, TTL)
    assert store.message("msg_0")[0].due_at == NOW + 1


def test_without_proc_a_process_is_found_by_its_number(monkeypatch):
    class NoProc(type(Path())):
        def read_text(self, *args, **kwargs):
            raise FileNotFoundError

        def exists(self):
            return False

    monkeypatch.setattr(lease, "Path", NoProc)
    ours = lease.identity("a")
    assert ours.split("/")[1::2] == ["unknown", "runs"]
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    dead = ours.replace(f"/{os.getpid()}/", f"/{process.pid}/")
    assert not lease.is_dead(ours, ours)
    assert lease.is_dead(dead, ours)
    assert not lease.is_dead(ours.replace(f"/{os.getpid()}/", "/1/"), ours)
