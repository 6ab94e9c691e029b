"""Structured logs: one JSON object a line, addresses redacted, silent until `configure`."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

_NUMBER = re.compile(r"\+?\d[\d ().-]{5,}\d")
_EMAIL = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+\.[^\s@\"'<>]+")


# A program that configured no logging must not find ours on its standard error.
logging.getLogger(__package__).addHandler(logging.NullHandler())


def redact(text: str) -> str:
    """Return *text* without e-mail addresses and numbers of seven digits and more."""
    return _NUMBER.sub("[number]", _EMAIL.sub("[email]", text))


_json = structlog.processors.JSONRenderer()
_OURS = frozenset({"message_id", "attempt_id", "verification_id", "batch_id", "timestamp", "url"})
"""Fields that the agent makes itself and that hold no address."""


def _redacted(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {k: redact(v) if isinstance(v, str) and k not in _OURS else v for k, v in event.items()}


def _render(logger: WrappedLogger, name: str, event: EventDict) -> tuple[tuple[str], EventDict]:
    """Return the line; the trace is in it, so the standard library must not add its own."""
    return (str(_json(logger, name, event)),), {"exc_info": None}


def get(name: str) -> Any:
    """Return the logger of a module; it writes through the standard library's logging."""
    return structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            _redacted,
            _render,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def configure(level: str) -> None:
    """Write this package's log to standard error; scripts call it, the library never does."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    ours = logging.getLogger(__package__)
    ours.handlers = [handler]
    ours.setLevel(level)
    ours.propagate = False
