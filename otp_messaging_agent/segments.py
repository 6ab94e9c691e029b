"""How many parts an SMS is sent, and billed, in. Pure.

3GPP TS 23.038, 6.1.2.1 and 6.2.1: 160 septets of the GSM 7-bit alphabet or 70 UTF-16 units, and
153 or 67 in each part once there are several, for the header that joins them (TS 23.040, 9.2.3.24).
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

_ALONE, _JOINED = 160, 153
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = "\f^{}\\[~]|€"
_SEPTETS = dict.fromkeys(_BASIC, 1) | dict.fromkeys(_EXTENSION, 2)
_PLAIN = re.compile(f"[{re.escape(_BASIC)}]*")
_LAST_OF_ONE_UNIT = "\uffff"


class Segments(NamedTuple):
    """encoding: of the whole text; units: septets or UTF-16 units; parts: messages it takes."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    parts: int


def count(text: str) -> Segments:
    """Return what sending *text* as it stands takes; no text is one empty message."""
    if _PLAIN.fullmatch(text):  # one septet each, so nothing straddles
        length = len(text)
        return Segments("GSM-7", length, 1 if length <= _ALONE else -(-length // _JOINED))
    septets = [_SEPTETS.get(character, 0) for character in text]
    if all(septets):
        return Segments("GSM-7", sum(septets), _parts(septets, alone=_ALONE, joined=_JOINED))
    units = [1 if character <= _LAST_OF_ONE_UNIT else 2 for character in text]
    return Segments("UCS-2", sum(units), _parts(units, alone=70, joined=67))


def _parts(sizes: list[int], *, alone: int, joined: int) -> int:
    """Fill parts in turn: an escape and its letter, or a surrogate pair, stay in one."""
    if sum(sizes) <= alone:
        return 1
    parts, free = 1, joined
    for size in sizes:
        if size > free:
            parts, free = parts + 1, joined
        free -= size
    return parts
