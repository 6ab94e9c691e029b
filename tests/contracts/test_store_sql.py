"""What the SQL store promises beyond the contract: its file and its schema."""

import contextlib
import sqlite3
import stat
import threading
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from otp_messaging_agent import plugins
from otp_messaging_agent.errors import StoreUnavailable
from otp_messaging_agent.inbox import InboxEntry
from otp_messaging_agent.message import Channel
from otp_messaging_agent.stores.base import Once
from otp_messaging_agent.stores.sql import schema

from .store_parts import (
    CODE,
    NOW,
    NUMBER,
    PATIENT,
    Guess,
    Place,
    attempt,
    hash_of,
    keep,
    message,
    order,
    sent,
)


@pytest.fixture
def place(tmp_path):
    """Yield a place for SQLite."""
    place = Place(plugins.load("stores", "sql"), tmp_path)
    yield place
    place.leave()


def raw(place, query, *args):
    with contextlib.closing(sqlite3.connect(place.folder / "agent.db")) as connection:
        found = connection.execute(query, args).fetchall()
        connection.commit()
    return found


# ------------------------------------------------------------------ the file


SECRETS = {
    "phone_number": NUMBER,
    "email": "ada.lovelace@example.com",
    "content": "The parcel waits behind the shed",
    "subject": "A word about the parcel",
    "user_id": "user-8f14e45f",
    "metadata": {"shelf": "third-from-the-left"},
}


def test_nothing_in_the_files_is_clear_text(place, store):
    row = message(**SECRETS)
    code = order(number=NUMBER, code=CODE, purpose="login")
    keep(store, row, code, once=Once("customer key 1", b"x" * 32, NOW), respond=len)
    Guess(store)("0000", once=Once("customer key 2", b"x" * 32, NOW))
    a = attempt(row)
    assert store.begin(a, 0, NOW + 40)
    assert store.settle(sent(a))
    text = {"content": f"Your code is {CODE}", "subject": SECRETS["subject"]}
    store.put_inbox(
        InboxEntry("a.1", "sandbox", row.id, Channel.SMS, to=NUMBER, at=NOW, **text),
    )
    assert store.load(code.message.id).code == CODE
    files = [path.read_bytes() for path in place.folder.glob("agent.db*")]
    written = b"".join(files)
    assert row.id.encode() in written
    words = [*SECRETS.values(), *text.values(), CODE, "shelf", "third-from-the-left"]
    words += ["customer key 1", "ada.lovelace", NUMBER[1:], NUMBER[3:], "+44 7700"]
    for word in map(str, words):
        for encoding in ("utf-8", "utf-16-le"):
            assert word.encode(encoding) not in written, word


def test_the_code_itself_is_kept_only_while_it_is_pending(place, store):
    code = order()
    keep(store, code)
    Guess(store)(CODE, code.verification_id)
    assert raw(place, "SELECT code_enc, code_hash FROM verifications") == [(None, hash_of(CODE))]


def test_only_the_owner_may_read_the_files(place, store):
    keep(store, message())
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in place.folder.glob("agent.db*")}
    assert modes == {"agent.db": 0o600, "agent.db-wal": 0o600, "agent.db-shm": 0o600}


def test_the_file_can_shrink_and_its_commits_survive_a_power_cut(place):
    assert place.store("FULL")
    assert raw(place, "PRAGMA auto_vacuum") == [(2,)]
    assert raw(place, "PRAGMA journal_mode") == [("wal",)]
    with place._opened[0]._engines.write.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_opening_waits_for_others_that_open_the_new_file(place):
    path = place.folder / "agent.db"
    reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    reader.execute("PRAGMA auto_vacuum=INCREMENTAL")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM sqlite_master").fetchall()
    opened = []
    opening = threading.Thread(target=lambda: opened.append(place.store()))
    opening.start()
    opening.join(0.3)
    assert opening.is_alive()
    reader.close()
    opening.join(PATIENT)
    assert keep(opened[0], message())


def test_opening_goes_on_where_another_process_was_in_the_middle_of_it(place, monkeypatch):
    path = place.folder / "agent.db"
    others = []

    class Crossed(sqlite3.Connection):
        """Lets another process write just as the file is about to change to a WAL."""

        def execute(self, sql, *args):
            if others:
                others[0].rollback()
            elif "journal_mode" in sql:
                others.append(connect(path, isolation_level=None))
                others[0].execute("BEGIN IMMEDIATE")
            return super().execute(sql, *args)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", partial(connect, factory=Crossed))
    assert keep(place.store(), message())
    assert others


@pytest.mark.parametrize("spoilt", ["text", "folder"])
def test_what_is_no_database_is_refused_in_one_error(place, spoilt):
    path = Path(place.folder / "agent.db")
    path.write_text("no database " * 1000) if spoilt == "text" else path.mkdir()
    with pytest.raises(StoreUnavailable, match="cannot open the store: "):
        place.store()


# ------------------------------------------------------------------ the schema


@pytest.mark.filterwarnings("ignore:.*expression-based index")  # the next test compares it
def test_the_migrations_make_exactly_the_schema(place, store):
    engine = create_engine(place.url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_the_migrations_make_the_same_partial_indexes(place, store, tmp_path):
    direct = create_engine(f"sqlite:///{tmp_path / 'direct.db'}")
    schema.metadata.create_all(direct)
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    with direct.connect() as connection:
        expected = {tuple(r) for r in connection.exec_driver_sql(query)}
    direct.dispose()
    assert set(raw(place, query)) == expected


def test_a_damaged_row_holds_up_no_other(place):
    keep(place.store(), message("msg_1"), message("msg_2"))
    raw(place, "UPDATE messages SET content_enc = x'00' WHERE id = 'msg_1'")
    store = place.store()
    found = store.tickets(message().rank, 10, NOW)
    assert [t.message_id for t in found] == ["msg_1", "msg_2"]
    assert store.load("msg_2").message.content
