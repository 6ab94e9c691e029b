"""The figures of the agent as Prometheus families; labels are words of the contract, so bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_PREFIX = "otp_agent_"


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
        stats = m["database_stats"]
        yield _gauge("queue_size", "Messages due and not yet sending.", m["queue_size"])
        yield _gauge("uptime_seconds", "Since the agent was made.", m["uptime_seconds"])
        yield _gauge("success_ratio", "Arrived of finished messages.", stats["success_rate"])
        yield _by("messages", "Messages by status.", "status", stats["by_status"])
        yield _by("verifications", "Verifications by status.", "status", m["verifications"])
        yield _gauge("alerts", "Active alerts.", len(m["alerts"]))
        yield from _queue(m["queue"])
        yield from _channels(m["channels"])
        yield from _leaves("latency", "Latency.", m["latency"])
        yield from _leaves("cost", "Money, in the unit of cost_per_message.", m["cost"])


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(_PREFIX + name, text, value=value)


def _by(name: str, text: str, label: str, values: Mapping[str, Any]) -> Metric:
    family = GaugeMetricFamily(_PREFIX + name, text, labels=[label])
    for key, value in values.items():
        if _is_number(value):
            family.add_metric([key], value)
    return family


def _queue(queue: Mapping[str, Any]) -> Iterator[Metric]:
    lanes: Mapping[str, Mapping[str, Any]] = queue.get("lanes", {})
    for figure, text in (
        ("waiting", "Messages that wait, by lane."),
        ("oldest_wait_seconds", "How long the oldest due message waits, by lane."),
    ):
        values = {lane: its.get(figure) for lane, its in lanes.items()}
        yield _by(f"queue_{figure}", text, "lane", values)
    yield from _leaves("queue", "Queue.", {k: v for k, v in queue.items() if k != "lanes"})


def _channels(channels: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    names = sorted({n for its in channels.values() for n, v in its.items() if _is_number(v)})
    for name in names:
        values = {channel: its.get(name) for channel, its in channels.items()}
        yield _by(f"channel_{name}", f"{name.replace('_', ' ')}, by channel.", "channel", values)


def _leaves(name: str, text: str, node: Mapping[str, Any]) -> Iterator[Metric]:
    """Yield each number of *node*, whatever its depth, under the path to it."""
    for key, value in node.items():
        path = f"{name}_{key}".lower()
        if isinstance(value, Mapping):
            yield from _leaves(path, text, value)
        elif _is_number(value):
            yield _gauge(path, f"{text} {key}".replace("_", " "), value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
