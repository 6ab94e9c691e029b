"""An e-mail made of text that nobody vouches for: none of it becomes a header or markup."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email import policy
from email.header import Header
from email.message import EmailMessage
from email.utils import quote
from html import escape

from . import addresses

_POLICY = policy.SMTP.clone(cte_type="7bit")  # a server need not take 8-bit text
_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_BREAK = re.compile("[\0-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_PLAIN = re.compile(r"(?!.*=\?)[ -~]{0,60}")  # reads the same without being encoded
_URL = re.compile(r"""(https?://[^\s<>"]*[^\s<>".,:;!?')\]}])""")
_HTML = """<!doctype html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{}</title></head>
<body style="font:16px/1.5 sans-serif;padding:16px"><p dir="auto">{}</p></body></html>
"""


def mailbox(text: str) -> tuple[str, str]:
    """Return name and address of `Name <address>`, or of an address alone; ValueError for others.

    The name is empty where there is none.
    """
    name, named, address = text.rpartition("<")
    if one_line(text) != text or (named and not address.endswith(">")):
        msg = "must be ADDRESS or NAME <ADDRESS>, on one line"
        raise ValueError(msg)
    return name.strip().strip('"'), addresses.email(address.removesuffix(">") if named else address)


def one_line(text: str) -> str:
    """Return *text* without line breaks and control characters, one blank for each run."""
    return _BREAK.sub(" ", text).strip()


def render(headers: Mapping[str, str], subject: str, text: str) -> bytes:
    """Return the e-mail, as text and as HTML, its lines ended as on the wire.

    headers: values as `named` or `words` make them, or otherwise known to be one line of what a
    header can hold.
    """
    text = _CONTROL.sub(" ", text)
    body = EmailMessage(_POLICY)
    body.set_content(text)
    body.add_alternative(html(subject, text), subtype="html")
    head = "".join(f"{field}: {value}\r\n" for field, value in headers.items())
    return head.encode() + body.as_bytes()


def words(text: str) -> str:
    """Encode one line for a header (RFC 2047); what only looks encoded is not decoded later."""
    if _PLAIN.fullmatch(text):
        return text
    return Header(text, "utf-8", maxlinelen=75, header_name="Subject").encode(linesep="\r\n")


def named(name: str, address: str) -> str:
    """Return what `mailbox` took apart as a header holds it."""
    said = f'"{quote(name)}"' if _PLAIN.fullmatch(name) else words(name)
    return f"{said} <{address}>" if name else address


def html(subject: str, text: str) -> str:
    """Return *text* as a page, URLs as links; it has no colours, so reads in light and dark."""
    parts = enumerate(map(escape, _URL.split("\n".join(text.splitlines()))))
    said = "".join(f'<a href="{part}">{part}</a>' if i % 2 else part for i, part in parts)
    return _HTML.format(escape(subject), said.replace("\n", "<br>\n"))
