"""Opt-outs and what people write, as operations of the writer and reads."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    RowMapping,
    String,
    Table,
    bindparam,
    delete,
    exists,
    select,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from ...message import Channel, Inbound, Message, MessageType
from ...safety.encryption import Keyring
from ..base import Blocked, KeyReused, OptOut, Replay
from .fast import Statement
from .once import OnceRow, remember, replay
from .schema import metadata

opt_outs = Table(
    "opt_outs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("recipient_idx", LargeBinary(32), nullable=False),
    Column("recipient_enc", LargeBinary, nullable=False),
    Column("channel", String(16), nullable=False),  # empty: every channel, every category
    Column("category", String(16), nullable=False),
    Column("source", String(16), nullable=False),
    Column("at", Float, nullable=False),
)
Index(
    "opt_outs_one",
    opt_outs.c.recipient_idx,
    opt_outs.c.channel,
    opt_outs.c.category,
    unique=True,
)

inbound = Table(
    "inbound",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("provider", String(64), nullable=False),
    Column("provider_message_id", String(128), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("sender_idx", LargeBinary(32), nullable=False),
    Column("sender_enc", LargeBinary, nullable=False),
    Column("text_enc", LargeBinary, nullable=False),
    Column("at", Float, nullable=False),
)
Index("inbound_once", inbound.c.provider, inbound.c.provider_message_id, unique=True)


def row_of(wish: OptOut, keys: Keyring) -> dict[str, Any]:
    """Return the columns of an opt-out."""
    return {
        "id": wish.id,
        "recipient_idx": who(keys, wish.recipient),
        "recipient_enc": keys.encrypt(
            wish.recipient, table="opt_outs", column="recipient_enc", row=wish.id
        ),
        "channel": wish.channel.value if wish.channel else "",
        "category": wish.category.value if wish.category else "",
        "source": wish.source,
        "at": wish.at,
    }


def who(keys: Keyring, recipient: str) -> bytes:
    """Return what a person's opt-outs are found by."""
    return keys.blind_index("consent", recipient.casefold())


def wish_of(row: RowMapping, keys: Keyring) -> OptOut:
    """Return the opt-out a row holds."""
    return OptOut(
        id=row["id"],
        recipient=keys.decrypt(
            row["recipient_enc"], table="opt_outs", column="recipient_enc", row=row["id"]
        ),
        at=row["at"],
        source=row["source"],
        channel=Channel(row["channel"]) if row["channel"] else None,
        category=MessageType(row["category"]) if row["category"] else None,
    )


def opt_out(
    conn: Connection, calls: Sequence[tuple[dict[str, Any], OnceRow]]
) -> list[str | Replay | KeyReused]:
    """Keep wishes; one that stood already changes nothing."""
    return [_opt_out(conn, row, once) for row, once in calls]


def _opt_out(conn: Connection, row: dict[str, Any], once: OnceRow) -> str | Replay | KeyReused:
    earlier = replay(conn, once)
    if earlier is not None:
        return earlier
    conn.execute(upsert(opt_outs).values(row).on_conflict_do_nothing())
    same = (opt_outs.c[name] == row[name] for name in ("recipient_idx", "channel", "category"))
    stands: str = conn.execute(select(opt_outs.c.id).where(*same)).scalar_one()
    remember(conn, once, stands)
    return stands


def opt_in(conn: Connection, calls: Sequence[tuple[bytes, Channel | None]]) -> list[int]:
    """Drop what stands of a recipient, on one channel or on all."""
    dropped = []
    for recipient, channel in calls:
        gone = delete(opt_outs).where(opt_outs.c.recipient_idx == recipient)
        if channel is not None:
            gone = gone.where(opt_outs.c.channel == channel.value)
        dropped.append(conn.execute(gone).rowcount)
    return dropped


def revoke(conn: Connection, calls: Sequence[str]) -> list[bool]:
    """Drop single opt-outs."""
    return [
        conn.execute(delete(opt_outs).where(opt_outs.c.id == one)).rowcount > 0 for one in calls
    ]


def listed(
    conn: Connection, limit: int, after: str | None, recipient: bytes | None
) -> Sequence[RowMapping]:
    """Return opt-outs, newest first."""
    query = select(opt_outs).order_by(opt_outs.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(opt_outs.c.id < after)
    if recipient is not None:
        query = query.where(opt_outs.c.recipient_idx == recipient)
    return conn.execute(query).mappings().all()


def any_wish(conn: Connection) -> bool:
    """Whether anybody has opted out of anything: most stores need ask no more."""
    return bool(_ANY.all(conn, {})[0][0])


_ANY = Statement(select(exists(select(opt_outs.c.id))))
_WISHES = Statement(
    select(opt_outs.c.channel, opt_outs.c.category).where(
        opt_outs.c.recipient_idx == bindparam("who")
    )
)


def blocked(conn: Connection, message: Message, keys: Keyring) -> list[Blocked]:
    """Return what the recipient of *message* has opted out of."""
    people = [who(keys, a) for a in (message.phone_number, message.email) if a is not None]
    return [
        (Channel(channel) if channel else None, MessageType(category) if category else None)
        for person in people
        for channel, category in _WISHES.all(conn, {"who": person})
    ]


def inbound_row(i: Inbound, keys: Keyring) -> dict[str, Any]:
    """Return the columns of what somebody wrote."""
    known_by = i.provider_message_id or f"none-{secrets.token_hex(8)}"  # or all such were one
    row = f"{i.provider}/{known_by}"
    return {
        "provider": i.provider,
        "provider_message_id": known_by,
        "channel": i.channel.value,
        "sender_idx": who(keys, i.sender),
        "sender_enc": keys.encrypt(i.sender, table="inbound", column="sender_enc", row=row),
        "text_enc": keys.encrypt(i.text, table="inbound", column="text_enc", row=row),
        "at": i.at,
    }


def inbound_of(found: RowMapping, keys: Keyring) -> tuple[int, Inbound]:
    """Return what somebody wrote, with its number."""
    row = f"{found['provider']}/{found['provider_message_id']}"

    def opened(column: str) -> str:
        return keys.decrypt(found[column], table="inbound", column=column, row=row)

    return found["number"], Inbound(
        found["provider"],
        found["provider_message_id"],
        Channel(found["channel"]),
        opened("sender_enc"),
        opened("text_enc"),
        found["at"],
    )


def note(conn: Connection, calls: Sequence[dict[str, Any]]) -> list[bool]:
    """Keep what people wrote, each once."""
    return [
        conn.execute(upsert(inbound).values(row).on_conflict_do_nothing()).rowcount > 0
        for row in calls
    ]


def noted(conn: Connection, i: Inbound) -> bool:
    """Whether what somebody wrote was kept before, known by the vendor's id of it."""
    same = select(inbound.c.number).where(
        inbound.c.provider == i.provider,
        inbound.c.provider_message_id == i.provider_message_id,
    )
    return bool(i.provider_message_id) and conn.execute(same).first() is not None


def written(conn: Connection, limit: int, after: int | None) -> Sequence[RowMapping]:
    """Return what people wrote, newest first."""
    query = select(inbound).order_by(inbound.c.number.desc()).limit(limit)
    if after is not None:
        query = query.where(inbound.c.number < after)
    return conn.execute(query).mappings().all()
