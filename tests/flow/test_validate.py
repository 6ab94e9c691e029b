"""A request becomes a message with all its defaults, or every reason why not, at once."""

import os
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from otp_messaging_agent.errors import InvalidRequest
from otp_messaging_agent.flow import validate
from otp_messaging_agent.flow.validate import Rules
from otp_messaging_agent.message import Channel, MessageType, Priority, Status
from otp_messaging_agent.request import CheckRequest, MessageRequest, OtpRequest

from .routes import MEDIA

PHONE = "+447700900001"
LONDON = ZoneInfo("Europe/London")
RULES = Rules(media=MEDIA, zone=LONDON)
QUIET = Rules(media=MEDIA, zone=LONDON, quiet=frozenset({MessageType.MARKETING}))
NOON = datetime(2030, 1, 10, 12, tzinfo=UTC)
NIGHT = datetime(2030, 1, 10, 23, 30, tzinfo=UTC)
MORNING = datetime(2030, 1, 11, 9, tzinfo=UTC)


def take(at=NOON, rules=RULES, **fields):
    asked = MessageRequest(**{"phone_number": PHONE, "content": "hello", **fields})
    return validate.message(asked, message_id="msg_1", now=at.timestamp(), rules=rules)


def faults(**fields):
    with pytest.raises(InvalidRequest) as caught:
        take(**fields)
    return {f.loc: f.msg for f in caught.value.faults}


def test_a_request_becomes_a_message_that_is_due_now():
    given = {"user_id": "u", "reference": "r", "metadata": {"a": 1}, "subject": "s"}
    made = take(**given, preferred_channel="sms")
    assert made.preferred_channel is Channel.SMS
    assert made.id == "msg_1"
    assert (made.type, made.priority) == (MessageType.NOTIFICATION, Priority.MEDIUM)
    assert made.status is Status.ACCEPTED
    assert made.created_at == made.due_at == NOON.timestamp()
    assert (made.phone_number, made.email, made.content) == (PHONE, None, "hello")
    assert (made.user_id, made.reference, made.subject) == ("u", "r", "s")
    assert made.metadata == {"a": 1}
    assert made.scheduled_for is made.expires_at is made.batch_id is None


@pytest.mark.parametrize(
    ("type_", "priority"),
    [("alert", "HIGH"), ("notification", "MEDIUM"), ("reminder", "MEDIUM"), ("marketing", "LOW")],
)
def test_every_type_has_its_default_priority(type_, priority):
    assert take(message_type=type_).priority.value == priority
    assert take(message_type=type_, priority="CRITICAL").priority is Priority.CRITICAL


def test_addresses_take_their_one_form():
    made = take(phone_number="+44 (0)7700 900 001", email="Ada@EXAMPLE.com")
    assert (made.phone_number, made.email) == (PHONE, "Ada@example.com")


def test_all_faults_are_told_at_once_and_none_shows_the_value():
    told = faults(
        phone_number="07700 900001", email="nobody", timezone="Moon/Sea", expires_at="2020-01-01"
    )
    assert set(told) == {("phone_number",), ("email",), ("timezone",), ("expires_at",)}
    assert not any("7700 900001" in msg or "nobody" in msg for msg in told.values())


def test_rules_of_numbers_come_from_the_configuration():
    premium, unassigned = "+447700900001", "+44770090001"
    assert take(phone_number=unassigned).phone_number == unassigned
    strict = Rules(media=MEDIA, zone=LONDON, strict_numbers=True)
    assert set(faults(phone_number=unassigned, rules=strict)) == {("phone_number",)}
    costly = "+449098790001"
    assert set(faults(phone_number=costly)) == {("phone_number",)}
    allowed = Rules(media=MEDIA, zone=LONDON, allow_premium=True)
    assert take(phone_number=costly, rules=allowed).phone_number == costly
    assert take(phone_number=premium).phone_number == premium


ABROAD = Rules(media=MEDIA, zone=LONDON, allow_countries=frozenset({"IE"}))
DENIED = Rules(media=MEDIA, zone=LONDON, deny_countries=frozenset({"GB"}))


@pytest.mark.parametrize("rules", [ABROAD, DENIED])
def test_who_may_not_be_sent_to_is_refused_but_may_still_check_a_code(rules):
    told = faults(rules=rules, timezone="Moon/Sea")
    assert set(told) == {("phone_number",), ("timezone",)}
    assert PHONE not in told[("phone_number",)]
    asked = OtpRequest(phone_number=PHONE, email="ada@example.com")
    with pytest.raises(InvalidRequest) as refused:
        validate.otp(asked, message_id="msg_1", now=0.0, expires_at=300.0, rules=rules)
    assert [f.loc for f in refused.value.faults] == [("phone_number",)]
    check = CheckRequest(phone_number=PHONE, code="123456")
    assert validate.check(check, rules) == (PHONE, "123456")
    assert take(rules=rules, phone_number=None, email="ada@example.com").phone_number is None
    assert take(rules=rules, phone_number="+353871234567").phone_number == "+353871234567"


def test_a_message_that_no_channel_can_carry_is_refused_with_each_reason():
    (msg,) = faults(content="x" * 1601).values()
    assert "SMS: content over 1600 characters" in msg
    assert "Email: no email" in msg
    assert take(content="x" * 1601, email="ada@example.com").content == "x" * 1601


def test_without_any_channel_nothing_is_taken():
    assert faults(rules=Rules(media={}, zone=LONDON)) == {(): "no channel is configured"}


def test_a_channel_that_is_off_carries_nothing():
    mail = Rules(media={Channel.EMAIL: MEDIA[Channel.EMAIL]}, zone=LONDON)
    assert set(faults(rules=mail)) == {()}


def test_a_time_to_come_is_waited_for():
    later = NOON + timedelta(days=3)
    made = take(scheduled_for=later)
    assert made.status is Status.SCHEDULED
    assert made.due_at == made.scheduled_for == later.timestamp()


def test_a_time_that_has_passed_is_now():
    made = take(scheduled_for=NOON - timedelta(seconds=1))
    assert made.status is Status.ACCEPTED
    assert made.due_at == NOON.timestamp()
    assert made.scheduled_for is None


def test_a_year_ahead_is_far_enough():
    assert take(scheduled_for=NOON + timedelta(days=366)).status is Status.SCHEDULED
    assert set(faults(scheduled_for=NOON + timedelta(days=366, seconds=1))) == {("scheduled_for",)}


@pytest.mark.parametrize("type_", ["notification", "marketing"])
@pytest.mark.parametrize("end", ["9999-12-31T23:59:59", "9999-12-31T23:59:59-12:00"])
def test_the_end_of_time_is_refused_too(type_, end):
    told = faults(scheduled_for=end, message_type=type_, rules=QUIET)
    assert ("scheduled_for",) in told


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York", "UTC"])
def test_a_time_without_an_offset_is_in_the_configured_zone(zone):
    rules = Rules(media=MEDIA, zone=ZoneInfo(zone))
    made = take(scheduled_for="2030-01-20T10:00:00", rules=rules)
    assert made.due_at == datetime(2030, 1, 20, 10, tzinfo=ZoneInfo(zone)).timestamp()
    given = take(scheduled_for="2030-01-20T10:00:00+03:00", rules=rules)
    assert given.due_at == datetime(2030, 1, 20, 7, tzinfo=UTC).timestamp()


def test_the_deadline_must_leave_time_to_send():
    soon = NOON + timedelta(seconds=1)
    assert take(expires_at=soon).expires_at == soon.timestamp()
    assert set(faults(expires_at=NOON)) == {("expires_at",)}
    later = NOON + timedelta(hours=2)
    assert set(faults(expires_at=later, scheduled_for=later)) == {("expires_at",)}
    made = take(expires_at=later, scheduled_for=NOON + timedelta(hours=1))
    assert made.expires_at == later.timestamp()


def test_a_deadline_that_no_calendar_shows_is_refused():
    assert set(faults(expires_at="9999-12-31T23:59:59-12:00")) == {("expires_at",)}
    assert take(expires_at="9999-12-31T23:59:59Z").expires_at == 253_402_300_799


@pytest.mark.parametrize("zone", ["Moon/Sea", "", "../../etc/passwd", "UTC+1", "europe london"])
def test_a_zone_nobody_knows_is_refused(zone):
    assert set(faults(timezone=zone)) == {("timezone",)}
    assert set(faults(timezone=zone, message_type="marketing", rules=QUIET)) == {("timezone",)}


def test_marketing_waits_for_the_morning():
    made = take(at=NIGHT, message_type="marketing", rules=QUIET)
    assert made.status is Status.SCHEDULED
    assert made.due_at == made.scheduled_for == MORNING.timestamp()


def test_marketing_by_day_goes_at_once():
    assert take(at=NOON, message_type="marketing", rules=QUIET).status is Status.ACCEPTED


@pytest.mark.parametrize("type_", ["notification", "alert", "reminder"])
def test_other_messages_do_not_wait(type_):
    assert take(at=NIGHT, message_type=type_, rules=QUIET).due_at == NIGHT.timestamp()


def test_codes_do_not_wait():
    at = NIGHT.timestamp()
    asked = OtpRequest(phone_number=PHONE)
    made = validate.otp(asked, message_id="msg_1", now=at, expires_at=at + 300, rules=QUIET)
    assert (made.due_at, made.status) == (at, Status.ACCEPTED)


def test_the_night_is_that_of_the_recipient():
    tokyo = {"phone_number": "+81312345678", "message_type": "marketing", "rules": QUIET}
    assert take(at=NIGHT, **tokyo).due_at == (
        datetime(2030, 1, 11, 9, tzinfo=ZoneInfo("Asia/Tokyo")).timestamp()
    )
    assert take(at=NIGHT, timezone="America/Los_Angeles", **tokyo).due_at == NIGHT.timestamp()


def test_a_scheduled_evening_is_put_off_to_the_morning():
    made = take(message_type="marketing", rules=QUIET, scheduled_for=NIGHT)
    assert made.due_at == MORNING.timestamp()


def test_the_window_is_the_operators():
    rules = Rules(
        media=MEDIA,
        zone=LONDON,
        quiet=frozenset({MessageType.REMINDER}),
        quiet_start=time(11),
        quiet_end=time(13),
    )
    assert take(message_type="reminder", rules=rules).due_at == NOON.timestamp() + 3600


def test_a_code_is_due_now_and_dies_with_its_verification():
    given = {"user_id": "u", "reference": "r", "metadata": {"a": 1}, "preferred_channel": "Call"}
    asked = OtpRequest(phone_number="+44 7700 900001", email="Ada@EXAMPLE.com", **given)
    made = validate.otp(asked, message_id="msg_1", now=1000, expires_at=1300, rules=RULES)
    assert (made.type, made.priority) == (MessageType.OTP, Priority.HIGH)
    assert (made.created_at, made.due_at, made.expires_at) == (1000, 1000, 1300)
    assert (made.phone_number, made.content, made.metadata) == (PHONE, None, {"a": 1})
    assert (made.user_id, made.reference) == ("u", "r")
    assert (made.id, made.email, made.preferred_channel) == ("msg_1", "Ada@example.com", "Call")


def test_a_code_that_cannot_go_anywhere_is_refused():
    phones = Rules(media={Channel.SMS: MEDIA[Channel.SMS]}, zone=LONDON)
    asked = OtpRequest(email="ada@example.com", priority="LOW")
    with pytest.raises(InvalidRequest, match="SMS: no phone_number"):
        validate.otp(asked, message_id="msg_1", now=1000, expires_at=1300, rules=phones)
    wrong = OtpRequest(phone_number="1", email="2")
    with pytest.raises(InvalidRequest) as caught:
        validate.otp(wrong, message_id="msg_1", now=1000, expires_at=1300, rules=RULES)
    assert {f.loc for f in caught.value.faults} == {("phone_number",), ("email",)}


def test_a_typed_code_is_compared_without_the_space_around_it():
    asked = CheckRequest(phone_number="+44 7700 900001", code=" 123456\n")
    assert validate.check(asked, RULES) == (PHONE, "123456")
    by_mail = CheckRequest(email="Ada@EXAMPLE.com", code="1234")
    assert validate.check(by_mail, RULES) == ("Ada@example.com", "1234")
    assert validate.check(CheckRequest(verification_id="v", code="1234"), RULES) == (None, "1234")
    with pytest.raises(InvalidRequest):
        validate.check(CheckRequest(phone_number="1", code="1234"), RULES)


def test_the_zone_of_each_of_ten_thousand_rows_is_not_looked_up_on_disk(monkeypatch):
    take(timezone="Europe/London")
    walk, looked = os.walk, []
    monkeypatch.setattr(os, "walk", lambda *args: looked.append(args) or walk(*args))
    take(timezone="Europe/London")
    take(timezone="America/Los_Angeles")
    faults(timezone="Moon/Sea")
    assert looked == []
