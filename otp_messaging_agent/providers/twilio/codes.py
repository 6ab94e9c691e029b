"""Twilio's codes and what they mean here, of an answer to a request and of a receipt alike.

The codes: https://www.twilio.com/docs/api/errors. Any other goes by its HTTP status; a receipt
with none that stands here says only that it failed.
"""

from __future__ import annotations

import re

from ...errors import Scope, SendError
from ...safety.outbound import Answer
from ..base import refusal, verdicts

# Our code, permanent, what it ends, Twilio's codes and HTTP statuses.
_TABLE = (
    ("invalid_number", True, Scope.RECIPIENT, "13223 13226 21211 21217 21401"),
    ("number_unreachable", True, Scope.CHANNEL, "13224 21214 30005"),  # a call may still get there
    ("handset_unreachable", False, Scope.CHANNEL, "30003"),  # off, abroad or full
    ("not_mobile", True, Scope.CHANNEL, "21265 21407 21614 21635 30006"),
    ("opted_out", True, Scope.CHANNEL, "21610 63014 63033 63050"),
    ("blocked", True, Scope.CHANNEL, "13225 21216 30004"),
    ("premium_number", True, Scope.CHANNEL, "21202 21268"),
    ("filtered", True, Scope.PROVIDER, "30007"),  # for the sender as much as for the text
    ("content_refused", True, Scope.CHANNEL, "21618 63005 63006 63013 63021 63026"),
    ("not_on_whatsapp", True, Scope.CHANNEL, "63003 63015 63024 63032"),
    ("window_closed", True, Scope.CHANNEL, "63016"),  # a day after the recipient's last message
    ("template_refused", True, Scope.PROVIDER, "21655 21656 63027 63028 63029 63030"),
    ("content_too_long", True, Scope.CHANNEL, "21605 21617 21658 30019"),
    ("content_missing", True, Scope.MESSAGE, "21602 21619"),
    ("expired", False, Scope.PROVIDER, "30036"),  # in Twilio's queue; the agent knows its deadline
    ("no_route", True, Scope.PROVIDER, "21612 21662"),  # from this sender to that recipient
    ("sender_unregistered", True, Scope.PROVIDER, "30018 30024 30032 30034 30035 30042"),
    ("country_not_enabled", True, Scope.PROVIDER, "13227 21203 21215 21408 63058"),
    ("recipient_not_verified", True, Scope.PROVIDER, "21219 21608 572005 573005"),  # on trial
    ("account_inactive", True, Scope.ACCOUNT, "10001 10002 20005 20010 21472 30002 63051 63112"),
    ("auth_failed", True, Scope.ACCOUNT, "20003 20006 20151 20403 HTTP401 HTTP403"),
    ("misconfigured", True, Scope.ACCOUNT, "20404 21210 21212 21213 21264 21267 21601 21603"),
    ("misconfigured", True, Scope.ACCOUNT, "21606 21607 21609 21616 21657 21659 21660 21661"),
    ("misconfigured", True, Scope.ACCOUNT, "21663 21701 21702 21703 21704 21705 63002 63007"),
    ("misconfigured", True, Scope.ACCOUNT, "63008 63020 63022 HTTP404 HTTP3xx"),  # API elsewhere
    ("rejected", True, Scope.CHANNEL, "HTTP4xx"),
    ("rate_limited", False, Scope.PROVIDER, "10004 14107 20429 21611 30001 30017 30022 30023"),
    ("rate_limited", False, Scope.PROVIDER, "30027 63017 63018 63038 HTTP429"),
    ("provider_error", False, Scope.PROVIDER, "20500 20503 30410 63009 63010 63012 HTTP408"),
    ("provider_error", False, Scope.PROVIDER, "HTTP5xx"),
    ("undelivered", False, Scope.PROVIDER, "30008"),  # Twilio's "unknown error"
    ("call_failed", False, Scope.CHANNEL, "call-failed"),
    ("busy", False, Scope.CHANNEL, "call-busy"),
    ("no_answer", False, Scope.CHANNEL, "call-no-answer"),
    ("canceled", False, Scope.PROVIDER, "canceled call-canceled"),
)
VERDICTS = verdicts(_TABLE)


def refused(answer: Answer) -> SendError:
    """Return the error that an answer other than 2xx stands for."""
    told = re.search(rb'"code": *"?([0-9]{5,6})', answer.body)
    return refusal(answer, told[1].decode() if told else None, VERDICTS)


def undelivered(status: str, theirs: str) -> tuple[str, Scope]:
    """Return our code and the scope of a receipt's *status* (`call-` before a call's)."""
    code, _, scope = VERDICTS.get(theirs) or VERDICTS.get(status) or VERDICTS["30008"]
    return code, scope
