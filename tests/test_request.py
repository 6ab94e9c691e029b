"""What may be asked: every field with its bounds, and nothing else."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from otp_messaging_agent.lookup import MessageSearch, PersonSearch
from otp_messaging_agent.message import Channel, MessageType, Priority
from otp_messaging_agent.request import CheckRequest, MessageRequest, OtpRequest

PHONE = "+447700900001"
OF_OTPS = {"purpose": "login", "ttl_seconds": 60, "code_length": 8}
NOT_OF_OTPS = {
    "content": "hello",
    "subject": "hello",
    "scheduled_for": "2030-01-01T00:00:00",
    "timezone": "Europe/London",
    "expires_at": "2030-01-01T00:00:00",
}


def ask(**fields):
    return MessageRequest(**{"phone_number": PHONE, "content": "hello", **fields})


def refused(model, **fields):
    """Return where *model* finds fault, as dotted paths; fails where it finds none."""
    with pytest.raises(ValidationError) as caught:
        model(**fields)
    return {".".join(map(str, f["loc"])) for f in caught.value.errors()}


def messages_of(model, **fields):
    with pytest.raises(ValidationError) as caught:
        model(**fields)
    return " ".join(f["msg"] for f in caught.value.errors())


def test_a_number_and_a_text_are_enough():
    asked = ask()
    assert asked.message_type is MessageType.NOTIFICATION
    assert asked.priority is None
    assert asked.preferred_channel is None
    assert asked.metadata is None
    assert asked.scheduled_for is asked.expires_at is asked.timezone is None


def test_an_otp_needs_a_recipient_only():
    asked = OtpRequest(phone_number=PHONE)
    assert (asked.message_type, asked.purpose) == (MessageType.OTP, "login")
    assert asked.ttl_seconds is asked.code_length is asked.priority is None


def test_words_are_read_in_any_case():
    asked = ask(priority="critical", preferred_channel="whatsapp", message_type="ALERT")
    assert asked.priority is Priority.CRITICAL
    assert asked.preferred_channel is Channel.WHATSAPP
    assert asked.message_type is MessageType.ALERT


@pytest.mark.parametrize(
    "field", ["priority", "preferred_channel", "message_type", "scheduled_for", "expires_at"]
)
@pytest.mark.parametrize("wrong", ["urgent", "", [], {}])
def test_other_words_are_refused_by_name(field, wrong):
    assert refused(MessageRequest, phone_number=PHONE, content="x", **{field: wrong}) == {field}


@pytest.mark.parametrize("model", [MessageRequest, OtpRequest, CheckRequest, PersonSearch])
@pytest.mark.parametrize("field", ["phone", "channel_id", "Priority", "verificationId", "to"])
def test_an_unknown_field_is_an_error_not_ignored(model, field):
    assert field in refused(model, phone_number=PHONE, **{field: "x"})


@pytest.mark.parametrize("model", [MessageRequest, OtpRequest])
def test_someone_must_be_addressed(model):
    for nobody in ({}, {"phone_number": ""}, {"email": ""}, {"phone_number": None}):
        assert "phone_number or email is required" in messages_of(model, **nobody)
    assert model(email="ada@example.com", **({} if model is OtpRequest else {"content": "x"}))


@pytest.mark.parametrize("field", NOT_OF_OTPS)
def test_an_otp_has_no_text_and_no_time_of_its_own(field):
    wrong = {field: NOT_OF_OTPS[field]}
    assert field in messages_of(MessageRequest, phone_number=PHONE, message_type="otp", **wrong)
    assert refused(OtpRequest, phone_number=PHONE, **wrong) == {field}


@pytest.mark.parametrize("field", OF_OTPS)
@pytest.mark.parametrize("type_", sorted(set(MessageType) - {MessageType.OTP}))
def test_only_an_otp_has_a_purpose_a_lifetime_and_a_length(field, type_):
    wrong = {field: OF_OTPS[field], "message_type": type_, "content": "x"}
    assert field in messages_of(MessageRequest, phone_number=PHONE, **wrong)


def test_all_misplaced_fields_are_named_at_once():
    told = messages_of(MessageRequest, phone_number=PHONE, message_type="otp", **NOT_OF_OTPS)
    assert [field for field in NOT_OF_OTPS if field not in told] == []


@pytest.mark.parametrize("content", [None, "", " ", "\n\t "])
def test_a_message_without_text_is_refused(content):
    told = messages_of(MessageRequest, phone_number=PHONE, content=content)
    assert "content is required" in told or "at least 1" in told


def test_a_text_may_have_lines_and_any_script():
    text = "Zeile\r\n\t\u0661\u4f60\U0001f600"
    assert ask(content=text).content == text


def test_an_otp_row_becomes_an_otp_request():
    row = MessageRequest(
        phone_number=PHONE,
        message_type="otp",
        priority="LOW",
        preferred_channel="Call",
        user_id="u",
        reference="r",
        metadata={"a": 1},
        **OF_OTPS,
    )
    asked = row.as_otp()
    assert isinstance(asked, OtpRequest)
    assert asked.model_dump() == {
        n: v for n, v in row.model_dump().items() if n in OtpRequest.model_fields
    }


def test_an_otp_row_without_a_purpose_is_a_login():
    assert MessageRequest(email="a@b.example", message_type="otp").as_otp().purpose == "login"


def test_no_other_type_passes_as_an_otp():
    told = messages_of(OtpRequest, phone_number=PHONE, message_type="alert")
    assert "must be otp" in told


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("ttl_seconds", (10, 600), (9, 601, 1.5, "ten", None.__class__)),
        ("code_length", (4, 10), (3, 11, 4.5, "long", None.__class__)),
        ("purpose", ("a", "p" * 64), ("", "p" * 65, "two\nlines", 5)),
    ],
)
def test_the_bounds_of_a_code(field, good, bad):
    for value in good:
        assert getattr(OtpRequest(phone_number=PHONE, **{field: value}), field) == value
    for value in bad:
        assert refused(OtpRequest, phone_number=PHONE, **{field: value}) == {field}


@pytest.mark.parametrize(
    ("field", "longest"),
    [
        ("phone_number", 40),
        ("email", 254),
        ("user_id", 200),
        ("reference", 200),
        ("subject", 200),
        ("timezone", 64),
        ("content", 10_000),
    ],
)
def test_every_text_has_its_bound(field, longest):
    assert getattr(ask(**{field: "x" * longest}), field) == "x" * longest
    wrong = {"phone_number": PHONE, "content": "c", field: "x" * (longest + 1)}
    assert refused(MessageRequest, **wrong) == {field}


def test_times_are_read_with_and_without_an_offset():
    assert ask(scheduled_for="2030-01-01T10:00:00+02:00").scheduled_for == datetime(
        2030, 1, 1, 8, tzinfo=UTC
    )
    assert ask(scheduled_for="2030-01-01T10:00:00").scheduled_for.tzinfo is None


def test_a_request_cannot_be_changed_after_it_was_checked():
    with pytest.raises(ValidationError, match="frozen"):
        ask().content = "other"


@pytest.mark.parametrize("limit", [0, 201, "many"])
def test_a_page_has_its_bounds(limit):
    assert refused(MessageSearch, limit=limit) == {"limit"}
    assert MessageSearch().limit == 50


def test_people_are_never_searched_by_what_stands_in_a_url():
    for field in ("phone_number", "email", "user_id"):
        assert refused(MessageSearch, **{field: "x"}) == {field}
        assert getattr(PersonSearch(**{field: "x"}), field) == "x"


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*OF_OTPS, *NOT_OF_OTPS]), st.just(None)))
def test_a_null_is_the_same_as_nothing(nulls):
    given_ = {"phone_number": PHONE, "message_type": "otp", **nulls}
    assert MessageRequest(**given_) == MessageRequest(phone_number=PHONE, message_type="otp")
