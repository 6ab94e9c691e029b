"""What a vendor reports by webhook: who sent it, and what became of which message. Pure."""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qsl

from ...errors import Scope
from ...message import Receipt, Status
from ..base import Callback, Heard, Verdicts
from . import templates
from .settings import Receipts

FORM = "application/x-www-form-urlencoded"
ID = re.compile("[!-~]{1,200}")
_NO_CODE = re.compile("[^A-Za-z0-9_.:-]|[0-9]{7}|.{65}")  # rather a text or a number


def code_of(theirs: str, table: Verdicts) -> str | None:
    """Return the vendor's code; None where what stands there is none, so may tell something."""
    return theirs if theirs in table or not _NO_CODE.search(theirs) else None


def is_theirs(wanted: Receipts, callback: Callback) -> bool:
    """Whether the call holds the secret, or its body is signed with it."""
    given = callback.headers.get(wanted.header.lower(), "").encode("utf-8", "replace")
    secret = wanted.secret.get_secret_value().encode()
    if wanted.scheme == "token":
        return hmac.compare_digest(given, secret)
    digest = hmac.digest(secret, callback.body, "sha256")
    known = digest.hex().encode() if wanted.scheme == "hmac-sha256-hex" else b64encode(digest)
    return hmac.compare_digest(given.removeprefix(b"sha256="), known)


def heard(wanted: Receipts, callback: Callback, name: str, table: Verdicts) -> Heard:
    """Return the receipts in the body; ValueError where no report in it can be read.

    Never from the query, which no signature covers. Other words for a status say nothing.
    """
    told = _read(callback)
    found = told if wanted.each is None else templates.at(told, wanted.each)
    reports = found if isinstance(found, list) else [found]
    read = [receipt for report in reports if (receipt := _of(wanted, report)) is not None]
    if reports and not read:
        msg = "no report has an id and a status"
        raise ValueError(msg)
    return Heard(
        [
            _receipt(name, given, wanted.statuses[said], callback.at, theirs, table)
            for given, said, theirs in read
            if said in wanted.statuses
        ]
    )


def _read(callback: Callback) -> Any:
    kind = callback.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == FORM:
        return dict(parse_qsl(callback.body.decode(), max_num_fields=1000))
    return templates.parsed(callback.body)


def _of(wanted: Receipts, report: Any) -> tuple[str, str, str | None] | None:
    given = templates.word_at(report, wanted.id)
    said = templates.word_at(report, wanted.status)
    if not given or not said or not ID.fullmatch(given):
        return None
    code = templates.word_at(report, wanted.error_code) if wanted.error_code else None
    return given, said, code


def _receipt(
    name: str, given: str, status: Status, at: float, theirs: str | None, table: Verdicts
) -> Receipt:
    if status is not Status.UNDELIVERED:
        return Receipt(name, given, status, at)
    shown = code_of(theirs, table) if theirs else None
    code, _, scope = table.get(shown or "") or ("undelivered", False, Scope.CHANNEL)
    detail = f"error {shown}" if shown else None
    return Receipt(name, given, status, at, code, detail, scope.value)
