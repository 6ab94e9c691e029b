"""The figures of the agent as Prometheus families.

Labels are words of the contract and names from the config, so there is a bounded number of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_PREFIX = "otp_agent_"
_PER_PROVIDER = {
    "attempts": "Attempts to send.",
    "sent": "Attempts that a provider took.",
    "failed": "Attempts that a provider did not take.",
    "ambiguous": "Attempts of which it is not known whether the provider took them.",
    "delivered": "Attempts with a receipt that says delivered.",
    "undelivered": "Attempts with a receipt that says undelivered.",
    "duplicates": "Attempts that arrived though another had arrived.",
    "cost": "Money spent, in the unit of cost_per_message.",
    "duplicate_cost": "Money spent on duplicates.",
}
_QUANTILES = {"p50": "0.5", "p95": "0.95", "p99": "0.99"}


class Figures(Collector):
    """One reading of `agent.metrics()`.

    All are gauges: the figures are counted from what is stored, and stored rows are removed after
    their time, so a count may fall. A counter must not.
    """

    def __init__(self, metrics: Mapping[str, Any]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        m = self._metrics
        stats, checks = m["database_stats"], m["verifications"]
        yield _one("queue_size", "Messages due and not yet sending.", m["queue_size"])
        yield _one("uptime_seconds", "Time since processing started.", m["uptime_seconds"])
        yield _one("success_ratio", "Arrived of finished messages.", stats["success_rate"])
        yield _by("messages", "Messages by status.", "status", stats["by_status"])
        yield _by("verifications", "Verifications by status.", "status", checks["by_status"])
        yield _one("verified_ratio", "Approved of all verifications.", checks["conversion"])
        alerts = {alert["name"]: 1 for alert in m["alerts"]}
        yield _by("alert_active", "1 for each active alert.", "alert", alerts)
        yield _by("webhook_oddities", "Callbacks forged, or of unknown ids.", "kind", m["webhooks"])
        yield from _queue(m["queue"])
        yield from _providers(m["channels"])
        yield from _latency(m["latency"])


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(_PREFIX + name, text, value=value)


def _by(name: str, text: str, label: str, values: Mapping[str, float | None]) -> Metric:
    family = GaugeMetricFamily(_PREFIX + name, text, labels=[label])
    for key, value in values.items():
        if value is not None:
            family.add_metric([key], value)
    return family


def _queue(queue: Mapping[str, Any]) -> Iterator[Metric]:
    lanes: Mapping[str, Mapping[str, Any]] = queue["lanes"]
    waiting = {lane: its["waiting"] for lane, its in lanes.items()}
    oldest = {lane: its["oldest_wait_seconds"] for lane, its in lanes.items()}
    yield _by("queue_waiting", "Messages that wait, by lane.", "lane", waiting)
    yield _by("queue_oldest_wait_seconds", "Wait of the oldest, by lane.", "lane", oldest)
    yield _one("queue_tickets", "Tickets in this process's queue.", queue["tickets"])
    yield _one("queue_limit", "Waiting messages past which 503 is given.", queue["max_waiting"])


def _providers(channels: Mapping[str, Any]) -> Iterator[Metric]:
    for figure, text in _PER_PROVIDER.items():
        family = GaugeMetricFamily(
            f"{_PREFIX}channel_{figure}", text, labels=["channel", "provider"]
        )
        for channel, its in channels.items():
            for provider, one in its["providers"].items():
                family.add_metric([channel, provider], one[figure])
        yield family


def _latency(latency: Mapping[str, Any]) -> Iterator[Metric]:
    for figure, text in (
        ("queue_wait_seconds", "From due to begun, over the newest attempts."),
        ("send_seconds", "What a provider takes to answer, over the newest attempts."),
    ):
        spread = latency[figure]
        yield _by(figure, text, "quantile", {q: spread[p] for p, q in _QUANTILES.items()})
