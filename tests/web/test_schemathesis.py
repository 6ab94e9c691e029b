"""Whatever is sent, the answer is one the document names, and never a fault of ours."""

import tempfile
import time
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from otp_messaging_agent import IntelligentOTPAgent
from otp_messaging_agent.flow.lesson import Kind, Lesson, place_of
from otp_messaging_agent.message import Channel
from otp_messaging_agent.web import create_app

from .conftest import CONFIG

NOT_ASKED = [
    # The schema cannot say which numbers exist, or that one of two addresses is needed.
    positive_data_acceptance,
]

# Made here because the tests are named after what the document holds; it starts and writes nothing.
_folder = tempfile.TemporaryDirectory()
_agent = IntelligentOTPAgent({"channels": CONFIG["channels"]}, Path(_folder.name) / "data")
schema = schemathesis.openapi.from_wsgi("/openapi.json", create_app(_agent))


@pytest.fixture(scope="module", autouse=True)
def _running():
    _agent.start_processing()
    here, now = place_of("+447700900001"), time.time()
    _agent._parts.ways.learned.add(Lesson(Channel.SMS, "sandbox", here, Kind.ARRIVED, now, 4.0))
    yield
    _agent.stop()
    _folder.cleanup()


@schema.parametrize()
@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_in_the_document(case):
    case.call_and_validate(excluded_checks=NOT_ASKED)
