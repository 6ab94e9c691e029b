"""6. Rows -> the figures people look at. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..message import Priority, Status
from ..stores.base import Figures

GOOD = (Status.DELIVERED, Status.READ)
BAD = (Status.UNDELIVERED, Status.FAILED, Status.EXPIRED, Status.UNKNOWN)

FAILURE_SHARE = 0.10
LEAST_FINISHED = 20
QUEUE_LENGTH = 100
PROCESSING_SECONDS = 5.0
"""The guide's alert conditions; a share says nothing below `LEAST_FINISHED` messages."""


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank percentile of *values*, None of none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def metrics(
    figures: Figures, *, now: float, started_at: float, tickets: int, max_waiting: int
) -> dict[str, Any]:
    """Return what `/metrics` answers."""
    lanes = {p.value: _lane(figures, i, now) for i, p in enumerate(Priority)}
    latency = _latency(figures.timings)
    queue_size = sum(lane["waiting"] for lane in lanes.values())
    success = success_rate(figures.by_status, figures.final_sent)
    return {
        "queue_size": queue_size,
        "database_stats": {
            "total": sum(figures.by_status.values()),
            "success_rate": success,
            "by_status": {s.value: figures.by_status.get(s.value, 0) for s in Status},
        },
        "channels": _channels(figures.channels),
        "queue": {"lanes": lanes, "tickets": tickets, "max_waiting": max_waiting},
        "latency": latency,
        "cost": {
            "total": round(sum(c["cost"] or 0 for c in figures.channels), 6),
            "by_channel": {name: c["cost"] for name, c in _channels(figures.channels).items()},
        },
        "verifications": _verifications(figures.verifications),
        "webhooks": {
            "forged": figures.counters.get("callbacks_forged", 0),
            "unknown_ids": figures.counters.get("receipts_unknown", 0),
        },
        "alerts": _alerts(figures, queue_size, latency),
        "uptime_seconds": round(now - started_at, 3),
    }


def success_rate(by_status: Mapping[str, int], final_sent: int) -> float:
    """Return (delivered + read + final sent) / finished, 0 where nothing finished."""
    good = sum(by_status.get(s, 0) for s in GOOD) + final_sent
    finished = good + sum(by_status.get(s, 0) for s in BAD)
    return round(good / finished, 6) if finished else 0.0


def _lane(figures: Figures, index: int, now: float) -> dict[str, Any]:
    ranks = (2 * index, 2 * index + 1)
    oldest = [figures.oldest_due_by_rank[r] for r in ranks if r in figures.oldest_due_by_rank]
    return {
        "waiting": sum(figures.waiting_by_rank.get(r, 0) for r in ranks),
        "oldest_wait_seconds": round(now - min(oldest), 3) if oldest else 0.0,
    }


def _latency(timings: Sequence[tuple[float, float, float]]) -> dict[str, Any]:
    waits = [begun - ready for ready, begun, _ in timings]
    sends = [answered - begun for _, begun, answered in timings]
    return {
        "window": "the newest 1000 attempts",
        "samples": len(timings),
        "queue_wait_seconds": _spread(waits),
        "send_seconds": _spread(sends),
        "processing_seconds_average": round(
            sum(w + s for w, s in zip(waits, sends, strict=True)) / len(timings), 6
        )
        if timings
        else None,
    }


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    found = {name: percentile(values, share) for name, share in shares.items()}
    return {name: None if v is None else round(v, 6) for name, v in found.items()}


def _channels(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    channels: dict[str, dict[str, Any]] = {}
    counts = (
        *("attempts", "sent", "failed", "ambiguous"),
        *("delivered", "undelivered", "duplicates"),
    )
    for row in rows:
        c = channels.setdefault(
            row["channel"],
            {**dict.fromkeys(counts, 0), "cost": 0.0, "duplicate_cost": 0.0, "providers": {}},
        )
        one: dict[str, float] = {name: int(row[name] or 0) for name in counts}
        for money in ("cost", "duplicate_cost"):
            one[money] = round(row[money] or 0.0, 6)
        c["providers"][row["provider"]] = one
        for name in (*counts, "cost", "duplicate_cost"):
            c[name] = round(c[name] + one[name], 6)
    return channels


def _verifications(by_status: Mapping[str, int]) -> dict[str, Any]:
    total = sum(by_status.values())
    approved = by_status.get("approved", 0)
    return {
        "total": total,
        "by_status": dict(by_status),
        "conversion": round(approved / total, 6) if total else 0.0,
    }


def _alerts(figures: Figures, queue_size: int, latency: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the guide's alert conditions that hold now."""
    finished = {s: figures.by_status.get(s, 0) for s in (*GOOD, *BAD)}
    total = sum(finished.values()) + figures.final_sent
    failing = sum(finished[s] for s in BAD)
    average = latency["processing_seconds_average"] or 0.0
    alerts = []
    if total >= LEAST_FINISHED and failing / total > FAILURE_SHARE:
        share = round(failing / total, 4)
        alerts.append({"name": "failure_rate", "value": share, "threshold": FAILURE_SHARE})
    if queue_size > QUEUE_LENGTH:
        alerts.append({"name": "queue_length", "value": queue_size, "threshold": QUEUE_LENGTH})
    if average > PROCESSING_SECONDS:
        alerts.append(
            {"name": "slow_processing", "value": average, "threshold": PROCESSING_SECONDS}
        )
    return alerts
