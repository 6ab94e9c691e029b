"""What an agent can tell: messages, verifications, batches, routes and figures. Reads only."""

from __future__ import annotations

import time
from typing import Any

from . import answer, view
from .assembly import Parts
from .config import Config
from .errors import AgentError, NotFound
from .flow import ingest, report, tell, validate
from .lookup import MessageSearch
from .message import WAITING, MessageType
from .request import MessageRequest
from .routing import Routing
from .stores.base import Work

_LATER = 600.0
"""Lifetime that `explain` assumes of a code."""


class Desk:
    """The reading half of an agent."""

    config: Config
    _started_at: float
    _processing: bool

    @property
    def _parts(self) -> Parts:
        """The parts, with the store opened."""
        raise NotImplementedError

    def get_message(self, message_id: str) -> view.MessageView:
        """Return a message with its attempts; NotFound where there is none."""
        found = self._parts.store.message(message_id)
        if found is None:
            msg = "no message has this id"
            raise NotFound(msg)
        message, attempts = found
        if message.status not in WAITING:
            return view.MessageView.of(message, attempts)
        ranked = self._parts.ways.decide(Work(message), attempts).ranked
        return view.MessageView.of(
            message,
            attempts,
            estimated_cost=ranked[0].cost if ranked else None,
            segments=max((scored.segments for scored in ranked), default=None),
        )

    def search(self, request: MessageSearch) -> view.MessagePage:
        """Return the newest messages that match, a page of them."""
        rules = self._parts.rules
        search = ingest.search(request, rules)
        found = self._parts.store.search(search)
        more = len(found) == search.limit
        return view.MessagePage(
            messages=[view.MessageView.of(m) for m in found],
            next_cursor=found[-1].id if more else None,
        )

    def batch(self, batch_id: str) -> view.BatchView:
        """Return how far a bulk request is."""
        found = self._parts.store.batch(batch_id)
        if found is None:
            msg = "no batch has this id"
            raise NotFound(msg)
        return view.BatchView(
            batch_id=found["id"],
            created_at=answer.as_time(found["created_at"]),
            accepted=found["accepted"],
            rejected=found["rejected"],
            by_status=found["by_status"],
        )

    def inbox(self, *, to: str | None = None, limit: int = 200) -> view.InboxPage:
        """Return what the sandbox's recipients would have got, newest first."""
        return view.InboxPage(
            messages=[
                view.InboxView(
                    message_id=e.message_id,
                    channel=e.channel,
                    to=e.to,
                    subject=e.subject,
                    content=e.content,
                    at=answer.as_time(e.at),
                )
                for e in self._parts.store.inbox(limit=limit, to=to)
            ]
        )

    def explain(self, request: MessageRequest) -> answer.Explanation:
        """Return how a message would be routed now; sends and keeps nothing."""
        parts, now = self._parts, time.time()
        if request.message_type is MessageType.OTP:
            otp = request.as_otp()
            message = validate.otp(
                otp, message_id="", now=now, expires_at=now + _LATER, rules=parts.rules
            )
        else:
            message = validate.message(request, message_id="", now=now, rules=parts.rules)
        work = Work(message, blocked=parts.store.blocked(message))
        parts.learner.catch_up()  # a process that does not dispatch learned nothing by itself
        return tell.explanation(work, parts.ways)

    def routing(self) -> Routing:
        """Return what was learned of the ways to every country, and what that leads to."""
        self._parts.learner.catch_up()
        return tell.learned(self._parts.ways)

    def metrics(self) -> dict[str, Any]:
        """Return the figures that `/metrics` shows."""
        now = time.time()
        return report.metrics(
            self._parts.store.figures(now),
            now=now,
            started_at=self._started_at,
            tickets=self._parts.queue.depth(),
            max_waiting=self.config.queue.max_waiting,
        )

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Return whether the agent can take and send messages, and the state of each part."""
        parts = self._parts
        try:
            self._parts.store.waiting(1)
            store = "ok"
        except AgentError as e:
            store = e.code
        dispatcher = "this process" if parts.dispatcher.leading else "another process"
        state = {
            "store": store,
            "workers": "running" if self._processing else "stopped",
            "dispatcher": dispatcher if self._processing else "none here",
            "channels": sorted(parts.rules.media),
        }
        return store == "ok" and self._processing and bool(parts.rules.media), state

    def verification(self, verification_id: str) -> view.VerificationView:
        """Return how a verification stands."""
        found = self._parts.store.verification(verification_id, time.time())
        if found is None:
            msg = "no verification has this id"
            raise NotFound(msg)
        return view.VerificationView.of(found)
