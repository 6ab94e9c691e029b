"""What is wrong is said in words, not in the terms of the library that found it."""

import re

import pytest

from otp_messaging_agent.assembly import provider_faults
from otp_messaging_agent.message import Channel

SMS, WHATSAPP, CALL, EMAIL = Channel


@pytest.mark.parametrize(
    ("provider", "channel", "given", "place", "words"),
    [
        ("twilio", SMS, {"account_sid": "x"}, "account_sid", "must be AC, then letters and digits"),
        ("twilio", SMS, {"account_sid": "AC1\n"}, "account_sid", "must be AC, then"),
        ("twilio", SMS, {"auth_token": ""}, "auth_token", "must have at least 1 character"),
        ("twilio", CALL, {"from_number": "0123"}, "from_number", "must be + and digits"),
        ("twilio", SMS, {"messaging_service_sid": "x"}, "messaging_service_sid", "must be MG"),
        ("twilio", SMS, {"base_url": "api.example.com"}, "base_url", "must be https://"),
        ("vonage", SMS, {"from_number": "+0"}, "from_number", "must be as +447700900000 or"),
        ("vonage", CALL, {"language": "english!"}, "language", "must be as en-GB"),
        ("vonage", SMS, {"application_id": "a b"}, "application_id", "must be letters, digits"),
        ("meta", WHATSAPP, {"phone_number_id": "+1"}, "phone_number_id", "must be the id that"),
        ("meta", WHATSAPP, {"api_version": "25"}, "api_version", "must be as v25.0"),
        ("smtp", EMAIL, {"security": "ssl"}, "security", "must be one of starttls, tls, none"),
        ("sendgrid", EMAIL, {"base_url": "https://a?b"}, "base_url", "must be https://"),
        ("http", SMS, {"url": "ftp://a"}, "url", "must be https:// and a host"),
        ("http", SMS, {"id": "a..b"}, "id", "must be names and places with dots between"),
        (
            "http",
            SMS,
            {"receipts": {"header": "a b", "secret": "x", "statuses": {}}},
            "receipts.secret",
            "must have at least 8 characters",
        ),
        (
            "http",
            SMS,
            {"receipts": {"header": "a b", "secret": "x", "statuses": {}}},
            "receipts.statuses",
            "must have at least 1 item",
        ),
        ("http", SMS, {"receipts": {"header": "a b"}}, "receipts.header", "must be the name of a"),
    ],
)
def test_a_wrong_setting_is_told_what_is_allowed(provider, channel, given, place, words):
    told = dict(f.split(": ", 1) for f in provider_faults(provider, channel, given, "at"))
    assert told[f"at.{place}"].startswith(words)
    raw = re.compile(r"pattern|[Ss]hould|Input|String")
    assert not [text for text in told.values() if raw.search(text)]
