"""`POST /send-message` at the served API against a Flask view that does nothing.

Both behind waitress with as many threads. The messages are scheduled an hour ahead, so all that
is measured is taking them in, checked and durable: nothing is sent meanwhile. The load comes
from wrk where it is installed, else from a process of this benchmark.
"""

from __future__ import annotations

import http.client
import json
import logging
import re
import shutil
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import flask
import waitress

from . import measure, setting

THREADS = 16
CONNECTIONS = 32
SECONDS = 4
_HEADERS = {"Content-Type": "application/json"}
_LUA = """
local n, thread = %d, 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
request = function()
  n = n + 1
  local number = string.format("+1415%%07d", 2000000 + n %% 7000000)
  return wrk.format(nil, nil, nil, (string.gsub([[%s]], "@", number)))
end
done = function(s, l, r)
  local bad = s.errors.status + s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout
  io.write(string.format("RESULT %%d %%d %%d %%d %%d\\n", s.requests, s.duration,
    l:percentile(50), l:percentile(99), bad))
end
"""


def body() -> str:
    """Return a request with @ where its number goes, for a message an hour ahead."""
    at = datetime.now(UTC) + timedelta(hours=1)
    return json.dumps(
        {
            "phone_number": "@",
            "content": setting.CONTENT,
            "message_type": "notification",
            "scheduled_for": at.isoformat(timespec="seconds"),
        }
    )


def product() -> measure.Sample:
    """Serve the agent as a user does and post to it."""
    config = setting.sandbox(server={"threads": THREADS})
    with setting.folder() as data, setting.agent(data, config) as (port, pid):
        return _under_load(port, pid)


def floor() -> measure.Sample:
    port = setting.free_port()
    command = [sys.executable, "-m", "benchmarks.http_accept", "serve", str(port)]
    with setting.serving(command, port) as pid:
        return _under_load(port, pid)


def _under_load(port: int, pid: int) -> measure.Sample:
    load = _wrk if shutil.which("wrk") else _threads
    load(port, 1, 0)
    cpu = measure.cpu_of(pid)
    taken, wall, p50, p99 = load(port, SECONDS, 1_000_000)
    cpu = measure.cpu_of(pid) - cpu
    return {
        "per_second": taken / wall,
        "p50_ms": 1000 * p50,
        "p99_ms": 1000 * p99,
        "server_cpu_us_each": 1e6 * cpu / taken,
    }


def _wrk(port: int, seconds: int, first: int) -> tuple[int, float, float, float]:
    with setting.folder() as folder:
        folder.mkdir()
        script = folder / "post.lua"
        script.write_text(_LUA % (first, body()))
        told = subprocess.run(
            [
                *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s"),
                *("-s", str(script), f"http://127.0.0.1:{port}/send-message"),
            ],
            capture_output=True,
            text=True,
            timeout=seconds + 30,
            check=True,
        ).stdout
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", told)
    if found is None or found[5] != "0":
        raise RuntimeError(told)
    taken, wall, p50, p99 = (int(x) for x in found.groups()[:4])
    return taken, wall / 1e6, p50 / 1e6, p99 / 1e6


def _threads(port: int, seconds: int, first: int) -> tuple[int, float, float, float]:
    return measure.apart(_post, port, seconds, first)


def _post(port: int, seconds: int, first: int) -> tuple[int, float, float, float]:
    waits: list[float] = []
    end = time.perf_counter() + seconds
    text = body()

    def run(caller: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        number = first + caller * 100_000
        while (began := time.perf_counter()) < end:
            number += 1
            sent = text.replace("@", setting.phone(number))
            connection.request("POST", "/send-message", sent, _HEADERS)
            answer = connection.getresponse()
            if answer.status != 202:
                raise RuntimeError(answer.read())
            answer.read()
            waits.append(time.perf_counter() - began)

    began = time.perf_counter()
    callers = [threading.Thread(target=run, args=(n,)) for n in range(CONNECTIONS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    wall = time.perf_counter() - began
    return len(waits), wall, measure.percentile(waits, 0.5), measure.percentile(waits, 0.99)


def serve(port: int) -> None:
    """Serve the view that does nothing."""
    app = flask.Flask("nothing")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # as the agent has it

    @app.post("/send-message")
    def send_message() -> tuple[dict[str, str], int]:
        asked = flask.request.get_json()
        return {"message_id": asked["phone_number"], "status": "scheduled"}, 202

    waitress.serve(
        app, host="127.0.0.1", port=port, threads=THREADS, backlog=1024, connection_limit=1000
    )


def main() -> None:
    given = measure.arguments(__doc__)
    ours, nothing = "agent: POST /send-message", "Flask view that does nothing"
    samples = measure.rounds({ours: product, nothing: floor}, given)
    promises = [
        measure.Ratio("agent / a view that does nothing", ours, nothing, "per_second", 0.45)
    ]
    measure.report("http_accept", "Accepts over HTTP", samples, promises)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]))
    else:
        main()
