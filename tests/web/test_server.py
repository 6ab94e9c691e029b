"""Served by waitress: who is let in, what waitress itself refuses, and how it stops."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from otp_messaging_agent import IntelligentOTPAgent
from otp_messaging_agent.web.server import CannotServe, serve
from tests.until import until

from .conftest import CONFIG, Served

ROOT = Path(__file__).parents[2]
PROBLEM = "application/problem+json"


def call(url: str, method: str, path: str, body: bytes | None = None, **headers: str):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    answer = connection.getresponse()
    return answer, json.loads(answer.read() or b"null")


def test_a_code_over_the_wire(served):
    body = b'{"phone_number": "+447700900001", "user_id": "user123"}'
    answer, told = call(served.url, "POST", "/send-otp", body, Content_Type="application/json")
    assert answer.status == 202
    assert told["verification_id"]
    assert answer.getheader("Server") is None
    assert answer.getheader("X-Frame-Options") == "DENY"


def test_what_a_proxy_adds_reaches_the_access_rules(served):
    # waitress removes these headers unless told otherwise; then a proxy would pass unseen.
    for name in ("X_Forwarded_For", "Forwarded", "X_Forwarded_Proto"):
        answer, told = call(served.url, "GET", "/metrics", **{name: "for=192.0.2.7"})
        assert (answer.status, told["code"]) == (401, "unauthorized")


def test_a_body_too_large_for_the_server_is_a_problem_too(served):
    parts = urlsplit(served.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as s:
        s.sendall(
            b"POST /send-otp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 999999999\r\n\r\n{"
        )
        head, _, body = s.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert PROBLEM.encode() in head
    assert json.loads(body)["code"] == "too_large"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nBad Header\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_problem_too(served, request_):
    parts = urlsplit(served.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as s:
        s.sendall(request_)
        head, _, body = s.makefile("rb").read().partition(b"\r\n\r\n")
    status = int(head.split()[1])
    assert status in (400, 501)
    assert PROBLEM.encode() in head
    assert json.loads(body)["status"] == status


def test_a_big_answer_arrives_whole_at_a_slow_reader(served):
    parts = urlsplit(served.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(
            b"GET /docs/assets/js/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n"
            b"Connection: close\r\n\r\n"
        )
        time.sleep(0.3)
        head, _, body = s.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert f"Content-Length: {len(body)}".encode() in head
    assert len(body) > 1_000_000


def test_a_port_that_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        agent = IntelligentOTPAgent(CONFIG, tmp_path / "data")
        with pytest.raises(CannotServe, match=r"is taken.*--port"):
            serve(agent, "127.0.0.1", taken.getsockname()[1], stop=threading.Event())
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])  # noqa: S104 - what is refused
def test_without_a_key_only_this_machine_is_served(tmp_path, host):
    agent = IntelligentOTPAgent(CONFIG, tmp_path / "data")
    with pytest.raises(CannotServe, match="no API key exists"):
        serve(agent, host, 0, stop=threading.Event())
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("host", ["no.such.host.invalid", "", "300.1.1.1"])
def test_a_host_that_is_none(tmp_path, host):
    agent = IntelligentOTPAgent(CONFIG, tmp_path / "data")
    with pytest.raises(CannotServe, match="--host"):
        serve(agent, host, 0, stop=threading.Event())


def _slowly(agent, seconds: float) -> threading.Event:
    """Make /metrics take *seconds*; return what is set once it has begun."""
    begun = threading.Event()
    metrics = agent.metrics

    def slow():
        begun.set()
        time.sleep(seconds)
        return metrics()

    agent.metrics = slow
    return begun


def test_stopping_lets_a_running_request_finish(tmp_path, capsys):
    agent = IntelligentOTPAgent(CONFIG, tmp_path)
    begun = _slowly(agent, 6.0)  # waitress alone gives up after 5
    served = Served(agent)
    served.start(capsys)
    answers: list[int] = []
    caller = threading.Thread(
        target=lambda: answers.append(call(served.url, "GET", "/metrics")[0].status)
    )
    idle = socket.create_connection(urlsplit(served.url).netloc.split(":"), timeout=10)
    caller.start()
    assert begun.wait(10)
    served.ask_to_stop()
    until(lambda: _refuses(served.url))
    assert idle.recv(1) == b""
    caller.join(20)
    served.stop()
    assert answers == [200]
    assert served.finished is True


def _refuses(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_stopping_does_not_wait_for_ever(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("otp_messaging_agent.web.server.FINISH_SECONDS", 0.5)
    agent = IntelligentOTPAgent(CONFIG, tmp_path)
    begun = _slowly(agent, 3.0)
    served = Served(agent)
    served.start(capsys)
    caller = threading.Thread(target=_ignoring_errors, args=(served.url,), daemon=True)
    caller.start()
    assert begun.wait(10)
    before = time.monotonic()
    served.stop()
    assert time.monotonic() - before < 2.5
    assert served.finished is False
    caller.join(10)


def _ignoring_errors(url: str) -> None:
    with pytest.raises((OSError, http.client.HTTPException)):
        call(url, "GET", "/metrics")


# ---------------------------------------------------------------- the script


def _script(cwd: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "api_server.py"), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_the_script_serves_until_told_to_stop(tmp_path, sign):
    script = _script(tmp_path, "--port", "0")
    assert script.stdout is not None
    said = "".join(script.stdout.readline() for _ in range(4))
    assert "/sandbox" in said
    assert "/docs" in said
    assert "without" in said
    url = said.split("API docs")[1].split()[0].removesuffix("/docs")
    assert call(url, "GET", "/ready")[0].status == 200
    script.send_signal(sign)
    script.communicate(timeout=30)
    assert script.returncode == 0
    assert (tmp_path / "data" / "agent.db").exists()


def test_the_script_names_every_fault_and_starts_nothing(tmp_path):
    (tmp_path / "bad.json").write_text('{"server": {"port": "x"}, "chanels": {}}')
    script = _script(tmp_path, "--config", "bad.json")
    _, said = script.communicate(timeout=30)
    assert script.returncode == 2
    assert "server.port" in said
    assert "chanels" in said
    assert "Traceback" not in said
    assert not (tmp_path / "data").exists()


def test_the_script_wants_the_file_it_is_given(tmp_path):
    script = _script(tmp_path, "--config", "config.json")
    _, said = script.communicate(timeout=30)
    assert script.returncode == 2
    assert "config.json" in said


def test_the_script_says_when_its_port_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        script = _script(tmp_path, "--port", str(taken.getsockname()[1]))
        _, said = script.communicate(timeout=30)
    assert script.returncode == 2
    assert said.count("\n") == 1
    assert "--port" in said


def test_the_script_says_when_the_store_cannot_be_opened(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "agent.db").write_text("no database at all, " * 100)
    keys = {"a": b"a" * 32, "index": b"i" * 32}
    named = " ".join(f"{name}:{base64.b64encode(key).decode()}" for name, key in keys.items())
    monkeypatch.setenv("OTP_AGENT_ENCRYPTION_KEY", named)
    script = _script(tmp_path, "--port", "0")
    _, said = script.communicate(timeout=30)
    assert script.returncode == 2
    assert "store" in said
    assert "Traceback" not in said
