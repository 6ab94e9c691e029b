"""The outages that the sandbox plays, as operations of the writer and a read."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Connection, Float, RowMapping, String, Table, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from ...inbox import Outage, OutageMode
from ...message import Channel
from .schema import metadata

outages = Table(
    "sandbox_outages",
    metadata,
    Column("provider", String(64), primary_key=True),
    Column("channel", String(16), primary_key=True),  # empty: every channel
    Column("mode", String(16), nullable=False),
    Column("share", Float, nullable=False),
    Column("until", Float, nullable=False),
)


def put(conn: Connection, calls: Sequence[tuple[Outage, float]]) -> list[None]:
    """Keep outages, each in place of an earlier one; drop all that are over by now."""
    for outage, now in calls:
        conn.execute(delete(outages).where(outages.c.until <= now))
        says = {"mode": outage.mode.value, "share": outage.share, "until": outage.until}
        channel = outage.channel.value if outage.channel else ""
        new = upsert(outages).values(provider=outage.provider, channel=channel, **says)
        conn.execute(new.on_conflict_do_update(index_elements=["provider", "channel"], set_=says))
    return [None] * len(calls)


def end(conn: Connection, calls: Sequence[tuple[str, float]]) -> list[int]:
    """Drop what stands of providers; return how many each."""
    return [
        conn.execute(
            delete(outages).where(outages.c.provider == provider, outages.c.until > now)
        ).rowcount
        for provider, now in calls
    ]


def standing(conn: Connection, now: float) -> list[Outage]:
    """Return what stands."""
    query = select(outages).where(outages.c.until > now)
    found = conn.execute(query.order_by(outages.c.provider, outages.c.channel)).mappings()
    return [_outage(row) for row in found]


def _outage(row: RowMapping) -> Outage:
    return Outage(
        provider=row["provider"],
        mode=OutageMode(row["mode"]),
        until=row["until"],
        share=row["share"],
        channel=Channel(row["channel"]) if row["channel"] else None,
    )
