"""What a message costs before it is sent: what the config says, the table, or the medium."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otp_messaging_agent import prices

from .routes import CALL, EMAIL, MEDIA, SMS, WHATSAPP, message, option, route

LIST = prices.load()
GB, US, SATELLITE, NOWHERE = "+447700900001", "+12125550123", "+881612345678", "+4771234567"


def by_table(channel, table=LIST, vendor="twilio"):
    return replace(option(channel), cost=None, prices=table, vendor=vendor)


def table(tmp_path, *rows):
    path = tmp_path / "prices.csv"
    header = "channel,provider,country,price,per,currency,source,as_of"
    ends = [f"{row},USD,contract,2026-01-31" for row in rows]
    path.write_text("\n".join([header, *ends]) + "\n")
    return prices.load(path)


@pytest.mark.parametrize("channel", [SMS, WHATSAPP, CALL, EMAIL])
def test_what_the_config_says_comes_before_the_table(channel):
    priced = replace(by_table(channel), cost=0.02)
    assert priced.price(message(), 1) == 0.02
    assert priced.price(message(), 3) == 0.06
    assert replace(priced, cost=0.0).price(message(), 3) == 0


@pytest.mark.parametrize(
    ("channel", "number", "parts", "cost"),
    [
        (SMS, GB, 1, 0.05),
        (SMS, GB, 3, 0.15),
        (SMS, US, 2, 0.0166),
        (WHATSAPP, GB, 1, 0.005),
        (CALL, US, 1, 0.014),
        (EMAIL, None, 1, 0.00016),
        (EMAIL, GB, 1, 0.00016),
    ],
)
def test_the_shipped_table_prices_by_country(channel, number, parts, cost):
    assert by_table(channel).price(message(phone_number=number), parts) == cost


@pytest.mark.parametrize(
    ("channel", "number"), [(SMS, SATELLITE), (SMS, NOWHERE), (CALL, GB), (CALL, SATELLITE)]
)
def test_where_the_table_says_nothing_the_medium_does(channel, number):
    asked = message(phone_number=number)
    assert by_table(channel).price(asked, 2) == 2 * MEDIA[channel].cost


def test_without_a_table_the_medium_says():
    assert by_table(SMS, None).price(message(), 3) == round(3 * MEDIA[SMS].cost, 9)


def test_the_vendor_counts_not_the_name_it_has_in_the_config(tmp_path):
    listed = table(tmp_path, "SMS,vonage,*,0.3,part", "SMS,*,GB,0.1,part", "SMS,second,*,9,part")
    second = replace(by_table(SMS, listed, "vonage"), provider="second")
    assert second.price(message(), 2) == 0.6
    assert by_table(SMS, listed, "twilio").price(message(), 2) == 0.2


def test_a_price_per_message_does_not_grow_with_its_parts(tmp_path):
    listed = table(tmp_path, "SMS,*,GB,0.1,message", "SMS,*,US,0.1,part", "Call,*,*,0.2,minute")
    assert by_table(SMS, listed).price(message(phone_number=GB), 4) == 0.1
    assert by_table(SMS, listed).price(message(phone_number=US), 4) == 0.4
    assert by_table(CALL, listed).price(message(), 1) == 0.2


@given(st.integers(0, 10**9), st.integers(1, 10))
def test_no_price_drifts(units, parts):
    """One that is given to nine places has the same nine places times its parts."""
    priced = replace(option(SMS), cost=units / 10**9)
    assert priced.price(message(), parts) == units * parts / 10**9


@pytest.mark.parametrize(
    ("text", "parts"),
    [("hello", 1), ("x" * 160, 1), ("x" * 161, 2), ("ж" * 70, 1), ("ж" * 71, 2), ("€" * 80, 1)],
)
def test_a_decision_tells_parts_and_cost_of_every_way(text, parts):
    decision = route(message(content=text), options=[option(SMS), option(EMAIL), option(CALL)])
    found = {o["channel"]: (o["segments"], o["cost"]) for o in decision.as_json()["ranked"]}
    assert found == {
        "SMS": (parts, round(parts * 0.0083, 6)),
        "Email": (1, 0.0009),
        "Call": (1, 0.014),
    }


def test_a_way_that_is_out_tells_its_cost_too():
    decision = route(message(email=None), options=[option(SMS), option(EMAIL)])
    (out,) = decision.as_json()["excluded"]
    assert (out["channel"], out["cost"], out["out"]) == ("Email", 0.0009, "no email")
