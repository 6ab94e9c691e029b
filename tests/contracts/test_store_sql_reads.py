"""What the SQL store reads to tell what became known: an index each, a few queries a page."""

import contextlib
import itertools
import sqlite3

import pytest
from sqlalchemy import event

from otp_messaging_agent import plugins

from .store_parts import NOW, Place, keep, message
from .tries import ALWAYS, silences, taken


@pytest.fixture
def place(tmp_path):
    """Yield a place for SQLite."""
    place = Place(plugins.load("stores", "sql"), tmp_path)
    yield place
    place.leave()


@contextlib.contextmanager
def reads(store):
    """Yield a list of the statements that are read with meanwhile, each with its values."""
    seen = []

    def note(connection, cursor, statement, values, *_):
        seen.append((statement, values))

    event.listen(store._engines.read, "before_cursor_execute", note)
    yield seen
    event.remove(store._engines.read, "before_cursor_execute", note)


RANGE = "({0}>? AND {0}<?)"
ENDED = "verifications USING INDEX verifications_status (status=? AND <expr>>? AND <expr><?)"


@pytest.mark.parametrize(
    ("ask", "steps"),
    [
        (
            lambda store: store.failures(*ALWAYS),
            ["attempts USING INDEX attempts_failed " + RANGE.format("finished_at")],
        ),
        (
            lambda store: store.receipts(*ALWAYS),
            ["attempts USING INDEX attempts_told " + RANGE.format("told_at")],
        ),
        (
            lambda store: silences(store, *ALWAYS),
            ["attempts USING INDEX attempts_started " + RANGE.format("started_at")],
        ),
        (lambda store: store.codes(*ALWAYS), [ENDED] * 3),
    ],
    ids=["failures", "receipts", "silences", "codes"],
)
def test_a_question_reads_its_part_of_one_index_in_order(place, store, ask, steps):
    with reads(store) as seen:
        ask(store)
    ((statement, values),) = seen
    with contextlib.closing(sqlite3.connect(place.folder / "agent.db")) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
    lines = [line for *_, line in plan]
    searched = [line.removeprefix("SEARCH ") for line in lines if line.startswith("SEARCH ")]
    by_id = ("autoindex", "USING INDEX attempts_message", "messages_verification_id")
    assert [s for s in searched if not any(word in s for word in by_id)] == steps
    assert not [line for line in lines if line.startswith("SCAN")]
    of_one_code = {id_ for id_, *_, line in plan if line.startswith("CORRELATED")}
    sorts = [line for _, parent, _, line in plan if "TEMP" in line and parent not in of_one_code]
    assert set(sorts) == {"USE TEMP B-TREE FOR RIGHT PART OF ORDER BY"}  # of one moment only


def test_a_page_of_history_takes_two_queries(store):
    numbers = itertools.count()
    for _ in range(20):
        taken(store, message(f"msg_{next(numbers):03}"))
    keep(store, message())
    with reads(store) as seen:
        assert len(store.history(NOW - 1, NOW + 1, None, 15)) == 15
    assert len(seen) == 2
    with reads(store) as seen:
        assert store.history(NOW + 1, NOW + 2, None, 15) == []
    assert len(seen) == 1
