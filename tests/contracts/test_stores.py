"""What every store promises of what it takes in: once, whole, durable, and found again."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from otp_messaging_agent.errors import NotRunning, StoreUnavailable
from otp_messaging_agent.message import Channel, MessageType, Priority, Status
from otp_messaging_agent.stores.base import Limits

from .store_parts import (
    NOW,
    PATIENT,
    Guess,
    attempt,
    keep,
    message,
    once,
    order,
    sent,
)

FULL = {
    "type": MessageType.REMINDER,
    "priority": Priority.LOW,
    "status": Status.SCHEDULED,
    "due_at": NOW + 60.5,
    "phone_number": "+447700900555",
    "email": "ada@example.com",
    "content": "Dentist at ten \N{TOOTH}",
    "subject": "Tomorrow",
    "user_id": "user-77",
    "reference": "order-4711",
    "metadata": {"a": 1, "b": [True, None, 0.5], "c": "\N{SNOWMAN}"},
    "preferred_channel": Channel.WHATSAPP,
    "scheduled_for": NOW + 60.5,
    "expires_at": NOW + 3600.25,
}


def test_a_message_comes_back_as_it_was_given_also_after_reopening(place):
    first = place.store()
    given = message(**FULL)
    (kept,) = keep(first, given)
    assert kept == given
    assert first.load(given.id).message == given
    first.close(PATIENT)
    again = place.store()
    assert again.load(given.id).message == given
    assert again.message(given.id) == (given, [])


def test_what_a_killed_process_was_told_is_kept_is_there(place, tmp_path):
    child = """
import os, signal, sys
from pathlib import Path
from otp_messaging_agent import plugins
from tests.contracts.store_parts import Place, keep, message
store = Place(plugins.load("stores", sys.argv[1]), Path(sys.argv[2])).store("FULL")
for i in range(200):
    keep(store, message(f"msg_{i}"))
    print(i, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    name = place.plugin.__name__.rsplit(".", 1)[1]
    ran = subprocess.run([sys.executable, "-c", child, name, tmp_path], stdout=-1, check=False)
    assert ran.returncode == -signal.SIGKILL
    store = place.store()
    assert [store.load(f"msg_{i}") is None for i in map(int, ran.stdout.split())] == [False] * 200


def test_a_submission_is_kept_whole_or_not_at_all(store):
    there = message()
    keep(store, there)
    new = message()
    with pytest.raises(StoreUnavailable):
        keep(store, new, there, batch_id="bat_1", once=once(), respond=len)
    assert store.load(new.id) is None
    assert store.batch("bat_1") is None
    assert store.answered(once()) is None


def test_a_batch_counts_what_was_taken_refused_and_what_became_of_it(store):
    limits = Limits(sends=((600.0, 1),), wrong_per_day=20)
    rows = [message(batch_id="bat_1") for _ in range(3)]
    codes = [order(limits=limits), order(limits=limits)]
    codes = [replace(c, message=replace(c.message, batch_id="bat_1")) for c in codes]
    keep(store, *rows, *codes, batch_id="bat_1", rejected=2)
    store.cancel_message(rows[0].id, NOW)
    found = store.batch("bat_1")
    assert (found["accepted"], found["rejected"], found["created_at"]) == (4, 3, NOW)
    assert found["by_status"] == {"accepted": 3, "canceled": 1}
    assert store.batch("bat_2") is None


def test_only_a_waiting_message_can_be_canceled(store):
    waiting, scheduled, going = message(), message(status=Status.SCHEDULED), message()
    keep(store, waiting, scheduled, going)
    assert store.begin(attempt(going), 0, NOW + 40)
    assert store.cancel_message(waiting.id, NOW + 1) is Status.CANCELED
    assert store.load(waiting.id).message.status is Status.CANCELED
    assert store.cancel_message(waiting.id, NOW + 9) is Status.CANCELED
    assert store.cancel_message(scheduled.id, NOW + 1) is Status.CANCELED
    assert store.cancel_message(going.id, NOW + 1) is Status.SENDING
    assert store.cancel_message("msg_none", NOW + 1) is None
    ended, _ = store.message(waiting.id)
    assert (ended.status, ended.due_at, ended.finished_at) == (Status.CANCELED, None, NOW + 1)
    assert store.tickets(waiting.rank, 10, NOW + 10) == []
    assert not store.begin(attempt(waiting), 0, NOW + 40)


def test_a_look_up_shows_what_another_process_made_of_a_message(place):
    ours, theirs = place.store(), place.store()
    row = message()
    keep(ours, row)
    a = attempt(row)
    assert theirs.begin(a, 0, NOW + 40)
    assert theirs.settle(sent(a))
    found, attempts = ours.message(row.id)
    assert (found.status, found.version, len(attempts)) == (Status.SENT, 2, 1)


def test_a_closed_store_refuses_everything(place):
    store = place.store()
    row = message()
    keep(store, row)
    store.close(PATIENT)
    store.close(PATIENT)
    asked = [
        lambda: keep(store, message()),
        lambda: Guess(store)("1234"),
        lambda: store.cancel_message(row.id, NOW),
        lambda: store.begin(attempt(row), 0, NOW),
        lambda: store.settle(sent(attempt(row)), wait=False),
        lambda: store.load("msg_other"),
        lambda: store.tickets(0, 1, NOW),
        lambda: store.waiting(1),
        lambda: store.message(row.id),
    ]
    for ask in asked:
        with pytest.raises(NotRunning):
            ask()


def test_closing_writes_what_nobody_waits_for(place):
    store = place.store()
    row = message()
    keep(store, row)
    a = attempt(row)
    assert store.begin(a, 0, NOW + 40)
    assert store.settle(sent(a), wait=False)
    store.close(PATIENT)
    assert place.store().message(row.id)[0].status is Status.SENT


def test_processes_that_open_a_new_store_at_once_all_succeed(place, tmp_path):
    child = """
import sys
from pathlib import Path
from otp_messaging_agent import plugins
from tests.contracts.store_parts import Place, keep, message
folder = Path(sys.argv[2])
print("ready", flush=True)
for line in sys.stdin:
    place = Place(plugins.load("stores", sys.argv[1]), folder / line.strip())
    keep(place.store(), message(f"msg_{sys.argv[3]}"))
    place.leave()
    print("kept", flush=True)
"""
    name = place.plugin.__name__.rsplit(".", 1)[1]
    command = [sys.executable, "-c", child, name, tmp_path]
    pipes = {"stdin": -1, "stdout": -1, "text": True, "env": os.environ}
    children = [subprocess.Popen([*command, str(i)], **pipes) for i in range(3)]
    assert [c.stdout.readline() for c in children] == ["ready\n"] * 3
    for number in range(3):
        (tmp_path / f"new-{number}").mkdir()
        for c in children:
            c.stdin.write(f"new-{number}\n")
            c.stdin.flush()
        assert [c.stdout.readline() for c in children] == ["kept\n"] * 3
    for c in children:
        c.communicate()
        assert c.returncode == 0
    kept = type(place)(place.plugin, tmp_path / "new-2")
    store = kept.store()
    assert all(store.load(f"msg_{i}") for i in range(3))
    kept.leave()
