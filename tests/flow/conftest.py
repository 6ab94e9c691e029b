"""Stages are closed after the test that set them up."""

from contextlib import ExitStack

import pytest

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
