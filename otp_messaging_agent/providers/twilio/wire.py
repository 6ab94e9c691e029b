"""Carries the requests of Twilio's SDK: bounded in time, with kept connections."""

from __future__ import annotations

import logging
import threading
from base64 import b64encode
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from twilio.http import HttpClient  # type: ignore[import-untyped]
from twilio.http.response import Response  # type: ignore[import-untyped]

from ...safety.outbound import Outbound
from .codes import refused


class Wire(HttpClient):  # type: ignore[misc]
    """Carries the SDK's requests. now: a thread's time-out, and how far Twilio's clock is ahead."""

    def __init__(self, account_sid: str, token: str, clock: Callable[[], float]) -> None:
        super().__init__(logging.getLogger(__name__), is_async=False)
        secret = f"{account_sid}:{token}".encode()
        self._auth = {"Authorization": "Basic " + b64encode(secret).decode()}
        self._clock = clock
        self.now = threading.local()
        self.outbound = Outbound()

    def request(
        self, method: str, url: str, *, params: Any, data: Any, headers: Any, **_: Any
    ) -> Response:
        """Make one request."""
        url = f"{url}?{urlencode(params)}" if params else url
        body = urlencode(data, doseq=True).encode() if data else None
        headers, timeout = {**headers, **self._auth}, self.now.timeout
        answer = self.outbound.request(method, url, timeout=timeout, headers=headers, body=body)
        if not str(answer.status).startswith("2"):
            raise refused(answer)
        if data is None and "Date" in answer.headers:
            date = parsedate_to_datetime(answer.headers["Date"])
            self.now.ahead = date.timestamp() - self._clock()
        return Response(answer.status, answer.body.decode(), answer.headers)
