"""Addresses in one canonical form each, so that every limit and block meets all spellings.

No message of an error here repeats the address.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import PhoneMetadata, ValidationResult

_SEPARATORS = re.compile(
    r"[\s.()\u00ad\u200b-\u200f\u2010-\u2015\u202a-\u202e\u2212\u2060-\u2069\ufeff-]"
)
"""What people and address books put between digits, invisible marks included."""
_DIGITS = re.compile(r"\+[0-9]{4,20}", re.ASCII)
_LONGEST = 64
_FORM = "must be a phone number in international form: + and country code first, e.g. +447700900001"
_COSTLY = "must not be a premium-rate, shared-cost, satellite or international-network number"
_COSTLY_CODES = frozenset({808, 870, 878, 881, 882, 883, 979})
"""ITU-T E.164 codes of no country: shared cost, Inmarsat, personal (UPT), satellite, networks,
premium (https://www.itu.int/pub/T-SP-E.164D)."""
_EMAIL = "must be an e-mail address such as ada@example.com"
_EMAIL_MAX = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets
PREFIX_DIGITS, _HIDDEN = 3, 4  # of the national number: an area or a range; the least left out


@lru_cache(maxsize=16_384)
def phone(raw: str, *, strict: bool, allow_premium: bool) -> str:
    """Return the E.164 form of *raw*; ValueError says what is allowed.

    strict: the number must be assigned by its country's plan, not only of a possible length.
    allow_premium: take numbers that cost the sender or the caller more than a normal call.
    """
    text = _SEPARATORS.sub("", raw) if len(raw) <= _LONGEST else ""
    plain = None if strict else _as_it_stands(text)
    if plain is not None:
        if not allow_premium and _is_costly(*plain):
            raise ValueError(_COSTLY)
        return text
    number = _parsed(text)
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        raise ValueError(_FORM)
    if strict and not phonenumbers.is_valid_number(number):
        msg = "must be a number that its country assigns (phone_numbers.strict is on)"
        raise ValueError(msg)
    national = phonenumbers.national_significant_number(number)
    if not allow_premium and _is_costly(number.country_code or 0, national):
        raise ValueError(_COSTLY)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _as_it_stands(text: str) -> tuple[int, str] | None:
    """Return country code and national number of what is E.164 already, None where not sure.

    Says what `_parsed` says of the most numbers, for a fifth of its time: those of a possible
    length that do not begin like a national prefix, so that nothing would be taken away.
    """
    if not _DIGITS.fullmatch(text):
        return None
    for digits in (1, 2, 3):  # no country code begins with another
        country_code, national = int(text[1 : 1 + digits]), text[1 + digits :]
        shape = _shape(country_code)
        if shape is not None:
            prefix, lengths = shape
            sure = len(national) in lengths and not prefix.match(national)
            return (country_code, national) if sure else None
    return None


@lru_cache(maxsize=1024)
def _shape(country_code: int) -> tuple[re.Pattern[str], frozenset[int]] | None:
    """Return what a national prefix begins with, and the lengths a national number can have."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(country_code)
    if regions is None:
        return None
    plan = PhoneMetadata.metadata_for_region_or_calling_code(country_code, regions[0])
    if plan is None or plan.general_desc is None:
        return None
    prefix = re.compile(plan.national_prefix_for_parsing or r"(?!)")
    return prefix, frozenset(plan.general_desc.possible_length)


@lru_cache(maxsize=16_384)
def country(number: str) -> str | None:
    """Return the ISO 3166-1 alpha-2 code of the country whose plan has this E.164 number.

    None for numbers of no country (satellite, international networks) and for what is no number.
    A number that nobody was assigned belongs where its nearest assigned relatives are.
    """
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return None
    region = phonenumbers.region_code_for_number(parsed)
    if region is None:
        national = phonenumbers.national_significant_number(parsed)
        region = _nearest(parsed.country_code or 0, national[:_LEADING])
    return region if region in phonenumbers.SUPPORTED_REGIONS else None


@lru_cache(maxsize=16_384)
def prefix(number: str) -> str | None:
    """Return country code and first digits of an E.164 number: `+44770`; None for a short one."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return None
    national = phonenumbers.national_significant_number(parsed)
    short = len(national) < PREFIX_DIGITS + _HIDDEN
    return None if short else f"+{parsed.country_code}{national[:PREFIX_DIGITS]}"


def permitted(number: str, *, allowed: Collection[str], denied: Collection[str]) -> str:
    """Return the E.164 *number*; ValueError where it is of no country that may be sent to.

    allowed: the only countries, where there are any; denied: countries that never may.
    """
    if allowed and country(number) not in allowed:
        msg = "must be a number of an allowed country (phone_numbers.allow_countries)"
        raise ValueError(msg)
    if denied and country(number) in denied:
        msg = "must not be a number of a denied country (phone_numbers.deny_countries)"
        raise ValueError(msg)
    return number


@lru_cache(maxsize=16_384)
def email(raw: str) -> str:
    """Return *raw* with its domain in ASCII and lower case; ValueError says what is allowed.

    The part before the @ keeps its case: RFC 5321, 2.4, leaves it to the receiving host.
    """
    if len(raw) > _EMAIL_MAX:
        raise ValueError(_EMAIL)
    try:
        parts = validate_email(raw, check_deliverability=False, strict=True)
    except EmailNotValidError:
        raise ValueError(_EMAIL) from None
    return f"{parts.local_part}@{parts.ascii_domain}"


def _parsed(text: str) -> phonenumbers.PhoneNumber:
    """Parse until nothing changes: one pass takes away one national prefix, as in +44 (0)7..."""
    for _ in range(len(text)):
        if not _DIGITS.fullmatch(text):
            break
        try:
            number = phonenumbers.parse(text, None)
        except phonenumbers.NumberParseException:
            break
        canonical = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if canonical == text:
            return number
        text = canonical
    raise ValueError(_FORM)


def _is_costly(country_code: int, national: str) -> bool:
    """Ask the plan of the country code, all kinds and regions of it in one pattern."""
    if country_code in _COSTLY_CODES:
        return True
    costly, plain, _ = _plan(country_code)
    if costly.fullmatch(national):
        return True
    return not plain.fullmatch(national) and _looks_costly(country_code, national[:_LEADING])


_LEADING = 7
"""Digits that tell what a number is: no plan in libphonenumber needs more for premium ranges."""
_PLAIN = (
    "fixed_line",
    "mobile",
    "toll_free",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)
_PREMIUM = ("premium_rate", "shared_cost")


@lru_cache(maxsize=16_384)
def _looks_costly(country_code: int, leading: str) -> bool:
    """Tell for an unassigned number what the nearest assigned numbers are.

    libphonenumber types only what is assigned, but a network may carry the rest of a premium
    range too. So the leading digits are filled up to a full number, fewer and fewer of them,
    until the plan knows what comes out; where that is both, it counts as costly.
    """
    costly, plain, lengths = _plan(country_code)
    for kept in range(len(leading), 0, -1):
        full = [
            leading[:kept] + digit * (length - kept)
            for length in lengths
            if length > kept
            for digit in "0123456789"
        ]
        if any(map(costly.fullmatch, full)):
            return True
        if any(map(plain.fullmatch, full)):
            return False
    return False


@lru_cache(maxsize=16_384)
def _nearest(country_code: int, leading: str) -> str | None:
    """Return the region of the numbers that share the most leading digits.

    Only where several share a country code, as +1 and +44: else a number that a plan does not
    assign yet, Jamaican by its area code, would count as one of the largest country of that code.
    """
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(country_code, ())
    lengths = _plan(country_code)[2] if len(regions) > 1 else ()
    for kept in range(len(leading), 0, -1):
        found = {
            phonenumbers.region_code_for_number(
                phonenumbers.PhoneNumber(country_code, int(leading[:kept] + digit * (n - kept)))
            )
            for n in lengths
            if n > kept
            for digit in "0123456789"
        } - {None}
        if len(found) == 1:
            return found.pop()
        if found:
            break
    return regions[0] if regions else None


@lru_cache(maxsize=256)
def _plan(country_code: int) -> tuple[re.Pattern[str], re.Pattern[str], tuple[int, ...]]:
    """Return patterns of a country code's costly and plain numbers, and their lengths."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(country_code, ())
    found = (PhoneMetadata.metadata_for_region(region) for region in regions)
    plans = [plan for plan in found if plan is not None]
    lengths = {n for plan in plans if plan.general_desc for n in plan.general_desc.possible_length}
    return _union(plans, _PREMIUM), _union(plans, _PLAIN), tuple(sorted(lengths))


def _union(plans: list[PhoneMetadata], kinds: tuple[str, ...]) -> re.Pattern[str]:
    described = (getattr(plan, kind) for plan in plans for kind in kinds)
    patterns = {d.national_number_pattern for d in described if d and d.national_number_pattern}
    return re.compile("|".join(f"(?:{p})" for p in sorted(patterns)))
