"""Which time somebody means who asks for a period of the past. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from ..errors import Fault, InvalidRequest

_UNITS = {"m": 60.0, "h": 3600.0, "d": 86_400.0}
_ALLOWED = "must be 30m, 24h or 7d ago, or a time such as 2026-11-01 or 2026-11-01T12:00"


def moment(text: str, now: float, zone: ZoneInfo) -> float:
    """Return the Unix time that `7d` (ago) or `2026-11-01` means; ValueError says what is allowed.

    zone: of a time without an offset.
    """
    ago = re.fullmatch(r"([0-9]{1,6})([mhd])", text, re.ASCII)
    if ago:
        return now - int(ago[1]) * _UNITS[ago[2]]
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(_ALLOWED) from None


def period(since: str, until: str | None, now: float, zone: ZoneInfo) -> tuple[float, float]:
    """Return the beginning and the end that are meant; InvalidRequest names what cannot be read."""
    faults: list[Fault] = []

    def read(name: str, text: str | None) -> float:
        try:
            return now if text is None else moment(text, now, zone)
        except ValueError as e:
            faults.append(Fault((f"--{name}",), str(e)))
            return now

    begin, end = read("since", since), read("until", until)
    if not faults and begin >= end:
        faults.append(Fault(("--since",), "must be before --until, which is now where not given"))
    if faults:
        raise InvalidRequest(faults)
    return begin, end
