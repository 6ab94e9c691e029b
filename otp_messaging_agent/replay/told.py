"""What a replay found, for people and for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ..flow.replay import NOT_REPLAYED, Tally
from ..message import MessageType


@dataclass(frozen=True, slots=True)
class Result:
    """What came out. reached: when the last message was created where the limit ended it."""

    settings: str
    since: float
    until: float
    zone: ZoneInfo
    total: Tally
    parts: dict[tuple[str, MessageType], Tally]
    limit: int
    reached: float | None


def as_json(r: Result) -> dict[str, Any]:
    """Return the result as programs read it; money as in the configuration, shares 0 to 1."""
    return {
        "settings": r.settings,
        "since": _iso(r.since),
        "until": _iso(r.until),
        "limit": r.limit,
        "limit_reached_at": None if r.reached is None else _iso(r.reached),
        "not_replayed": NOT_REPLAYED,
        "total": _figures(r.total),
        "parts": [
            {"country": country or None, "message_type": type_.value, **_figures(t)}
            for (country, type_), t in r.parts.items()
        ],
    }


def _figures(t: Tally) -> dict[str, Any]:
    return {
        "messages": t.messages,
        "changed": t.changed,
        "changes": [
            {"then": str(then), "now": now and str(now), "messages": n}
            for (then, now), n in t.changes.most_common()
        ],
        "cost_per_1000": {
            "then": _share(1000 * t.then.cost, t.messages),
            "now": _share(1000 * t.now.cost, t.messages),
            "really": _share(1000 * t.cost, t.messages),
        },
        "delivered": {
            "then": _share(t.then.delivered, t.messages),
            "now": _share(t.now.delivered, t.messages),
            "really": _share(t.arrived, t.known),
        },
        "cost": round(t.cost, 6),
        "known": t.known,
    }


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 6) if whole else None


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


_HEAD = (
    f"{'':24}{'first choice':>22}{'cost of 1000 messages':>29}{'delivered, %':>24}",
    (
        f"{'country type':15}{'messages':>9}{'differs':>14}{'%':>8}"
        f"{'then':>11}{'now':>9}{'really':>9}{'then':>8}{'now':>8}{'really':>8}"
    ),
)
CHANGES = 3


def as_text(r: Result) -> str:
    """Return the result as people read it."""

    def shown(at: float) -> str:
        return datetime.fromtimestamp(at, r.zone).isoformat(" ", "minutes")

    lines = [
        f"Settings   {r.settings}",
        f"Created    {shown(r.since)} to {shown(r.until)}",
        f"Messages   {r.total.messages} that were tried",
    ]
    if r.reached is not None:
        lines.append(f"Limit      of {r.limit} reached: none created after {shown(r.reached)}")
    if r.total.messages:
        lines += ["", *_HEAD]
        for (country, type_), t in r.parts.items():
            lines += _rows(f"{country or '-':<8}{type_.value}", t)
        lines += _rows("total", r.total)
    lines += ["", *_NOTES]
    return "\n".join(lines)


_NOTES = (
    "then, now: expected of what was tried first and the ways after it, by what was known at the",
    "  first try of each message and at the prices of the settings tried.",
    "really: what was paid, and how many of those arrived of which that is known.",
    f"Not replayed: {NOT_REPLAYED}.",
)


def _rows(name: str, t: Tally) -> Iterator[str]:
    f = _figures(t)
    costs, shares = f["cost_per_1000"].values(), f["delivered"].values()
    yield (
        f"{name:<21}{t.messages:>9}{t.changed:>8}{100 * t.changed / t.messages:>8.1f}"
        + "".join(f"{c:>10.2f}" for c in costs)
        + "".join("       -" if s is None else f"{100 * s:>8.1f}" for s in shares)
    )
    for change in f["changes"][:CHANGES]:
        yield f"    {change['then']} -> {change['now'] or 'nothing'} {change['messages']}"
