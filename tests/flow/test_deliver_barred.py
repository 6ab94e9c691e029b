"""What may not go a way is not sent that way: too dear, opted out, resting, no money left today."""

from otp_messaging_agent.errors import SendError
from otp_messaging_agent.stores.base import OptOut

from .routes import EMAIL, SMS, WHATSAPP
from .scripted import PHONE, Scripted


def test_a_message_that_every_way_is_too_dear_for_fails_and_says_so(stage):
    sms = Scripted()
    on = stage({(SMS, "main"): sms}, ceiling=0.008)
    made = on.take()
    on.finish(made)
    assert on.status(made) == "failed"
    assert on.message(made).error_code == "over_price_ceiling"
    assert sms.outs == []


def test_below_the_ceiling_it_goes_the_cheaper_way(stage):
    on = stage({(SMS, "main"): Scripted(), (WHATSAPP, "main"): Scripted()}, ceiling=0.008)
    made = on.take(priority="HIGH")
    on.finish(made)
    assert [channel for channel, *_ in on.tries(made)] == ["WhatsApp"]


def test_who_opts_out_after_it_was_taken_in_gets_it_no_more(stage):
    sms = Scripted()
    on = stage({(SMS, "main"): sms})
    made = on.take()
    on.store.opt_out(OptOut("out_1", PHONE, on.clock(), "api", channel=SMS))
    on.finish(made)
    assert (on.status(made), on.message(made).error_code) == ("suppressed", "opted_out")
    assert sms.outs == []


def test_who_opts_out_between_two_tries_gets_no_second(stage):
    sms = Scripted(SendError("down"))
    on = stage({(SMS, "main"): sms})
    made = on.take()
    on.step(made)
    on.store.opt_out(OptOut("out_1", PHONE, on.clock(), "api"))
    on.finish(made)
    assert on.status(made) == "suppressed"
    assert len(sms.outs) == 1


def test_a_preferred_channel_that_goes_down_by_the_message_itself_is_left_at_once(stage):
    on = stage(
        {(SMS, "main"): Scripted(SendError("down")), (EMAIL, "main"): Scripted()}, failures=1
    )
    made = on.take(preferred_channel="SMS", email="ada@example.com")
    assert sum(on.finish(made)) < 1
    assert [channel for channel, *_ in on.tries(made)] == ["SMS", "Email"]


def test_the_days_spend_is_waited_for_until_midnight(stage):
    sms = Scripted()
    on = stage({(SMS, "main"): sms}, per_day=0.0166)
    made = [on.take() for _ in range(3)]
    for one in made:
        on.deliverer.handle(one)
    assert [on.status(one) for one in made] == ["sent", "sent", "accepted"]
    midnight = (on.clock.at // 86_400 + 1) * 86_400
    assert on.message(made[2]).due_at == midnight
    on.finish(made[2])
    assert len(sms.outs) == 3


def test_what_was_spent_before_a_restart_counts(stage):
    first = stage({(SMS, "main"): Scripted()}, per_day=0.0166)
    first.finish(first.take())
    second = stage({(SMS, "main"): Scripted()}, per_day=0.0166)
    assert second.dispatcher.tick()
    assert second.spend.wait(0.0083) == 0
    assert second.spend.wait(0.0084) > 0
