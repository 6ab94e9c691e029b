"""A stand-in for SendGrid's Mail Send API on 127.0.0.1, faults included, and for its webhook.

It refuses what https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors says is refused,
and replaces marks as SendGrid does, so that a test sees the mail each recipient gets.
"""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from otp_messaging_agent.message import Channel
from otp_messaging_agent.providers import sendgrid
from otp_messaging_agent.providers.base import Callback, Context

from .server import Reply, Request, Simulator, cut, garbage, hang, refused

KEY = "SG.key-of-the.simulator"
FROM = "Ada's shop <shop@example.com>"
PATH = "/v3/mail/send"
SIGNER = ec.generate_private_key(ec.SECP256R1())
HEADERS = "x-twilio-email-event-webhook-"


def public(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the verification key as SendGrid shows it."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b64encode(der).decode()


def complaint(status: int, message: str, field: str | None = None, **headers: str) -> Reply:
    error = {"message": message, "field": field, "help": None}
    return refused(status, {"errors": [error]}, **headers)


def answer(request: Request) -> Reply:
    """Answer as SendGrid does."""
    if (request.method, request.path) != ("POST", PATH):
        return complaint(404, "not found")
    if request.headers.get("authorization") != f"Bearer {KEY}":
        return complaint(401, "The provided authorization grant is invalid, expired, or revoked")
    fault = _fault(request.json())
    if fault:
        return complaint(400, f"Something is wrong with {fault}.", fault)
    return Reply(202, b"", {"X-Message-Id": "14c5d75ce93.dfd.64b469"})


def _fault(mail: Mapping[str, Any]) -> str | None:
    many = mail["personalizations"]
    if not 1 <= len(many) <= 1000 or len({p["to"][0]["email"].lower() for p in many}) < len(many):
        return "personalizations"
    if not all(c["value"] for c in mail["content"]):
        return "content"
    return next((f for i, p in enumerate(many) if (f := _fault_of(i, p))), None)


def _fault_of(index: int, given: Mapping[str, Any]) -> str | None:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", given["to"][0]["email"]):
        return f"personalizations.{index}.to.0.email"
    if not given.get("subject"):
        return f"personalizations.{index}.subject"
    for field in ("substitutions", "custom_args"):
        if sum(len((k + v).encode()) for k, v in given.get(field, {}).items()) > 10_000:
            return f"personalizations.{index}.{field}"
    return None


def letters(request: Request) -> list[dict[str, Any]]:
    """Return each mail of a call as its recipient gets it."""
    mail = request.json()
    made = []
    for one in mail["personalizations"]:
        bodies = {c["type"]: c["value"] for c in mail["content"]}
        for mark, text in one.get("substitutions", {}).items():
            bodies = {kind: body.replace(mark, text) for kind, body in bodies.items()}
        made.append(
            {
                "to": one["to"][0]["email"],
                "from": mail["from"],
                "subject": one["subject"],
                "text": bodies["text/plain"],
                "html": bodies["text/html"],
                "headers": one.get("headers", {}),
                "args": one["custom_args"],
            }
        )
    return made


def called(
    events: Sequence[Mapping[str, Any]] | bytes,
    at: float = 1_700_000_000.0,
    key: ec.EllipticCurvePrivateKey = SIGNER,
) -> Callback:
    """Return the call of the webhook that tells *events*, signed at *at* by *key*."""
    body = events if isinstance(events, bytes) else json.dumps(events).encode()
    told = str(int(at))
    signature = b64encode(key.sign(told.encode() + body, ec.ECDSA(SHA256()))).decode()
    headers = {f"{HEADERS}signature": signature, f"{HEADERS}timestamp": told}
    url = "https://otp.example.com/webhooks/sendgrid/status"
    return Callback("POST", url, (), headers, body, at)


class Peer:
    """What `tests/contracts/test_providers.py` drives."""

    def __init__(self) -> None:
        self.sim = Simulator(answer)

    def make(self, channel: Channel, **context: Any) -> sendgrid.SendGrid:
        del channel
        settings = sendgrid.Settings(api_key=KEY, from_address=FROM, base_url=self.sim.url)
        return sendgrid.make(settings, Context("sendgrid", None, time.time, time.sleep, **context))

    def do(self, kind: str) -> None:
        reply = {
            "permanent": complaint(
                400, "Does not contain a valid address.", "personalizations.0.to.0.email"
            ),
            "account": complaint(401, "The provided authorization grant is invalid"),
            "temporary": refused(503, b"upstream"),
            "busy": complaint(429, "too many requests", Retry_After="7"),
            "hang": hang(30),
            "cut": cut(accepted=True),
            "garbage": garbage(b"<html>"),
        }[kind]
        self.sim.script(reply)

    def taken(self) -> int:
        return sum(len(r.json()["personalizations"]) for r in self.sim.accepted)

    def __enter__(self) -> Self:
        self.sim.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.sim.__exit__()
