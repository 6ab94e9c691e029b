"""Who may call: every route has a rule here, and one without a rule is refused.

No API key exists yet, so the service is open to this machine and to nobody else. What a browser
or a proxy on this machine passes on for somebody else is not from this machine.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import request

from .errors import Forbidden, Unauthorized

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class Rule(StrEnum):
    """What a caller must be allowed to do."""

    OPEN = "open"  # anybody, from anywhere
    SEND = "send"
    VERIFY = "verify"
    READ = "read"
    ADMIN = "admin"


RULES: Mapping[str, Rule] = {
    "send.send_otp": Rule.SEND,
    "send.verify_otp": Rule.VERIFY,
    "send.send_message": Rule.SEND,
    "send.send_bulk": Rule.SEND,
    "messages.list_messages": Rule.READ,
    "messages.search_messages": Rule.READ,
    "messages.get_message": Rule.READ,
    "messages.cancel_message": Rule.SEND,
    "messages.get_batch": Rule.READ,
    "messages.get_verification": Rule.VERIFY,
    "messages.cancel_verification": Rule.SEND,
    "messages.explain_route": Rule.READ,
    "messages.get_routing": Rule.READ,
    "consent.list_opt_outs": Rule.READ,
    "consent.opt_out": Rule.SEND,
    "consent.revoke_opt_out": Rule.SEND,
    "consent.list_inbound": Rule.READ,
    "consent.unsubscribe_page": Rule.OPEN,  # by the link's own secret
    "consent.unsubscribe": Rule.OPEN,
    "outages.set_outage": Rule.ADMIN,
    "outages.end_outage": Rule.ADMIN,
    "outages.list_outages": Rule.READ,
    "webhooks.status": Rule.OPEN,  # by the vendor's signature
    "webhooks.inbound": Rule.OPEN,
    "service.metrics": Rule.READ,
    "service.health": Rule.OPEN,
    "service.ready": Rule.OPEN,
    "pages.home": Rule.READ,
    "pages.sandbox": Rule.READ,
    "pages.docs": Rule.READ,
    "pages.openapi": Rule.READ,
    "pages.swagger": Rule.READ,
    "static": Rule.OPEN,  # the page that an unsubscribe link opens needs its style
}
"""By endpoint. An address that does not exist has no endpoint and is guarded like the rest."""


def is_open(endpoint: str | None) -> bool:
    """Say whether anybody may call *endpoint* from anywhere."""
    return endpoint is not None and RULES.get(endpoint) is Rule.OPEN


def guard() -> None:
    """Let the current request pass, or raise why it may not; runs before every request."""
    endpoint = request.endpoint
    if is_open(endpoint):
        return
    if endpoint is not None and endpoint not in RULES:
        raise Forbidden("no_rule", "nobody may call this address")
    environ = request.environ
    _from_here(environ)
    _no_credential(environ)
    _own_site(environ)


def _from_here(environ: WSGIEnvironment) -> None:
    # Every server names the caller's address (RFC 3875); without one, it is this process itself.
    if not is_loopback(environ.get("REMOTE_ADDR", "127.0.0.1")):
        msg = "without an API key only requests from this machine are served"
        raise Unauthorized(msg)
    if "HTTP_FORWARDED" in environ or "HTTP_X_FORWARDED_" in " ".join(environ):
        msg = "a request that a proxy passed on needs an API key"
        raise Unauthorized(msg)


def _no_credential(environ: WSGIEnvironment) -> None:
    if "HTTP_AUTHORIZATION" in environ or "HTTP_X_API_KEY" in environ:
        # Served all the same, a mistyped key would go unnoticed until keys are needed.
        msg = "this API key does not exist; no key was made yet, so send none"
        raise Unauthorized(msg)


def _own_site(environ: WSGIEnvironment) -> None:
    """Refuse what a web page elsewhere makes this machine's browser send."""
    host = environ.get("HTTP_HOST")
    if host is not None and not is_loopback_host(host):
        # A name that somebody else can point at this machine (DNS rebinding).
        detail = "call this service as localhost or 127.0.0.1"
        raise Forbidden("host_not_allowed", detail)
    origin = environ.get("HTTP_ORIGIN")
    foreign = environ.get("HTTP_SEC_FETCH_SITE") == "cross-site" or (
        origin is not None and origin != f"{environ.get('wsgi.url_scheme')}://{host}"
    )
    if foreign and not _is_navigation(environ):
        raise Forbidden("cross_site", "a page of another site may not call this service")


def _is_navigation(environ: WSGIEnvironment) -> bool:
    return (
        environ.get("REQUEST_METHOD") == "GET"
        and environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        and environ.get("HTTP_SEC_FETCH_DEST", "document") == "document"
    )


@functools.lru_cache(maxsize=256)
def is_loopback(address: str) -> bool:
    """Say whether an IP *address* is this machine's own."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return bool((mapped or ip).is_loopback)


@functools.lru_cache(maxsize=256)
def is_loopback_host(host: str) -> bool:
    """Say whether *host*, as in a Host header, can only mean this machine."""
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if name is None or parts.path or parts.username is not None:
        return False
    return name in {"localhost", "localhost."} or is_loopback(name)
