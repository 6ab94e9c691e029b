"""The provider that docs/ADDING_A_PROVIDER.md shows: a file dropped in is all it takes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulators.http import block
from tests.simulators.server import Reply, Simulator, refused

ROOT = Path(__file__).parents[2]
NO_CACHE = shutil.ignore_patterns("__pycache__")
SEND = """
import sys, time
from otp_messaging_agent import IntelligentOTPAgent, MessageRequest

with IntelligentOTPAgent("config.json", "data") as agent:
    agent.start_processing()
    request = MessageRequest(phone_number="+447700900001", content="Hello.", message_type="alert")
    sent = agent.send_message(request).message_id
    end = time.monotonic() + 30
    while agent.get_message(sent).finished_at is None and time.monotonic() < end:
        time.sleep(0.01)
    view = agent.get_message(sent)
    (attempt,) = view.attempts
    print(view.status, attempt.provider, attempt.provider_message_id, attempt.error_code)
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Copy the package, and what the contract test needs, with the file of the document in it."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "otp_messaging_agent", folder / "otp_messaging_agent", ignore=NO_CACHE)
    for part in ("simulators", "contracts"):
        shutil.copytree(ROOT / "tests" / part, folder / "tests" / part, ignore=NO_CACHE)
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copytree(ROOT / "tests/providers/recorded", folder / "tests/providers/recorded")
    (folder / "tests/__init__.py").touch()
    provider = folder / "otp_messaging_agent/providers/acme.py"
    provider.write_text(block("python", "class Acme:"))
    (folder / "tests/simulators/acme.py").write_text(block("python", "class Peer:"))
    (folder / "config.json").write_text(block("json", '"acme"'))
    return folder


@pytest.fixture
def sim():
    with Simulator(lambda _: Reply(201, b'{"id": "a1"}')) as sim:
        yield sim


def run(folder, *args, **environ):
    return subprocess.run(
        [sys.executable, *args],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def send(folder, sim):
    done = run(folder, "-c", SEND, ACME_TOKEN="t0ken", ACME_URL=sim.url)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_it_is_a_whole_provider_of_less_than_sixty_lines_and_no_rule_is_broken():
    text = block("python", "class Acme:")
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) < 60
    compile(text, "acme.py", "exec")


def test_it_is_found_by_its_name_and_sends(copy, sim):
    assert send(copy, sim) == ["sent", "acme", "a1", "None"]
    (request,) = sim.accepted
    assert (request.method, request.path) == ("POST", "/messages")
    assert request.headers["authorization"] == "Bearer t0ken"
    assert request.json() == {"to": "+447700900001", "text": "Hello."}


def test_its_verdicts_are_heeded(copy, sim):
    sim.script(refused(400, {"error": "no_such_number"}))
    assert send(copy, sim) == ["failed", "acme", "None", "invalid_number"]


def test_without_the_file_its_name_is_a_fault():
    given = {"ACME_TOKEN": "t", "ACME_URL": "http://127.0.0.1:1"}
    config = json.dumps(json.loads(block("json", '"acme"')))
    code = f"from otp_messaging_agent import IntelligentOTPAgent as A; A({config})"
    done = run(ROOT, "-c", code, **given)
    assert done.returncode == 1
    assert "channels.SMS.api_config.provider: must be one of" in done.stderr


def test_it_keeps_the_contract_of_all_providers_with_the_peer_of_the_document(copy):
    wanted = ["tests/contracts/test_providers.py", "-k", "acme", "-p", "no:cacheprovider"]
    done = run(copy, "-m", "pytest", "-q", *wanted)
    assert done.returncode == 0, done.stdout
    assert "8 passed" in done.stdout
