"""6. What is stored of tries -> lessons -> what was learned.

The store is the only source: a restart reads what the last process knew, and several processes
over one store read the same. Each look goes a little further back than the last, for what was
committed late; what was learned already is known by its try and kind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

from ..channels.base import Medium
from ..message import Channel, Status
from ..stores.base import Experience, Tried
from .learned import Learned
from .lesson import Kind, Lesson, Place

OVERLAP = 10.0
"""Seconds that each look goes back behind the last."""
HALF_LIVES = 4
"""Half-lives of the long memory that the first look goes back: what is older weighs a 16th."""
MOST = 10_000
"""Tries of each kind that one look takes in, the newest; a start with more begins there."""
TIDY = 3600.0
"""Seconds after which what has faded to nothing is dropped."""
WINDOW = 3600.0
"""Seconds of the past that are looked at together; fewer where much happened."""

_GOOD = frozenset({Status.DELIVERED, Status.READ})


class Learner:
    """Keeps *learned* up to date with the store."""

    def __init__(
        self,
        store: Experience,
        learned: Learned,
        media: Mapping[Channel, Medium],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._learned = learned
        self._media = media
        self._clock = clock
        self._lock = threading.Lock()
        self._until = clock() - HALF_LIVES * learned.half_life
        self._tidied = 0.0
        self._known: dict[tuple[str, Kind], float] = {}

    def catch_up(self) -> int:
        """Learn what became known since the last look; return how many lessons that were."""
        with self._lock:
            now = self._clock()
            since = self._until - OVERLAP
            new = [
                (attempt, lesson)
                for attempt, lesson in self._in_order(since, now)
                if (attempt, lesson.kind) not in self._known
            ]
            for _, lesson in new:
                self._learned.add(lesson)
            kept = {key: at for key, at in self._known.items() if at > now - 2 * OVERLAP}
            self._known = kept | {(a, one.kind): one.at for a, one in new}
            self._until = now
            if now >= self._tidied + TIDY:
                self._tidied = now
                self._learned.forget(now)
            return len(new)

    def lessons(self, since: float, until: float) -> Iterator[tuple[str, Lesson]]:
        """Return what became known after *since* and until *until*, with its try, in that order.

        Changes nothing, and reads the store as it is asked for more, up to `WINDOW` s at a time.
        """
        width = WINDOW
        while since < until:
            end = min(since + width, until)
            found = self._in_order(since, end)
            if len(found) >= MOST and width > 1.0:  # there may be more than one look takes in
                width /= 2
                continue
            yield from found
            since, width = end, min(WINDOW, 2 * width)

    def _in_order(self, since: float, until: float) -> list[tuple[str, Lesson]]:
        return sorted(self._lessons(since, until), key=lambda found: found[1].at)

    def _lessons(self, since: float, until: float) -> Iterator[tuple[str, Lesson]]:
        for t in self._store.failures(since, until, MOST):
            yield from _lesson(t, _of_failure(t), t.finished_at)
        for t in self._store.receipts(since, until, MOST):
            patience = self._patience(t)
            kind, seconds = _of_receipt(t, patience), None
            if kind is Kind.ARRIVED and t.receipt_at is not None:
                seconds = max(0.0, t.receipt_at - t.started_at)  # the vendor's clock may be behind
            yield from _lesson(t, kind, t.told_at or t.receipt_at, seconds)
        for channel, medium in self._media.items():
            for t in self._store.silences(channel, medium.patience, since, until, MOST):
                over = t.started_at + medium.patience
                typed = t.approved_at is not None and t.approved_at <= over
                yield from _lesson(t, Kind.ARRIVED if typed else Kind.FAILED, over)
        for t in self._store.codes(since, until, MOST):
            yield from _lesson(t, Kind.ASKED, t.code_at)
            if t.approved_at is not None:
                yield from _lesson(t, Kind.CONFIRMED, t.code_at)
                yield from _lesson(t, self._of_code(t), t.code_at)

    def _of_code(self, t: Tried) -> Kind | None:
        """Return what a code typed in tells of a try that no receipt told to have arrived."""
        typed_at = t.code_at or 0.0
        told_at = t.told_at or t.receipt_at
        told = told_at is not None and told_at <= typed_at
        if told and t.receipt_status in _GOOD:
            return None
        if told and t.receipt_status is Status.UNDELIVERED:
            return Kind.RECOVERED
        if t.waits or t.receipt_status is not None:
            late = typed_at > t.started_at + self._patience(t)
            return Kind.RECOVERED if late else None  # else its silence is learned as this
        return Kind.ARRIVED

    def _patience(self, t: Tried) -> float:
        medium = self._media.get(t.channel)
        return medium.patience if medium else 0.0


def _lesson(
    t: Tried, kind: Kind | None, at: float | None, seconds: float | None = None
) -> Iterator[tuple[str, Lesson]]:
    if kind is not None and at is not None:
        place = Place(t.country or "", t.prefix or "")
        yield t.attempt_id, Lesson(t.channel, t.provider, place, kind, at, seconds)


def _of_failure(t: Tried) -> Kind | None:
    """Return what it tells: about the recipient or the text, nothing against the provider."""
    if t.error_code == "rate_limited" or t.scope in _OTHERS:
        return None
    if t.scope == "channel":
        return _of_refusal(t.error_code) if t.permanent else None
    return None if t.scope == "provider" and t.permanent else Kind.FAILED


def _of_receipt(t: Tried, patience: float) -> Kind | None:
    told = t.told_at or t.receipt_at or 0.0
    late = told > t.started_at + patience
    if t.approved_at is not None and t.approved_at <= told:  # its code has told that it arrived
        return None if late else Kind.ARRIVED
    if t.receipt_status in _GOOD:
        return Kind.RECOVERED if late else Kind.ARRIVED
    if late or t.receipt_status is not Status.UNDELIVERED or t.scope in _OTHERS:
        return None
    return _of_refusal(t.error_code)


def _of_refusal(code: str | None) -> Kind | None:
    """Return what an error of a channel tells: of who has it, of the text, or of the provider."""
    return None if code in _TEXT else Kind.UNREACHABLE if code in _NOT_THERE else Kind.FAILED


_OTHERS = frozenset({"recipient", "message"})
_TEXT = frozenset({"content_refused", "content_too_long", "window_closed"})
_NOT_THERE = frozenset(
    {
        "blocked",
        "invalid_address",
        "mailbox_unavailable",
        "marketing_withheld",
        "not_mobile",
        "not_on_whatsapp",
        "number_unreachable",
        "opted_out",
        "premium_number",
        "unreachable_on_channel",
    }
)
"""Codes of a recipient whom this channel cannot reach, whoever sends."""
