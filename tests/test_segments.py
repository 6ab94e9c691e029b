"""Parts of an SMS: as two independent libraries count them, and by the rules themselves."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otp_messaging_agent.segments import count

from .data import make_segments

GOLDEN = json.loads(make_segments.GOLDEN.read_text())
GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
ESCAPED = "\f^{}\\[~]|€"


@pytest.fixture(scope="module")
def texts():
    made = make_segments.texts()
    assert make_segments.digest(made) == GOLDEN["texts"]
    return made


def theirs(i):
    """Return (encoding, parts) of smsutil and of sms-segments-calculator."""
    encoding, _, parts = GOLDEN["counts"][i]
    return (encoding, parts), tuple(GOLDEN["npm_differs"].get(str(i), (encoding, parts)))


def test_we_count_as_both_libraries_wherever_they_agree(texts):
    assert len(texts) == len(GOLDEN["counts"]) == 10_000
    agreed = [i for i in range(len(texts)) if str(i) not in GOLDEN["npm_differs"]]
    assert len(agreed) > 8_500
    assert [list(count(texts[i])) for i in agreed] == [GOLDEN["counts"][i] for i in agreed]


def test_where_they_differ_we_follow_the_one_that_keeps_to_the_standard(texts):
    """Three causes, and no other.

    - Escape: smsutil takes U+001B for a letter of the alphabet. It is the mark that the next
      septet is of the extension table (TS 23.038, 6.2.1), so a text cannot hold it: UCS-2.
    - No text: smsutil sends it as UCS-2. Nothing in it needs that; one message either way.
    - Clusters: sms-segments-calculator keeps what is drawn as one (a family, a flag, e with its
      accent) in one part. The standard knows UTF-16 units only, and networks cut between them.
    """
    causes = {"escape": 0, "nothing": 0, "cluster": 0}
    for i in map(int, GOLDEN["npm_differs"]):
        smsutil, npm = theirs(i)
        cause = "escape" if "\x1b" in texts[i] else "cluster" if texts[i] else "nothing"
        causes[cause] += 1
        encoding, _, parts = count(texts[i])
        assert (encoding, parts) == (smsutil if cause == "cluster" else npm), cause
        assert smsutil[1] <= npm[1], cause
    assert all(causes.values()), causes


def test_the_alphabet_is_the_standards():
    assert len(GSM) == 127  # 128 places, and one of them is the escape
    assert [count(c) for c in GSM] == [("GSM-7", 1, 1)] * 127
    assert [count(c) for c in ESCAPED] == [("GSM-7", 2, 1)] * 10
    assert count("ç").encoding == count("`").encoding == count("\t").encoding == "UCS-2"


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("", ("GSM-7", 0, 1)),
        ("a" * 160, ("GSM-7", 160, 1)),
        ("a" * 161, ("GSM-7", 161, 2)),
        ("a" * 306, ("GSM-7", 306, 2)),
        ("a" * 307, ("GSM-7", 307, 3)),
        ("€" * 80, ("GSM-7", 160, 1)),
        ("a" * 152 + "€" + "a" * 152, ("GSM-7", 306, 3)),  # the escape would stand at the end
        ("a" * 151 + "€" + "a" * 153, ("GSM-7", 306, 2)),
        ("漢" * 70, ("UCS-2", 70, 1)),
        ("漢" * 71, ("UCS-2", 71, 2)),
        ("漢" * 134, ("UCS-2", 134, 2)),
        ("漢" * 135, ("UCS-2", 135, 3)),
        ("😀" * 35, ("UCS-2", 70, 1)),
        ("漢" * 66 + "😀" + "漢" * 66, ("UCS-2", 134, 3)),
        ("漢" * 65 + "😀" + "漢" * 67, ("UCS-2", 134, 2)),
        ("a" * 70 + "ç", ("UCS-2", 71, 2)),
    ],
)
def test_boundaries(text, counted):
    assert count(text) == counted


GSM_TEXTS = st.text(GSM + ESCAPED, max_size=700)
ANY_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=700)


@given(GSM_TEXTS | ANY_TEXTS)
def test_parts_hold_the_text_and_no_more_than_one_unit_of_each_is_wasted(text):
    encoding, units, parts = count(text)
    gsm = encoding == "GSM-7"
    assert gsm == (set(text) <= set(GSM + ESCAPED))
    assert units == (
        len(text) + sum(map(text.count, ESCAPED)) if gsm else len(text.encode("utf-16-le")) // 2
    )
    alone, joined = (160, 153) if gsm else (70, 67)
    assert (parts == 1) == (units <= alone)
    if parts > 1:
        assert math.ceil(units / joined) <= parts <= math.ceil(units / (joined - 1))


@given(GSM_TEXTS | ANY_TEXTS, GSM_TEXTS | ANY_TEXTS)
def test_a_longer_text_never_takes_fewer_parts(text, more):
    assert count(text + more).parts >= count(text).parts
