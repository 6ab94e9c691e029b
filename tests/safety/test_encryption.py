"""What is stored can be read with the right key in its own place, and in no other way."""

import base64
import hashlib
import hmac
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otp_messaging_agent.errors import AgentError, ConfigError
from otp_messaging_agent.safety.encryption import (
    VARIABLE,
    DecryptionError,
    Keyring,
    key_file,
)

PLACE = {"table": "message", "column": "phone_number", "row": "01J"}


def token(key_id: str, fill: int, size: int = 32) -> str:
    return f"{key_id}:{base64.b64encode(bytes([fill]) * size).decode()}"


INDEX, OLD, NEW = token("index", 1), token("old", 2), token("new", 3)


def ring(*tokens: str) -> Keyring:
    return Keyring(" ".join(tokens), source="environment")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@settings(deadline=None)
@given(st.text(), st.text(max_size=40))
def test_what_is_sealed_opens_again(text, row):
    keys = ring(INDEX, NEW)
    blob = keys.encrypt(text, table="message", column="content", row=row)
    assert keys.decrypt(blob, table="message", column="content", row=row) == text


def test_no_two_seals_are_alike_and_none_shows_the_text():
    keys = ring(INDEX, NEW)
    blobs = {keys.encrypt("+447700900001", **PLACE) for _ in range(1000)}
    nonces = {blob[4:16] for blob in blobs}
    assert len(blobs) == len(nonces) == 1000
    assert not any(b"7700900001" in blob for blob in blobs)


@pytest.mark.parametrize("moved", [{"table": "attempt"}, {"column": "email"}, {"row": "01K"}])
def test_a_value_moved_to_another_place_does_not_open(moved):
    keys = ring(INDEX, NEW)
    blob = keys.encrypt("+447700900001", **PLACE)
    with pytest.raises(DecryptionError):
        keys.decrypt(blob, **{**PLACE, **moved})


def test_no_bit_can_be_changed():
    keys = ring(INDEX, OLD, NEW)
    blob = keys.encrypt("text", **PLACE)
    for position in range(len(blob) * 8):
        changed = bytearray(blob)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(DecryptionError):
            keys.decrypt(bytes(changed), **PLACE)


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_other_bytes_are_a_decryption_error(blob):
    with pytest.raises(DecryptionError):
        ring(INDEX, NEW).decrypt(blob, **PLACE)


def test_a_value_cut_short_does_not_open():
    keys = ring(INDEX, NEW)
    blob = keys.encrypt("text", **PLACE)
    for length in range(len(blob)):
        with pytest.raises(DecryptionError):
            keys.decrypt(blob[:length], **PLACE)


def test_the_error_says_where_but_not_what():
    keys = ring(INDEX, NEW)
    blob = keys.encrypt("secret", **PLACE)
    with pytest.raises(DecryptionError, match=r"message\.phone_number") as wrong:
        keys.decrypt(blob, table="message", column="phone_number", row="other")
    assert wrong.value.code == "decryption_failed"
    assert isinstance(wrong.value, AgentError)
    assert "secret" not in str(wrong.value)


def test_the_last_key_seals_and_earlier_ones_still_open():
    before = ring(INDEX, OLD)
    blob = before.encrypt("text", **PLACE)
    after = ring(INDEX, OLD, NEW)
    assert after.decrypt(blob, **PLACE) == "text"
    fresh = after.encrypt("text", **PLACE)
    assert ring(INDEX, NEW).decrypt(fresh, **PLACE) == "text"
    with pytest.raises(DecryptionError, match="not in environment"):
        before.decrypt(fresh, **PLACE)


def test_the_index_key_may_stand_anywhere_and_never_seals():
    blob = ring(NEW, INDEX).encrypt("text", **PLACE)
    assert ring(INDEX, NEW).decrypt(blob, **PLACE) == "text"


def test_rotation_leaves_the_blind_index_and_the_code_hashes():
    before, after = ring(INDEX, OLD), ring(INDEX, OLD, NEW)
    assert after.blind_index("phone", "+44") == before.blind_index("phone", "+44")
    assert after.code_key == before.code_key


def test_the_blind_index_is_keyed_and_separates_kinds():
    keys, others = ring(INDEX, NEW), ring(token("index", 9), NEW)
    index = keys.blind_index("phone", "+447700900001")
    assert len(index) == 32
    assert index == keys.blind_index("phone", "+447700900001")
    assert index != keys.blind_index("user", "+447700900001")
    assert index != keys.blind_index("phone", "+447700900002")
    assert index != others.blind_index("phone", "+447700900001")
    assert keys.code_key != others.code_key
    assert len({keys.code_key, keys._index_key, bytes([1]) * 32}) == 3


def derived(key: bytes, info: bytes) -> bytes:
    """HKDF-SHA-256 (RFC 5869) of one block, from the standard library."""
    extracted = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def test_what_earlier_versions_stored_can_still_be_read():
    keys = ring(INDEX, OLD, NEW)
    assert keys.code_key == derived(bytes([1]) * 32, b"otp-messaging-agent code hash")
    index_key = derived(bytes([1]) * 32, b"otp-messaging-agent blind index")
    expected = hashlib.blake2b(b"phone:+447700900001", key=index_key, digest_size=32).digest()
    assert keys.blind_index("phone", "+447700900001") == expected
    blob = bytes.fromhex(
        "036e6577b68407edcbc4d70d2bde5a859b092389cff6bbc915ac16fe43b99ae7f5cdb2756c0f259e991b5c379e"
    )
    assert keys.decrypt(blob, **PLACE) == "+447700900001"


def test_a_key_is_made_at_the_first_start_and_kept(data_dir):
    first = Keyring.load(data_dir, {})
    path = data_dir.with_name("data.key")
    assert first.source == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first.warnings == ()
    assert [p.name for p in data_dir.parent.iterdir()] == ["data.key"]
    again = Keyring.load(data_dir, {})
    assert again.decrypt(first.encrypt("text", **PLACE), **PLACE) == "text"


def test_the_key_file_lies_beside_the_folder_whatever_it_is_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert key_file(Path("data")) == tmp_path / "data.key"
    assert key_file(Path("a/../data/")) == tmp_path / "data.key"
    assert key_file(Path()) == tmp_path.with_name(tmp_path.name + ".key")
    assert key_file(tmp_path / "v1.data") == tmp_path / "v1.data.key"


def test_the_environment_comes_before_the_file(data_dir):
    keys = Keyring.load(data_dir, {VARIABLE: f"{INDEX} {NEW}"})
    assert keys.source == "environment"
    assert not key_file(data_dir).exists()
    assert ring(INDEX, NEW).decrypt(keys.encrypt("text", **PLACE), **PLACE) == "text"


def test_generated_keys_differ_and_load():
    texts = {Keyring.generate() for _ in range(50)}
    assert len(texts) == 50
    for text in texts:
        assert [line.split(":")[0] == "index" for line in text.splitlines()] == [True, False]
        ring(text).encrypt("text", **PLACE)


LOAD = """
import sys
from pathlib import Path
from otp_messaging_agent.safety.encryption import Keyring
print("ready", flush=True)
sys.stdin.readline()
print(Keyring.load(Path(sys.argv[1]), {}).code_key.hex())
"""


def test_processes_that_start_at_once_end_with_one_key(data_dir):
    command = [sys.executable, "-c", LOAD, str(data_dir)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=30)[0].strip() for process in running}
    assert len(keys) == 1
    assert len(keys.pop()) == 64
    assert [p.name for p in data_dir.parent.iterdir()] == ["data.key"]


def test_the_one_that_comes_second_takes_the_key_that_is_there(data_dir, monkeypatch):
    theirs = Keyring.generate()
    link = os.link

    def just_before(source, target):
        Path(target).write_text(theirs)
        link(source, target)

    monkeypatch.setattr(os, "link", just_before)
    mine = Keyring.load(data_dir, {})
    assert mine.code_key == ring(theirs).code_key
    assert [p.name for p in data_dir.parent.iterdir()] == ["data.key"]


def test_the_key_is_on_disk_before_it_is_used(data_dir, monkeypatch):
    steps = []
    sync, link = os.fsync, os.link
    whole = len(Keyring.generate())

    def synced(descriptor):
        state = os.fstat(descriptor)
        complete = stat.S_ISDIR(state.st_mode) or state.st_size == whole
        steps.append("sync" if complete else "too early")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", lambda a, b: (steps.append("link"), link(a, b)))
    Keyring.load(data_dir, {})
    assert steps == ["sync", "link", "sync"]


def test_a_key_that_is_gone_is_never_replaced_while_the_store_is_there(data_dir):
    data_dir.mkdir()
    (data_dir / "agent.db").write_bytes(b"SQLite format 3")
    with pytest.raises(ConfigError, match=f"missing.*{VARIABLE}"):
        Keyring.load(data_dir, {})
    assert not key_file(data_dir).exists()
    Keyring.load(data_dir, {VARIABLE: f"{INDEX} {NEW}"})
    key_file(data_dir).write_text(f"{INDEX} {NEW}")
    assert Keyring.load(data_dir, {}).source == str(key_file(data_dir))


def test_a_store_that_was_never_written_does_not_ask_for_its_key(tmp_path):
    data_dir = tmp_path / "not" / "yet" / "there"
    Keyring.load(data_dir, {})
    assert key_file(data_dir).exists()
    key_file(data_dir).unlink()
    data_dir.mkdir()
    (data_dir / "agent.db").touch()
    Keyring.load(data_dir, {})
    assert key_file(data_dir).exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_others_can_reach_is_warned_of(data_dir, mode):
    Keyring.load(data_dir, {})
    key_file(data_dir).chmod(mode)
    assert "chmod 600" in Keyring.load(data_dir, {}).warnings[0]


SECRET = base64.b64encode(b"0123456789abcdef0123456789abcde").decode()  # a byte short


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["must hold an `index:` key", "must hold a data key"]),
        (INDEX, ["must hold a data key"]),
        (NEW, ["must hold an `index:` key"]),
        (f"{INDEX} k:{SECRET}", ["key 2 must be id:base64 of 32 bytes"]),
        (f"{INDEX} {SECRET}", ["key 2 must be id:base64 of 32 bytes"]),
        (f"{INDEX} k:{SECRET[:-3]}!!!", ["key 2 must be"]),
        (f"{INDEX} \u00e9:{SECRET}", ["key 2 must be"]),
        (f"{INDEX} :{SECRET} {'k' * 33}:{SECRET}", ["key 2 must be", "key 3 must be"]),
        (f"{INDEX} {NEW[3:]} {NEW.replace('new', 'n!w')}", ["key 2 must be", "key 3 must be"]),
        (f"{INDEX} {NEW} {token('new', 4)}", ["key 3 stands there twice"]),
        (f"{INDEX} {NEW} {NEW}", ["key 3 stands there twice"]),
        (f"{INDEX} {NEW} {token('other', 3)}", ["key 3 stands there twice"]),
        (f"{INDEX} {token('new', 1)}", ["key 2 stands there twice"]),
    ],
)
def test_a_bad_key_is_named_by_its_place_and_never_shown(text, faults, data_dir):
    with pytest.raises(ConfigError) as wrong:
        Keyring.load(data_dir, {VARIABLE: text})
    assert len(wrong.value.faults) == len(faults)
    for fault, expected in zip(wrong.value.faults, faults, strict=True):
        assert fault.startswith(f"{VARIABLE}: {expected}")
    assert SECRET[:8] not in str(wrong.value)
    assert NEW[5:13] not in str(wrong.value)


def test_a_file_that_cannot_be_used_is_a_config_fault(data_dir):
    path = key_file(data_dir)
    path.mkdir()
    with pytest.raises(ConfigError, match=f"directory.*{VARIABLE}"):
        Keyring.load(data_dir, {})
    path.rmdir()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not plain text"):
        Keyring.load(data_dir, {})
    path.write_text("")
    with pytest.raises(ConfigError, match=r"data\.key: must hold an `index:` key"):
        Keyring.load(data_dir, {})


def test_a_folder_that_takes_no_key_is_a_config_fault(data_dir, monkeypatch):
    def refuse(source, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(ConfigError, match=f"not permitted.*{VARIABLE}"):
        Keyring.load(data_dir, {})
    assert list(data_dir.parent.iterdir()) == []


def test_a_keyring_never_shows_its_keys():
    assert "=" not in repr(ring(INDEX, NEW))
