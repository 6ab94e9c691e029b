"""Prices: the table that ships, whose price is found, and every fault of a table by its line."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otp_messaging_agent import prices
from otp_messaging_agent.errors import ConfigError
from otp_messaging_agent.message import Channel
from otp_messaging_agent.prices import Price, load

HEADER = "channel,provider,country,price,per,currency,source,as_of"
SMS, CALL, MAIL, WHATSAPP = Channel.SMS, Channel.CALL, Channel.EMAIL, Channel.WHATSAPP


def row(where="SMS,*,*", price="0.05", per="part", more="USD,contract,2026-01-31"):
    return f"{where},{price},{per},{more}"


def table(tmp_path, *rows, header=HEADER):
    path = tmp_path / "prices.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def faults(path):
    with pytest.raises(ConfigError) as wrong:
        load(path)
    start = f"{path}: "
    assert all(fault.startswith(start) for fault in wrong.value.faults)
    return [fault.removeprefix(start) for fault in wrong.value.faults]


def test_the_shipped_table_names_a_source_and_a_day_for_every_price():
    rows = load()._rows.values()
    assert {p.currency for p in rows} == {"USD"}
    assert all(p.source.startswith("https://") for p in rows)
    assert all(p.as_of <= datetime.now(UTC).date() for p in rows)
    assert len([p for p in rows if p.channel is SMS]) >= 20
    assert {p.channel for p in rows} == set(Channel)


@pytest.mark.parametrize(
    ("channel", "provider", "country", "price", "per"),
    [
        (SMS, "twilio", "US", 0.0083, "part"),
        (SMS, "anybody", "NG", 0.35, "part"),
        (WHATSAPP, "twilio", "BR", 0.005, "message"),
        (CALL, "twilio", "US", 0.014, "minute"),
        (MAIL, "smtp", None, 0.00016, "message"),
    ],
)
def test_the_shipped_table_knows_common_cases(channel, provider, country, price, per):
    found = load().of(channel, provider, country)
    assert (found.price, found.per) == (price, per)


def test_what_the_table_does_not_say_is_not_guessed():
    assert load().of(SMS, "twilio", "SJ") is None
    assert load().of(SMS, "twilio", None) is None


CASES = {"SMS,a,GB": 1.0, "SMS,a,*": 2.0, "SMS,*,GB": 3.0, "SMS,*,*": 4.0}


@pytest.mark.parametrize("left", range(4))
def test_the_price_that_says_most_is_found(tmp_path, left):
    rows = [row(case, str(price)) for case, price in list(CASES.items())[left:]]
    found = load(table(tmp_path, *reversed(rows)))
    assert found.of(SMS, "a", "GB").price == left + 1
    assert found.of(SMS, "b", "FR").price == 4
    assert found.of(SMS, "b", "GB").price == max(left + 1, 3)
    assert found.of(SMS, "a", "FR").price == (2 if left < 2 else 4)
    assert found.of(SMS, "a", None).price == (2 if left < 2 else 4)
    assert found.of(CALL, "a", "GB") is None


def test_a_table_is_read_whatever_the_spreadsheet_made_of_it(tmp_path):
    path = tmp_path / "prices.csv"
    text = (
        "price,per,channel,provider,country,currency,source,as_of\r\n\r\n"
        '"0.05",part,sms,my-vendor_2.uk,GB,EUR,"contract, p. 3",2026-01-31\r\n'
    )
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = load(path).of(SMS, "my-vendor_2.uk", "GB")
    assert (found.price, found.currency, found.source) == (0.05, "EUR", "contract, p. 3")
    assert found.as_of.isoformat() == "2026-01-31"


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (row("Fax,*,*"), "channel: must be one of SMS, WhatsApp, Call, Email"),
        (row("SMS,,*"), "provider: must be * or a provider's name"),
        (row("SMS,a b,*"), "provider: must be * or a provider's name"),
        (row("SMS,*,UK"), "country: must be * or an ISO 3166-1 alpha-2 code"),
        (row("SMS,*,gb"), "country: must be * or an ISO 3166-1 alpha-2 code"),
        (row("SMS,*,"), "country: must be * or an ISO 3166-1 alpha-2 code"),
        (row(price="-1"), "price: must be a number such as 0.0083"),
        (row(price="$1"), "price: must be a number such as 0.0083"),
        (row(price="nan"), "price: must be a number such as 0.0083"),
        (row(price="1e9"), "price: must be a number such as 0.0083"),
        (row(price=""), "price: must be a number such as 0.0083"),
        (row(price="٣"), "price: must be a number such as 0.0083"),
        (row(per="minute"), "per: must be part or message"),
        (row("Call,*,*", per="part"), "per: must be call or minute"),
        (row("Email,*,*", per="part"), "per: must be message"),
        (row("WhatsApp,*,*", per=""), "per: must be message"),
        (row(more="usd,contract,2026-01-31"), "currency: must be an ISO 4217 code such as USD"),
        (row(more="USD,,2026-01-31"), "source: must have at least 1 character"),
        (row(more="USD,contract,31.1.2026"), "as_of: must be a date such as 2026-01-31"),
        (row(more="USD,contract,1700000000"), "as_of: must be a date such as 2026-01-31"),
        (row(more="USD,contract"), "must have 8 fields, as the header"),
        (row(price="0,05"), "must have 8 fields, as the header"),
        ('"SMS,*,*', "must be CSV"),
    ],
)
def test_every_fault_is_named_by_its_line(tmp_path, bad, fault):
    good = row("SMS,*,GB")
    (only,) = faults(table(tmp_path, good, "", bad))
    line, _, text = only.partition(": ")
    assert line in {"line 4", "line 5"}  # a quote left open ends with the file
    assert text.startswith(fault)


def test_all_faults_are_told_at_once(tmp_path):
    path = table(
        tmp_path,
        row("SMS,*,GB"),
        row("Fax,*,UK", "x", "y", "z,,"),
        row("sms,*,GB"),
        row("SMS,*,FR", more="EUR,contract,2026-01-31"),
        "one",
    )
    found = faults(path)
    assert {f.split(":")[1].strip() for f in found if f.startswith("line 3:")} == (
        {"channel", "country", "price", "per", "currency", "source", "as_of"}
    )
    assert [f for f in found if not f.startswith("line 3:")] == [
        "line 4: prices the same case as line 2",
        "line 5: currency: must be USD as in the rows before: they are compared",
        "line 6: must have 8 fields, as the header",
    ]


@pytest.mark.parametrize(
    "header", ["", "channel,price", HEADER + ",note", HEADER.replace("as_of", "source")]
)
def test_the_columns_are_all_there_and_no_others(tmp_path, header):
    assert faults(table(tmp_path, row(), header=header)) == [
        f"line 1: must name the columns {HEADER}"
    ]


def test_a_file_that_is_not_there_is_said_to_be_not_there(tmp_path):
    assert faults(tmp_path / "no.csv") == ["cannot be read: No such file or directory"]
    assert faults(tmp_path) == ["cannot be read: Is a directory"]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'"'])
def test_what_is_no_table_is_named(tmp_path, content):
    path = tmp_path / "prices.csv"
    path.write_bytes(content)
    (only,) = faults(path)
    assert only.startswith("must be a CSV file in UTF-8 (")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.text(max_size=80) | st.sampled_from([row(), row("Call,a,GB"), '"', "\0"])),
    st.booleans(),
)
def test_any_file_is_a_table_or_a_config_error(tmp_path, lines, headed):
    path = tmp_path / "prices.csv"
    path.write_text("\n".join([HEADER, *lines] if headed else lines), "utf-8", "surrogatepass")
    try:
        found = load(path)
    except ConfigError:
        return
    for price in found._rows.values():
        assert isinstance(price, Price)
        assert found.of(price.channel, price.provider, price.country) is price


def test_the_columns_are_the_documented_ones():
    assert ",".join(prices._COLUMNS) == HEADER
