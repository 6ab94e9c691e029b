"""What every store promises of consent: opt-outs, what they block, and what people write."""

from dataclasses import replace

import pytest

from otp_messaging_agent.message import Channel, Inbound, MessageType, Status
from otp_messaging_agent.stores.base import Issued, OptOut, Search
from otp_messaging_agent.stores.sql import consent as wishes

from ..switching import crowd
from .store_parts import NOW, NUMBER, attempt, keep, message, once, order, sent

SMS, EMAIL = Channel.SMS, Channel.EMAIL
MARKETING, OTP = MessageType.MARKETING, MessageType.OTP
ADA = "ada@example.com"


def wish(number=1, recipient=NUMBER, **fields):
    return OptOut(f"out_{number:04}", recipient, NOW + number, "inbound", **fields)


def letter(number=1, text="STOP", **fields):
    given = {
        "provider": "main",
        "provider_message_id": f"in-{number}",
        "channel": SMS,
        "sender": NUMBER,
        "text": text,
        "at": NOW + number,
    }
    return Inbound(**{**given, **fields})


# Opt-outs


def test_an_opt_out_is_kept_as_it_was_given(place):
    store = place.store()
    made = [
        wish(1),
        wish(2, channel=SMS),
        wish(3, category=MARKETING),
        replace(wish(4, ADA, channel=EMAIL, category=OTP), source="api"),
    ]
    assert [store.opt_out(w) for w in made] == [w.id for w in made]
    assert place.store().opt_outs(limit=10) == made[::-1]


def test_the_same_again_changes_nothing(store):
    first = wish(1, channel=SMS)
    assert store.opt_out(first) == first.id
    assert store.opt_out(wish(2, channel=SMS)) == first.id
    assert store.opt_out(wish(3, channel=SMS, category=MARKETING)) == "out_0003"
    assert store.opt_out(wish(4, channel=EMAIL)) == "out_0004"
    assert store.opt_out(wish(5)) == "out_0005"
    assert store.opt_out(wish(6)) == "out_0005"
    assert [w.id for w in store.opt_outs(limit=10)] == [
        "out_0005",
        "out_0004",
        "out_0003",
        "out_0001",
    ]


def test_of_many_at_once_one_is_kept(store):
    told = crowd(lambda n: store.opt_out(wish(n, channel=SMS)))
    assert set(told) == {one.id for one in store.opt_outs(limit=50)}
    assert len(set(told)) == 1


def test_they_are_paged_newest_first_and_none_is_missed_or_shown_twice(store):
    made = [wish(n, f"+4477009001{n:02}") for n in range(1, 8)]
    for one in made:
        store.opt_out(one)
    pages, after = [], None
    while page := store.opt_outs(limit=3, after=after):
        pages.append(len(page))
        assert page == made[::-1][sum(pages) - len(page) : sum(pages)]
        after = page[-1].id
    assert pages == [3, 3, 1]


def test_those_of_one_recipient_are_found_in_any_case(store):
    for number, who in enumerate([NUMBER, ADA, NUMBER, "eve@example.com"], 1):
        store.opt_out(wish(number, who, category=list(MessageType)[number]))
    assert [w.id for w in store.opt_outs(limit=9, recipient=NUMBER)] == ["out_0003", "out_0001"]
    assert [w.id for w in store.opt_outs(limit=9, recipient="Ada@EXAMPLE.com")] == ["out_0002"]
    assert [w.id for w in store.opt_outs(limit=9, recipient=NUMBER, after="out_0003")] == [
        "out_0001"
    ]
    assert store.opt_outs(limit=9, recipient="+447700900999") == []


def test_opting_in_drops_what_stands_on_that_channel(store):
    for number, fields in enumerate(
        [{"channel": SMS}, {"channel": SMS, "category": MARKETING}, {"channel": EMAIL}, {}], 1
    ):
        store.opt_out(wish(number, **fields))
    store.opt_out(wish(9, ADA, channel=SMS))
    assert store.opt_in(NUMBER, SMS) == 2
    assert store.opt_in(NUMBER, SMS) == 0
    assert [w.id for w in store.opt_outs(limit=9)] == ["out_0009", "out_0004", "out_0003"]
    assert store.opt_in(NUMBER, None) == 2
    assert store.opt_in(ADA.upper(), SMS) == 1
    assert store.opt_outs(limit=9) == []


def test_after_opting_in_one_can_opt_out_again(store):
    store.opt_out(wish(1, channel=SMS))
    store.opt_in(NUMBER, SMS)
    assert store.opt_out(wish(2, channel=SMS))
    assert store.blocked(message()) == [(SMS, None)]


def test_one_opt_out_is_revoked_by_its_id(store):
    store.opt_out(wish(1))
    store.opt_out(wish(2, channel=SMS))
    assert store.revoke("out_0001")
    assert not store.revoke("out_0001")
    assert not store.revoke("out_9999")
    assert [w.id for w in store.opt_outs(limit=9)] == ["out_0002"]


# What is blocked


def test_what_the_recipient_wants_no_more_of_is_told_with_the_work(store):
    row = message(email=ADA)
    keep(store, row)
    assert store.blocked(row) == store.load(row.id).blocked == []
    store.opt_out(wish(1, channel=SMS))
    store.opt_out(wish(2, category=MARKETING))
    store.opt_out(wish(3, "ADA@example.com", channel=EMAIL, category=OTP))
    store.opt_out(wish(4, "+447700900999"))
    expected = {(SMS, None), (None, MARKETING), (EMAIL, OTP)}
    assert set(store.blocked(row)) == expected
    assert set(store.load(row.id).blocked) == expected
    store.opt_in(NUMBER, None)
    store.opt_in(ADA, None)
    assert store.load(row.id).blocked == []


def test_only_the_addresses_of_the_message_count(store):
    store.opt_out(wish(1, ADA))
    assert store.blocked(message()) == []
    assert store.blocked(message(phone_number=None, email=ADA)) == [(None, None)]


def test_a_code_is_told_of_too(store):
    (issued,) = keep(store, order())
    store.opt_out(wish(1, category=OTP))
    work = store.load(issued.message_id)
    assert (work.code is not None, work.blocked) == (True, [(None, OTP)])


def test_the_first_opt_out_is_seen_by_the_next_send_though_nobody_had_any(store):
    row = message()
    keep(store, row)
    assert len(store.tickets(row.rank, 10, NOW)) == 1  # a page: nobody has opted out
    store.opt_out(wish(1, channel=SMS))
    assert store.load(row.id).blocked == [(SMS, None)]


def test_an_opt_out_that_meets_a_page_of_tickets_is_not_overlooked(store, monkeypatch):
    """The page looks before the opt-out is kept, and is through after it."""
    row = message()
    keep(store, row)
    looked = wishes.any_wish

    def overtaken(conn):
        found = looked(conn)
        monkeypatch.setattr(wishes, "any_wish", looked)
        store.opt_out(wish(1, channel=SMS))
        return found

    monkeypatch.setattr(wishes, "any_wish", overtaken)
    store.tickets(row.rank, 10, NOW)
    assert store.load(row.id).blocked == [(SMS, None)]


def test_one_that_another_process_took_is_seen_with_the_next_page(place):
    mine, other = place.store(), place.store()
    row = message()
    keep(mine, row)
    mine.tickets(row.rank, 10, NOW)
    other.opt_out(wish(1, channel=SMS))
    mine.tickets(row.rank, 10, NOW)
    assert mine.load(row.id).blocked == [(SMS, None)]


# At acceptance


def suppress(asked=None):
    """Return a judge that suppresses everything, and remembers what it was asked."""

    def judge(m, blocked):
        if asked is not None:
            asked.append((m.id, list(blocked)))
        return replace(
            m, status=Status.SUPPRESSED, due_at=None, finished_at=NOW, error_code="opted_out"
        )

    return judge


def test_a_judged_message_is_kept_as_it_was_judged(store):
    store.opt_out(wish(1, channel=SMS))
    asked, row, free = [], message(), message(phone_number="+447700900999")
    results = keep(store, row, free, judge=suppress(asked))
    assert asked == [(row.id, [(SMS, None)])]
    assert [m.status for m in results] == [Status.SUPPRESSED, Status.ACCEPTED]
    found, tried = store.message(row.id)
    assert found == results[0]
    assert (found.due_at, found.error_code, tried) == (None, "opted_out", [])
    assert found.content == row.content
    assert [t.message_id for t in store.tickets(row.rank, 10, NOW * 2)] == [free.id]
    assert store.search(Search(status=Status.SUPPRESSED)) == [found]
    assert store.load(row.id).message.due_at is None


def test_what_the_judge_leaves_as_it_is_goes_out(store):
    store.opt_out(wish(1, channel=EMAIL))
    row = message()
    assert keep(store, row, judge=lambda m, _: m) == [row]
    assert store.tickets(row.rank, 10, NOW)


def test_without_a_judge_everything_is_taken(store):
    store.opt_out(wish(1))
    row = message()
    assert keep(store, row) == [row]


def test_codes_are_left_to_the_send(store):
    store.opt_out(wish(1))
    (issued,) = keep(store, order(), judge=suppress())
    assert isinstance(issued, Issued)
    assert store.message(issued.message_id)[0].status is Status.ACCEPTED


def test_the_answer_that_is_remembered_is_of_what_was_judged(store):
    store.opt_out(wish(1))

    def respond(results):
        return [m.status.value for m in results]

    fields = {"once": once(), "respond": respond, "judge": suppress()}
    keep(store, message(), **fields)
    assert keep(store, message(), **fields).response == ["suppressed"]


def test_a_suppressed_message_is_one_of_its_batch(store):
    store.opt_out(wish(1))
    rows = [message(batch_id="bat_1"), message(batch_id="bat_1", phone_number="+447700900999")]
    keep(store, *rows, batch_id="bat_1", judge=suppress())
    counts = store.batch("bat_1")
    assert counts["by_status"] == {"suppressed": 1, "accepted": 1}


def test_an_exempt_message_says_so_when_it_is_read(store):
    row = message(exempt=True)
    keep(store, row, message())
    assert store.load(row.id).message.exempt is store.message(row.id)[0].exempt is True
    assert [m.exempt for m in store.search(Search())] == [False, True]


def test_parts_and_doubles_of_an_attempt_are_kept(store):
    row = message()
    keep(store, row)
    a = attempt(row, parts=4)
    store.begin(a, 0, NOW + 40)
    store.settle(sent(a))
    (found,) = store.message(row.id)[1]
    assert (found.parts, found.duplicate) == (4, False)


# What people write


@pytest.mark.parametrize("text", ["STOP", "", "Wann kommt das Paket?\n\U0001f4e6", "x" * 5000])
def test_what_somebody_wrote_is_kept_once(place, text):
    store = place.store()
    assert store.note(letter(1, text))
    assert not store.note(letter(1, text))
    assert not store.note(letter(1, "another text under the same id"))
    ((number, found),) = place.store().inbound(limit=10)
    assert found == letter(1, text)
    assert number > 0


def test_what_came_without_an_id_is_kept_each_time(store):
    for text in ("one", "two"):
        nameless = letter(1, provider_message_id="", text=text)
        assert not store.noted(nameless)
        assert store.note(nameless)
    assert [found.text for _, found in store.inbound(limit=9)] == ["two", "one"]


def test_the_same_id_of_another_provider_is_another_letter(store):
    assert store.note(letter(1))
    assert store.note(letter(1, provider="second"))


def test_of_many_tellings_at_once_one_is_kept(store):
    assert sum(crowd(lambda _: store.note(letter(1)))) == 1


def test_letters_are_paged_newest_first(store):
    made = [letter(n, str(n)) for n in range(1, 8)]
    for one in made:
        store.note(one)
    pages, after = [], None
    while page := store.inbound(limit=3, after=after):
        pages.append([found for _, found in page])
        after = page[-1][0]
    assert pages == [made[6:3:-1], made[3:0:-1], made[:1]]


def test_neither_people_nor_what_they_write_lie_open(place):
    store = place.store()
    store.opt_out(wish(1, ADA))
    store.note(letter(1, "please call me", sender="eve@example.com"))
    store.close(5)
    kept = b"".join(p.read_bytes() for p in place.folder.iterdir() if "agent.db" in p.name)
    assert b"out_0001" in kept
    for secret in (b"ada@", b"example.com", b"please call", NUMBER.encode()):
        assert secret not in kept
