"""When a send that was held back is tried again: spread out, but no hours late."""

from zoneinfo import ZoneInfo

import pytest

from otp_messaging_agent.channels import sms
from otp_messaging_agent.errors import SendError
from otp_messaging_agent.flow.gate import Gate
from otp_messaging_agent.flow.way import Option
from otp_messaging_agent.message import Channel
from otp_messaging_agent.safety.breaker import Breaker
from otp_messaging_agent.safety.pace import Pace
from otp_messaging_agent.safety.spend import Spend

MORNING = 1_700_006_400.0  # 2023-11-15T00:00:00Z
NIGHT = MORNING + 86_400
WAY = Option(Channel.SMS, "one", sms.MEDIUM, 1.0)


def gate(cap=None):
    def clock():
        return MORNING + 60

    return Gate(Pace({}, clock), Breaker(1, 40.0, clock), Spend(cap, ZoneInfo("UTC"), clock))


@pytest.mark.parametrize("random", [0.0, 0.5, 0.999])
def test_what_waits_for_the_budget_comes_back_just_after_midnight(random):
    full = gate(cap=1.0)
    assert full.take(WAY, 1.0)
    at = full.slot(WAY, 1.0, lambda: random)
    assert NIGHT <= at < NIGHT + 75
    assert (at == NIGHT) == (random == 0)


def test_what_waits_for_a_resting_provider_is_spread_over_a_quarter_of_the_rest():
    open_ = gate()
    open_.leave(open_.take(WAY, 1.0), "m1", SendError("unreachable"))
    assert open_.slot(WAY, 1.0, lambda: 0.5) == MORNING + 60 + 45
