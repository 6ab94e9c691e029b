"""What SendGrid's provider is told, and how a sender and a key are written."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, validate_email

from ..base import BaseUrl


def person(raw: str) -> dict[str, str]:
    """Return `ada@example.com` or `Ada <ada@example.com>` as SendGrid writes it, or ValueError."""
    name, address = validate_email(raw)
    return {"email": address, "name": name} if "<" in raw else {"email": address}


def public_key(raw: str) -> ec.EllipticCurvePublicKey:
    """Return the key that the base64 of its DER stands for, or ValueError."""
    with suppress(ValueError, UnsupportedAlgorithm):
        key = load_der_public_key(b64decode(raw, validate=True))
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            return key
    msg = "must be the verification key that SendGrid shows"
    raise ValueError(msg)


def _token(secret: SecretStr) -> SecretStr:
    if not re.fullmatch("[!-~]+", secret.get_secret_value()):
        msg = "must be visible ASCII without blanks"  # it stands in a header
        raise ValueError(msg)
    return secret


def _as(read: Callable[[str], object]) -> AfterValidator:
    return AfterValidator(lambda raw: (read(raw), raw)[1])


class Settings(BaseModel):
    """Account and sender. base_url: where the API is instead, for tests, proxies and the EU.

    webhook_public_key: of the Signed Event Webhook; without it there are no receipts.
    track_opens: an invisible picture in each mail tells that it was read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api_key: Annotated[SecretStr, AfterValidator(_token)]
    from_address: Annotated[str, _as(person)]
    reply_to: Annotated[str, _as(person)] | None = None
    webhook_public_key: Annotated[str, _as(public_key)] | None = None
    track_opens: bool = False
    base_url: BaseUrl | None = None
