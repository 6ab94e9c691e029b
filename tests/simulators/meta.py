"""A stand-in for WhatsApp's Cloud API on 127.0.0.1, and for the webhooks it calls.

Shapes are those of https://developers.facebook.com/documentation/business-messaging/whatsapp and
its OpenAPI description, https://github.com/facebook/openapi.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from typing import Any, Self
from urllib.parse import urlencode

from otp_messaging_agent.message import Channel
from otp_messaging_agent.providers import meta
from otp_messaging_agent.providers.base import Callback, Context
from tests.simulators.server import Reply, Request, Simulator, cut, garbage, hang, refused

NUMBER_ID = "106540352242922"
TOKEN = "EAAJ-token-of-the-simulator"
APP_SECRET = "app-secret-of-the-simulator"
VERIFY_TOKEN = "verify-token-of-the-simulator"
SECRETS = {"app_secret": APP_SECRET, "verify_token": VERIFY_TOKEN}
PATH = re.compile(r"/v[0-9]+\.[0-9]+/([0-9]+)/messages")
TEXTLESS = re.compile(r"[\n\t]| {5}")  # what no variable of a template may have


def error(status: int, code: int, subcode: int | None = None, **headers: str) -> Reply:
    """Refuse as the Graph API does; its words repeat what was sent, as Meta's sometimes do."""
    told: dict[str, Any] = {
        "message": f"(#{code}) Something about +447700900001 and 123456",
        "type": "OAuthException",
        "code": code,
        "error_data": {"messaging_product": "whatsapp", "details": "Your code is 123456"},
        "fbtrace_id": "Az8or2yhqkZfEZ-_4Qn_Bam",
    }
    if subcode is not None:
        told["error_subcode"] = subcode
    return refused(status, {"error": told}, **headers)


def answer(request: Request) -> Reply:
    """Take the message, or say what is wrong with it."""
    path = PATH.fullmatch(request.path)
    if request.headers.get("authorization") != f"Bearer {TOKEN}":
        return error(401, 190)
    if request.method != "POST" or path is None:
        return error(404, 2500)
    if path[1] != NUMBER_ID:
        return error(400, 100, subcode=33)
    asked = request.json()
    fault = _fault(asked)
    if fault:
        return error(400, fault)
    taken = {
        "messaging_product": "whatsapp",
        "contacts": [{"input": asked["to"], "wa_id": asked["to"].lstrip("+")}],
        "messages": [{"id": wamid(request.body), "message_status": "accepted"}],
    }
    return Reply(200, json.dumps(taken).encode())


def wamid(body: bytes) -> str:
    return "wamid." + hashlib.sha256(body).hexdigest()


def _fault(asked: dict[str, Any]) -> int | None:
    kind = asked.get("type")
    if asked.get("messaging_product") != "whatsapp" or kind not in {"text", "template"}:
        return 100
    if kind not in asked or not re.fullmatch(r"\+?[0-9]{5,15}", asked.get("to", "")):
        return 131009
    if kind == "text":
        return None if 0 < len(asked["text"].get("body", "")) <= 4096 else 100
    if "code" not in asked["template"].get("language", {}):
        return 131008
    values = [p["text"] for c in asked["template"]["components"] for p in c["parameters"]]
    return 132018 if any(not v or TEXTLESS.search(v) for v in values) else None


# ------------------------------------------------------------------------------ webhooks


def status(word: str, message_id: str = "wamid.1", *, code: int | None = None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": message_id,
        "status": word,
        "timestamp": "1750030073",
        "recipient_id": "447700900001",
        "biz_opaque_callback_data": "m1.1",
    }
    if code is not None:
        told["errors"] = [
            {"code": code, "title": "Failed", "message": "Failed", "href": "https://"}
        ]
    return told


def message(kind: str, sender: str | None = "447700900001", **said: Any) -> dict[str, Any]:
    told = {"id": "wamid.2", "timestamp": "1750030074", "type": kind, **said}
    return told if sender is None else told | {"from": sender}


def notice(*, number_id: str = NUMBER_ID, field: str = "messages", **value: Any) -> bytes:
    about = {"display_phone_number": "15550783881", "phone_number_id": number_id}
    change = {
        "field": field,
        "value": {"messaging_product": "whatsapp", "metadata": about, **value},
    }
    entry = {"id": "102290129340398", "changes": [change]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def signature(body: bytes, secret: str = APP_SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def posted(body: bytes, headers: dict[str, str] | None = None) -> Callback:
    """Return *body* as Meta posts it: signed, or with other *headers*."""
    given = {"x-hub-signature-256": signature(body)} if headers is None else headers
    url = "https://otp.example.com/webhooks/meta/status"
    return Callback("POST", url, (), given, body, at=1.0)


def checked(**query: str) -> Callback:
    """Return the request by which Meta checks a webhook that it is told."""
    usual = {"mode": "subscribe", "verify_token": VERIFY_TOKEN, "challenge": "1158201444"} | query
    pairs = [(f"hub.{name}", value) for name, value in usual.items()]
    url = f"https://otp.example.com/webhooks/meta/status?{urlencode(pairs)}"
    return Callback("GET", url, pairs, {}, b"", at=1.0)


# ------------------------------------------------------------------------------ the contract


def make(sim: Simulator, context: dict[str, Any] | None = None, **given: Any) -> meta.Meta:
    usual = {"phone_number_id": NUMBER_ID, "access_token": TOKEN, "base_url": sim.url}
    settings = meta.Settings.model_validate(usual | SECRETS | given)
    return meta.make(settings, Context("meta", None, time.time, time.sleep, **(context or {})))  # type: ignore[arg-type]


class Peer:
    """What `tests/contracts/test_providers.py` drives."""

    def __init__(self) -> None:
        self._sim = Simulator(answer)

    def make(self, channel: Channel, **context: Any) -> meta.Meta:
        del channel
        codes = {"name": "login_code", "language": "en_US"}
        return make(self._sim, context, templates={"otp": codes})

    def do(self, kind: str) -> None:
        reply = {
            "permanent": error(400, 131026),
            "account": error(401, 190),
            "temporary": error(503, 131016),
            "busy": error(400, 130429, Retry_After="7"),
            "hang": hang(),
            "cut": cut(accepted=True),
            "garbage": garbage(b"<html>"),
        }[kind]
        self._sim.script(reply)

    def taken(self) -> int:
        return len(self._sim.accepted)

    def __enter__(self) -> Self:
        self._sim.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._sim.__exit__()
