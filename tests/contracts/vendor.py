"""A vendor that does what a test says, dies when told to, and remembers what it really took."""

from otp_messaging_agent.errors import Forged, LookupUnsupported, Scope, SendError
from otp_messaging_agent.message import Status
from otp_messaging_agent.providers.base import Sent


class PowerCut(BaseException):
    """The end of the process, in the middle of whatever it was doing."""


class WrongSend(BaseException):
    """Something was sent that should not be; what sends must not be able to hide it."""


REFUSALS = {
    "busy": SendError("rate_limited", retry_after=2.0),
    "down": SendError("provider_unavailable"),
    "no such number": SendError("invalid_number", permanent=True, scope=Scope.RECIPIENT),
    "wrong channel": SendError("not_mobile", permanent=True, scope=Scope.CHANNEL),
    "bad account": SendError("auth_failed", permanent=True, scope=Scope.ACCOUNT),
}
TAKES = ("take", "take and tell", "take, then cut", "take, then die")
LOSES = ("cut before", "die before", "bug")
SENDS = (*TAKES, *LOSES, *REFUSALS)
ANSWERS = ("honest", "honest", "honest", "cannot say", "away", "die", "bug")


class Vendor:
    """The contract of `providers.base`, scripted. on_send: called with what is to be sent."""

    def __init__(self, *, receipts, on_send) -> None:
        self.receipts = receipts
        self.sending = "take"
        self.answering = "honest"
        self.taken = set()
        self.asked = set()
        self._on_send = on_send

    def send(self, out, *, timeout):
        assert timeout > 0
        try:
            self._on_send(out)
        except AssertionError as e:
            raise WrongSend from e
        if self.sending in REFUSALS:
            raise REFUSALS[self.sending]
        if self.sending in TAKES:
            self.taken.add(out.attempt_id)
        if self.sending.endswith(("then die", "die before")):
            raise PowerCut
        if self.sending == "bug":
            raise ZeroDivisionError
        if "cut" in self.sending:
            raise SendError("connection_cut", ambiguous=True)
        known = self.sending == "take and tell"
        return Sent(out.attempt_id, Status.DELIVERED if known else Status.SENT)

    def lookup(self, out, *, since, timeout):
        assert timeout > 0
        self.asked.add(out.attempt_id)
        if self.answering == "die":
            raise PowerCut
        if self.answering == "bug":
            raise ZeroDivisionError
        if self.answering == "away":
            raise SendError("provider_unavailable")
        if self.answering == "cannot say":
            raise LookupUnsupported
        return Sent(out.attempt_id) if out.attempt_id in self.taken else None

    def hear(self, callback):
        raise Forged

    def poll(self, now):
        return []

    def close(self):
        """Nothing to release."""
