"""Many threads at one thing, switched so often that a race shows."""

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def crowd(work: Callable[[int], T], threads: int = 16) -> list[T]:
    """Call *work* in so many threads, begun at one moment; return what each returned."""
    start = threading.Barrier(threads)

    def begin(number: int) -> T:
        start.wait(30)
        return work(number)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(begin, range(threads)))
    finally:
        sys.setswitchinterval(before)
