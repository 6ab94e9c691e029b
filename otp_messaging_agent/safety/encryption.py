"""Keys at rest: encrypt a column, index it blindly, and keep the keys outside the data folder.

Fields are sealed with AES-256-GCM under a random 96-bit nonce. NIST SP 800-38D, section 8.3,
allows at most 2^32 encryptions under one key with random nonces (a repeated nonce has then a
chance of at most 2^-32). A message seals about five fields, so a key is good for some
850 million messages: rotate before, by adding a key to the end of the list.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..errors import AgentError, ConfigError
from ..ids import entropy

VARIABLE = "OTP_AGENT_ENCRYPTION_KEY"
_INDEX = "index"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_ID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


class DecryptionError(AgentError):
    """A stored value is not what was sealed there, or its key is missing."""

    code = "decryption_failed"


class Keyring:
    """The keys of one installation; safe to share between threads.

    source: "environment", or the path of the key file.
    warnings: what the operator should be told at start.
    """

    def __init__(self, text: str, *, source: str, warnings: tuple[str, ...] = ()) -> None:
        keys = _parse(text, source)
        index = keys.pop(_INDEX)
        self._ciphers = {key_id.encode(): AESGCM(key) for key_id, key in keys.items()}
        active = next(reversed(self._ciphers))
        self._header = bytes([len(active)]) + active
        self._cipher = self._ciphers[active]
        self._index_key = _derive(index, b"blind index")
        self.code_key = _derive(index, b"code hash")
        self.source = source
        self.warnings = warnings

    @classmethod
    def load(cls, data_dir: Path, environ: Mapping[str, str]) -> Self:
        """Return the keys from the environment, else from the key file, made where there is none.

        Raises ConfigError, which never shows key material.
        """
        given = environ.get(VARIABLE)
        if given is not None:
            return cls(given, source="environment")
        path = key_file(data_dir)
        # The store is looked for before the key file: the process that starts beside this one
        # makes its key first and its store second.
        orphan = _is_used(data_dir / "agent.db")
        try:
            if not path.exists():
                _refuse_orphan(path, orphan=orphan)
                _create(path, cls.generate())
            text, mode = path.read_text("ascii"), path.stat().st_mode
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "is not plain text"
            fault = f"{path}: {why}; it must be the readable key file, or set {VARIABLE}"
            raise ConfigError([fault]) from None
        return cls(text, source=str(path), warnings=_exposed(path, mode))

    @staticmethod
    def generate() -> str:
        """Return the text of a new key file: an index key and one data key, both random."""
        lines = (_INDEX, secrets.token_hex(4))
        return "".join(
            f"{key_id}:{base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}\n"
            for key_id in lines
        )

    def encrypt(self, text: str, *, table: str, column: str, row: str) -> bytes:
        """Seal *text* for this place only: key id, nonce, ciphertext and tag."""
        nonce = entropy.take(_NONCE_BYTES)
        place = f"{table}:{column}:{row}".encode()
        sealed = self._cipher.encrypt(nonce, text.encode(), self._header + place)
        return b"".join((self._header, nonce, sealed))

    def decrypt(self, blob: bytes, *, table: str, column: str, row: str) -> str:
        """Open what `encrypt` sealed for the same place; DecryptionError for anything else."""
        start = 1 + blob[0] if blob else 0
        header, end = blob[:start], start + _NONCE_BYTES
        cipher = self._ciphers.get(header[1:])
        if cipher is None:
            msg = f"{table}.{column} was sealed with a key that is not in {self.source}"
            raise DecryptionError(msg)
        place = f"{table}:{column}:{row}".encode()
        try:
            return cipher.decrypt(blob[start:end], blob[end:], header + place).decode()
        except (InvalidTag, ValueError):
            msg = f"{table}.{column} is damaged or was sealed for another place"
            raise DecryptionError(msg) from None

    def blind_index(self, kind: str, value: str) -> bytes:
        """Return a keyed hash to look *value* up by; *kind* (phone, email, user) separates.

        Keyed BLAKE2b (RFC 7693): without the key nobody can try all numbers against a copy of
        the store.
        """
        text = f"{kind}:{value}".encode()
        return hashlib.blake2b(text, key=self._index_key, digest_size=32).digest()


def key_file(data_dir: Path) -> Path:
    """Return where the key of *data_dir* lies: beside it, so a copy of it does not carry it."""
    # Not resolve(): beside a link to the data folder, not where the link leads.
    return Path(os.path.abspath(data_dir) + ".key")  # noqa: PTH100


def _derive(key: bytes, label: bytes) -> bytes:
    info = b"otp-messaging-agent " + label
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(key)


def _parse(text: str, source: str) -> dict[str, bytes]:
    """Return id -> key in order; ConfigError names every fault by its place, never its text."""
    where = VARIABLE if source == "environment" else source
    keys: dict[str, bytes] = {}
    faults = []
    for number, token in enumerate(text.split(), 1):
        key_id, _, encoded = token.partition(":")
        key = _decoded(encoded)
        if not _ID.fullmatch(key_id) or key is None:
            faults.append(f"{where}: key {number} must be id:base64 of {_KEY_BYTES} bytes")
        elif key_id in keys or key in keys.values():
            faults.append(f"{where}: key {number} stands there twice")
        else:
            keys[key_id] = key
    if not faults:
        faults = [f"{where}: {lacks}" for lacks in _lacking(keys)]
    if faults:
        raise ConfigError(faults)
    return keys


def _lacking(keys: Mapping[str, bytes]) -> Iterator[str]:
    if _INDEX not in keys:
        yield f"must hold an `{_INDEX}:` key"
    if not set(keys) - {_INDEX}:
        yield f"must hold a data key beside `{_INDEX}:`"


def _decoded(encoded: str) -> bytes | None:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == _KEY_BYTES else None


def _is_used(store: Path) -> bool:
    return store.exists() and store.stat().st_size > 0


def _refuse_orphan(path: Path, *, orphan: bool) -> None:
    """Never make a new key for a store that was sealed with one that is gone."""
    if orphan:
        fault = f"{path}: missing, but its data folder is in use; put it back, or set {VARIABLE}"
        raise ConfigError([fault])


def _create(path: Path, text: str) -> None:
    """Make *path* whole and durable at once; where another process was first its file stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # A link appears complete or fails where the name is taken; a rename would overwrite.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # pragma: no cover - elsewhere a folder cannot be opened and synced
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exposed(path: Path, mode: int) -> tuple[str, ...]:
    if os.name != "posix" or not mode & (stat.S_IRWXG | stat.S_IRWXO):
        return ()
    return (f"{path}: other users can reach this key file; chmod 600 it",)
