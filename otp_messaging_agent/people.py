"""What an agent is told beside messages: opt-outs, replies, webhooks, the sandbox's outages."""

from __future__ import annotations

import time
from dataclasses import replace

from . import view
from .answer import as_time
from .desk import Desk
from .errors import Fault, IdempotencyConflict, InvalidRequest, NotFound
from .flow import validate
from .ids import Ids
from .inbox import Outage
from .message import Channel, MessageType
from .outage import OutageList, OutageRequest, OutageView
from .providers.base import Callback
from .request import OptOutRequest
from .stores.base import KeyReused, Once, OptOut, Replay

_ids = Ids(time.time)


class People(Desk):
    """The part of an agent that listens."""

    def hear(self, provider: str, callback: Callback) -> str:
        """Take in a request to a provider's webhook; return what the vendor wants back.

        Raises NotFound for a provider that is not configured, Forged for a bad signature,
        ValueError for what its provider cannot read.
        """
        return self._parts.listener.callback(provider, callback)

    def opt_out(self, request: OptOutRequest, *, once: Once | None = None) -> view.OptOutView:
        """Keep that somebody wants no more; the same again changes nothing."""
        phone, email = validate.recipient(request.phone_number, request.email, self._parts.rules)
        wish = OptOut(
            _ids("out"),
            str(phone or email),
            time.time(),
            "api",
            request.channel,
            request.category,
        )
        return self._keep(wish, once)

    def unsubscribe(self, token: str) -> view.OptOutView:
        """Do what an unsubscribe link asks for; InvalidRequest for one that is none of ours."""
        email, category = self.link(token)
        wish = OptOut(_ids("out"), email, time.time(), "link", Channel.EMAIL, category)
        return self._keep(wish, None)

    def link(self, token: str) -> tuple[str, MessageType]:
        """Return whose link this is and what it ends, without doing it."""
        try:
            return self._parts.links.read(token)
        except ValueError as e:
            raise InvalidRequest([Fault(("token",), str(e))]) from None

    def _keep(self, wish: OptOut, once: Once | None) -> view.OptOutView:
        store = self._parts.store
        kept = store.opt_out(wish, once)
        if isinstance(kept, KeyReused):
            msg = "this idempotency key was used with another body"
            raise IdempotencyConflict(msg)
        stands = str(kept.response if isinstance(kept, Replay) else kept)
        found = store.opt_outs(limit=100, recipient=wish.recipient)
        return _view(next((o for o in found if o.id == stands), replace(wish, id=stands)))

    def opt_outs(self, *, limit: int = 50, cursor: str | None = None) -> view.OptOutPage:
        """Return who wants no more of what, newest first."""
        found = self._parts.store.opt_outs(limit=limit, after=cursor)
        return view.OptOutPage(
            opt_outs=[_view(o) for o in found],
            next_cursor=found[-1].id if len(found) == limit else None,
        )

    def revoke(self, opt_out_id: str) -> None:
        """Drop an opt-out; NotFound where there is none."""
        if not self._parts.store.revoke(opt_out_id):
            msg = "no opt-out has this id"
            raise NotFound(msg)

    def inbound(self, *, limit: int = 50, cursor: int | None = None) -> view.InboundPage:
        """Return what people wrote, newest first."""
        found = self._parts.store.inbound(limit=limit, after=cursor)
        return view.InboundPage(
            messages=[view.InboundView.of(n, i) for n, i in found],
            next_cursor=found[-1][0] if len(found) == limit else None,
        )

    # ------------------------------------------------------------- outages

    def set_outage(self, provider: str, request: OutageRequest) -> OutageView:
        """Let a provider of the sandbox fail; whoever dispatches sees it within a second.

        Replaces what stands of the same provider and channel. Raises NotFound for a name that no
        provider of the sandbox has, InvalidRequest for a channel on which it has none.
        """
        options = self._parts.ways.options
        named = {o.channel for o in options if (o.vendor, o.provider) == ("sandbox", provider)}
        if not named:
            msg = "no provider of the sandbox has this name"
            raise NotFound(msg)
        if request.channel is not None and request.channel not in named:
            on = ", ".join(sorted(named))
            raise InvalidRequest([Fault(("channel",), f"the provider is on {on} only")])
        now = time.time()
        outage = Outage(
            provider, request.mode, now + 60 * request.minutes, request.share, request.channel
        )
        self._parts.store.put_outage(outage, now)
        return OutageView.of(outage)

    def end_outage(self, provider: str) -> None:
        """Let a provider work again, on every channel; NotFound where no outage of it stands."""
        if not self._parts.store.end_outages(provider, time.time()):
            msg = "no outage of this provider stands"
            raise NotFound(msg)

    def outages(self) -> OutageList:
        """Return the outages that stand now."""
        found = self._parts.store.outages(time.time())
        return OutageList(outages=[OutageView.of(o) for o in found])


def _view(o: OptOut) -> view.OptOutView:
    is_email = "@" in o.recipient
    return view.OptOutView(
        opt_out_id=o.id,
        phone_number=None if is_email else o.recipient,
        email=o.recipient if is_email else None,
        channel=o.channel,
        category=o.category,
        source=o.source,
        created_at=as_time(o.at),
    )
