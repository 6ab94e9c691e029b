"""What is logged: one JSON object a line, nobody's address in it, and nothing unasked."""

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from otp_messaging_agent import log

NAME = "otp_messaging_agent.tested"


@pytest.fixture
def logged(capsys):
    """Return what was written since the last call; the logger is put back afterwards."""
    ours = logging.getLogger("otp_messaging_agent")
    before = ours.handlers, ours.level, ours.propagate

    def lines():
        out, err = capsys.readouterr()
        assert out == ""
        return [json.loads(line) for line in err.splitlines()]

    yield lines
    ours.handlers, ours.level, ours.propagate = before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("to +447700900001 now", "to [number] now"),
        ("447700900001", "[number]"),
        ("+44 7700 900-001 rang", "[number] rang"),
        ("(+44) 7700.900.001", "([number]"),
        ("1234567", "[number]"),
        ("ada.lovelace+otp@mail.example.com", "[email]"),
        ("<ada@example.com>, bob@example.org", "<[email]>, [email]"),
        ("mail 'ada@example.com' and +447700900001", "mail '[email]' and [number]"),
        ("+447700900001@sms.example.com", "[email]"),
        ("", ""),
    ],
)
def test_addresses_and_numbers_are_taken_out(text, told):
    assert log.redact(text) == told


@pytest.mark.parametrize("text", ["HTTP 429", "error 30003", "123456", "20 of 300", "a @ b", "@"])
def test_short_numbers_and_plain_text_stay(text):
    assert log.redact(text) == text


def test_a_line_is_one_json_object(logged):
    log.configure("INFO")
    log.get(NAME).info("attempt_failed", channel="SMS", code="invalid_number")
    (line,) = logged()
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo is UTC
    assert line == {
        "event": "attempt_failed",
        "level": "info",
        "channel": "SMS",
        "code": "invalid_number",
    }


def test_a_value_is_redacted_whatever_its_name(logged):
    log.configure("INFO")
    log.get(NAME).warning("sent to +447700900001", to="+447700900002", note="ada@example.com")
    (line,) = logged()
    assert line["event"] == "sent to [number]"
    assert (line["to"], line["note"]) == ("[number]", "[email]")


def test_a_traceback_is_redacted_too(logged):
    log.configure("INFO")
    try:
        int("+447700900001 or ada@example.com")
    except ValueError:
        log.get(NAME).exception("provider_bug")
    (line,) = logged()
    assert "Traceback" in line["exception"]
    assert "7700900" not in line["exception"]
    assert "ada@" not in line["exception"]


def test_our_own_ids_stay_whole(logged):
    log.configure("INFO")
    ours = {
        "message_id": "msg_0123456789012345678901",
        "attempt_id": "msg_0123456789012345678901.1",
        "verification_id": "ver_12345678",
        "batch_id": "bat_12345678",
        "url": "http://127.0.0.1:5000/messages/12345678",
    }
    log.get(NAME).info("ended", **ours)
    (line,) = logged()
    assert {name: line[name] for name in ours} == ours


def test_less_than_the_level_is_left_out(logged):
    log.configure("ERROR")
    log.get(NAME).warning("quiet")
    log.get(NAME).error("loud")
    assert [line["event"] for line in logged()] == ["loud"]


def test_configuring_twice_does_not_write_twice(logged):
    log.configure("INFO")
    log.configure("INFO")
    log.get(NAME).info("once")
    assert len(logged()) == 1


def test_what_is_written_is_not_handed_on_to_be_written_again(logged, caplog):
    log.configure("INFO")
    log.get(NAME).info("once")
    assert len(logged()) == 1
    assert caplog.messages == []


def test_a_program_that_configured_nothing_sees_nothing():
    code = (
        "from otp_messaging_agent import log\n"
        f"logger = log.get({NAME!r})\n"
        "logger.info('a'); logger.warning('b'); logger.error('c')\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    logger.exception('d')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_a_program_with_its_own_logging_gets_the_lines_there(caplog):
    ours = logging.getLogger("otp_messaging_agent")
    assert ours.propagate
    with caplog.at_level("INFO", logger="otp_messaging_agent"):
        log.get(NAME).info("heard")
    assert json.loads(caplog.messages[0])["event"] == "heard"
