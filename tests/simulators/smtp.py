"""A mail server on 127.0.0.1 (aiosmtpd, so nothing of ours) that can be told how to go wrong.

What it answers is scripted by what it is asked: HELLO (the greeting), EHLO, STARTTLS, AUTH, RSET,
MAIL, RCPT, DATA and DOT (the end of the letter). Without a script it does as a mail server does.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
import tempfile
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope
from aiosmtpd.smtp import Session as Heard
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from otp_messaging_agent.message import Channel
from otp_messaging_agent.providers import smtp
from otp_messaging_agent.providers.base import Context

USER, PASSWORD = "otp-sender", "pässword of the simulator"
FROM = "otp@sender.example"


@dataclass(frozen=True)
class Reply:
    """How one question is answered.

    text: lines as written; wait: seconds before it; drip: seconds between two bytes of it;
    cut: then the connection closes; sip: then what comes is read only so often, in seconds, and no
    more is said; taken: the letter is.
    """

    text: str = ""
    wait: float = 0.0
    drip: float = 0.0
    cut: bool = False
    sip: float = 0.0
    taken: bool = False


@dataclass(frozen=True)
class Taken:
    """A letter that was taken. encrypted, user: how it came and who brought it."""

    sender: str
    to: list[str]
    options: list[str]
    raw: bytes
    encrypted: bool
    user: str | None

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=policy.default)


class MailServer:
    """The server, and what it saw: `taken`, `asked` (verb, argument), `connections`.

    security: starttls, tls or none; login: whether one is needed; without: what it does not offer
    (words that an answer to EHLO begins with); mechanisms: to log in by; host: what its
    certificate is for; injected: what somebody in between adds in clear when encryption is agreed.
    """

    def __init__(
        self,
        security: str = "starttls",
        *,
        login: bool = True,
        without: tuple[str, ...] = (),
        mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN"),
        host: str = "127.0.0.1",
        injected: str = "",
    ) -> None:
        self.taken: list[Taken] = []
        self.asked: list[tuple[str, str | None]] = []
        self.connections = 0
        self.security, self.login, self.without = security, login, without
        self.mechanisms, self.injected = mechanisms, injected
        self.certificate = certificate(host)
        self.loop = asyncio.new_event_loop()
        self.speakers: list[_Speaker] = []
        self._scripts: dict[str, deque[Reply]] = defaultdict(deque)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port = 0

    def script(self, **replies: Reply | str) -> None:
        """Answer the next such questions so, for example RCPT="550 5.1.1 Unknown"."""
        for verb, reply in replies.items():
            self._scripts[verb].append(Reply(reply) if isinstance(reply, str) else reply)

    def forget(self) -> None:
        self.taken.clear()
        self.asked.clear()
        self._scripts.clear()
        self.connections = 0

    def next_reply(self, verb: str) -> Reply | None:
        script = self._scripts[verb]
        return script.popleft() if script else None

    def hang_up(self, text: bytes = b"") -> None:
        """Close every connection, as a server does that was left alone."""

        def close() -> None:
            for speaker in self.speakers:
                if speaker.transport is not None:
                    if text:
                        speaker._writer.write(text)
                    speaker.transport.close()

        self.loop.call_soon_threadsafe(close)

    def authenticate(
        self, server: SMTP, session: Heard, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        return AuthResult(
            success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()),
            handled=False,
            auth_data=data,
        )

    async def handle_EHLO(  # noqa: N802 - aiosmtpd names it
        self, server: SMTP, session: Heard, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [r for r in responses if not r[4:].startswith(self.without or ("-",))]

    async def handle_DATA(  # noqa: N802
        self, server: _Speaker, session: Heard, envelope: Envelope
    ) -> str:
        reply = self.next_reply("DOT")
        if reply is None or reply.taken:
            self.taken.append(
                Taken(
                    envelope.mail_from,
                    list(envelope.rcpt_tos),
                    list(envelope.mail_options),
                    envelope.original_content,
                    session.ssl is not None or self.security == "tls",
                    session.auth_data.login.decode() if session.auth_data else None,
                )
            )
        if reply is None:
            return "250 2.0.0 Taken"
        if reply == Reply(reply.text, taken=reply.taken):
            return reply.text
        await server.play(reply)
        raise ConnectionResetError  # there is nothing more to say

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.set_exception_handler(lambda *_: None)  # a client may go when it likes
        tls = self.certificate.server if self.security == "tls" else None
        made = self.loop.create_server(lambda: _Speaker(self), "127.0.0.1", 0, ssl=tls)
        server = self.loop.run_until_complete(made)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self.loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        for speaker in self.speakers:
            if speaker.transport is not None:
                speaker.transport.abort()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


class _Speaker(SMTP):
    """One connection."""

    def __init__(self, sim: MailServer) -> None:
        self.sim = sim
        super().__init__(
            sim,
            hostname="mail.example",
            enable_SMTPUTF8="SMTPUTF8" not in sim.without,
            tls_context=sim.certificate.server if sim.security == "starttls" else None,
            require_starttls=sim.security == "starttls" and "STARTTLS" not in sim.without,
            auth_required=sim.login,
            auth_require_tls=sim.security == "starttls" and "STARTTLS" not in sim.without,
            auth_exclude_mechanism={"PLAIN", "LOGIN"} - set(sim.mechanisms),
            authenticator=sim.authenticate,
            loop=sim.loop,
        )
        sim.speakers.append(self)

    async def _handle_client(self) -> None:
        self.sim.connections += 1
        reply = self.sim.next_reply("HELLO")
        if reply is not None:
            await self.play(reply)
            return
        await super()._handle_client()

    async def push(self, status: str | bytes) -> None:
        if status == "220 Ready to start TLS":
            status += self.sim.injected
        await super().push(status)

    async def play(self, reply: Reply) -> None:
        await asyncio.sleep(reply.wait)
        data = reply.text.encode("latin-1") + (b"" if reply.cut else b"\r\n")
        size = 1 if reply.drip else len(data) or 1
        for start in range(0, len(data), size):
            self._writer.write(data[start : start + size])
            await self._writer.drain()
            await asyncio.sleep(reply.drip)
        while reply.sip:
            await asyncio.sleep(reply.sip)
            await self._reader.read(1 << 18)
        if reply.cut:
            self.transport.close()


def _scripted(verb: str) -> Any:
    usual = getattr(SMTP, f"smtp_{verb}")

    async def speak(self: _Speaker, arg: str | None) -> None:
        self.sim.asked.append((verb, arg))
        reply = self.sim.next_reply(verb)
        await (usual(self, arg) if reply is None else self.play(reply))

    return speak


for _verb in ("EHLO", "STARTTLS", "AUTH", "RSET", "MAIL", "RCPT", "DATA", "QUIT"):
    setattr(_Speaker, f"smtp_{_verb}", _scripted(_verb))


@dataclass(frozen=True)
class Certificate:
    """A certificate that signed itself. file: what a client has to trust, in folder."""

    folder: tempfile.TemporaryDirectory[str]
    file: str
    server: ssl.SSLContext


@cache
def certificate(host: str) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.example")])
    now = dt.datetime.now(dt.UTC)
    alternative = x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else None
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative or x509.DNSName(host)]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tempfile.TemporaryDirectory()
    public, secret = Path(folder.name, "certificate.pem"), Path(folder.name, "key.pem")
    public.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(public, secret)
    return Certificate(folder, str(public), server)


def settings(sim: MailServer, **given: Any) -> smtp.Settings:
    """Return what suits *sim*, with *given* instead."""
    suited = {"host": "127.0.0.1", "port": sim.port, "security": sim.security}
    suited |= {"from_address": FROM}
    if sim.security != "none":
        suited["ca_file"] = sim.certificate.file
    if sim.login:
        suited |= {"username": USER, "password": PASSWORD}
    return smtp.Settings(**suited | given)


class Peer:
    """What `tests/contracts/test_providers.py` drives."""

    def __init__(self) -> None:
        self._sim = MailServer()

    def make(self, channel: Channel, **context: Any) -> smtp.Smtp:
        del channel
        return smtp.make(
            settings(self._sim), Context("smtp", None, time.time, time.sleep, **context)
        )

    def do(self, kind: str) -> None:
        self._sim._scripts.clear()
        self._sim.script(
            **{
                "permanent": {"RCPT": "550 5.1.1 Nobody here by that name"},
                "account": {"AUTH": "535 5.7.8 Wrong user name or password"},
                "temporary": {"RCPT": "451 4.3.0 Local trouble"},
                "busy": {"HELLO": "421 4.7.0 Too many connections"},
                "hang": {"DOT": Reply(wait=30, taken=True)},
                "cut": {"DOT": Reply(cut=True, taken=True)},
                "garbage": {"DOT": Reply("<html>", taken=True)},
            }[kind]
        )

    def taken(self) -> int:
        return len(self._sim.taken)

    def __enter__(self) -> Self:
        self._sim.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._sim.__exit__()
