"""Wait for what another thread or process does, without guessing how long it takes."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object], seconds: float = 30.0) -> object:
    """Return the first truthy value of *condition*; fails where none comes within *seconds*."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    return value
