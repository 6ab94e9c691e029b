"""Connections to mail servers: bounded in time and size, encrypted as told and never less.

The standard library speaks the protocol; its time-out is for each wait, so here every wait is for
what is left of the whole, as in `connection`.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .connection import Connection, TlsConnection, dial, look_up

_REPLY = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?\r?\n", re.DOTALL)
_ENHANCED = re.compile(rb"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])")
_LONGEST = 2048  # bytes of one line of an answer; RFC 5321 allows 512
_MOST = 100  # lines of one answer
_RECORD = 1 << 14  # bytes of one TLS record, and so of one write
_REFUSAL = 400
_HANGS_UP = 421


class Refused(Exception):
    """The server said no.

    stage: to what: HELLO (up to the log-in), AUTH, RSET, MAIL, RCPT or DATA; or what it lacks:
    NO_STARTTLS, NO_TRUST, NO_LOGIN or NO_SMTPUTF8. code: of its answer, empty for those.
    enhanced: that of RFC 3463, empty where none agrees with the code. text: as the server said it.
    """

    def __init__(self, stage: str, code: str = "", text: bytes = b"") -> None:
        super().__init__(stage)
        self.stage, self.code, self.text = stage, code, text
        told = _ENHANCED.match(text)
        same = told is not None and told[0][:1] == code[:1].encode()
        self.enhanced = told[0].decode() if told and same else ""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to connect to. security: starttls, tls or none; login: user name and password."""

    host: str
    port: int
    security: str
    login: tuple[str, str] | None
    tls: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Letter:
    """What to hand over. raw: with lines ended by CR LF, the last one too."""

    sender: str
    to: str
    raw: bytes


def trust(ca_file: str | None) -> ssl.SSLContext:
    """Return whom to trust: those in a PEM file, else the system's. OSError: it cannot be read."""
    tls = ssl.create_default_context(cafile=ca_file)
    tls.sslsocket_class = TlsConnection
    return tls


class Session(smtplib.SMTP):
    """A connection of which every wait ends by its socket's deadline.

    used: it carried a letter before. dirty: the server may still hold the beginning of one.
    written: all of a letter is, its last dot included, so it may have been taken, whatever comes.
    leaving: the server said that it hangs up.
    """

    sock: Connection
    stage = "HELLO"
    used = dirty = written = leaving = False

    def __init__(self) -> None:
        super().__init__(local_hostname="-")  # else it asks the resolver, which knows no time-out

    def open(self, server: Server, deadline: float) -> None:
        """Connect, encrypt and log in as told. Raises Refused, OSError or ValueError."""
        self.sock = dial(look_up(server.host, server.port, deadline), deadline)
        self.sock.deadline = deadline
        if server.security == "tls":
            self._encrypt(server)
        self._take(2)
        self._greet()
        if server.security == "starttls":
            if not self.has_extn("starttls"):
                raise Refused("NO_STARTTLS")
            self._ask("STARTTLS", 2)
            self._encrypt(server)
            self._greet()
        if server.login is not None:
            self._log_in(*(word.encode() for word in server.login))

    def _encrypt(self, server: Server) -> None:
        deadline = self.sock.deadline
        self.sock.arm()  # a handshake as a whole lasts no longer than this
        try:
            self.sock = server.tls.wrap_socket(self.sock, server_hostname=server.host)  # type: ignore[assignment]
        except ssl.SSLCertVerificationError:
            raise Refused("NO_TRUST") from None
        self.sock.deadline = deadline
        self.file = None  # what was said in clear, ahead of time, is not believed

    def _greet(self) -> None:
        own = self.sock.getsockname()[0]  # RFC 5321 wants this of whoever has no public name
        self._check(2, *self.ehlo(f"[IPv6:{own}]" if ":" in own else f"[{own}]"))

    def _log_in(self, user: bytes, password: bytes) -> None:
        self.stage = "AUTH"
        offered = self.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in offered:
            self._ask("AUTH PLAIN " + _base64(b"\0".join((b"", user, password))), 2)
        elif "LOGIN" in offered:
            self._ask("AUTH LOGIN", 3)
            self._ask(_base64(user), 3)
            self._ask(_base64(password), 2)
        else:
            raise Refused("NO_LOGIN")

    def carry(self, letter: Letter) -> None:
        """Hand a letter over; it was taken unless this raises Refused, OSError or ValueError."""
        if self.dirty:
            self.stage = "RSET"
            self._ask("RSET", 2)
        self.stage, options = "MAIL", self._options(letter)
        self.dirty = True
        self._ask(f"MAIL FROM:<{letter.sender}>{options}", 2)
        self.stage = "RCPT"
        self._ask(f"RCPT TO:<{letter.to}>", 2)
        self.stage = "DATA"
        self._ask("DATA", 3)
        self.send(re.sub(rb"(?m)^\.", b"..", letter.raw) + b".\r\n")
        self.written = True
        self._take(2)
        self.dirty = False

    def _options(self, letter: Letter) -> str:
        size = f" SIZE={len(letter.raw)}" if self.has_extn("size") else ""
        if letter.raw.isascii():  # its headers hold the addresses
            return size
        if not self.has_extn("smtputf8"):
            raise Refused("NO_SMTPUTF8")
        self.command_encoding = "utf-8"
        return f"{size} BODY=8BITMIME SMTPUTF8"

    def _ask(self, command: str, family: int) -> None:
        self.putcmd(command)
        self._take(family)

    def _take(self, family: int) -> None:
        self._check(family, *self.getreply())

    def _check(self, family: int, code: int, text: bytes) -> None:
        self.leaving = code == _HANGS_UP
        if code >= _REFUSAL:
            raise Refused(self.stage, str(code), text)
        if code // 100 != family:
            raise ValueError

    def getreply(self) -> tuple[int, bytes]:
        """Return code and text of the next answer, which must be whole and well formed."""
        self.file = self.file or self.sock.makefile("rb")
        lines: list[bytes] = []
        while len(lines) < _MOST:
            line = self.file.readline(_LONGEST)
            if not line.endswith(b"\n") and len(line) < _LONGEST:
                raise ConnectionError
            reply = _REPLY.fullmatch(line)
            if reply is None:
                raise ValueError
            lines.append(reply[3] or b"")
            if reply[2] != b"-":
                return int(reply[1]), b"\n".join(lines)
        raise ValueError

    def send(self, s: Any) -> None:
        """Write a command or a letter by the deadline."""
        data = s.encode(self.command_encoding) if isinstance(s, str) else s
        for start in range(0, len(data), _RECORD):
            self.sock.arm()
            self.sock.sendall(data[start : start + _RECORD])

    def leave(self) -> None:
        """Say goodbye, wait for no answer, close."""
        with suppress(OSError):
            self.sock.settimeout(0)
            self.sock.sendall(b"QUIT\r\n")
        self.close()


def _base64(word: bytes) -> str:
    return b64encode(word).decode()
