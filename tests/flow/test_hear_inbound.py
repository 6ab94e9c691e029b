"""What people write: a wish is done, answered once before it takes effect, and everything kept."""

import pytest

from otp_messaging_agent.message import Channel, MessageType, Status
from otp_messaging_agent.providers.base import Heard
from otp_messaging_agent.stores.base import OptOut, Search

from .letters import letter
from .scripted import PHONE, START, Scripted

SMS, WHATSAPP, EMAIL = Channel.SMS, Channel.WHATSAPP, Channel.EMAIL
MAIL = "ada@example.com"
STOPS = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"]
STARTS = ["START", "YES", "UNSTOP"]
HELPS = ["HELP", "INFO"]
CASES = [str.upper, str.lower, str.title, lambda w: f"\t {w.swapcase()} \r\n"]
SPELLINGS = range(len(CASES))


@pytest.fixture
def on(stage):
    return stage(
        {(SMS, "main"): Scripted(), (WHATSAPP, "chat"): Scripted(), (EMAIL, "post"): Scripted()}
    )


def answers(on):
    """Send what waits as an answer, and return (channel, text) of all answers so far."""
    on.flush()
    for m in on.store.search(Search()):
        if m.exempt and m.due_at is not None:
            on.deliverer.handle(m.id)
    on.flush()
    found = [m for m in on.store.search(Search()) if m.exempt]
    assert all(m.status is Status.SENT and m.phone_number == PHONE for m in found)
    return [(m.preferred_channel, m.content) for m in reversed(found)]


def said(on, channel, name):
    return [o.content for o in on.providers[channel, name].outs]


def stands(on, recipient=PHONE):
    return [
        (o.channel, o.category, o.source) for o in on.store.opt_outs(limit=9, recipient=recipient)
    ]


def kept(on):
    return [i.text for _, i in on.store.inbound(limit=99)]


@pytest.mark.parametrize("case", SPELLINGS)
@pytest.mark.parametrize("word", STOPS)
def test_every_way_to_say_stop_is_confirmed_once_and_bars_what_comes_after(on, word, case):
    text = CASES[case](word)
    on.listener.inbound(letter(text))
    on.finish(on.take(preferred_channel="SMS"))
    assert answers(on) == [(SMS, "stopped")]
    assert said(on, SMS, "main") == ["stopped"]
    assert stands(on) == [(SMS, None, "inbound")]
    assert kept(on) == [text]


@pytest.mark.parametrize("case", SPELLINGS)
@pytest.mark.parametrize("word", STARTS)
def test_every_way_to_say_start_ends_the_block_and_is_answered(on, word, case):
    on.listener.inbound(letter("STOP"))
    on.listener.inbound(letter(CASES[case](word)))
    assert stands(on) == []
    assert answers(on) == [(SMS, "stopped"), (SMS, "started")]
    made = on.take(preferred_channel="SMS")
    on.finish(made)
    assert on.status(made) == "sent"


@pytest.mark.parametrize("case", SPELLINGS)
@pytest.mark.parametrize("word", HELPS)
def test_every_way_to_ask_for_help_is_answered_and_changes_nothing(on, word, case):
    on.listener.inbound(letter("STOP"))
    on.listener.inbound(letter(CASES[case](word)))
    assert answers(on) == [(SMS, "stopped"), (SMS, "help")]
    assert stands(on) == [(SMS, None, "inbound")]


@pytest.mark.parametrize("text", ["please stop", "stop it", "STOP.", "yes please", "", "halp"])
def test_anything_else_is_only_kept(on, text):
    on.listener.inbound(letter(text))
    assert (stands(on), answers(on), kept(on)) == ([], [], [text])


def test_a_second_stop_is_not_confirmed_again_but_one_after_start_is(on):
    on.listener.inbound(letter("STOP"))
    on.listener.inbound(letter("stop all"))
    on.listener.inbound(letter("STOPALL"))
    assert answers(on) == [(SMS, "stopped")]
    on.listener.inbound(letter("START"))
    on.listener.inbound(letter("STOP"))
    assert answers(on) == [(SMS, "stopped"), (SMS, "started"), (SMS, "stopped")]


def test_each_channel_has_its_own_wish_and_its_own_answer(on):
    on.listener.inbound(letter("STOP", channel=WHATSAPP, provider="chat"))
    assert answers(on) == [(WHATSAPP, "stopped")]
    assert (said(on, SMS, "main"), said(on, WHATSAPP, "chat")) == ([], ["stopped"])
    made = on.take(priority="MEDIUM", preferred_channel="WhatsApp")
    on.finish(made)
    assert on.tries(made) == [("SMS", "main", "sent", None)]
    on.listener.inbound(letter("START"))
    assert stands(on) == [(WHATSAPP, None, "inbound")]


def test_who_opted_out_of_everything_is_not_told_so_again(on):
    on.store.opt_out(OptOut("out_1", PHONE, START, "api"))
    on.listener.inbound(letter("STOP"))
    assert answers(on) == []


def test_who_opted_out_of_one_kind_only_is_told_of_the_rest(on):
    on.store.opt_out(OptOut("out_1", PHONE, START, "api", category=MessageType.MARKETING))
    on.listener.inbound(letter("STOP"))
    assert answers(on) == [(SMS, "stopped")]


@pytest.mark.parametrize("word", ["STOP", "START", "HELP", "hello"])
def test_the_same_callback_again_changes_nothing(on, word):
    provider = on.providers[SMS, "main"]
    provider.heard["once"] = Heard(inbound=[letter(word)])
    for _ in range(3):
        on.listener.callback("main", "once")
    assert kept(on) == [word]
    assert len(answers(on)) == (word != "hello")
    assert len(stands(on)) == (word == "STOP")


@pytest.mark.parametrize(("old", "new"), [("START", "STOP"), ("STOP", "START")])
def test_an_old_callback_played_again_does_not_undo_a_later_wish(on, old, new):
    first, then = letter(old), letter(new)
    for told in (first, then, first):
        on.listener.inbound(told)
    assert len(stands(on)) == (new == "STOP")
    assert len(answers(on)) == 2


def test_a_wish_without_an_id_is_done_whoever_wrote_one_before(on):
    for sender in ("ada@example.com", "bob@example.com"):
        on.listener.inbound(letter("STOP", channel=EMAIL, sender=sender, provider="post", id_=""))
        assert stands(on, sender) == [(EMAIL, None, "inbound")]


def test_what_an_unreadable_sender_wrote_is_kept_and_nothing_is_done(on):
    on.listener.inbound(letter("STOP", sender="not a number"))
    ((_, found),) = on.store.inbound(limit=9)
    assert (found.sender, found.text) == ("not a number", "STOP")
    assert on.store.opt_outs(limit=9) == []
    assert answers(on) == []


def test_the_sender_is_known_however_the_number_is_written(on):
    on.listener.inbound(letter("STOP", sender="+44 7700 900001"))
    assert stands(on) == [(SMS, None, "inbound")]


def test_an_unsubscribe_of_mail_bars_mail_alone_and_is_not_answered(on):
    on.providers[EMAIL, "post"].heard["event"] = Heard(
        inbound=[letter("STOP", channel=EMAIL, sender="Ada@Example.com", provider="post")]
    )
    on.listener.callback("post", "event")
    assert stands(on, MAIL) == [(EMAIL, None, "inbound")]
    assert answers(on) == []
    mail = on.take(phone_number=None, email=MAIL)
    assert on.status(mail) == "suppressed"
    text = on.take(email=MAIL, preferred_channel="Email")
    on.finish(text)
    assert [channel for channel, *_ in on.tries(text)] == ["WhatsApp"]


# ------------------------------------------------------------------------- when it is checked


@pytest.fixture
def texts(stage):
    """Only text messages, so that an opt-out of them bars everything."""
    return stage({(SMS, "main"): Scripted()})


def test_an_opt_out_is_checked_when_a_message_comes(texts):
    texts.listener.inbound(letter("STOP"))
    message = texts.message(texts.take())
    assert (message.status, message.error_code) == (Status.SUPPRESSED, "opted_out")
    assert (message.due_at, message.finished_at) == (None, START)


def test_an_opt_out_is_checked_again_at_the_send(texts):
    made = texts.take()
    texts.store.tickets(0, 9, START)  # as a page of tickets that was read before
    texts.listener.inbound(letter("STOP"))
    assert texts.status(made) == "accepted"
    texts.finish(made)
    assert texts.status(made) == "suppressed"
    assert texts.message(made).error_code == "opted_out"
    assert texts.tries(made) == []
    assert answers(texts) == [(SMS, "stopped")]


def test_codes_still_go_to_who_opted_out(texts):
    texts.listener.inbound(letter("STOP"))
    before = texts.take_otp().message_id
    texts.finish(before)
    assert texts.status(before) == "sent"


def test_who_wants_no_codes_either_gets_none(texts):
    texts.store.opt_out(OptOut("out_1", PHONE, START, "api", category=MessageType.OTP))
    made = texts.take_otp().message_id
    texts.finish(made)
    assert texts.status(made) == "suppressed"


def test_the_answer_is_waiting_before_the_block_stands(texts, monkeypatch):
    seen = []
    kept_as = texts.store.opt_out

    def opt_out(wish):
        seen.extend(m.content for m in texts.store.search(Search()) if m.exempt)
        return kept_as(wish)

    monkeypatch.setattr(texts.store, "opt_out", opt_out)
    texts.listener.inbound(letter("STOP"))
    assert seen == ["stopped"]
    assert answers(texts) == [(SMS, "stopped")]
