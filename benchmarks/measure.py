"""Rounds, ratios and tables: how every benchmark here takes and shows its figures.

Absolute figures of a shared machine drift by a factor of two within an hour. So all cases run
once a round, each in a process of its own, in turning order, and what counts is the ratio of two
cases of one round; the load that others put on the machine meanwhile is kept beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import platform
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
Sample = dict[str, float]
Samples = dict[str, list[Sample]]

_TICKS = os.sysconf("SC_CLK_TCK")  # units of CPU time in a second, as /proc counts them

FOREIGN = "foreign_cores"
QUIET = 0.3
"""Cores in use by others beside which a figure still counts as taken alone."""

TRIES = 3

_spawn = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Ratio:
    """What is promised: in each round, *over* divided by *under* in *metric*."""

    name: str
    over: str
    under: str
    metric: str
    target: float | None = None

    def of(self, samples: Samples) -> list[float]:
        """Return the ratio of each round."""
        pairs = zip(samples[self.over], samples[self.under], strict=True)
        return [a[self.metric] / b[self.metric] for a, b in pairs]


@dataclass(frozen=True)
class Bound:
    """What is promised of one figure alone: its median is at most *most*."""

    name: str
    case: str
    metric: str
    most: float

    def of(self, samples: Samples) -> list[float]:
        """Return the figure of each round."""
        return [s[self.metric] for s in samples[self.case]]


def arguments(title: str | None, rounds: int = 5) -> argparse.Namespace:
    """Read the command line that all benchmarks share."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--rounds", type=int, default=rounds, help="default: %(default)s")
    parser.add_argument(
        "--patience",
        type=float,
        default=10,
        help="seconds to wait for a quiet machine, before each",
    )
    return parser.parse_args()


def apart(work: Callable[..., Any], *args: Any, seconds: float = 180.0) -> Any:
    """Return what *work* returns in a new process, which is ended after *seconds*."""
    receive, send = _spawn.Pipe(duplex=False)
    process = _spawn.Process(target=_tell, args=(send, work, args))
    process.start()
    send.close()
    try:
        if not receive.poll(seconds):
            msg = f"{work.__name__} did not end within {seconds} s"
            raise TimeoutError(msg)
        return receive.recv()
    finally:
        process.join(10)
        process.kill()
        process.join()


def _tell(send: Any, work: Callable[..., Any], args: Sequence[Any]) -> None:
    send.send(work(*args))
    send.close()


def rounds(cases: Mapping[str, Callable[[], Sample]], given: argparse.Namespace) -> Samples:
    """Take every case once a round, in an order that turns from round to round.

    Each waits up to `--patience` seconds for the machine to be quiet. One that had to share it
    all the same is taken again, twice at most, and the least disturbed sample is kept.
    """
    samples: Samples = {name: [] for name in cases}
    names = list(cases)
    for number in range(given.rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            taken: list[Sample] = []
            while not taken or (len(taken) < TRIES and taken[-1][FOREIGN] > QUIET):
                _await_quiet(given.patience)
                taken.append(_measured(cases[name]))
                if not given.patience:
                    break
            samples[name].append(min(taken, key=lambda s: s[FOREIGN]))
        print(f"  round {number + 1} of {given.rounds} done", flush=True)
    return samples


def _measured(case: Callable[[], Sample]) -> Sample:
    before, began = _foreign(), time.monotonic()
    sample = case()
    sample[FOREIGN] = max(0.0, _foreign() - before) / (time.monotonic() - began)
    return sample


def _await_quiet(patience: float) -> None:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = _foreign()
        time.sleep(0.5)
        if _foreign() - before < 0.5 * QUIET:
            return


def _foreign() -> float:
    """CPU seconds of all but this process and its children; 0 where they cannot be read."""
    try:
        busy = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        children = [p.read_text().split() for p in Path("/proc/self/task").glob("*/children")]
    except OSError:
        return 0.0
    values = [int(x) for x in busy]
    alive = sum(cpu_of(int(pid)) for some in children for pid in some)
    return (sum(values) - values[3] - values[4]) / _TICKS - sum(os.times()[:4]) - alive


def cpu_of(pid: int) -> float:
    """Return the CPU seconds a process has used; 0 where they cannot be read."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def report(
    name: str, title: str, samples: Samples, promises: Iterable[Ratio | Bound]
) -> list[dict[str, Any]]:
    """Print the figures, keep them under results/, and return the promises as measured."""
    print(f"\n{title}\n")
    _line("", "min", "median", "max")
    for case, taken in samples.items():
        for metric in taken[0]:
            values = [s[metric] for s in taken]
            if metric != FOREIGN:
                _line(f"{case}: {metric.replace('_', ' ')}", *_spread(values))
    foreign = [s[FOREIGN] for taken in samples.values() for s in taken]
    _line("load of other processes, cores", *_spread(foreign))
    print()
    kept = [_promise(p, samples) for p in promises]
    RESULTS.mkdir(exist_ok=True)
    document = {"title": title, "machine": _machine(), "promises": kept, "cases": samples}
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1))
    return kept


def _promise(promise: Ratio | Bound, samples: Samples) -> dict[str, Any]:
    values = promise.of(samples)
    median = statistics.median(values)
    if isinstance(promise, Bound):
        wanted, met = f"<= {promise.most:g}", median <= promise.most
    elif promise.target is None:
        wanted, met = "", True
    else:
        wanted, met = f">= {promise.target:g}", median >= promise.target
    verdict = f"{wanted} {'met' if met else 'MISSED'}" if wanted else "no target"
    _line(promise.name, *_spread(values), verdict)
    return {
        "name": promise.name,
        "per_round": values,
        "median": median,
        "wanted": wanted,
        "met": met,
    }


def _spread(values: Sequence[float]) -> tuple[str, str, str]:
    spread = min(values), statistics.median(values), max(values)
    return tuple(map(_figure, spread))  # type: ignore[return-value]


def _figure(value: float) -> str:
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _line(text: str, low: str, middle: str, high: str, verdict: str = "") -> None:
    print(f"{text:<68} {low:>9} {middle:>9} {high:>9}  {verdict}".rstrip(), flush=True)


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "at": time.strftime("%Y-%m-%d %H:%M"),
    }


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of *values*."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
