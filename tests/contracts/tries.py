"""Tries as a store may hold them: failed, taken, answered, with a code or without."""

import itertools
from dataclasses import replace

from otp_messaging_agent.message import Channel, Outcome, Receipt, Status
from otp_messaging_agent.stores.base import OtpOrder, Verdict

from .store_parts import CODE, NOW, Guess, attempt, keep, message, order, sent

PATIENCE = 20.0
TTL = 300.0
ALWAYS = (NOW - 10_000, NOW + 10_000, 100)
"""Since, until and limit."""

_purposes = itertools.count(1)


def coded(store, *, at=NOW, resend=None):
    """Return an order for a code that was taken in; resend: the order it repeats."""
    o = order(at=at, purpose=resend.purpose if resend else f"purpose-{next(_purposes)}")
    (issued,) = keep(store, o, at=at)
    assert not resend or issued.verification.id == resend.verification_id
    return o


def _begun(store, row, number, at, fields):
    row = row.message if isinstance(row, OtpOrder) else row or message()
    if store.message(row.id) is None:
        keep(store, row)
    version = store.message(row.id)[0].version
    given = {k: fields.pop(k) for k in ("provider", "country", "prefix") if k in fields}
    a = replace(attempt(row, number, at=at, **given), channel=fields.pop("channel", Channel.SMS))
    assert store.begin(a, version, at + 40)
    return a, version + 1


def taken(store, row=None, *, number=1, at=NOW, **fields):
    """Return a try that a provider took; without *row* it is of a message of its own."""
    a, version = _begun(store, row, number, at, fields)
    assert store.settle(sent(a, version, at=at + 1, **fields))
    return a


def failed(store, row=None, *, number=1, at=NOW, **fields):
    """Return a try that no provider took."""
    a, version = _begun(store, row, number, at, fields)
    given = {"outcome": Outcome.FAILED, "error_code": "down", "permanent": False}
    ended = replace(a, **{**given, "scope": "provider", "finished_at": at + 1, **fields})
    assert store.settle(Verdict(a.message_id, version, Status.FAILED, at + 1, attempt=ended))
    return a


def receipt(a, status, at, **fields):
    """Return what the provider of *a* says of it."""
    return Receipt(a.provider, f"theirs-{a.id}", status, at, **fields)


def answered(store, status, told, *, row=None, at=NOW, scope=None, error_code=None, **fields):
    """Return a try whose receipt came at *told*."""
    a = taken(store, row, at=at, **fields)
    came = receipt(a, status, told, scope=scope, error_code=error_code)
    assert store.receive(came) is not None
    return a


def approved(store, a, at):
    """Type the code in that *a* carried."""
    verification = store.message(a.message_id)[0].verification_id
    assert Guess(store)(CODE, verification, at=at).verified


def silences(store, since, until, limit):
    """Ask for the silences of one channel."""
    return store.silences(Channel.SMS, PATIENCE, since, until, limit)


def canceled(store, o):
    """Call off the code of an order."""
    store.cancel_verification(o.verification_id, NOW + 9)


def guessed_at(store, o):
    """Guess the code of an order until no try is left."""
    for _ in range(5):
        Guess(store)("0000", o.verification_id, at=NOW + 9)


def ids(found):
    """Return which tries were found."""
    return [t.attempt_id for t in found]
