"""The implementations behind each seam, found by their file names."""

import pytest

from otp_messaging_agent import plugins

from .store_parts import Place


@pytest.fixture(params=plugins.names("stores"))
def place(request, tmp_path):
    """Yield a place for a store of each kind."""
    place = Place(plugins.load("stores", request.param), tmp_path)
    yield place
    place.leave()


@pytest.fixture
def store(place):
    """Return an open store of each kind."""
    return place.store()
