"""Texts, codes and metadata that look right and are not."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from otp_messaging_agent.errors import InvalidRequest
from otp_messaging_agent.flow import ingest
from otp_messaging_agent.lookup import PersonSearch
from otp_messaging_agent.request import CheckRequest, MessageRequest

PHONE = "+447700900001"
LINES = ["phone_number", "email", "user_id", "reference", "subject", "timezone"]
BREAKS = ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
CONTROLS = [chr(c) for c in range(32)] + ["\x7f"]
LONE = ["\ud800", "a\udfffb", "\udc00"]


def faults(**fields):
    """Return the places a request is refused for; fails where it is taken."""
    with pytest.raises(InvalidRequest) as caught:
        ingest.read({"phone_number": PHONE, "content": "x", **fields})
    return [f.loc for f in caught.value.faults]


@pytest.mark.parametrize("field", LINES)
def test_a_line_has_no_control_characters(field):
    for mark in CONTROLS:
        assert faults(**{field: f"a{mark}b"}) == [(field,)]


@pytest.mark.parametrize("mark", BREAKS)
def test_a_line_is_one_line_however_it_is_broken(mark):
    assert len(f"a{mark}b".splitlines()) == 2
    for field in LINES:
        assert faults(**{field: f"a{mark}b"}) == [(field,)]


def test_a_text_has_no_control_characters_but_those_of_its_lines():
    for mark in set(CONTROLS) - {"\n", "\r", "\t", "\x7f"}:
        assert faults(content=f"a{mark}b") == [("content",)]


@pytest.mark.parametrize("field", [*LINES, "content"])
def test_half_a_character_is_refused(field):
    for half in LONE:
        assert faults(**{field: half}) == [(field,)]


def test_half_a_character_is_refused_in_metadata():
    for half in LONE:
        assert faults(metadata={"a": half})[0][:2] == ("metadata", "a")
        assert faults(metadata={half: "a"})[0][0] == "metadata"


@settings(deadline=None)
@given(st.text())
def test_whatever_text_is_taken_can_be_written_down(text):
    try:
        taken = MessageRequest(phone_number=PHONE, content=text, metadata={"a": text[:500]})
    except ValidationError:
        return
    assert taken.content.encode() == text.encode()
    assert json.loads(taken.model_dump_json())["content"] == text


def test_metadata_keeps_its_values_and_their_types():
    values = {"text": "1", "yes": True, "one": 1, "half": 0.5, "none": None, "": "no name"}
    taken = MessageRequest(phone_number=PHONE, content="x", metadata=values).metadata
    assert taken == values
    assert [type(v) for v in taken.values()] == [type(v) for v in values.values()]


@pytest.mark.parametrize(
    "wrong",
    [
        {"k" * 41: 1},
        {"two\nlines": 1},
        {"a": "v" * 501},
        {"a": "\x00"},
        {"a": [1]},
        {"a": {"b": 1}},
        {"a": float("inf")},
        {"a": float("nan")},
        {1: 1},
        {str(i): i for i in range(51)},
        [],
        "text",
    ],
    ids=lambda wrong: str(wrong)[:24],
)
def test_metadata_has_bounds(wrong):
    assert {loc[0] for loc in faults(metadata=wrong)} == {"metadata"}


def test_metadata_takes_what_its_bounds_allow():
    full = {f"{i:040d}": "v" * 500 for i in range(50)}
    assert MessageRequest(phone_number=PHONE, content="x", metadata=full).metadata == full


def test_whole_numbers_have_64_bits():
    ends = {"low": -(2**63), "high": 2**63 - 1}
    assert MessageRequest(phone_number=PHONE, content="x", metadata=ends).metadata == ends
    for wrong in (2**63, -(2**63) - 1):
        assert faults(metadata={"a": wrong}) == [("metadata", "a")]


def test_the_schema_tells_what_metadata_may_be():
    field = MessageRequest.model_json_schema()["properties"]["metadata"]["anyOf"][0]
    values = field["additionalProperties"]["anyOf"]
    assert {v["type"] for v in values} == {"string", "number", "boolean", "null"}
    assert [v["maxLength"] for v in values if v["type"] == "string"] == [500]


def test_a_number_too_long_to_write_down_is_refused():
    assert faults(metadata={"a": 10**5_000})[0][:2] == ("metadata", "a")


def test_a_fault_names_its_place_in_the_callers_words():
    for loc in faults(metadata={"a": [1]}):
        assert not any("0x" in str(part) or "function" in str(part) for part in loc)


def check(code, **who):
    return CheckRequest(code=code, **(who or {"phone_number": PHONE}))


@pytest.mark.parametrize("code", ["1234", "0000000000", " 123456", "123456\n", "\t123456 \r\n"])
def test_a_typed_code_may_have_space_around_it(code):
    assert check(code).code.strip().isdecimal()


@pytest.mark.parametrize(
    "code",
    [
        "",
        "123",
        "12345678901",
        "12 34",
        "1234a",
        "a1234",
        "1234\n5",
        "1234\nx",
        "x\n1234",
        "1234\x00",
        "+1234",
        "-1234",
        "12.34",
        "1e10",
        "\u0661\u0662\u0663\u0664",
        "\u06f1\u06f2\u06f3\u06f4",
        "\u0967\u0968\u0969\u096a",
        "\uff11\uff12\uff13\uff14",
        "\U0001d7ce\U0001d7cf\U0001d7d0\U0001d7d1",
        "123\u0664",
        "\u00b9\u00b2\u00b3\u2074",
        "\u2460\u2461\u2462\u2463",
        "1234" + " " * 40,
        1234,
        None,
    ],
)
def test_what_is_no_code_is_refused(code):
    with pytest.raises(ValidationError) as caught:
        check(code)
    assert {f["loc"] for f in caught.value.errors()} == {("code",)}


@settings(deadline=None)
@given(st.text(st.characters(categories=["Nd", "Nl", "No"]), min_size=4, max_size=10))
def test_only_ascii_digits_make_a_code(code):
    if code.isascii():
        assert check(code).code == code
    else:
        with pytest.raises(ValidationError):
            check(code)


@pytest.mark.parametrize(
    "who",
    [
        {"email": "ada@example.com", "phone_number": PHONE},
        {"verification_id": "ver_1", "phone_number": PHONE},
        {"verification_id": "ver_1", "email": "a@b.example", "phone_number": PHONE},
    ],
)
def test_a_check_is_for_one_recipient(who):
    with pytest.raises(ValidationError, match="exactly one of"):
        check("123456", **who)


def test_a_check_is_for_someone():
    with pytest.raises(ValidationError, match="exactly one of"):
        CheckRequest(code="123456")


def test_a_purpose_goes_with_an_address_only():
    assert check("123456", phone_number=PHONE, purpose="pay").purpose == "pay"
    with pytest.raises(ValidationError, match="purpose goes with"):
        check("123456", verification_id="ver_1", purpose="pay")


def test_a_search_refuses_half_a_character_too():
    with pytest.raises(ValidationError):
        PersonSearch(user_id="\ud800")
