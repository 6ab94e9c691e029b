"""SMTP: e-mail through any mail server.

A letter may have been taken only once the dot that ends it is written. Whatever fails before that
took nothing, so a connection that died while it rested is replaced: nothing is lost or doubled.
The server takes a letter or refuses it; what bounces later is not read here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from ipaddress import ip_address
from time import monotonic
from typing import Annotated, Literal, Self
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from ..errors import Forged, LookupUnsupported, Scope, SendError
from ..message import Channel, MessageType, Receipt
from ..safety import addresses
from ..safety.letter import mailbox, named, one_line, render, words
from ..safety.mail import Letter, Refused, Server, Session, trust
from .base import Callback, Context, Heard, Outgoing, Sent, verdicts

CHANNELS = (Channel.EMAIL,)

# Our code, permanent, what it ends. To RCPT and DATA, by enhanced code, reply code, subject of the
# enhanced code, stage (https://www.iana.org/assignments/smtp-enhanced-status-codes and RFC 5321).
# What is refused before says nothing of the recipient: by STAGE/CODE, stage.
_TABLE = (
    ("invalid_address", True, Scope.CHANNEL, "5.1.x 556"),
    ("mailbox_unavailable", True, Scope.CHANNEL, "5.2.x 5.4.x"),
    ("mailbox_full", True, Scope.CHANNEL, "5.2.2"),
    ("address_not_supported", True, Scope.CHANNEL, "5.6.7 5.6.9 NO_SMTPUTF8"),  # not ASCII
    ("content_too_long", True, Scope.CHANNEL, "5.2.3 5.3.4 552 MAIL/552"),
    ("content_refused", True, Scope.CHANNEL, "5.6.x"),
    ("rejected", True, Scope.CHANNEL, "RCPT DATA"),
    ("rejected", True, Scope.PROVIDER, "5.3.x 5.5.x 500 501 502 503 504 555"),
    ("blocked", True, Scope.PROVIDER, "5.7.x"),  # by policy, maybe only against this server
    ("quota_exceeded", True, Scope.ACCOUNT, "5.4.5"),
    ("auth_failed", True, Scope.ACCOUNT, "530 534 535 538 5.7.8 5.7.57 AUTH MAIL/530 MAIL/535"),
    ("misconfigured", True, Scope.ACCOUNT, "5.1.7 5.1.8 5.7.60 HELLO MAIL NO_LOGIN"),
    ("tls_failed", True, Scope.ACCOUNT, "NO_STARTTLS NO_TRUST"),
    ("mailbox_unavailable", False, Scope.CHANNEL, "4.2.x"),  # busy, full or greylisting: it alone
    ("rate_limited", False, Scope.PROVIDER, "4.7.28 TOO_MANY"),
    ("provider_error", False, Scope.PROVIDER, "4xx"),
)
VERDICTS = verdicts(_TABLE)
_TOO_MANY = re.compile(rb"(?i)too (many|much|fast)|throttl|rate.?limit|(sending|unusual) rate")

POOL = 16  # connections that rest at most: servers often allow one client no more than 20
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_UNSUBSCRIBE = re.compile("https?://[!-;=?-~]+")


def _mailbox(text: str) -> str:
    mailbox(text)
    return text


def _ca_file(path: str) -> str:
    try:
        trust(path)
    except OSError:
        msg = "must be a readable file of certificates in PEM form"
        raise ValueError(msg) from None
    return path


class Settings(BaseModel):
    """Server and sender. port: by security where not given; ca_file: the only ones to trust."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: Annotated[str, Field(pattern=r"^[0-9A-Za-z.:_-]{1,253}$")]
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: Annotated[str, Field(min_length=1)] | None = None
    password: Annotated[SecretStr, Field(min_length=1)] | None = None
    from_address: Annotated[str, AfterValidator(_mailbox)]
    reply_to: Annotated[str, AfterValidator(_mailbox)] | None = None
    ca_file: Annotated[str, AfterValidator(_ca_file)] | None = None

    @model_validator(mode="after")
    def _password_stays_secret(self) -> Self:
        if (self.username is None) != (self.password is None):
            msg = "username and password go together"
            raise ValueError(msg)
        if self.password is not None and self.security == "none" and not _is_here(self.host):
            msg = "a password needs security starttls or tls, except to this machine"
            raise ValueError(msg)
        return self


def _is_here(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host.lower() == "localhost"


def make(settings: Settings, context: Context) -> Smtp:
    """Return the provider for one server and sender."""
    return Smtp(settings, context.clock)


class Smtp:
    """One server and sender."""

    receipts = False  # bounces go to the sender's mailbox, so `sent` is the last that is known

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings, self._clock = settings, clock
        port = settings.port or _PORTS[settings.security]
        secret = settings.password.get_secret_value() if settings.password else ""
        login = (settings.username, secret) if settings.username else None
        tls = trust(settings.ca_file)
        self._server = Server(settings.host, port, settings.security, login, tls)
        self._resting: list[Session] = []
        self._closed = False

    def send(self, out: Outgoing, *, timeout: float) -> Sent:
        """Hand the message over, on a connection that rests where there is one."""
        deadline = monotonic() + timeout
        if out.validity is not None and out.validity < 1:
            raise SendError("expired", permanent=True, scope=Scope.MESSAGE)
        letter, message_id = _write(out, self._settings, self._clock())
        session = self._kept(deadline)
        if session is None or not self._carry(session, letter):
            self._carry(self._open(deadline), letter)
        return Sent(message_id)

    def _carry(self, session: Session, letter: Letter) -> bool:
        """Return False where the connection had died at rest, so that nothing was taken."""
        try:
            session.carry(letter)
        except (Refused, OSError, ValueError) as e:
            if isinstance(e, Refused) and not session.leaving and e.stage != "RSET":
                self._keep(session)
                raise _refused(e) from None
            session.close()
            if session.used and not session.written and not isinstance(e, TimeoutError):
                return False
            raise _failed(e, written=session.written) from None
        self._keep(session)
        return True

    def _open(self, deadline: float) -> Session:
        session = Session()
        try:
            session.open(self._server, deadline)
        except (Refused, OSError, ValueError) as e:
            session.close()
            if isinstance(e, Refused):
                raise _refused(e) from None
            raise SendError("unreachable", detail=type(e).__name__) from None
        return session

    def _kept(self, deadline: float) -> Session | None:
        with suppress(IndexError):  # none is left
            while session := self._resting.pop():
                session.sock.deadline = deadline
                session.used, session.written = True, False
                if session.sock.is_usable():
                    return session
                session.leave()
        return None

    def _keep(self, session: Session) -> None:
        session.sock.rests_since = monotonic()
        if self._closed or len(self._resting) >= POOL:
            session.leave()
        else:
            self._resting.append(session)

    def lookup(self, out: Outgoing, *, since: float, timeout: float) -> Sent | None:
        """Refuse: a mail server tells nobody what it took."""
        del out, since, timeout
        raise LookupUnsupported

    def hear(self, callback: Callback) -> Heard:
        """Refuse: a mail server makes no callbacks."""
        del callback
        raise Forged

    def poll(self, now: float) -> Iterable[Receipt]:
        """Return nothing; take leave of connections that rested for long."""
        del now
        with suppress(IndexError):  # none is left
            while not (oldest := self._resting.pop(0)).sock.is_usable():
                oldest.leave()
            self._resting.insert(0, oldest)
        return ()

    def close(self) -> None:
        """Close the connections."""
        self._closed = True
        while self._resting:
            self._resting.pop().leave()


def _failed(e: Exception, *, written: bool) -> SendError:
    if isinstance(e, Refused):
        return _refused(e)
    late, cut = isinstance(e, TimeoutError), isinstance(e, OSError)
    code = "timeout" if late else "connection_cut" if cut else "garbled_answer"
    return SendError(code, ambiguous=written, detail=type(e).__name__)


def _refused(e: Refused) -> SendError:
    subject = e.enhanced.rpartition(".")[0] + ".x"
    named = e.stage in {"RCPT", "DATA"}
    if e.code.startswith("4"):
        many = subject != "4.2.x" and _TOO_MANY.search(e.text)  # 4.2: too many for a mailbox
        keys = ["TOO_MANY" if many else e.enhanced, subject if named else "", "4xx"]
    elif named:
        keys = [e.enhanced, e.code, subject, e.stage]
    else:
        keys = [f"{e.stage}/{e.code}", e.stage]
    name, permanent, scope = next(VERDICTS[key] for key in keys if key in VERDICTS)
    said = " ".join(filter(None, (e.stage, e.code, e.enhanced)))  # the text repeats the address
    return SendError(name, permanent=permanent, scope=scope, detail=said)


def _write(out: Outgoing, settings: Settings, now: float) -> tuple[Letter, str]:
    """Return the letter and its Message-ID, which names the attempt."""
    try:
        to = addresses.email(out.to)
    except ValueError:
        raise SendError("invalid_address", permanent=True, scope=Scope.CHANNEL) from None
    name, sender = mailbox(settings.from_address)
    subject = one_line(out.subject or "") or out.type.value.capitalize()
    message_id = f"<{quote(out.attempt_id, safe='')}@{sender.rpartition('@')[2]}>"
    head = {"From": named(name, sender), "To": to, "Subject": words(subject)}
    head |= {"Date": format_datetime(datetime.fromtimestamp(now, UTC)), "Message-ID": message_id}
    if settings.reply_to is not None:
        head["Reply-To"] = named(*mailbox(settings.reply_to))
    if out.type is not MessageType.MARKETING:  # RFC 3834: an event wrote it, nobody by hand
        head["Auto-Submitted"] = "auto-generated"
    if out.unsubscribe is not None:
        if not _UNSUBSCRIBE.fullmatch(out.unsubscribe):
            raise SendError("content_refused", permanent=True, scope=Scope.MESSAGE)
        head["List-Unsubscribe"] = f"<{out.unsubscribe}>"
        if out.unsubscribe.startswith("https:"):  # RFC 8058 wants no less
            head["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return Letter(sender, to, render(head, subject, out.content)), message_id
