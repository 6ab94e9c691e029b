"""Quiet hours end on time in every zone, on the days the clocks change too."""

from datetime import UTC, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otp_messaging_agent.safety import quiet_hours
from otp_messaging_agent.safety.quiet_hours import (
    next_allowed,
    parse_local,
    wait_until,
    zone,
    zones_of,
)

LONDON, NEW_YORK = ZoneInfo("Europe/London"), ZoneInfo("America/New_York")
EVENING, MORNING = time(20), time(9)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()[:16]


def is_quiet(moment: float, where: ZoneInfo, start: time, end: time) -> bool:
    wall = datetime.fromtimestamp(moment, where).time()
    return start <= wall < end if start < end else not end <= wall < start


@pytest.mark.parametrize(
    ("now", "allowed"),
    [
        ("2026-01-14T19:59:59+00:00", "2026-01-14T19:59"),
        ("2026-01-14T20:00:00+00:00", "2026-01-15T09:00"),
        ("2026-01-14T23:00:00+00:00", "2026-01-15T09:00"),
        ("2026-01-15T00:00:00+00:00", "2026-01-15T09:00"),
        ("2026-01-15T08:59:59+00:00", "2026-01-15T09:00"),
        ("2026-01-15T09:00:00+00:00", "2026-01-15T09:00"),
        ("2026-07-15T02:00:00+00:00", "2026-07-15T08:00"),  # summer time
        ("2026-03-28T21:00:00+00:00", "2026-03-29T08:00"),  # the night that is an hour short
        ("2026-10-24T21:00:00+00:00", "2026-10-25T09:00"),  # and the one that is longer
    ],
)
def test_a_message_waits_for_the_morning(now, allowed):
    assert utc(next_allowed(at(now), LONDON, EVENING, MORNING)) == allowed


def test_what_may_go_now_goes_now_to_the_fraction():
    now = at("2026-01-14T12:00:00+00:00") + 0.123
    assert next_allowed(now, LONDON, EVENING, MORNING) == now


def test_a_window_within_a_day():
    now = at("2026-01-14T12:30:00+00:00")
    assert utc(next_allowed(now, LONDON, time(12), time(14))) == "2026-01-14T14:00"
    assert next_allowed(now, LONDON, time(13), time(14)) == now


def test_a_window_without_length_holds_nothing_back():
    now = at("2026-01-14T09:00:00+00:00")
    assert next_allowed(now, LONDON, MORNING, MORNING) == now


def test_quiet_that_ends_in_a_skipped_hour_ends_as_the_clocks_change():
    now = at("2026-03-29T00:30:00+00:00")
    change = at("2026-03-29T01:00:00+00:00")
    for seconds in range(300):
        assert next_allowed(now + seconds, LONDON, time(22), time(1, 30)) == change


def test_quiet_that_ends_in_a_repeated_hour_ends_the_first_time_and_begins_again():
    window = time(22), time(1, 30)
    assert utc(next_allowed(at("2026-10-24T23:00:00+00:00"), LONDON, *window)) == "2026-10-25T00:30"
    assert utc(next_allowed(at("2026-10-25T01:10:00+00:00"), LONDON, *window)) == "2026-10-25T01:30"


def test_clocks_that_go_back_before_quiet_began_let_messages_out():
    now = at("2026-10-25T00:45:00+00:00")  # 01:45 in summer time; 01:00 again 15 minutes later
    change = at("2026-10-25T01:00:00+00:00")
    assert next_allowed(now, LONDON, time(1, 30), time(6)) == change
    assert next_allowed(now, LONDON, time(1, 30, 1), time(6)) == change


def test_a_zone_may_skip_a_whole_day():
    apia = ZoneInfo("Pacific/Apia")  # went from 29 to 31 December 2011
    now = at("2011-12-30T09:00:00+00:00")
    allowed = next_allowed(now, apia, EVENING, MORNING)
    assert datetime.fromtimestamp(allowed, apia).isoformat()[:16] == "2011-12-31T09:00"


ZONES = st.sampled_from(
    [
        "Europe/London",
        "America/New_York",
        "America/St_Johns",
        "Australia/Lord_Howe",  # changes by half an hour
        "Pacific/Apia",
        "Asia/Kathmandu",
        "Africa/Casablanca",
        "America/Sao_Paulo",  # changed at midnight
        "UTC",
    ]
).map(ZoneInfo)
CLOCKS = st.times().map(lambda t: t.replace(second=0, microsecond=0))
MOMENTS = st.floats(at("2010-01-01T00:00:00+00:00"), at("2037-01-01T00:00:00+00:00")).map(
    lambda moment: round(moment, 3)
)
NEAR_CHANGES = st.builds(
    lambda change, hours: change + hours * 3600,
    st.sampled_from(
        [
            at("2026-03-29T01:00:00+00:00"),
            at("2026-10-25T01:00:00+00:00"),
            at("2026-03-08T07:00:00+00:00"),
            at("2026-11-01T06:00:00+00:00"),
            at("2026-04-04T15:00:00+00:00"),
            at("2011-12-30T10:00:00+00:00"),
            at("2018-11-04T03:00:00+00:00"),
        ]
    ),
    st.integers(-1800, 600).map(lambda minutes: minutes / 60),
)


@settings(deadline=None)
@given(NEAR_CHANGES | MOMENTS, ZONES, CLOCKS, CLOCKS)
def test_the_answer_is_never_quiet_and_never_earlier(now, where, start, end):
    allowed = next_allowed(now, where, start, end)
    assert allowed >= now
    assert start == end or not is_quiet(allowed, where, start, end)


@settings(deadline=None)
@given(NEAR_CHANGES, ZONES, CLOCKS, CLOCKS)
def test_no_minute_before_the_answer_would_have_been_allowed(now, where, start, end):
    if start == end:
        return
    allowed = next_allowed(now, where, start, end)
    assert allowed - now <= 3 * 86_400
    minute = now
    while minute < allowed:
        assert is_quiet(minute, where, start, end)
        minute += 60


def test_numbers_know_their_zones():
    assert zones_of("+12125550123") == ["America/New_York"]
    assert "Europe/London" in zones_of("+447700900001")  # possible, though not assigned
    assert zones_of("+80012345678") == []
    assert zones_of(None) == []
    assert zones_of("nonsense") == []


def waits(now, number=None, name=None, default=LONDON):
    return utc(wait_until(at(now), number, name, default, EVENING, MORNING))


def test_the_zone_of_the_request_comes_first_then_the_number_then_the_default():
    night = "2026-01-14T22:00:00+00:00"
    assert waits(night, "+12125550123", "Asia/Tokyo") == "2026-01-15T00:00"
    assert waits(night, "+12125550123") == "2026-01-14T22:00"  # 17:00 in New York
    assert waits(night, "+80012345678") == "2026-01-15T09:00"
    assert waits(night, None, None, NEW_YORK) == "2026-01-14T22:00"


def test_a_number_of_many_zones_waits_for_a_time_that_suits_them_all():
    russia = "+79161234567"
    zones = [ZoneInfo(name) for name in zones_of(russia)]
    offsets = {datetime(2026, 1, 14, tzinfo=z).utcoffset() for z in zones}
    assert len(offsets) > 5
    allowed = wait_until(at("2026-01-14T12:00:00+00:00"), russia, None, LONDON, EVENING, MORNING)
    assert not any(is_quiet(allowed, z, EVENING, MORNING) for z in zones)
    assert utc(allowed) == "2026-01-15T07:00"  # 09:00 in Kaliningrad, 19:00 in Kamchatka


def test_where_no_time_suits_them_all_the_first_zone_counts():
    russia = "+79161234567"
    now = at("2026-01-14T12:00:00+00:00")
    first = zone(zones_of(russia)[0])
    window = time(11), time(10)  # one hour a day
    expected = next_allowed(now, first, *window)
    assert wait_until(now, russia, None, LONDON, *window) == expected


def test_zones_this_system_does_not_know_are_left_out(monkeypatch):
    monkeypatch.setattr(quiet_hours, "_zones_of", lambda _: ("Mars/Olympus", "Asia/Tokyo"))
    assert waits("2026-01-14T22:00:00+00:00", "+12125550123") == "2026-01-15T00:00"
    monkeypatch.setattr(quiet_hours, "_zones_of", lambda _: ("Mars/Olympus",))
    assert waits("2026-01-14T22:00:00+00:00", "+12125550123") == "2026-01-15T09:00"


def test_an_unknown_zone_is_a_value_error_that_says_what_is_allowed():
    for name in ("Mars/Olympus", "", "../etc/passwd", "/etc/localtime", "Europe", "a\0b"):
        with pytest.raises(ValueError, match="IANA time zone"):
            zone(name)


def test_local_times_are_of_the_zone_and_others_as_they_say():
    assert utc(parse_local(datetime(2026, 7, 1, 12), NEW_YORK)) == "2026-07-01T16:00"  # noqa: DTZ001
    there = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert utc(parse_local(there, NEW_YORK)) == "2026-07-01T10:00"


def test_a_skipped_local_time_moves_on_by_what_is_skipped():
    skipped = datetime(2026, 3, 29, 1, 30)  # noqa: DTZ001
    moved = datetime.fromtimestamp(parse_local(skipped, LONDON), LONDON)
    assert moved.isoformat()[:16] == "2026-03-29T02:30"


@pytest.mark.parametrize("fold", [0, 1])
def test_a_repeated_local_time_is_the_first_of_both(fold):
    repeated = datetime(2026, 10, 25, 1, 30, fold=fold)  # noqa: DTZ001
    assert utc(parse_local(repeated, LONDON)) == "2026-10-25T00:30"
