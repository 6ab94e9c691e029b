"""`python -m otp_messaging_agent replay`: what it reads, says and refuses."""

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from otp_messaging_agent import plugins
from otp_messaging_agent.__main__ import main
from otp_messaging_agent.flow.replay import Tally, Way
from otp_messaging_agent.message import Channel, MessageType, Outcome, Priority, Receipt, Status
from otp_messaging_agent.replay import as_json, as_text
from otp_messaging_agent.replay.period import moment
from otp_messaging_agent.replay.told import Result
from otp_messaging_agent.safety.encryption import key_file
from otp_messaging_agent.stores.base import Verdict

from .contracts.store_parts import Place, attempt, keep, message, sent

ROOT = Path(__file__).parents[1]
DAY = 1_750_032_000.0  # 2025-06-16T00:00Z
PERIOD = ["--since", "2025-06-16", "--until", "2025-06-17"]
RANKED = [
    {"channel": "SMS", "provider": "main", "cost": 0.01},
    {"channel": "WhatsApp", "provider": "main", "cost": 0.005},
]


def settings(high="SMS", *more):
    """Return a configuration; more: names of further providers of texts, dearer ones."""

    def entry(name, cost):
        return {"provider": "sandbox", "name": name, "cost_per_message": cost}

    return {
        "channels": {
            "SMS": {
                "api_config": entry("main", 0.01),
                "providers": [entry(name, 0.02) for name in more],
            },
            "WhatsApp": {"api_config": entry("main", 0.005)},
        },
        "priority_channel_mapping": {"HIGH": high},
        "timezone": "UTC",
    }


class Service:
    """A data folder with its configuration, and the commands about it."""

    def __init__(self, folder):
        self.folder, self.data = folder, folder / "data"
        self.data.mkdir()
        self.write("config.json", settings())
        self.place = Place(plugins.load("stores", "sql"), self.data)
        self.store = self.place.store()

    def write(self, name, config):
        path = self.folder / name
        path.write_text(json.dumps(config))
        return str(path)

    def tried(self, at, *, status=Status.DELIVERED, **fields):
        """Keep a message that was tried by text.

        status: what its receipt says, None where it is to come, FAILED where it was not taken.
        """
        given = {"type": MessageType.ALERT, "priority": Priority.HIGH, "created_at": at}
        m = message(**{**given, "due_at": at, **fields})
        a = attempt(m, at=at, provider="main", cost=0.01, decision={"ranked": RANKED})
        a = replace(a, country="GB", prefix="+4477009")
        keep(self.store, m, at=at)
        assert self.store.begin(a, 0, at + 40)
        if status is Status.FAILED:
            error = {"error_code": "provider_unavailable", "permanent": False, "scope": "provider"}
            ended = replace(a, outcome=Outcome.FAILED, finished_at=at + 1, **error)
            assert self.store.settle(Verdict(m.id, 1, status, at + 1, attempt=ended))
        else:
            assert self.store.settle(sent(a, at=at + 1))
            if status is None:
                return m.id
            assert self.store.receive(Receipt("main", f"theirs-{a.id}", status, at + 5))
        return m.id

    def __call__(self, *options, config="config.json", data=None):
        """Run the command and return its result."""
        about = ["--config", str(self.folder / config), "--data-dir", str(data or self.data)]
        return CliRunner().invoke(main, [*about, "replay", *options])


@pytest.fixture
def service(tmp_path):
    service = Service(tmp_path)
    yield service
    service.place.leave()


@pytest.fixture
def alerts(service):
    """Have four alerts sent by text, of which the third did not arrive."""
    for hour in range(4):
        lost = Status.UNDELIVERED if hour == 2 else Status.DELIVERED
        service.tried(DAY + 3600 * hour, status=lost)
    return service


# ------------------------------------------------------------------ what it says


def test_people_read_what_would_be_chosen_and_what_it_costs(alerts):
    changed = alerts.write("changed.json", settings("WhatsApp"))
    done = alerts("--config", changed, *PERIOD)
    assert done.exit_code == 0, done.output
    head, table, notes = done.output.split("\n\n")
    assert head.splitlines() == [
        f"Settings   {changed}",
        "Created    2025-06-16 00:00+00:00 to 2025-06-17 00:00+00:00",
        "Messages   4 that were tried",
    ]
    rows = [line.split() for line in table.splitlines()[2:]]
    assert rows[0][:5] == ["GB", "alert", "4", "4", "100.0"]
    assert rows[1] == ["SMS/main", "->", "WhatsApp/main", "4"]
    assert rows[2][0] == "total"
    then, now, really = map(float, rows[0][5:8])
    assert now < then
    assert really == 10.0
    assert rows[0][-1] == "75.0"
    assert "Not replayed: rate limits, resting providers and opt-outs" in notes


def test_programs_read_the_same(alerts):
    changed = alerts.write("changed.json", settings("WhatsApp"))
    done = alerts("--config", changed, "--json", *PERIOD)
    told = json.loads(done.stdout)
    assert told["since"] == "2025-06-16T00:00:00+00:00"
    assert told["until"] == "2025-06-17T00:00:00+00:00"
    assert told["limit_reached_at"] is None
    assert "rate limits" in told["not_replayed"]
    total, [part] = told["total"], told["parts"]
    assert (part.pop("country"), part.pop("message_type")) == ("GB", "alert")
    assert part == total
    assert total["changes"] == [{"then": "SMS/main", "now": "WhatsApp/main", "messages": 4}]
    assert (total["messages"], total["changed"], total["known"]) == (4, 4, 4)
    assert total["cost"] == pytest.approx(0.04)
    assert total["delivered"]["really"] == 0.75
    cost, delivered = total["cost_per_1000"], total["delivered"]
    assert cost["now"] < cost["then"] == pytest.approx(10.0, rel=0.1)
    assert delivered["then"] == pytest.approx(delivered["now"], rel=0.01)


def test_without_other_settings_those_of_the_service_are_tried(alerts):
    told = json.loads(alerts("--json", *PERIOD).stdout)
    total = told["total"]
    assert (total["messages"], total["changed"], total["changes"]) == (4, 0, [])
    assert total["cost_per_1000"]["now"] == total["cost_per_1000"]["then"]
    assert total["delivered"]["now"] == total["delivered"]["then"]


def test_what_the_store_knew_by_then_decides(service):
    before = service.tried(DAY)
    for i in range(20):
        service.tried(DAY + 60 + i, status=Status.FAILED)
    after = service.tried(DAY + 120)
    changed = service.write("changed.json", settings("SMS", "backup"))

    def first_choice(since, until):
        period = ["--since", since, "--until", until]
        told = json.loads(service("--config", changed, "--json", *period).stdout)
        assert told["total"]["messages"] == 1
        return told["total"]["changes"]

    assert before < after
    assert first_choice("2025-06-16T00:00", "2025-06-16T00:01") == []
    left = {"then": "SMS/main", "now": "SMS/backup", "messages": 1}
    assert first_choice("2025-06-16T00:02", "2025-06-16T00:03") == [left]


def test_a_channel_that_is_off_now_had_its_part_then(alerts):
    texts = settings("WhatsApp")
    del texts["channels"]["SMS"]
    changed = alerts.write("changed.json", texts)
    total = json.loads(alerts("--config", changed, "--json", *PERIOD).stdout)["total"]
    assert total["changes"] == [{"then": "SMS/main", "now": "WhatsApp/main", "messages": 4}]
    assert total["cost_per_1000"]["then"] > total["cost_per_1000"]["now"] > 0


def test_where_no_way_is_left_it_says_so(alerts):
    mail = {"Email": {"api_config": {"provider": "sandbox"}}}
    changed = alerts.write("changed.json", {"channels": mail})
    done = alerts("--config", changed, *PERIOD)
    assert "    SMS/main -> nothing 4" in done.output.splitlines()


def test_what_is_still_open_has_neither_arrived_nor_failed(service):
    service.tried(DAY)
    service.tried(DAY + 60, status=None)
    total = json.loads(service("--json", *PERIOD).stdout)["total"]
    assert (total["messages"], total["known"], total["delivered"]["really"]) == (2, 1, 1.0)


def test_the_most_frequent_changes_are_told_and_programs_get_all():
    tally = Tally(messages=10)
    for provider, count in (("a", 1), ("b", 4), ("c", 2), ("d", 3)):
        tally.changes[Way(Channel.SMS, provider), None] = count
    parts = {("GB", MessageType.OTP): tally}
    result = Result("changed.json", DAY, DAY + 1, ZoneInfo("UTC"), tally, parts, 100, None)
    changes = [line for line in as_text(result).splitlines() if "->" in line]
    assert changes == [f"    SMS/{p} -> nothing {n}" for p, n in (("b", 4), ("d", 3), ("c", 2))] * 2
    assert [c["messages"] for c in as_json(result)["parts"][0]["changes"]] == [4, 3, 2, 1]


def test_only_messages_of_the_period_count(alerts):
    period = ["--since", "2025-06-16T01:00", "--until", "2025-06-16T03:00"]
    assert json.loads(alerts("--json", *period).stdout)["total"]["messages"] == 2


def test_more_than_a_page_is_read_and_the_limit_is_told(alerts, monkeypatch):
    monkeypatch.setattr("otp_messaging_agent.replay.history.PAGE", 2)
    assert json.loads(alerts("--json", *PERIOD).stdout)["total"]["messages"] == 4
    told = json.loads(alerts("--json", "--limit", "3", *PERIOD).stdout)
    assert (told["total"]["messages"], told["limit"]) == (3, 3)
    assert told["limit_reached_at"] == "2025-06-16T02:00:00+00:00"
    text = alerts("--limit", "3", *PERIOD).output
    assert "Limit      of 3 reached: none created after 2025-06-16 02:00+00:00" in text


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_of_nothing_it_says_nothing(service, form):
    done = service(*form)
    assert done.exit_code == 0
    if form:
        told = json.loads(done.stdout)
        assert told["total"]["messages"] == 0
        assert told["total"]["delivered"] == {"then": None, "now": None, "really": None}
        assert told["parts"] == []
    else:
        assert "Messages   0 that were tried" in done.output


# ------------------------------------------------------------------ what it refuses


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--since", "yesterday"], "--since: must be 30m, 24h or 7d ago"),
        (["--since", "7"], "--since: must be"),
        (["--since", "2025-02-30"], "--since: must be"),
        (["--until", "7d", "--since", "1d"], "--since: must be before --until"),
        (["--since", "0m"], "--since: must be before --until"),
        (["--limit", "0"], "--limit"),
    ],
    ids=["word", "number", "no-day", "swapped", "nothing-between", "no-message"],
)
def test_what_cannot_be_asked_is_named(service, options, said):
    done = service(*options)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not done.stdout


def test_both_times_are_named_at_once(service):
    told = service("--since", "x", "--until", "y").stderr
    assert "--since: must be" in told
    assert "--until: must be" in told


def test_faults_of_the_settings_are_named_with_their_file(service):
    wrong = settings("Pigeon")
    wrong["workers"] = 0
    changed = service.write("changed.json", wrong)
    done = service("--config", changed)
    assert done.exit_code == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{changed}: ") for line in lines)
    missing = service("--config", str(service.folder / "none.json"))
    assert missing.exit_code == 2
    assert missing.stderr.count("none.json") == 1


def test_faults_of_the_service_are_named(service):
    service.write("broken.json", {"workers": 0})
    done = service(config="broken.json")
    assert done.exit_code == 2
    assert done.stderr.startswith("workers: must be")


def test_where_no_store_is_none_is_made(service):
    elsewhere = service.folder / "elsewhere"
    done = service(data=elsewhere)
    assert done.exit_code == 2
    assert "no store is there" in done.stderr
    assert not elsewhere.exists()
    assert not key_file(elsewhere).exists()


def test_where_no_key_is_none_is_made(service, monkeypatch):
    monkeypatch.delenv("OTP_AGENT_ENCRYPTION_KEY", raising=False)
    service.write("config.json", settings() | {"store": {"url": service.place.url}})
    elsewhere = service.folder / "elsewhere"
    elsewhere.mkdir()
    done = service(data=elsewhere)
    assert done.exit_code == 2
    assert "no key file is there" in done.stderr
    assert not key_file(elsewhere).exists()


def test_a_store_of_another_version_is_told(service):
    with sqlite3.connect(service.data / "agent.db") as connection:
        connection.execute("ALTER TABLE attempts RENAME COLUMN started_at TO begun_at")
    done = service(*PERIOD)
    assert done.exit_code == 2
    assert "could not read" in done.stderr
    assert "older version" in done.stderr


def test_an_empty_file_is_not_made_a_store(service):
    other = service.folder / "other"
    other.mkdir()
    (other / "agent.db").touch()
    key_file(other).write_text(key_file(service.data).read_text())
    done = service(data=other)
    assert done.exit_code == 2
    assert "could not read" in done.stderr
    with sqlite3.connect(other / "agent.db") as connection:
        assert not list(connection.iterdump())[1:-1]


# ------------------------------------------------------------------ that it only reads


def test_it_writes_nothing_beside_a_service_that_runs(alerts):
    def written():
        with sqlite3.connect(alerts.data / "agent.db") as connection:
            return list(connection.iterdump())

    before, files = written(), sorted(p.name for p in alerts.data.iterdir())
    assert alerts(*PERIOD).exit_code == 0
    assert written() == before
    assert sorted(p.name for p in alerts.data.iterdir()) == files
    alerts.tried(DAY + 40_000)
    assert json.loads(alerts("--json", *PERIOD).stdout)["total"]["messages"] == 5


def test_it_runs_as_a_command(alerts):
    done = subprocess.run(
        [sys.executable, "-m", "otp_messaging_agent", "replay", "--json", *PERIOD],
        cwd=alerts.folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total"]["messages"] == 4
    assert not done.stderr


# ------------------------------------------------------------------ times


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("30m", DAY - 1800),
        ("24h", DAY - 86_400),
        ("7d", DAY - 7 * 86_400),
        ("2025-06-16", DAY - 7200),
        ("2025-06-16T12:00", DAY + 10 * 3600),
        ("2025-06-16T12:00Z", DAY + 12 * 3600),
        ("2025-06-16 12:00-05:00", DAY + 17 * 3600),
    ],
    ids=str,
)
def test_a_time_is_so_long_ago_or_in_the_zone_of_the_configuration(text, meant):
    assert moment(text, DAY, ZoneInfo("Europe/Berlin")) == meant


@pytest.mark.parametrize(
    "text", ["", "d", "-7d", "7 d", "٧d", "7w", "2025-13-01", "noon"], ids=ascii
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="must be 30m, 24h or 7d ago"):
        moment(text, DAY, ZoneInfo("UTC"))


def test_the_day_of_these_tests():
    assert datetime.fromtimestamp(DAY, UTC).isoformat() == "2025-06-16T00:00:00+00:00"
