"""Nothing that was acknowledged is lost or sent twice, whenever the server dies."""

import os

from .crash import crash


def test_kills_lose_nothing_and_double_nothing(tmp_path):
    rounds = int(os.environ.get("CRASH_ROUNDS", "10"))
    messages = int(os.environ.get("CRASH_MESSAGES", "2000"))
    report = crash(tmp_path, rounds, messages, seed=int(os.environ.get("CRASH_SEED", "7")))
    assert report.problems == [], report
    assert report.kills == rounds
    assert report.hits > rounds / 2, f"the kills hit nothing: {report}"
    assert report.cut, f"no post was cut off: {report}"
    assert report.open_sends, f"no send was cut off: {report}"
