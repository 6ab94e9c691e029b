"""Single values of the configuration: returned as used, or ValueError says what is allowed."""

from __future__ import annotations

import re
from datetime import time
from string import Formatter
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers


def _refuse(wrong: object, allowed: str) -> None:
    if wrong:
        raise ValueError(allowed)


def template(text: str) -> str:
    """Return the text of a code's message."""
    allowed = "must hold {code}; beside it only {minutes} and {purpose}, and {{ for a brace"
    try:
        fields = [part[1:] for part in Formatter().parse(text) if part[1] is not None]
    except ValueError:
        raise ValueError(allowed) from None
    plain = {(name, "", None) for name in ("code", "minutes", "purpose")}
    _refuse(("code", "", None) not in fields or set(fields) - plain, allowed)
    return text


def base_url(text: str) -> str:
    """Return an http(s) address, without a slash at its end."""
    allowed = "must be http(s)://HOST[:PORT] without a query"
    try:
        url = urlsplit(text)
        _ = url.port  # raises for what is no port
    except ValueError:
        raise ValueError(allowed) from None
    _refuse(url.scheme not in {"http", "https"} or not url.hostname, allowed)
    _refuse(url.query or url.fragment or "@" in url.netloc or re.search(r"\s", text), allowed)
    return text.rstrip("/")


def store_url(text: str) -> str:
    """Return the address of a store."""
    _refuse(not re.match(r"sqlite:///.", text), "must start with sqlite:/// and name a file")
    return text


def zone(name: str) -> str:
    """Return the name of an IANA time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        msg = "must be an IANA time zone such as Europe/London"
        raise ValueError(msg) from None
    return name


def country(code: str) -> str:
    """Return the ISO 3166-1 alpha-2 code of a country, in capitals."""
    known = code.upper() in phonenumbers.SUPPORTED_REGIONS
    _refuse(not known, "must be an ISO 3166-1 alpha-2 code of a country with telephones, e.g. GB")
    return code.upper()


def clock(text: object) -> time:
    """Return the time of day that HH:MM names."""
    if isinstance(text, time):
        return text
    if not isinstance(text, str) or not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        msg = "must be a time of day, HH:MM from 00:00 to 23:59"
        raise ValueError(msg)
    return time.fromisoformat(text)
