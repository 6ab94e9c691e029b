"""One form for every spelling of an address, and none for what must not be sent to."""

import re

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from otp_messaging_agent.safety.addresses import country, email, permitted, phone

NO_NUMBER = (
    "must be a phone number in international form: + and country code first, e.g. +447700900001"
)
HANDSET = "+447700900001"
SPELLINGS = [
    "+447700900001",
    " +447700900001 ",
    "+44 7700 900001",
    "+44 7700 900 001",
    "+44 77 00 90 00 01",
    "+44-7700-900001",
    "+44.7700.900001",
    "+44 (7700) 900001",
    "(+44) 7700 900001",
    "+44 (0) 7700 900001",
    "+44 (0)7700 900001",
    "+4407700900001",
    "+44 07700-900001",
    "+44 0 0 7700 900001",
    "+44\u00a07700\u00a0900001",
    "+44\u202f7700\u2009900001",
    "+44\u20117700\u2013900001",
    "\u202a+447700900001\u202c",
    "+ 44 7700\t900001",
]
COSTLY = PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST


def canonical(raw, *, strict=False, allow_premium=False):
    return phone(raw, strict=strict, allow_premium=allow_premium)


def examples(*types):
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for type_ in types:
            number = phonenumbers.example_number_for_type(region, type_)
            if number:
                yield phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_handset_is_one_number(spelling):
    assert canonical(spelling) == HANDSET


def test_the_spellings_are_nineteen():
    assert len(set(SPELLINGS)) == 19


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("+44770090001", "+44770090001"),  # a digit short, yet a possible length
        ("+39 06 1234 5678", "+390612345678"),  # the zero of Italy belongs to the number
        ("+39 (0)6 1234 5678", "+390612345678"),
        ("+1 212 555 0123", "+12125550123"),
        ("+1 (1) 212 555 0123", "+12125550123"),
        ("+1 500 555 0006", "+15005550006"),
        ("+54 9 11 1234 5678", "+5491112345678"),
    ],
)
def test_numbers_are_brought_to_e164(raw, number):
    assert canonical(raw) == number


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "+",
        "447700900001",
        "07700900001",
        "00447700900001",
        "++447700900001",
        "+44+7700900001",
        "+44770090000１",
        "+٤٤٧٧٠٠٩٠٠٠٠١",
        "\uff0b447700900001",
        "+44 7700 900001 x12",
        "tel:+447700900001",
        "+44 7700 ABCDEF",
        "+44/7700/900001",
        "+4477",
        "+15550123",  # possible only from within its own area
        "+999123456789",
        "+44770090000177009000017700900001",
        "+447700900001" + " " * 100 + "9",
        "+44" + " " * 60 + "7700900001",
        "+44\x007700900001",
        "\ud800",
    ],
)
def test_what_is_no_international_number_is_refused_without_repeating_it(raw):
    with pytest.raises(ValueError, match=f"^{re.escape(NO_NUMBER)}$"):
        canonical(raw)


def test_strict_takes_assigned_numbers_only():
    assert canonical("+442079460958", strict=True) == "+442079460958"
    with pytest.raises(ValueError, match=r"phone_numbers\.strict"):
        canonical("+44770090001", strict=True)


@pytest.mark.parametrize("number", [*examples(PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE)])
def test_the_telephones_of_every_country_are_taken(number):
    assert canonical(number) == number


@pytest.mark.parametrize("number", [*examples(*COSTLY)])
def test_the_premium_numbers_of_every_country_are_refused(number):
    with pytest.raises(ValueError, match="premium"):
        canonical(number)
    assert canonical(number, allow_premium=True) == number


@pytest.mark.parametrize(
    "number",
    [
        "+19005551234",
        "+449012345678",
        "+448451234567",
        "+80812345678",
        "+870773111632",
        "+881612345678",
        "+882161234567",
        "+883510012345678",
        "+979123456789",
    ],
)
def test_numbers_that_cost_more_are_refused_unless_allowed(number):
    with pytest.raises(ValueError, match="premium") as refused:
        canonical(number)
    assert number not in str(refused.value)
    assert canonical(number, allow_premium=True) == number


@pytest.mark.parametrize(
    "number",
    [
        "+19000001234",  # no such exchange
        "+19001234567",
        "+44901234567",  # a digit short
        "+44871234567",
        "+49900123456",
    ],
)
def test_a_premium_number_that_is_not_assigned_is_still_one(number):
    parsed = phonenumbers.parse(number, None)
    assert phonenumbers.number_type(parsed) == PhoneNumberType.UNKNOWN
    with pytest.raises(ValueError, match="premium"):
        canonical(number)
    assert canonical(number, allow_premium=True) == number


@pytest.mark.parametrize(
    "number",
    [
        "+448087739",  # a freephone number cut short, beside the 84 and 87 that cost
        "+46783767",
        "+2904999",  # Saint Helena assigns no number that begins with 4
    ],
)
def test_an_unassigned_number_is_what_its_nearest_relatives_are(number):
    parsed = phonenumbers.parse(number, None)
    assert phonenumbers.number_type(parsed) == PhoneNumberType.UNKNOWN
    assert canonical(number) == number


@settings(deadline=None)
@given(
    code=st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
    rest=st.text("0123456789", min_size=3, max_size=14),
)
def test_the_canonical_form_of_a_canonical_form_is_itself(code, rest):
    try:
        once = canonical(f"+{code}{rest}", allow_premium=True)
    except ValueError:
        return
    assert canonical(once, allow_premium=True) == once


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_number_or_a_value_error(raw):
    try:
        number = canonical(raw)
    except ValueError:
        return
    assert number.startswith("+")
    assert number[1:].isascii()
    assert number[1:].isdigit()


NO_RANGE_OF_THEIR_OWN = {"EH": "MA", "MF": "BL"}  # Western Sahara, Saint Martin


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_the_telephones_of_a_country_are_its_own(region):
    kinds = PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE
    made = (phonenumbers.example_number_for_type(region, kind) for kind in kinds)
    e164 = phonenumbers.format_number(next(filter(None, made)), phonenumbers.PhoneNumberFormat.E164)
    assert country(e164) == NO_RANGE_OF_THEIR_OWN.get(region, region)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("+447700900001", "GB"),  # kept for fiction: assigned to nobody, and to no country
        ("+447797000000", "JE"),
        ("+18761110123", "JM"),  # no exchange begins with 1
        ("+12421110123", "BS"),
        ("+15005550006", "US"),
        ("+77770001122", "KZ"),
        ("+70000000000", "RU"),
        ("+390600000000", "IT"),
        ("+4912", "DE"),
        ("+979123456789", None),
        ("+881612345678", None),
        ("+999123456789", None),
        ("", None),
        ("+", None),
    ],
)
def test_the_country_of_a_number_is_that_of_its_plan_or_of_its_nearest_relatives(number, code):
    assert country(number) == code


@settings(deadline=None)
@given(
    code=st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
    rest=st.text("0123456789", min_size=2, max_size=12),
)
def test_a_number_is_of_a_country_that_has_its_code(code, rest):
    regions = set(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code])
    assert country(f"+{code}{rest}") in regions | {None}


@pytest.mark.parametrize(
    ("number", "allowed", "denied", "taken"),
    [
        (HANDSET, (), (), True),
        (HANDSET, {"GB"}, (), True),
        (HANDSET, {"IE", "FR"}, (), False),
        (HANDSET, (), {"GB"}, False),
        (HANDSET, (), {"IE"}, True),
        ("+18761110123", {"US"}, (), False),
        ("+881612345678", {"US"}, (), False),
        ("+881612345678", (), {"US"}, True),
    ],
)
def test_only_numbers_of_permitted_countries_are_taken(number, allowed, denied, taken):
    if taken:
        assert permitted(number, allowed=allowed, denied=denied) == number
        return
    with pytest.raises(ValueError, match=r"phone_numbers\.(allow|deny)_countries") as refused:
        permitted(number, allowed=allowed, denied=denied)
    assert number not in str(refused.value)


@pytest.mark.parametrize(
    ("raw", "address"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada@EXAMPLE.Com", "Ada@example.com"),
        ("ada@b\u00fccher.example.com", "ada@xn--bcher-kva.example.com"),
        ("ada@xn--bcher-kva.example.com", "ada@xn--bcher-kva.example.com"),
        ("ad\u0061\u0301@example.com", "ad\u00e1@example.com"),
        ("ada+tag@example.com", "ada+tag@example.com"),
    ],
)
def test_addresses_are_normalised(raw, address):
    assert email(raw) == address
    assert email(email(raw)) == address


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@localhost",
        "ada@example",
        "ada@[127.0.0.1]",
        "Ada <ada@example.com>",
        "ada@example.com, bob@example.com",
        "ada@example.com\nBcc: bob@example.com",
        "ada@exa mple.com",
        "ada@mail.invalid",
        "a" * 65 + "@example.com",
        "a@" + "b." * 130 + "com",
        "\ud800@example.com",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(raw):
    with pytest.raises(ValueError, match=r"^must be an e-mail address such as ada@example\.com$"):
        email(raw)


@settings(deadline=None)
@given(st.text(max_size=60) | st.emails())
def test_any_text_is_an_address_or_a_value_error(raw):
    try:
        address = email(raw)
    except ValueError:
        return
    assert email(address) == address
