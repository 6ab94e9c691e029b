"""What is asked of Twilio, against what its own description of the API allows."""

import json
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from otp_messaging_agent.message import Channel, MessageType
from otp_messaging_agent.providers import twilio
from otp_messaging_agent.providers.base import Context, Outgoing
from tests.simulators.twilio import ACCOUNT, SENDER, TOKEN, TwilioSimulator

RECORDED = json.loads((Path(__file__).parent / "recorded" / "twilio.json").read_text())
HX = "HX" + "4" * 32
FORMATS = {
    "phone-number": r"(whatsapp:)?\+[1-9][0-9]{6,14}",
    "endpoint": r"\+[1-9][0-9]{6,14}",
    "uri": r"https?://[^\s_/]+(/\S*)?",
    "twiml": r"(?s)<\?xml .*<Response>.*</Response>",
}


def operation(request):
    kind = "Call" if "/Calls" in request["path"] else "Message"
    return RECORDED[("Create" if request["method"] == "POST" else "List") + kind]


def faults(request):
    """Return what is wrong with a request by the record."""
    asked = operation(request)
    params, known = request["params"], asked["parameters"]
    wrong = [f"{n} is unknown" for n in params if n not in known]
    wrong += [f"{n} is missing" for n in asked.get("required", []) if n not in params]
    for names in asked.get("one_of", []):
        wrong += [] if sum(n in params for n in names) == 1 else [f"one of {names} is wanted"]
    for name, value in params.items():
        wrong += [f"{name}: {why}" for why in _misfits(value, known.get(name, {}))]
    for name, (least, most) in asked.get("bounds", {}).items():
        wrong += [] if least <= float(params.get(name, least)) <= most else [f"{name} is out"]
    for name, most in asked.get("longest", {}).items():
        wrong += [] if len(params.get(name, "")) <= most else [f"{name} is too long"]
    for name, words in asked.get("among", {}).items():
        wrong += [f"{w} is no {name}" for w in params.get(name, "").split() if w not in words]
    return wrong


def _misfits(value, schema):
    if schema.get("type") == "integer" and not value.isdecimal():
        yield "no integer"
    if "minimum" in schema and not schema["minimum"] <= int(value):
        yield "too small"
    if "maximum" in schema and not int(value) <= schema["maximum"]:
        yield "too big"
    if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        yield "pattern"
    if schema.get("format") in FORMATS and not re.fullmatch(FORMATS[schema["format"]], value):
        yield schema["format"]


@pytest.fixture(scope="module")
def asked():
    """Send in every way there is, and ask; return the requests."""
    template = {"sid": HX, "variables": {"1": "{code}", "2": "{minutes}"}}
    account = {"account_sid": ACCOUNT, "auth_token": TOKEN}
    with TwilioSimulator() as sim:
        sim.templates[HX] = "{{1}} is your code for {{2}} minutes."
        for sender in ({"from_number": SENDER}, {"messaging_service_sid": "MG" + "1" * 32}):
            for templates in ({}, {"otp": template}):
                settings = twilio.Settings(
                    **account, **sender, base_url=sim.url, content_templates=templates
                )
                context = Context("twilio", None, time.time, time.sleep)
                for channel in twilio.CHANNELS:
                    if channel is Channel.CALL and "from_number" not in sender:
                        continue
                    _send_and_ask(twilio.make(settings, context), channel)
        assert len(sim.accepted) == 20
        yield sim.requests


def _send_and_ask(provider, channel):
    for number, validity in enumerate((1.0, 1e9)):
        given = ["m1", channel, MessageType.OTP, "+447700900001", "Your code is 123456 & <all>."]
        left = {"code": "123456", "validity": validity}
        out = Outgoing(f"m1.{number}", *given, **left)
        provider.send(out, timeout=5)
        other = Outgoing("m2.1", *given, **left)
        provider.lookup(other, since=time.time() + 3600, timeout=5)


def test_every_request_is_as_twilio_describes_it(asked):
    assert {f"{r['method']} {urlsplit(r['path']).path.rsplit('/')[-1]}" for r in asked} == {
        "POST Messages.json",
        "POST Calls.json",
        "GET Messages.json",
        "GET Calls.json",
    }
    for request in asked:
        assert faults(request) == [], request
        assert request["path"] == operation(request)["path"].format(AccountSid=ACCOUNT)


def test_all_that_can_be_given_was_given(asked):
    given = {name for r in asked for name in r["params"] if r["method"] == "POST"}
    assert given == {
        *("To", "From", "MessagingServiceSid", "Body", "ContentSid", "ContentVariables"),
        *("ValidityPeriod", "StatusCallback", "StatusCallbackEvent", "Twiml", "Timeout"),
    }


@pytest.mark.parametrize(
    "change",
    [
        {"Tow": "x"},
        {"To": "447700900001"},
        {"ValidityPeriod": "36001"},
        {"ValidityPeriod": "1.5"},
        {"ContentSid": HX},
        {"StatusCallback": "here"},
        {"MessagingServiceSid": "MG1"},
    ],
    ids=repr,
)
def test_the_record_refuses_what_is_wrong(asked, change):
    request = next(r for r in asked if "Body" in r["params"] and "From" in r["params"])
    assert faults({**request, "params": {**request["params"], **change}})
