"""Good configurations are read, and of bad ones every fault is named at once."""

import json
import math
import re
from datetime import time
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from otp_messaging_agent.config import DEFAULT, Config, check_providers, load
from otp_messaging_agent.config.reader import Reader
from otp_messaging_agent.errors import ConfigError
from otp_messaging_agent.message import Channel, MessageType, Priority

SHIPPED = Path(__file__).parents[1] / "config.json"
TWILIO = {
    "provider": "twilio",
    "account_sid": "AC1",
    "auth_token": "hunter2hunter2",
    "from_number": "+15005550006",
}
BOX = {"api_config": {"provider": "sandbox"}}
WORTH = dict(zip(Priority, (1.0, 0.4, 0.15, 0.04), strict=True))


def faults(source, environ=None, check=None):
    with pytest.raises(ConfigError) as wrong:
        load(source, environ=environ or {}, check=check)
    return wrong.value.faults


def fault(source, environ=None, check=None):
    (only,) = faults(source, environ, check)
    return only


def sms(**keys):
    return {"channels": {"SMS": keys}}


def routing(**keys):
    return {"routing": keys}


def of_otp(**keys):
    return routing(types={"otp": keys})


def env(path, value):
    return {f"OTP_AGENT__{path}": value}


def written(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# What there is when nothing is said


def test_the_shipped_file_says_the_same_as_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load(SHIPPED, environ={}) == load(None, environ={})
    monkeypatch.chdir(SHIPPED.parent)
    assert load(None, environ={}) == load(DEFAULT, environ={})


def test_the_shipped_file_turns_on_the_sandbox_everywhere():
    config = load(SHIPPED, environ={})
    assert list(config.channels) == list(Channel)
    for part in config.channels.values():
        assert part.provider_settings == [("api_config", {"provider": "sandbox"})]
        assert part.on
    assert config.channels[Channel.SMS].rate_limit_per_minute == 100
    assert config.channels[Channel.WHATSAPP].rate_limit_per_minute == 80
    assert config.warnings() == []


def test_a_file_in_the_working_directory_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, '{"workers": 7}')
    assert load(environ={}).workers == 7
    assert load(environ={}).channels == {}


def test_a_file_that_is_named_is_taken_wherever_one_is(tmp_path, monkeypatch):
    path = written(tmp_path, '{"workers": 7}')
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert load(path, environ={}).workers == 7
    assert load(str(path), environ={}).workers == 7


def test_defaults():
    config = load({}, environ={})
    assert config.channels == {}
    assert (config.server.host, config.server.port, config.server.threads) == (
        "127.0.0.1",
        5000,
        16,
    )
    assert config.server.public_base_url is None
    assert config.server.max_body_bytes == 16 * 2**20
    assert config.priority_channel_mapping == {
        Priority.CRITICAL: Channel.CALL,
        Priority.HIGH: Channel.SMS,
        Priority.MEDIUM: Channel.WHATSAPP,
        Priority.LOW: Channel.EMAIL,
    }
    retry = config.retry_config
    assert (retry.max_retries, retry.exponential_backoff) == (3, True)
    assert (retry.base_delay_seconds, retry.max_delay_seconds) == (1, 300)
    assert (config.otp.ttl_seconds, config.otp.code_length, config.otp.max_attempts) == (300, 6, 5)
    assert config.otp.template.format(code="123456", minutes=5) == (
        "Your verification code is 123456. It expires in 5 minutes. Do not share it."
    )
    limits = config.otp.limits
    assert (limits.sends_per_10_minutes, limits.sends_per_hour, limits.sends_per_day) == (5, 10, 20)
    assert (limits.wrong_per_day, limits.cooldown_seconds) == (20, 0)
    numbers = config.phone_numbers
    assert (numbers.strict, numbers.allow_premium) == (False, False)
    assert numbers.allow_countries == numbers.deny_countries == []
    assert (config.store.url, config.store.synchronous) == (None, "FULL")
    assert (config.queue.use, config.queue.max_tickets) == ("memory", 20_000)
    assert (config.queue.max_waiting, config.queue.retry_after_seconds) == (1_000_000, 5)
    assert (config.workers, config.delivery.attempt_timeout_seconds) == (32, 10)
    assert (config.timezone, config.log.level) == (None, "INFO")
    quiet = config.quiet_hours
    assert (quiet.enabled, quiet.message_types) == (True, [MessageType.MARKETING])
    assert (quiet.start, quiet.end) == (time(20), time(9))


def test_defaults_of_sending():
    config = load({}, environ={})
    assert (config.breaker.failures, config.breaker.rest_seconds) == (5, 30)
    assert (config.spend.max_per_message, config.spend.max_per_day) == (None, None)
    assert config.prices.file is None
    assert (set(config.consent.stop_types), config.consent.confirm) == (
        set(MessageType) - {MessageType.OTP},
        True,
    )
    assert "START" in config.consent.stop_text
    assert "STOP" in config.consent.start_text
    assert {"START", "STOP"} <= set(re.findall("[A-Z]{2,}", config.consent.help_text))
    part = load(sms(), environ={}).channels[Channel.SMS]
    assert (part.receipts.expected, part.receipts.none_in) == (True, [])
    assert (part.fallback_after_seconds, part.cost_per_message) == (None, None)


def test_defaults_of_routing():
    given = load({}, environ={}).routing
    assert (given.mode, given.evidence, given.memory_hours) == ("adaptive", 10, 6)
    assert list(given.worth.items()) == list(WORTH.items())
    assert list(given.worthless_after_seconds.items()) == list(
        zip(Priority, (300, 1200, 36_000, 1_000_000), strict=True)
    )
    assert (given.max_attempts, given.types) == (None, {})
    rules = load(of_otp(), environ={}).routing.types[MessageType.OTP]
    assert (rules.channels, rules.max_cost, rules.min_reliability) == (None, None, 0)
    assert rules.stop_when_unprofitable is False


def test_a_map_of_priorities_keeps_the_defaults_of_those_it_does_not_name():
    given = load(
        routing(worth={"low": 9}, worthless_after_seconds={"High": 7, "LOW": None}), environ={}
    ).routing
    assert list(given.worth.values()) == [1, 0.4, 0.15, 9]
    assert list(given.worthless_after_seconds.values()) == [300, 7, 36_000, 1_000_000]


def test_a_second_of_delay_costs_what_a_delivery_is_worth_over_when_it_is_worth_nothing():
    given = load(routing(worth={"HIGH": 6}, worthless_after_seconds={"LOW": 4}), environ={})
    assert given.routing.hurry == {
        Priority.CRITICAL: 1 / 300,
        Priority.HIGH: 6 / 1200,
        Priority.MEDIUM: 0.15 / 36_000,
        Priority.LOW: 0.04 / 4,
    }


def test_null_is_as_if_it_were_not_there():
    given = {"workers": None, "otp": {"ttl_seconds": None}, "channels": {"SMS": None}, "log": None}
    assert load(given, environ={}) == load({}, environ={})


def test_the_source_is_left_as_it_is():
    source = MappingProxyType({"channels": MappingProxyType({"sms": {"providers": (TWILIO,)}})})
    config = load(source, environ=env("CHANNELS__SMS__PROVIDERS__0__AUTH_TOKEN", "other"))
    assert config.channels[Channel.SMS].providers[0]["auth_token"] == "other"
    assert TWILIO["auth_token"] == "hunter2hunter2"


def test_words_are_read_in_any_case():
    config = load(
        {
            "channels": {"sms": {"api_config": TWILIO}, Channel.CALL: {}, "WHATSAPP": {}},
            "priority_channel_mapping": {"critical": "email", Priority.LOW: Channel.SMS},
            "quiet_hours": {"message_types": ["Reminder"]},
            "routing": {
                "worth": {"hIGH": 2},
                "types": {"OTP": {"channels": ["whatsAPP", Channel.SMS]}, MessageType.ALERT: {}},
            },
        },
        environ={},
    )
    assert config.routing.worth[Priority.HIGH] == 2
    assert list(config.routing.types) == [MessageType.OTP, MessageType.ALERT]
    assert config.routing.types[MessageType.OTP].channels == [Channel.WHATSAPP, Channel.SMS]
    assert list(config.channels) == [Channel.SMS, Channel.CALL, Channel.WHATSAPP]
    assert config.priority_channel_mapping == {
        Priority.CRITICAL: Channel.EMAIL,
        Priority.HIGH: Channel.SMS,
        Priority.MEDIUM: Channel.WHATSAPP,
        Priority.LOW: Channel.SMS,
    }
    assert config.quiet_hours.message_types == [MessageType.REMINDER]


def test_a_channel_is_off_when_disabled_or_without_a_provider():
    def on(**keys):
        return load(sms(**keys), environ={}).channels[Channel.SMS].on

    assert on(api_config=TWILIO)
    assert on(providers=[TWILIO])
    assert not on(api_config=TWILIO, enabled=False)
    assert not on()


def test_api_config_comes_before_the_other_providers():
    second = {**TWILIO, "name": "second"}
    config = load(sms(providers=[second, {"provider": "smtp"}], api_config=TWILIO), environ={})
    assert config.channels[Channel.SMS].provider_settings == [
        ("api_config", TWILIO),
        ("providers.0", second),
        ("providers.1", {"provider": "smtp"}),
    ]


def test_a_config_cannot_be_changed_and_never_shows_its_secrets():
    config = load(sms(api_config=TWILIO, providers=[{**TWILIO, "name": "b"}]), environ={})
    with pytest.raises(ValidationError):
        config.workers = 1
    assert "hunter2" not in repr(config)


def test_warnings():
    config = load({"otp": {"code_length": 4}, "store": {"synchronous": "NORMAL"}}, environ={})
    code, store, channels = config.warnings()
    assert code.startswith("otp.code_length: ")
    assert "10000 codes" in code
    assert store.startswith("store.synchronous: ")
    assert channels.startswith("channels: none is on")
    quiet = load({**DEFAULT, "quiet_hours": {"message_types": ["otp"]}}, environ={})
    assert [w.split(":")[0] for w in quiet.warnings()] == ["quiet_hours.message_types"]
    off = {"message_types": ["otp"], "enabled": False}
    assert load({**DEFAULT, "quiet_hours": off}, environ={}).warnings() == []


@pytest.mark.parametrize(
    ("channels", "warned"),
    [
        ({"SMS": BOX, "Email": {**BOX, "enabled": False}}, ["Email", "Call"]),
        ({"SMS": BOX, "Call": {}}, ["Call"]),
        ({"SMS": BOX, "Call": BOX}, []),
        ({"SMS": BOX}, []),
    ],
    ids=["all off or absent", "no provider", "one is on", "every channel is allowed"],
)
def test_a_type_whose_channels_are_all_off_is_warned_of(channels, warned):
    allowed = {"channels": warned or ["Email", "Call"]} if len(channels) > 1 else {}
    config = load({"channels": channels, **routing(types={"Alert": allowed})}, environ={})
    expected = "routing.types.alert.channels: none of them is on, so no message of this type"
    assert [w.startswith(expected) for w in config.warnings()] == [True] * bool(warned)


@pytest.mark.parametrize(
    ("mode", "rules", "warned"),
    [
        ("fixed", {"min_reliability": 0.5}, True),
        ("fixed", {"stop_when_unprofitable": True}, True),
        ("fixed", {"channels": ["SMS"], "max_cost": 1, "min_reliability": 0}, False),
        ("adaptive", {"min_reliability": 0.5, "stop_when_unprofitable": True}, False),
    ],
)
def test_what_a_fixed_order_does_not_heed_is_warned_of(mode, rules, warned):
    config = load({**DEFAULT, **routing(mode=mode, types={"otp": rules})}, environ={})
    found = [w.split(":")[0] for w in config.warnings()]
    assert found == ["routing.types.otp"] * warned


# The file itself


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    assert load(written(tmp_path, b'\xef\xbb\xbf{"workers": 3}'), environ={}).workers == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{\n  "workers": 3,\n  oops\n}', "line 3 column 3: is not JSON"),
        ("", "line 1 column 1: is not JSON"),
        ("[]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        (b'{"a": "\xff"}', "must be UTF-8 text"),
        ('{"workers": ' + "9" * 5000 + "}", "a number too long, or nested too deep"),
        ("[" * 100_000, "a number too long, or nested too deep"),
    ],
)
def test_a_broken_file_is_one_fault(tmp_path, text, expected):
    path = written(tmp_path, text)
    only = fault(path, env("WORKRS", "1"))
    assert only.startswith(f"{path}: ")
    assert expected in only


def test_a_file_that_cannot_be_read_is_one_fault(tmp_path):
    assert "No such file" in fault(tmp_path / "none.json")
    assert "directory" in fault(str(tmp_path))


def test_deep_nesting_is_a_fault(tmp_path):
    deep = '{"channels": {"SMS": {"api_config": ' + '{"a": ' * 600 + "1" + "}" * 603
    assert "nested too deep" in faults(written(tmp_path, deep))[0]


def test_keys_that_stand_there_twice(tmp_path):
    text = (
        '{"workers": 1, "workers": 2,'
        ' "channels": {"SMS": {"enabled": true, "enabled": false}, "sms": {}},'
        ' "otp": {}, "otp": null}'
    )
    assert faults(written(tmp_path, text)) == [
        "workers: stands there twice",
        "otp: stands there twice",
        "channels.SMS.enabled: stands there twice",
        "channels.SMS: stands there twice, in two spellings",
    ]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_numbers_are_finite(tmp_path, number):
    text = f'{{"channels": {{"SMS": {{"api_config": {{"provider": "x", "rate": {number}}}}}}}}}'
    assert fault(written(tmp_path, text)) == (
        "channels.SMS.api_config.rate: must be a finite number"
    )
    text = f'{{"delivery": {{"attempt_timeout_seconds": {number}}}}}'
    assert fault(written(tmp_path, text)).startswith("delivery.attempt_timeout_seconds: must be a")
    assert fault(sms(cost_per_message=math.nan)).startswith("channels.SMS.cost_per_message: must")


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_is_text(text):
    assert "NUL" in fault(sms(api_config={**TWILIO, "auth_token": text}))


# Keys


@pytest.mark.parametrize(
    ("source", "path", "nearest"),
    [
        ({"workrs": 1}, "workrs", "workers"),
        ({"Workers": 1}, "Workers", "workers"),
        ({"chanels": {}}, "chanels", "channels"),
        ({"server": {"prot": 1}}, "server.prot", "port"),
        ({"channels": {"SMSS": {}}}, "channels.SMSS", "SMS"),
        ({"channels": {"Telegram": {}}}, "channels.Telegram", "Email"),
        (sms(apiconfig={}), "channels.SMS.apiconfig", "api_config"),
        ({"otp": {"limits": {"sends_per_minute": 1}}}, "otp.limits.sends_per_minute", "sends_per_"),
        ({"priority_channel_mapping": {"URGENT": "SMS"}}, "priority_channel_mapping.URGENT", ""),
        (routing(memory=6), "routing.memory", "memory_hours"),
        (routing(worth={"URGENT": 1}), "routing.worth.URGENT", ""),
        (
            routing(worthless_after_seconds={"MEDIUN": 1}),
            "routing.worthless_after_seconds.MEDIUN",
            "MEDIUM",
        ),
        (routing(types={"opt": {}}), "routing.types.opt", "otp"),
        (of_otp(channel=["SMS"]), "routing.types.otp.channel", "channels"),
        ({1: 2}, "1", ""),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(source, path, nearest):
    only = fault(source)
    assert only.startswith(f"{path}: unknown key; the nearest known key is {nearest}")


@pytest.mark.parametrize(
    ("source", "path", "allowed"),
    [
        ({"server": {"port": 65_536}}, "server.port", "less than or equal to 65535 (is 65536)"),
        ({"server": {"port": -1}}, "server.port", "greater than or equal to 0"),
        ({"server": {"port": "5000"}}, "server.port", "valid integer (is '5000')"),
        ({"server": {"host": ""}}, "server.host", "at least 1"),
        ({"server": {"threads": 257}}, "server.threads", "256"),
        ({"server": {"max_body_bytes": 0}}, "server.max_body_bytes", "1024"),
        ({"server": {"public_base_url": "example.com"}}, "server.public_base_url", "http(s)://"),
        ({"server": {"public_base_url": "http://h:x"}}, "server.public_base_url", "http(s)://"),
        ({"server": {"public_base_url": "http://h/?a=1"}}, "server.public_base_url", "query"),
        ({"server": {"public_base_url": "http://h/#a"}}, "server.public_base_url", "query"),
        ({"server": {"public_base_url": "http://h/a b"}}, "server.public_base_url", "http(s)://"),
        ({"server": {"public_base_url": "http://[h"}}, "server.public_base_url", "http(s)://"),
        ({"server": {"public_base_url": "http://"}}, "server.public_base_url", "http(s)://"),
        ({"server": {"public_base_url": "ftp://h"}}, "server.public_base_url", "http(s)://"),
        ({"server": 5}, "server", "valid dictionary"),
        ({"channels": []}, "channels", "valid dictionary"),
        ({"channels": {"SMS": True}}, "channels.SMS", "valid dictionary"),
        (sms(enabled="yes"), "channels.SMS.enabled", "valid boolean (is 'yes')"),
        (sms(rate_limit_per_minute=0), "channels.SMS.rate_limit_per_minute", "equal to 1 (is 0)"),
        (sms(rate_limit_per_minute=True), "channels.SMS.rate_limit_per_minute", "(is true)"),
        (sms(rate_limit_per_minute=1.5), "channels.SMS.rate_limit_per_minute", "integer (is 1.5)"),
        (sms(cost_per_message=-1), "channels.SMS.cost_per_message", "equal to 0"),
        (sms(api_config="twilio"), "channels.SMS.api_config", "valid dictionary"),
        (sms(providers={}), "channels.SMS.providers", "valid list"),
        (sms(providers=["twilio"]), "channels.SMS.providers.0", "valid dictionary"),
        (
            {"priority_channel_mapping": {"LOW": "Fax"}},
            "priority_channel_mapping.LOW",
            "must be 'SMS', 'WhatsApp', 'Call' or 'Email' (is 'Fax')",
        ),
        ({"retry_config": {"max_retries": 21}}, "retry_config.max_retries", "20"),
        ({"retry_config": {"base_delay_seconds": 0}}, "retry_config.base_delay_seconds", "than 0"),
        ({"otp": {"ttl_seconds": 601}}, "otp.ttl_seconds", "600"),
        ({"otp": {"ttl_seconds": 9}}, "otp.ttl_seconds", "10"),
        ({"otp": {"code_length": 3}}, "otp.code_length", "4"),
        ({"otp": {"code_length": 11}}, "otp.code_length", "10"),
        ({"otp": {"max_attempts": 11}}, "otp.max_attempts", "10"),
        ({"otp": {"limits": {"wrong_per_day": 0}}}, "otp.limits.wrong_per_day", "1"),
        ({"otp": {"template": "no code"}}, "otp.template", "must hold {code}"),
        ({"otp": {"template": "{code} {name}"}}, "otp.template", "{minutes} and {purpose}"),
        ({"otp": {"template": "{code.x}"}}, "otp.template", "must hold {code}"),
        ({"otp": {"template": "{code} {purpose!r}"}}, "otp.template", "must hold {code}"),
        ({"otp": {"template": "{code} {minutes:{code}}"}}, "otp.template", "must hold {code}"),
        ({"otp": {"template": "{code} {}"}}, "otp.template", "must hold {code}"),
        ({"otp": {"template": "{code"}}, "otp.template", "must hold {code}"),
        ({"store": {"url": "postgresql://u:p@h/db"}}, "store.url", "must start with sqlite:///"),
        ({"store": {"url": "sqlite:///"}}, "store.url", "must start with sqlite:///"),
        ({"store": {"synchronous": "OFF"}}, "store.synchronous", "'FULL' or 'NORMAL' (is 'OFF')"),
        ({"queue": {"use": "huey"}}, "queue.use", "'memory' (is 'huey')"),
        ({"queue": {"max_tickets": 7}}, "queue.max_tickets", "8"),
        ({"workers": 0}, "workers", "1"),
        ({"workers": 513}, "workers", "512"),
        ({"delivery": {"attempt_timeout_seconds": 0}}, "delivery.attempt_timeout_seconds", "0.1"),
        (
            {"phone_numbers": {"deny_countries": ["GB", "UK"]}},
            "phone_numbers.deny_countries.1",
            "must be an ISO 3166-1 alpha-2 code",
        ),
        (
            {"phone_numbers": {"allow_countries": "GB"}},
            "phone_numbers.allow_countries",
            "must be a valid list",
        ),
        (
            {"phone_numbers": {"allow_countries": ["GB"], "deny_countries": ["FR"]}},
            "phone_numbers",
            "give allow_countries or deny_countries, not both",
        ),
        ({"timezone": "Mars"}, "timezone", "must be an IANA time zone"),
        ({"timezone": ""}, "timezone", "must be an IANA time zone"),
        ({"timezone": "../../etc/passwd"}, "timezone", "must be an IANA time zone"),
        ({"quiet_hours": {"start": "24:00"}}, "quiet_hours.start", "HH:MM"),
        (
            {"quiet_hours": {"end": "9:00"}},
            "quiet_hours.end",
            "HH:MM from 00:00 to 23:59 (is '9:00",
        ),
        ({"quiet_hours": {"end": "\u0660\u0669:00"}}, "quiet_hours.end", "HH:MM"),
        ({"quiet_hours": {"end": 540}}, "quiet_hours.end", "HH:MM"),
        ({"quiet_hours": {"end": "20:00"}}, "quiet_hours", "start and end must differ"),
        ({"quiet_hours": {"message_types": ["x"]}}, "quiet_hours.message_types.0", "'marketing'"),
        ({"log": {"level": "loud"}}, "log.level", "'INFO'"),
        (sms(receipts=False), "channels.SMS.receipts", "valid dictionary"),
        (sms(receipts={"expected": "no"}), "channels.SMS.receipts.expected", "boolean (is 'no')"),
        (sms(receipts={"none_in": "GB"}), "channels.SMS.receipts.none_in", "valid list"),
        (sms(receipts={"none_in": ["GB", "UK"]}), "channels.SMS.receipts.none_in.1", "ISO 3166-1"),
        (sms(receipts={"nonein": []}), "channels.SMS.receipts.nonein", "key is none_in"),
        (sms(fallback_after_seconds=-0.1), "channels.SMS.fallback_after_seconds", "equal to 0"),
        (sms(fallback_after_seconds="60"), "channels.SMS.fallback_after_seconds", "valid number"),
        ({"breaker": {"failures": 0}}, "breaker.failures", "equal to 1 (is 0)"),
        ({"breaker": {"failures": 1001}}, "breaker.failures", "1000"),
        ({"breaker": {"failures": 2.5}}, "breaker.failures", "integer (is 2.5)"),
        ({"breaker": {"rest_seconds": 0}}, "breaker.rest_seconds", "greater than 0"),
        ({"breaker": {"rest_seconds": 300.1}}, "breaker.rest_seconds", "equal to 300"),
        ({"breaker": {"rest": 1}}, "breaker.rest", "nearest known key is rest_seconds"),
        ({"spend": {"max_per_day": 0}}, "spend.max_per_day", "greater than 0"),
        ({"spend": {"max_per_message": -1}}, "spend.max_per_message", "greater than 0"),
        ({"spend": {"max_per_message": "1"}}, "spend.max_per_message", "valid number"),
        ({"spend": {"per_day": 1}}, "spend.per_day", "nearest known key is max_per_day"),
        ({"prices": {"file": 5}}, "prices.file", "valid string (is 5)"),
        ({"prices": "prices.csv"}, "prices", "valid dictionary"),
        ({"consent": {"stop_types": "marketing"}}, "consent.stop_types", "valid list"),
        ({"consent": {"stop_types": ["all"]}}, "consent.stop_types.0", "'marketing'"),
        ({"consent": {"confirm": 1}}, "consent.confirm", "boolean (is 1)"),
        ({"consent": {"stop_text": ""}}, "consent.stop_text", "must have at least 1 char"),
        ({"consent": {"start_text": "x" * 1601}}, "consent.start_text", "1600"),
        ({"consent": {"help_text": "YOUR_TEXT"}}, "consent.help_text", "placeholder left in"),
        ({"routing": "adaptive"}, "routing", "valid dictionary"),
        (routing(mode="learned"), "routing.mode", "'adaptive' or 'fixed' (is 'learned')"),
        (routing(evidence=-1), "routing.evidence", "equal to 0 (is -1)"),
        (routing(evidence="10"), "routing.evidence", "valid number (is '10')"),
        (routing(memory_hours=0.09), "routing.memory_hours", "equal to 0.1 (is 0.09)"),
        (routing(memory_hours=720.1), "routing.memory_hours", "equal to 720"),
        (routing(memory_hours=math.inf), "routing.memory_hours", "must be a finite number"),
        (routing(worth=1), "routing.worth", "valid dictionary"),
        (routing(worth={"LOW": 0}), "routing.worth.LOW", "greater than 0 (is 0)"),
        (routing(worth={"LOW": 1.1e9}), "routing.worth.LOW", "equal to 1000000000"),
        (routing(worth={"low": True}), "routing.worth.LOW", "valid number (is true)"),
        (
            routing(worthless_after_seconds={"HIGH": 0.9}),
            "routing.worthless_after_seconds.HIGH",
            "equal to 1 (is 0.9)",
        ),
        (routing(worthless_after_seconds=[]), "routing.worthless_after_seconds", "dictionary"),
        (routing(max_attempts=0), "routing.max_attempts", "equal to 1 (is 0)"),
        (routing(max_attempts=101), "routing.max_attempts", "equal to 100"),
        (routing(max_attempts=2.5), "routing.max_attempts", "integer (is 2.5)"),
        (routing(types=["otp"]), "routing.types", "valid dictionary"),
        (routing(types={"otp": "SMS"}), "routing.types.otp", "valid dictionary"),
        (of_otp(channels=[]), "routing.types.otp.channels", "at least 1 item"),
        (of_otp(channels="SMS"), "routing.types.otp.channels", "valid list"),
        (of_otp(channels=["SMS", "Fax"]), "routing.types.otp.channels.1", "(is 'Fax')"),
        (of_otp(channels=[None]), "routing.types.otp.channels.0", "'WhatsApp'"),
        (of_otp(max_cost=0), "routing.types.otp.max_cost", "greater than 0"),
        (of_otp(max_cost="0.05"), "routing.types.otp.max_cost", "valid number"),
        (of_otp(min_reliability=-0.1), "routing.types.otp.min_reliability", "equal to 0"),
        (of_otp(min_reliability=1.01), "routing.types.otp.min_reliability", "equal to 1"),
        (
            of_otp(stop_when_unprofitable=1),
            "routing.types.otp.stop_when_unprofitable",
            "boolean (is 1)",
        ),
    ],
)
def test_a_value_that_is_not_allowed(source, path, allowed):
    only = fault(source)
    assert only.startswith(f"{path}: ")
    assert "\n" not in only
    assert allowed in only


def test_good_values_at_the_edges():
    given = {
        "server": {
            "port": 0,
            "threads": 1,
            "host": "h",
            "public_base_url": "https://otp.example.com:8443/agent/",
        },
        "otp": {"template": "{{{code}}} for {purpose}", "ttl_seconds": 600, "code_length": 10},
        "store": {"url": "sqlite:////var/lib/agent.db", "synchronous": "NORMAL"},
        "timezone": "Europe/London",
        "quiet_hours": {"start": "00:00", "end": time(23, 59)},
        "delivery": {"attempt_timeout_seconds": 0.1},
        "retry_config": {"max_retries": 0, "base_delay_seconds": 0.5, "max_delay_seconds": 0.5},
        "queue": {"max_tickets": 8, "max_waiting": 1, "retry_after_seconds": 0.5},
        "workers": 1,
        "channels": {
            "SMS": {
                "cost_per_message": 0,
                "rate_limit_per_minute": 1,
                "receipts": {"expected": False, "none_in": ["gb", "US"]},
                "fallback_after_seconds": 0,
                "providers": [
                    {**TWILIO, "rate_limit_per_minute": 1, "cost_per_message": 0, "weight": 1000},
                    {
                        "provider": "x",
                        "cost_per_message": 0.5,
                        "rate_limit_per_minute": 9000,
                        "weight": 1e-9,
                    },
                ],
            }
        },
        "breaker": {"failures": 1000, "rest_seconds": 0.1},
        "spend": {"max_per_message": 0.0001, "max_per_day": 1},
        "consent": {"stop_types": [], "confirm": False, "stop_text": "x" * 1600},
        "routing": {
            "mode": "fixed",
            "evidence": 0,
            "memory_hours": 0.1,
            "worth": {"LOW": 1e-9, "HIGH": 1_000_000_000},
            "worthless_after_seconds": {"LOW": 1, "CRITICAL": 1e12},
            "max_attempts": 100,
            "types": {
                "otp": {"channels": ["Call"], "max_cost": 1e-9, "min_reliability": 1},
                "alert": {"min_reliability": 0, "stop_when_unprofitable": True},
            },
        },
    }
    config = load(given, environ={})
    receipts = config.channels[Channel.SMS].receipts
    assert (receipts.expected, receipts.none_in) == (False, ["GB", "US"])
    assert config.channels[Channel.SMS].fallback_after_seconds == 0
    assert config.consent.stop_types == []
    assert config.server.public_base_url == "https://otp.example.com:8443/agent"
    assert config.otp.template.format(code=1, purpose="x") == "{1} for x"
    assert (config.quiet_hours.start, config.quiet_hours.end) == (time(0), time(23, 59))


def test_every_fault_is_reported_at_once():
    source = {
        "workrs": 1,
        "workers": 0,
        "server": {"port": "x", "hots": 1},
        "channels": {
            "SMS": {"api_config": {"auth_token": "YOUR_TOKEN"}, "rate_limit_per_minute": 0},
            "Call": {"providers": [TWILIO, TWILIO]},
        },
        "otp": {"template": "${NOWHERE}"},
    }
    found = faults(source, env("QUEUE__SIZE", "1"), lambda *_: ["channels.Call.providers.0.x: no"])
    assert [line.split(":")[0] for line in found] == [
        "OTP_AGENT__QUEUE__SIZE",
        "workrs",
        "server.hots",
        "channels.SMS.api_config.auth_token",
        "otp.template",
        "server.port",
        "channels.SMS.rate_limit_per_minute",
        "workers",
        "channels.SMS.api_config.provider",
        "channels.Call.providers.1.name",
        "channels.Call.providers.0.x",
    ]


# Secrets


@pytest.mark.parametrize(
    ("source", "environ"),
    [
        (sms(api_config="hunter2hunter2"), {}),
        (sms(api_config=["hunter2hunter2"]), {}),
        (sms(providers=["hunter2hunter2"]), {}),
        (sms(api_config={"auth_token": "hunter2hunter2"}), {}),
        (sms(api_config={**TWILIO, "name": "hunter2 hunter2"}), {}),
        ({"store": {"url": "postgresql://user:hunter2hunter2@host/db"}}, {}),
        ({"server": {"public_base_url": "http://user:hunter2@host"}}, {}),
        ({"workers": ["hunter2"]}, {}),
        ({"workers": {"a": "hunter2"}}, {}),
        ({"timezone": "ftp://hunter2"}, {}),
        ({"timezone": "hunter2" * 6}, {}),
        ({"log": {"level": "${SECRET}"}}, {"SECRET": "hunter2"}),
        ({"log": {"level": "in ${SECRET} out"}}, {"SECRET": "hunter2"}),
        ({}, env("LOG__LEVEL", "hunter2")),
        ({}, env("LOG", '{"level": "hunter2"}')),
        ({}, env("CHANNELS__SMS__API_CONFIG", '{"auth_token": "YOUR_hunter2"}')),
        ({}, env("NO_SUCH_KEY", "hunter2")),
    ],
)
def test_a_fault_never_shows_a_secret(source, environ):
    assert "hunter2" not in "\n".join(faults(source, environ))


@pytest.mark.parametrize("value", ["YOUR_TWILIO_AUTH_TOKEN", "Bearer YOUR_TOKEN", "<YOUR_KEY>"])
def test_a_placeholder_left_in_is_named(value):
    only = fault(sms(api_config={**TWILIO, "auth_token": value}))
    assert only.startswith("channels.SMS.api_config.auth_token: placeholder left in (YOUR_")


def test_a_placeholder_is_found_anywhere_even_where_it_is_not_used():
    source = {
        "timezone": "YOUR_ZONE",
        "channels": {
            "SMS": {"enabled": False, "providers": [TWILIO, {"provider": "x", "a": [["YOUR_X"]]}]}
        },
    }
    assert [line.split(" ")[:3] for line in faults(source)] == [
        ["timezone:", "placeholder", "left"],
        ["channels.SMS.providers.1.a.0.0:", "placeholder", "left"],
    ]
    assert "placeholder" in fault({}, env("CHANNELS__SMS__API_CONFIG__PROVIDER", "YOUR_X"))


def test_other_words_are_no_placeholders():
    load(sms(api_config={**TWILIO, "auth_token": "FOUR_X your_x YOURS XYOUR_X"}), environ={})


# References to the environment


def test_a_reference_is_replaced_wherever_it_stands():
    source = sms(api_config={**TWILIO, "auth_token": "${TOKEN}", "deep": ["a ${A} and ${B}$ {A}"]})
    config = load(source, environ={"TOKEN": "0123", "A": "1", "B": "${A}"})
    settings = config.channels[Channel.SMS].api_config
    assert settings["auth_token"] == "0123"
    assert settings["deep"] == ["a 1 and ${A}$ {A}"]


def test_a_reference_alone_is_read_as_what_is_expected_there():
    source = {"workers": "${N}", "otp": "${OTP}", "phone_numbers": {"strict": "${YES}"}}
    config = load(source, environ={"N": "9", "OTP": '{"ttl_seconds": 60}', "YES": "true"})
    assert (config.workers, config.otp.ttl_seconds, config.phone_numbers.strict) == (9, 60, True)


def test_a_reference_to_nothing_is_named():
    assert fault({"timezone": "${TZ_NAME}"}) == (
        "timezone: ${TZ_NAME} is not set in the environment"
    )
    assert "must be followed by NAME" in fault(sms(api_config={**TWILIO, "auth_token": "${a b}"}))


def test_a_doubled_dollar_is_no_reference():
    config = load(sms(api_config={**TWILIO, "auth_token": "$${X} $5"}), environ={})
    assert config.channels[Channel.SMS].api_config["auth_token"] == "${X} $5"


# The environment


@pytest.mark.parametrize(
    ("path", "value", "where", "expected"),
    [
        ("WORKERS", "8", "workers", 8),
        ("SERVER__PORT", "0", "server.port", 0),
        ("server__port", "1", "server.port", 1),
        ("PHONE_NUMBERS__STRICT", "true", "phone_numbers.strict", True),
        ("PHONE_NUMBERS__ALLOW_COUNTRIES", '["gb"]', "phone_numbers.allow_countries", ["GB"]),
        ("OTP__LIMITS__SENDS_PER_10_MINUTES", "9", "otp.limits.sends_per_10_minutes", 9),
        ("OTP__LIMITS", '{"wrong_per_day": 3}', "otp.limits.wrong_per_day", 3),
        ("TIMEZONE", "Europe/London", "timezone", "Europe/London"),
        ("QUIET_HOURS__START", "21:30", "quiet_hours.start", time(21, 30)),
        ("QUIET_HOURS__MESSAGE_TYPES", '["alert"]', "quiet_hours.message_types", ["alert"]),
        ("QUIET_HOURS__MESSAGE_TYPES__0", "alert", "quiet_hours.message_types", ["alert"]),
        ("SERVER__HOST", "1", "server.host", "1"),  # text where text is expected
        ("OTP__TEMPLATE", "${code} {code}", None, None),
        ("BREAKER__FAILURES", "3", "breaker.failures", 3),
        ("BREAKER__REST_SECONDS", "2.5", "breaker.rest_seconds", 2.5),
        ("SPEND__MAX_PER_DAY", "100", "spend.max_per_day", 100),
        ("SPEND__MAX_PER_MESSAGE", "0.5", "spend.max_per_message", 0.5),
        ("PRICES__FILE", "1.csv", "prices.file", "1.csv"),
        ("CONSENT__CONFIRM", "false", "consent.confirm", False),
        ("CONSENT__STOP_TEXT", "5", "consent.stop_text", "5"),
        ("CONSENT__STOP_TYPES", '["Marketing"]', "consent.stop_types", ["marketing"]),
        ("CONSENT__STOP_TYPES", "[]", "consent.stop_types", []),
        ("ROUTING__MODE", "fixed", "routing.mode", "fixed"),
        ("ROUTING__EVIDENCE", "0.5", "routing.evidence", 0.5),
        ("ROUTING__MEMORY_HOURS", "720", "routing.memory_hours", 720),
        ("ROUTING__WORTH__low", "5", "routing.worth", WORTH | {Priority.LOW: 5}),
        ("ROUTING__WORTH", '{"high": 5}', "routing.worth", WORTH | {Priority.HIGH: 5}),
        ("ROUTING__MAX_ATTEMPTS", "1", "routing.max_attempts", 1),
    ],
)
def test_every_value_can_come_from_the_environment(path, value, where, expected):
    config = load({}, environ=env(path, value))
    for name in where.split(".") if where else ():
        config = getattr(config, name)
    assert where is None or config == expected


def test_what_a_channel_says_of_receipts_can_come_from_the_environment():
    environ = {
        **env("CHANNELS__SMS__RECEIPTS__EXPECTED", "false"),
        **env("CHANNELS__SMS__RECEIPTS__NONE_IN__0", "gb"),
        **env("CHANNELS__SMS__FALLBACK_AFTER_SECONDS", "45.5"),
        **env("CHANNELS__SMS__COST_PER_MESSAGE", "0.01"),
    }
    part = load({}, environ=environ).channels[Channel.SMS]
    assert (part.receipts.expected, part.receipts.none_in) == (False, ["GB"])
    assert (part.fallback_after_seconds, part.cost_per_message) == (45.5, 0.01)


@pytest.mark.parametrize("place", ["API_CONFIG", "PROVIDERS__0"])
def test_a_providers_limit_and_cost_from_the_environment_are_numbers(place):
    environ = {
        **env(f"CHANNELS__SMS__{place}__PROVIDER", "x"),
        **env(f"CHANNELS__SMS__{place}__RATE_LIMIT_PER_MINUTE", "5"),
        **env(f"CHANNELS__SMS__{place}__COST_PER_MESSAGE", "0.25"),
        **env(f"CHANNELS__SMS__{place}__WEIGHT", "2.5"),
        **env(f"CHANNELS__SMS__{place}__PORT", "25"),  # the provider's own: it reads that itself
    }
    ((_, given),) = load({}, environ=environ).channels[Channel.SMS].provider_settings
    assert given == {
        "provider": "x",
        "rate_limit_per_minute": 5,
        "cost_per_message": 0.25,
        "weight": 2.5,
        "port": "25",
    }


def test_a_providers_limit_cost_and_weight_may_be_references():
    given = {**TWILIO, "rate_limit_per_minute": "${RATE}", "cost_per_message": "${COST}"}
    environ = {"RATE": "7", "COST": "0", "WEIGHT": "0.5"}
    config = load(sms(providers=[{**given, "weight": "${WEIGHT}"}]), environ=environ)
    entry = config.channels[Channel.SMS].providers[0]
    assert (entry["rate_limit_per_minute"], entry["cost_per_message"]) == (7, 0)
    assert entry["weight"] == 0.5


def test_what_one_message_type_may_do_can_come_from_the_environment():
    environ = {
        **env("ROUTING__TYPES__otp__CHANNELS__0", "sms"),
        **env("ROUTING__TYPES__OTP__MAX_COST", "0.05"),
        **env("ROUTING__TYPES__otp__MIN_RELIABILITY", "0.9"),
        **env("ROUTING__TYPES__Marketing", '{"stop_when_unprofitable": true}'),
    }
    types = load({}, environ=environ).routing.types
    otp, marketing = types[MessageType.OTP], types[MessageType.MARKETING]
    assert (otp.channels, otp.max_cost, otp.min_reliability) == ([Channel.SMS], 0.05, 0.9)
    assert marketing.stop_when_unprofitable


@pytest.mark.parametrize("text", ["", "many", "0", "-1", "1.5", "true", "NaN", "1e400", "[5]"])
def test_what_is_no_limit_is_a_fault_wherever_it_comes_from(text):
    environ = env("CHANNELS__SMS__API_CONFIG__RATE_LIMIT_PER_MINUTE", text)
    assert fault(sms(api_config=TWILIO), environ) == (
        "channels.SMS.api_config.rate_limit_per_minute: must be a whole number of at least 1"
    )


@pytest.mark.parametrize("text", ["", "free", "-0.01", "true", "NaN", "-Infinity", "1e400"])
def test_what_is_no_cost_is_a_fault_wherever_it_comes_from(text):
    environ = env("CHANNELS__SMS__API_CONFIG__COST_PER_MESSAGE", text)
    assert fault(sms(api_config=TWILIO), environ) == (
        "channels.SMS.api_config.cost_per_message: must be a number of at least 0"
    )


@pytest.mark.parametrize(
    "text", ["", "heavy", "0", "-1", "1000.1", "true", "NaN", "Infinity", "1e400", "[5]"]
)
def test_what_is_no_weight_is_a_fault_wherever_it_comes_from(text):
    environ = env("CHANNELS__SMS__PROVIDERS__0__WEIGHT", text)
    assert fault(sms(providers=[TWILIO]), environ) == (
        "channels.SMS.providers.0.weight: must be a number above 0, at most 1000"
    )


def test_the_environment_comes_before_the_file(tmp_path):
    path = written(tmp_path, json.dumps(sms(api_config={**TWILIO, "auth_token": "YOUR_TOKEN"})))
    config = load(path, environ=env("CHANNELS__sms__API_CONFIG__AUTH_TOKEN", "${TOKEN"))
    assert config.channels[Channel.SMS].api_config == {**TWILIO, "auth_token": "${TOKEN"}


def test_the_environment_comes_before_the_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load(environ=env("CHANNELS__WHATSAPP__API_CONFIG__PROVIDER", "meta"))
    assert config.channels[Channel.WHATSAPP].api_config == {"provider": "meta"}
    assert config.channels[Channel.SMS].api_config == {"provider": "sandbox"}


def test_a_channel_can_be_made_of_the_environment_alone():
    config = load(
        {},
        environ={
            **env("CHANNELS__EMAIL__API_CONFIG__PROVIDER", "smtp"),
            **env("CHANNELS__EMAIL__API_CONFIG__PORT", "2525"),
            **env("CHANNELS__EMAIL__API_CONFIG__HEADERS", '{"X-A": "1"}'),
            **env("CHANNELS__EMAIL__PROVIDERS__0", '{"provider": "smtp", "name": "b"}'),
            **env("CHANNELS__EMAIL__PROVIDERS__1__PROVIDER", "sandbox"),
            **env("PRIORITY_CHANNEL_MAPPING__critical", "email"),
        },
    )
    assert config.channels[Channel.EMAIL].provider_settings == [
        ("api_config", {"provider": "smtp", "port": "2525", "headers": {"X-A": "1"}}),
        ("providers.0", {"provider": "smtp", "name": "b"}),
        ("providers.1", {"provider": "sandbox"}),
    ]
    assert config.priority_channel_mapping[Priority.CRITICAL] is Channel.EMAIL


@pytest.mark.parametrize("token", ["0123", "1e5", "12345678901234567890", "true", "null", "NaN"])
def test_a_token_stays_the_text_it_is(token):
    config = load(
        sms(api_config=TWILIO), environ=env("CHANNELS__SMS__API_CONFIG__AUTH_TOKEN", token)
    )
    assert config.channels[Channel.SMS].api_config["auth_token"] == token


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("", "unknown key; the nearest"),
        ("WORKRS", "nearest known key is workers"),
        ("OTP__CODELENGTH", "nearest known key is code_length"),
        ("OTP____TTL_SECONDS", "unknown key"),
        ("CHANNELS__FAX__ENABLED", "unknown key"),
        ("CHANNELS__SMS__API_CONFIG__", "unknown key"),
        ("CHANNELS__SMS__PROVIDERS__1__PROVIDER", "no such place"),
        ("CHANNELS__SMS__PROVIDERS__X", "no such place"),
        ("WORKERS__X", "no such place"),
    ],
)
def test_an_unknown_variable_is_a_fault(path, hint):
    first = faults({}, env(path, "1"))[0]
    assert first.startswith(f"OTP_AGENT__{path}: ")
    assert hint in first


def test_other_variables_are_nobodys_business():
    others = {"OTP_AGENT_KEY": "x", "OTP_AGENT_ENCRYPTION_KEY": "x", "OTP_AGENT": "x", "PATH": "/"}
    assert load({}, environ=others) == load({}, environ={})


def test_the_process_environment_is_the_default(monkeypatch):
    monkeypatch.setenv("OTP_AGENT__WORKERS", "5")
    assert load({}).workers == 5


def test_what_is_no_json_stays_text_in_the_environment():
    given = '{"provider": "x", "rate": NaN}'
    assert fault({}, env("CHANNELS__SMS__API_CONFIG", given)) == (
        "channels.SMS.api_config: must be a valid dictionary"
    )


def test_lists_of_objects_are_read_by_the_names_of_their_items():
    class Item(BaseModel):
        port: int = 0
        name: str = ""

    class Model(BaseModel):
        items: list[Item] = []

    environ = {**env("ITEMS__0__PORT", "5"), **env("ITEMS__1__NAME", "5"), "N": "7"}
    tree = {"items": [{"name": "a", "prot": 1}, {"port": "${N}"}]}
    reader = Reader(environ)
    reader.overlay(tree, Model)
    assert reader.read(tree, Model) == {
        "items": [{"name": "a", "port": 5}, {"port": 7, "name": "5"}]
    }
    assert reader.faults == {"items.0.prot": "unknown key; the nearest known key is port"}


def test_a_bad_value_of_the_environment_is_named_by_its_key():
    assert fault({}, env("WORKERS", "many")) == "workers: must be a valid integer"


# Providers


@pytest.mark.parametrize(
    ("keys", "path", "text"),
    [
        ({"api_config": {}}, "api_config.provider", "is required"),
        ({"api_config": {"provider": 5}}, "api_config.provider", "is required"),
        ({"providers": [TWILIO, {"name": "b"}]}, "providers.1.provider", "is required"),
        ({"api_config": TWILIO, "providers": [TWILIO]}, "providers.0.name", "twilio is taken"),
        (
            {"providers": [{**TWILIO, "name": "a"}, {"provider": "smtp", "name": "a"}]},
            "providers.1.name",
            "a is taken in this channel",
        ),
        ({"api_config": {**TWILIO, "name": "a/b"}}, "api_config.name", "letters, digits"),
        ({"api_config": {**TWILIO, "name": ""}}, "api_config.name", "letters, digits"),
        ({"api_config": {**TWILIO, "name": 5}}, "api_config.name", "letters, digits"),
        *(
            ({"providers": [{**TWILIO, "rate_limit_per_minute": n}]}, path, "at least 1")
            for path in ["providers.0.rate_limit_per_minute"]
            for n in (0, -5, 1.0, True, "5", [])
        ),
        *(
            ({"api_config": {**TWILIO, "cost_per_message": n}}, path, "at least 0")
            for path in ["api_config.cost_per_message"]
            for n in (-0.1, False, "0.1", {})
        ),
        *(
            ({"api_config": {**TWILIO, "weight": n}}, "api_config.weight", "above 0, at most 1000")
            for n in (0, -1, 1001, True, "3", [])
        ),
    ],
)
def test_what_stands_beside_a_providers_own_settings(keys, path, text):
    def check(provider, *_):
        return [] if isinstance(provider, str) else ["asked about a provider without a name"]

    only = fault(sms(**keys), check=check)
    assert only.startswith(f"channels.SMS.{path}: ")
    assert text in only


def test_one_name_may_stand_in_two_channels():
    load({"channels": {"SMS": {"api_config": TWILIO}, "Call": {"api_config": TWILIO}}}, environ={})


def test_each_providers_own_settings_are_checked():
    asked = []

    def check(provider, channel, settings, path):
        asked.append((provider, channel, settings, path))
        return [f"{path}.{key}: is no good" for key in settings if key == "bad"]

    source = {
        "channels": {
            "SMS": {
                "api_config": {
                    **TWILIO,
                    "rate_limit_per_minute": 5,
                    "cost_per_message": 0.1,
                    "weight": 3,
                },
                "providers": [{"provider": "x", "name": "y", "bad": 1}],
            },
            "Email": {"api_config": {"provider": "smtp", "bad": "YOUR_X"}, "enabled": False},
        }
    }
    left = "placeholder left in (YOUR_X); put the real value or ${NAME} there"
    assert faults(source, check=check) == [
        f"channels.Email.api_config.bad: {left}",
        "channels.SMS.providers.0.bad: is no good",
    ]
    rest = {name: value for name, value in TWILIO.items() if name != "provider"}
    assert asked == [
        ("twilio", Channel.SMS, rest, "channels.SMS.api_config"),
        ("x", Channel.SMS, {"bad": 1}, "channels.SMS.providers.0"),
        ("smtp", Channel.EMAIL, {"bad": "YOUR_X"}, "channels.Email.api_config"),
    ]


def test_providers_of_a_loaded_config_can_be_checked():
    config = load(sms(api_config=TWILIO), environ={})
    assert check_providers(config, lambda *_: ["a: b"]) == ["a: b"]
    assert check_providers(config, lambda *_: []) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*Config.model_fields, "SMS", "api_config", "providers", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*Config.model_fields]), JSON, max_size=4))
def test_whatever_stands_there_it_is_a_config_or_a_config_error(source):
    try:
        config = load(source, environ={})
    except ConfigError as error:
        found = error.faults
    else:
        assert isinstance(config, Config)
        return
    assert found
    assert all(": " in line for line in found)
