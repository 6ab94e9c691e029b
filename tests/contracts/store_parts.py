"""What the tests of stores are made of."""

import hashlib
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from otp_messaging_agent.message import (
    Attempt,
    Channel,
    Message,
    MessageType,
    Outcome,
    Priority,
    Status,
)
from otp_messaging_agent.safety.encryption import Keyring
from otp_messaging_agent.stores.base import Check, Limits, Once, OtpOrder, Submission, Verdict

NOW = 1_800_000_000.0
DAY = 86_400.0
NUMBER = "+447700900123"
CODE = "493817"
FREE = Limits(sends=(), wrong_per_day=10**6)
PATIENT = 30.0

_ids = itertools.count(1)


class Place:
    """A folder with one database and its keys; opens a store over it as often as asked."""

    def __init__(self, plugin, folder: Path) -> None:
        self.plugin = plugin
        self.folder = folder
        self.keys = Keyring.load(folder, {})
        self.url = f"sqlite:///{folder / 'agent.db'}"
        self._opened = []

    def store(self, synchronous="NORMAL"):
        """Return a store, opened, as another process would have it."""
        store = self.plugin.make(self.url, synchronous=synchronous, keys=self.keys)
        store.open()
        self._opened.append(store)
        return store

    def leave(self):
        """Close all that was opened."""
        for store in self._opened:
            store.close(PATIENT)


def message(id_=None, **fields):
    """Return a message that is due."""
    given = {
        "id": id_ or f"msg_{next(_ids):06}",
        "type": MessageType.NOTIFICATION,
        "priority": Priority.MEDIUM,
        "status": Status.ACCEPTED,
        "created_at": NOW,
        "due_at": NOW,
        "phone_number": NUMBER,
        "content": "Your parcel is here",
    }
    return Message(**{**given, **fields})


def keep(store, *rows, at=NOW, **fields):
    """Submit *rows* and return their results."""
    return store.submit(Submission(list(rows), at, **fields))


def order(*, at=NOW, code=CODE, number=NUMBER, email=None, limits=FREE, **fields):
    """Return an order for a code; `hash_of` tells how it is kept."""
    otp = message(
        type=MessageType.OTP,
        priority=Priority.HIGH,
        phone_number=number,
        email=email,
        content=None,
        created_at=at,
        due_at=at,
        expires_at=at + 300,
        verification_id=None,
    )
    given = {
        "verification_id": f"ver_{next(_ids):06}",
        "purpose": "login",
        "expires_at": at + 300,
        "max_attempts": 5,
    }
    given |= fields
    otp = replace(otp, expires_at=given["expires_at"], verification_id=given["verification_id"])
    return OtpOrder(message=otp, code=code, code_hash=hash_of(code), limits=limits, **given)


def hash_of(code):
    """Return a stand-in for the keyed hash."""
    return hashlib.sha256(code.encode()).digest()


def once(key="key-1", body=b"body", at=NOW):
    """Return an idempotency key."""
    return Once(key, body.ljust(32, b"."), at)


class Guess:
    """Checks codes and counts how often one was compared."""

    def __init__(self, store) -> None:
        self._store = store
        self.compared = 0
        self._lock = threading.Lock()

    def __call__(self, code, verification_id=None, *, at=NOW + 1, limits=FREE, **fields):
        def matches(_, stored):
            with self._lock:
                self.compared += 1
            return stored == hash_of(code)

        found_by = {"verification_id": verification_id, "recipient": None, "purpose": None}
        if verification_id is None:
            found_by |= {"recipient": NUMBER, "purpose": "login"}
        return self._store.check(Check(at, matches, limits, **{**found_by, **fields}))


def attempt(m: Message, number=1, *, at=NOW, provider="sandbox", **fields):
    """Return an attempt that begins."""
    return Attempt(
        id=f"{m.id}.{number}",
        message_id=m.id,
        number=number,
        channel=Channel.SMS,
        provider=provider,
        started_at=at,
        **fields,
    )


def sent(a: Attempt, version=1, *, at=NOW + 1, status=Status.SENT, **fields):
    """Return the verdict that *a* was taken; its receipt is awaited for ten minutes."""
    ended = {
        "finished_at": at,
        "outcome": Outcome.SENT,
        "provider_message_id": f"theirs-{a.id}",
        "receipt_by": at + 600,
    }
    ended = replace(a, **{**ended, **fields})
    return Verdict(a.message_id, version, status, at, attempt=ended)


def together(calls):
    """Make *calls* at the same moment, a thread each; return their results."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait(PATIENT)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
