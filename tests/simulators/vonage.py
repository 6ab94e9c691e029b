"""A stand-in for Vonage's Messages and Voice API, and for the webhooks it signs.

Requests are held against the official SDK's own models, so what Vonage would refuse is refused
here. Answers and reports have the shape of https://developer.vonage.com/en/api/messages and
https://developer.vonage.com/en/voice/voice-api/webhook-reference.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from hashlib import sha256
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from vonage_messages.models import Sms
from vonage_voice.models import CreateCallRequest

from otp_messaging_agent.message import Channel
from otp_messaging_agent.providers import vonage
from otp_messaging_agent.providers.base import Callback, Context
from tests.simulators.server import Reply, Request, Simulator, cut, garbage, hang, refused

APPLICATION = "78d335fa-323d-0114-9c3d-d6f0d48968cf"
SECRET = "the-signature-secret-of-the-simulator"
ERRORS = "https://developer.vonage.com/api-errors"
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = _KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()
MODELS = {"/v1/messages": Sms, "/v1/calls": CreateCallRequest}


def error(status: int, type_: str, *parameters: str, **headers: str) -> Reply:
    """Refuse as Vonage does; *type_*: what stands after the # of its address."""
    body: dict[str, Any] = {
        "type": f"{ERRORS}/messages#{type_}",
        "title": "Refused",
        "detail": "The simulator refuses the number 447700900001.",  # Vonage repeats it as well
        "instance": "6cf4a3c2-0f6e-4b56-9d8e-000000000000",
    }
    if parameters:
        body["invalid_parameters"] = [{"name": p, "reason": "is invalid"} for p in parameters]
    return refused(status, body, **headers)


def as_sdk_sends_it(path: str, body: dict[str, Any]) -> Any:
    """Return *body* as the official SDK would put it on the wire; raises where it would not."""
    given = {"from_" if k == "from" else k: v for k, v in body.items()}
    model = MODELS[path](**given)
    return json.loads(json.dumps(model.model_dump(by_alias=True, exclude_none=True)))


def answer(request: Request) -> Reply:
    """Take a request that is proven and well formed."""
    token = re.fullmatch("Bearer (.+)", request.headers.get("authorization", ""))
    try:
        claims = jwt.decode(
            token[1] if token else "",
            _KEY.public_key(),
            ["RS256"],
            options={"require": ["iat", "jti", "exp"]},
        )
    except jwt.PyJWTError:
        return error(401, "unauthorized")
    if claims.get("application_id") != APPLICATION:
        return error(401, "unauthorized")
    if request.method != "POST" or request.path not in MODELS:
        return error(404, "not-found")
    try:
        as_sdk_sends_it(request.path, request.json())
    except ValueError:
        return error(422, "1020", "text")
    id_ = str(uuid.uuid4())
    if request.path == "/v1/messages":
        return refused(202, {"message_uuid": id_})
    taken = {"uuid": id_, "status": "started", "direction": "outbound"}
    return refused(201, {**taken, "conversation_uuid": f"CON-{uuid.uuid4()}"})


def signed(
    body: bytes,
    *,
    secret: str = SECRET,
    hashed: bytes | None = None,
    at: float = 0.0,
    **claims: Any,
) -> Callback:
    """Return a webhook as Vonage signs it. hashed: what its hash is of, if not *body*."""
    at = at or time.time()
    digest = sha256(body if hashed is None else hashed).hexdigest()
    told = {"iat": int(at), "jti": str(uuid.uuid4()), "iss": "Vonage", "payload_hash": digest}
    told |= {"api_key": "a1b2c3d4", "application_id": APPLICATION, **claims}
    token = jwt.encode({k: v for k, v in told.items() if v is not None}, secret, "HS256")
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    url = "http://127.0.0.1:5000/webhooks/vonage/status"
    return Callback("POST", url, (), headers, body, at)


def message_status(status: str, **more: Any) -> dict[str, Any]:
    body = {"message_uuid": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab", "to": "447700900001"}
    body |= {"from": "447700900000", "timestamp": "2025-02-03T12:14:25Z", "status": status}
    return body | {"channel": "sms", "client_ref": "msg_1.1", **more}


def call_event(status: str, **more: Any) -> dict[str, Any]:
    body = {"headers": {}, "from": "447700900000", "to": "447700900001", "status": status}
    body |= {"uuid": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab", "direction": "outbound"}
    body |= {"conversation_uuid": "CON-aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"}
    return body | {"timestamp": "2025-02-03T12:14:25.120Z", **more}


class Peer:
    """What `tests/contracts/test_providers.py` drives."""

    def __init__(self) -> None:
        self.sim = Simulator(answer)

    def make(self, channel: Channel, **context: Any) -> vonage.Vonage:
        del channel
        given = {"application_id": APPLICATION, "private_key": PEM, "from_number": "+447700900000"}
        settings = vonage.Settings(**given, base_url=self.sim.url)
        return vonage.make(settings, Context("vonage", None, time.time, time.sleep, **context))

    def do(self, kind: str) -> None:
        reply = {
            "permanent": error(422, "1020", "to"),
            "account": error(401, "unauthorized"),
            "temporary": refused(503, b"<html>"),
            "busy": error(429, "throttled", Retry_After="7"),
            "hang": hang(),
            "cut": cut(accepted=True),
            "garbage": garbage(b"<html>"),
        }[kind]
        self.sim.script(reply)

    def taken(self) -> int:
        return len(self.sim.accepted)

    def __enter__(self) -> Self:
        self.sim.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.sim.__exit__()
