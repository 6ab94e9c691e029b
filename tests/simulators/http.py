"""A stand-in for the vendor that docs/ADDING_A_PROVIDER.md describes by configuration alone.

Infobip's SMS API v3, as far as tests/providers/recorded/http.json knows it: what is not there is
refused. It is asked by the very sample of the document.
"""

from __future__ import annotations

import copy
import json
import re
import time
from pathlib import Path
from typing import Any, Self

from otp_messaging_agent.config import load
from otp_messaging_agent.message import Channel
from otp_messaging_agent.providers import http
from otp_messaging_agent.providers.base import Context

from .server import Reply, Request, Simulator, cut, garbage, hang, refused

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "ADDING_A_PROVIDER.md"
RECORDED = json.loads((ROOT / "tests/providers/recorded/http.json").read_text())
KEY = "k3y-of-the-simulator"
PROOF = "Basic dXNlcjpwYXNzd29yZA=="


def block(language: str, sign: str) -> str:
    """Return the one code block of the document that holds *sign*."""
    blocks = re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (found,) = (b for b in blocks if sign in b)
    return found


def sample(url: str) -> dict[str, Any]:
    """Return the sample's provider settings, with the environment it asks for."""
    environ = {
        "INFOBIP_BASE_URL": url,
        "INFOBIP_API_KEY": KEY,
        "INFOBIP_WEBHOOK_AUTHORIZATION": PROOF,
    }
    config = load(json.loads(block("json", '"infobip"')), environ=environ)
    given = dict(config.channels[Channel.SMS].api_config)
    assert given.pop("provider") == "http"
    assert given.pop("name") == "infobip"
    return given


def infobip(request: Request) -> Reply:
    """Answer as the vendor does."""
    if request.headers.get("authorization") != f"App {KEY}":
        return refused(401, RECORDED["error"] | {"errorCode": "E401"})
    if (request.method, request.path) != ("POST", RECORDED["path"]):
        return refused(404, RECORDED["error"] | {"errorCode": "E404"})
    if request.headers.get("content-type") != "application/json":
        return refused(415, RECORDED["error"] | {"errorCode": "E415"})
    (message,) = request.json()["messages"]
    (destination,) = message["destinations"]
    options = message.get("options", {})
    validity = options.get("validityPeriod", {"amount": 1})
    parts = {
        "message": message,
        "destination": destination,
        "options": options,
        "validity": validity,
    }
    wrong = [name for name, part in parts.items() if not _fits(part, RECORDED[name])]
    typed = type(validity["amount"]) is int and isinstance(message["content"]["text"], str)
    if wrong or not typed or validity.get("timeUnit", "MINUTES") not in RECORDED["units"]:
        return refused(400, RECORDED["error"])
    told = copy.deepcopy(RECORDED["accepted"])
    told["messages"][0] |= {"messageId": destination["messageId"]}
    return Reply(200, json.dumps(told).encode())


def _fits(part: dict[str, Any], model: dict[str, list[str]]) -> bool:
    return set(model["required"]) <= set(part) <= set(model["known"])


class Peer:
    """What `tests/contracts/test_providers.py` drives."""

    def __init__(self) -> None:
        self.sim = Simulator(infobip)

    def make(self, channel: Channel, **context: Any) -> http.Http:
        del channel
        settings = http.Settings(**sample(self.sim.url))
        return http.make(settings, Context("infobip", None, time.time, time.sleep, **context))

    def do(self, kind: str) -> None:
        self.sim.script(
            {
                "permanent": refused(200, RECORDED["rejected"]),
                "account": refused(401, RECORDED["error"] | {"errorCode": "E401"}),
                "temporary": refused(503, RECORDED["error"] | {"errorCode": "E503"}),
                "busy": refused(429, RECORDED["error"], Retry_After="7"),
                "hang": hang(),
                "cut": cut(accepted=True),
                "garbage": garbage(b"<html>"),
            }[kind]
        )

    def taken(self) -> int:
        return len(self.sim.accepted)

    def __enter__(self) -> Self:
        self.sim.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.sim.__exit__()
