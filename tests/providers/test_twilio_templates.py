"""WhatsApp messages as approved templates: what is put into them, and how they are found again."""

import json
import time

import pytest
from pydantic import ValidationError

from otp_messaging_agent.errors import LookupUnsupported, Scope, SendError
from otp_messaging_agent.message import Channel, MessageType, Status
from otp_messaging_agent.providers import twilio
from otp_messaging_agent.providers.base import Context, Outgoing, Sent
from tests.simulators.twilio import ACCOUNT, SENDER, TOKEN, TwilioSimulator, cut

TO = "+447700900001"
HX = "HX" + "4a" * 16
OTHER = "HX" + "4b" * 16
OTP = {"sid": HX, "variables": {"1": "{code}", "2": "{minutes}"}}
TEXT = "Your code is 123456."


@pytest.fixture
def sim():
    with TwilioSimulator() as made:
        made.templates[HX] = "*{{1}}* is your code. It lasts {{2}} minutes."
        made.templates[OTHER] = "Dear customer: {{text}}"
        yield made


def make(sim, **templates):
    settings = twilio.Settings(
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        from_number=SENDER,
        base_url=sim.url,
        content_templates=templates,
    )
    return twilio.make(settings, Context("twilio", None, time.time, time.sleep))


def out(channel=Channel.WHATSAPP, type_=MessageType.OTP, **given):
    given = {"content": TEXT, "code": "123456", "validity": 299.0, "attempt_id": "m1.1"} | given
    return Outgoing(message_id="m1", channel=channel, type=type_, to=TO, **given)


def variables(sim):
    return json.loads(sim.accepted[-1]["form"]["ContentVariables"])


def test_a_template_goes_out_instead_of_the_text(sim):
    make(sim, otp=OTP).send(out(), timeout=5)
    form = sim.accepted[0]["form"]
    assert (form["ContentSid"], "Body" in form) == (HX, False)
    assert variables(sim) == {"1": "123456", "2": "5"}
    assert (form["To"], form["From"]) == (f"whatsapp:{TO}", f"whatsapp:{SENDER}")
    assert form["ValidityPeriod"] == "299"


def test_another_channel_or_type_goes_out_as_text(sim):
    provider = make(sim, OTP=OTP)
    provider.send(out(Channel.SMS), timeout=5)
    provider.send(out(type_=MessageType.ALERT), timeout=5)
    assert [e["form"]["Body"] for e in sim.accepted] == [TEXT, TEXT]
    assert not any("ContentSid" in e["form"] for e in sim.accepted)


def test_every_placeholder_stands_for_its_part(sim):
    all_ = "{code}|{content}|{minutes}|{subject}|{{x}}"
    provider = make(sim, marketing={"sid": OTHER, "variables": {"text": all_}})
    more = {"subject": "Sale", "validity": 1.0}
    provider.send(out(type_=MessageType.MARKETING, content="50 % {code}", **more), timeout=5)
    said = "123456|50 % {code}|1|Sale|{x}"
    assert variables(sim) == {"text": said}


def test_what_twilio_takes_in_no_variable_becomes_a_blank(sim):
    provider = make(sim, alert={"sid": OTHER, "variables": {"text": "So:\n{content}"}})
    provider.send(out(type_=MessageType.ALERT, content=" a\n\nb\tc      d "), timeout=5)
    assert variables(sim) == {"text": "So: a b c d"}


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        ("{code}", {"code": None}),
        ("{minutes}", {"validity": None}),
        ("{content}", {"content": " "}),
    ],
)
def test_what_a_placeholder_stands_for_must_be_there(sim, text, lacking):
    provider = make(sim, otp={"sid": OTHER, "variables": {"text": text}})
    with pytest.raises(SendError) as caught:
        provider.send(out(**lacking), timeout=5)
    refused = caught.value
    assert (refused.code, refused.permanent, refused.ambiguous) == ("misconfigured", True, False)
    assert refused.scope is Scope.PROVIDER
    assert sim.requests == []


def test_a_template_that_twilio_does_not_know_is_this_providers_trouble(sim):
    provider = make(sim, otp={"sid": "HX" + "0" * 32, "variables": {}})
    with pytest.raises(SendError) as caught:
        provider.send(out(), timeout=5)
    assert (caught.value.code, caught.value.scope) == ("template_refused", Scope.PROVIDER)


# ------------------------------------------------------------------------------ asking afterwards


def lost(sim, provider, message):
    sim.script(f"whatsapp:{TO}", [cut(accepted=True)])
    with pytest.raises(SendError):
        provider.send(message, timeout=5)


def test_a_template_is_found_by_what_was_put_into_it(sim):
    begun = time.time()
    lost(sim, make(sim, otp=OTP), out())
    found = make(sim, otp=OTP).lookup(out(), since=begun, timeout=5)
    assert found == Sent(sim.accepted[0]["sid"], Status.SENT)


def test_a_template_with_the_text_is_found_by_the_text(sim):
    begun, template = time.time(), {"sid": OTHER, "variables": {"text": "{content}!"}}
    alert = {"type_": MessageType.ALERT, "code": None}
    lost(sim, make(sim, alert=template), out(**alert, content="Login  at\nnoon."))

    def ask(message):  # each as after a restart
        return make(sim, alert=template).lookup(message, since=begun, timeout=5)

    found = ask(out(**alert, content="Login  at\nnoon."))
    assert found == Sent(sim.accepted[0]["sid"], Status.SENT)
    with pytest.raises(LookupUnsupported):
        ask(out(**alert, content="Login at one."))


def test_among_others_it_is_still_found(sim):
    begun = time.time()
    provider = make(sim, otp=OTP)
    provider.send(out(code="999999", attempt_id="m0.1"), timeout=5)
    lost(sim, provider, out())
    found = make(sim, otp=OTP).lookup(out(), since=begun, timeout=5)
    assert found == Sent(sim.accepted[1]["sid"], Status.SENT)


@pytest.mark.parametrize("body", ["Twilio shows it in words of its own", ""])
def test_one_that_may_be_it_or_another_leaves_the_question_open(sim, body):
    begun = time.time()
    lost(sim, make(sim, otp=OTP), out())
    sim.accepted[0]["body"] = body
    with pytest.raises(LookupUnsupported):
        make(sim, otp=OTP).lookup(out(), since=begun, timeout=5)


def test_a_template_that_always_says_the_same_cannot_be_told_from_another(sim):
    begun = time.time()
    same = {"sid": HX, "variables": {"1": "{{code}}", "2": "{minutes}"}}
    lost(sim, make(sim, otp=same), out())
    with pytest.raises(LookupUnsupported):
        make(sim, otp=same).lookup(out(), since=begun, timeout=5)


def test_what_is_known_to_be_another_leaves_no_question(sim):
    begun, provider = time.time(), make(sim, otp=OTP)
    provider.send(out(code="999999", attempt_id="m0.1"), timeout=5)
    with pytest.raises(LookupUnsupported):
        make(sim, otp=OTP).lookup(out(), since=begun, timeout=5)
    assert provider.lookup(out(), since=begun, timeout=5) is None


def test_where_there_is_none_it_was_not_taken(sim):
    begun = time.time()
    assert make(sim, otp=OTP).lookup(out(), since=begun, timeout=5) is None


@pytest.mark.parametrize("left", [-1.0, 0.5, 100.0, 600.0, None])
def test_the_minutes_left_may_have_changed_meanwhile(sim, left):
    begun = time.time()
    lost(sim, make(sim, otp=OTP), out())
    found = make(sim, otp=OTP).lookup(out(validity=left), since=begun, timeout=5)
    assert found == Sent(sim.accepted[0]["sid"], Status.SENT)


# ------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("template", "type_"),
    [
        (OTP, "letter"),
        ({"variables": {}}, "otp"),
        ({"sid": "HX1"}, "otp"),
        ({"sid": OTHER, "variables": {"": "{code}"}}, "otp"),
        ({"sid": OTHER, "variables": {"1": ""}}, "otp"),
        ({"sid": OTHER, "variables": {"1": "{secret}"}}, "otp"),
        ({"sid": OTHER, "variables": {"1": "{}"}}, "otp"),
        ({"sid": OTHER, "variables": {"1": "{code"}}, "otp"),
        ({"sid": OTHER, "variables": {"1": "{code!r}"}}, "otp"),
        ({"sid": OTHER, "variables": {"1": "{code:>9999999}"}}, "otp"),
        ({"sid": OTHER, "variables": {"1": "{code.__class__}"}}, "otp"),
        ({"sid": OTHER, "variables": {"1": 5}}, "otp"),
        ({"sid": OTHER, "language": "en"}, "otp"),
    ],
    ids=repr,
)
def test_a_template_that_could_not_be_filled_is_a_fault(template, type_):
    account = {"account_sid": ACCOUNT, "auth_token": TOKEN, "from_number": SENDER}
    with pytest.raises(ValidationError) as caught:
        twilio.Settings(**account, content_templates={type_: template})
    assert caught.value.errors()[0]["loc"][0] == "content_templates"
    assert TOKEN not in str(caught.value)
