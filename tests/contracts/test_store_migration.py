"""A database of an earlier version: opened by this one, with all that it held."""

import contextlib
import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from otp_messaging_agent import plugins
from otp_messaging_agent.message import Channel, Status
from otp_messaging_agent.stores import migrations

from .store_parts import NOW, Place, keep, message
from .tries import ALWAYS, PATIENCE, answered, approved, coded, failed, taken

EVER = ALWAYS[:2]


@pytest.fixture
def place(tmp_path):
    """Yield a place for SQLite."""
    place = Place(plugins.load("stores", "sql"), tmp_path)
    yield place
    place.leave()


def as_of(revision, place, path):
    """Make at *path* what an earlier version would have of the database of *place*."""
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS new", (str(place.folder / "agent.db"),))
        for (table,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'alembic_version'"
        ).fetchall():
            columns = ", ".join(r[1] for r in connection.execute(f"PRAGMA table_info({table})"))
            copy = f"INSERT INTO {table} ({columns}) SELECT {columns} FROM new.{table}"  # noqa: S608
            connection.execute(copy)


def told(store):
    """Return everything that became known of tries."""
    return [
        store.failures(*ALWAYS),
        store.receipts(*ALWAYS),
        store.silences(Channel.SMS, PATIENCE, *ALWAYS),
        store.codes(*ALWAYS),
    ]


def columns(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {r[1] for r in connection.execute("PRAGMA table_info(attempts)")}


def test_what_0002_held_is_all_there_and_known(place, tmp_path):
    store = place.store()
    keep(store, message("msg_0"))
    failed(store)
    answered(store, Status.DELIVERED, NOW + 5)
    taken(store)
    approved(store, taken(store, coded(store)), NOW + 9)
    taken(store, coded(store))
    history, known, figures = store.history(*EVER, None, 99), told(store), store.figures(NOW)
    assert all(known)
    assert len(history) == 5
    old = Place(place.plugin, tmp_path / "old")
    old.folder.mkdir()
    old.keys = place.keys
    old.url = f"sqlite:///{old.folder / 'agent.db'}"
    as_of("0002", place, old.folder / "agent.db")
    assert not columns(old.folder / "agent.db") & {"country", "prefix"}
    migrated = old.store()
    assert migrated.history(*EVER, None, 99) == history
    assert told(migrated) == known
    assert migrated.figures(NOW) == figures
    assert migrated.message("msg_0") == store.message("msg_0")
    old.leave()


def test_an_earlier_try_went_nowhere_known_and_a_new_one_is_told_beside_it(place, tmp_path):
    earlier = failed(place.store(), country="GB", prefix="+4477")
    path = tmp_path / "old.db"
    as_of("0002", place, path)
    place.leave()
    place.url = f"sqlite:///{path}"
    store = place.store()
    new = failed(store, at=NOW + 1, country="FR", prefix="+336")
    found = [(t.attempt_id, t.country, t.prefix) for t in store.failures(*ALWAYS)]
    assert found == [(earlier.id, None, None), (new.id, "FR", "+336")]
