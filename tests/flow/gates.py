"""Gates with a clock at hand, and what is asked of them."""

from zoneinfo import ZoneInfo

from otp_messaging_agent.errors import Scope, SendError
from otp_messaging_agent.flow.gate import Gate
from otp_messaging_agent.safety.breaker import Breaker
from otp_messaging_agent.safety.pace import Pace
from otp_messaging_agent.safety.spend import Spend

from .routes import EMAIL, SMS, option
from .scripted import START, Clock

NOON = 12 * 3600 - START % 86_400 + START
REST = 30.0
MAIN, SECOND, MAIL = option(SMS, "main"), option(SMS, "second"), option(EMAIL, "main")
DOWN = SendError("provider_unavailable")
CUT = SendError("timeout", ambiguous=True)
SHUT = SendError("auth_failed", permanent=True, scope=Scope.ACCOUNT)
NUMBER = SendError("invalid_number", permanent=True, scope=Scope.RECIPIENT)


class Timed(Gate):
    """A gate with its clock at hand."""

    def __init__(self, per_minute=(), failures=2, cap=None, clock=None):
        self.clock = clock or Clock(NOON)
        super().__init__(
            Pace(dict(per_minute), self.clock),
            Breaker(failures, REST, self.clock),
            Spend(cap, ZoneInfo("UTC"), self.clock),
        )

    def fail(self, way, *message_ids, error=DOWN):
        for message_id in message_ids:
            self.leave(self.take(way, 0.0), message_id, error)

    def left(self, step=1.0, most=1000):
        """Return what can still be spent today, in whole steps; nothing is spent by that."""
        taken = 0
        day = 0.0
        while taken < most and (new := self.spend.reserve(step)) is not None:
            taken, day = taken + 1, new
        for _ in range(taken):
            self.spend.give_back(step, day)
        return taken


def passes(gate, way, most=100, cost=0.0):
    """Return how many sends are let out at this moment."""
    return next((n for n in range(most) if gate.take(way, cost) is None), most)
