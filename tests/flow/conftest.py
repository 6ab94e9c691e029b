"""Stages are closed after the test that set them up; the wall clock can be turned."""

from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
import time_machine

from .gates import NOON
from .scripted import Stage


@pytest.fixture
def stage(tmp_path):
    """Return a function that sets a stage over *tmp_path*: (channel, name) -> provider, options."""
    with ExitStack() as stack:

        def build(providers, **options):
            made = Stage(tmp_path, providers, **options)
            stack.callback(made.close)
            return made

        yield build


@pytest.fixture
def wall():
    """Return the real clock, standing still at noon until it is moved."""
    with time_machine.travel(datetime.fromtimestamp(NOON, UTC), tick=False) as traveller:
        yield traveller
