"""A real agent over the sandbox provider, and the application that serves it."""

import itertools
import re
import threading
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient

from otp_messaging_agent import IntelligentOTPAgent
from otp_messaging_agent.web import create_app
from otp_messaging_agent.web.server import serve
from tests.until import until

CONFIG = {
    "channels": {
        name: {"api_config": {"provider": "sandbox"}}
        for name in ("SMS", "WhatsApp", "Call", "Email")
    },
    "server": {"max_body_bytes": 2_000_000},
}
_LAST_DIGITS = itertools.count(900_100)


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IntelligentOTPAgent]:
    with IntelligentOTPAgent(CONFIG, tmp_path_factory.mktemp("data")) as made:
        made.start_processing()
        yield made


@pytest.fixture(scope="module")
def app(agent):
    return create_app(agent)


@pytest.fixture
def client(app) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def number() -> str:
    """Return a number nobody used yet: the limits count by recipient."""
    return f"+447700{next(_LAST_DIGITS)}"


@pytest.fixture
def code_of(agent) -> Callable[[str], str]:
    """Wait for the code the sandbox delivered to a recipient."""

    def read(to: str) -> str:
        entries = until(lambda: agent.inbox(to=to).messages)
        return re.search(r"\d{4,10}", entries[0].content)[0]

    return read


class Served:
    """An agent served by waitress on a free port."""

    def __init__(self, agent, host: str = "127.0.0.1") -> None:
        self.agent = agent
        self.url = ""
        self.finished: bool | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(agent, host), daemon=True)

    def _run(self, agent, host: str) -> None:
        self.finished = serve(agent, host, 0, stop=self._stop)

    def start(self, capsys) -> None:
        self._thread.start()
        said = ""

        def address() -> re.Match[str] | None:
            nonlocal said
            said += capsys.readouterr().out
            return re.search(r"^API +(http://\S+)$", said, re.MULTILINE)

        self.url = until(address)[1]

    def ask_to_stop(self) -> None:
        self._stop.set()

    def stop(self) -> None:
        self.ask_to_stop()
        self._thread.join(30)


@pytest.fixture
def served(tmp_path, capsys) -> Iterator[Served]:
    made = Served(IntelligentOTPAgent(CONFIG, tmp_path))
    made.start(capsys)
    yield made
    made.stop()
