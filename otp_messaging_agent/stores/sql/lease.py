"""One process over a store dispatches: a lease with a heartbeat, its owner's death noticed."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, insert, select, update

from ...message import Status
from .schema import leases, messages

NAME = "dispatcher"


def identity(unique: str) -> str:
    """Return `host/boot/pid/start/unique`: enough to tell on the same host whether it lives."""
    pid = os.getpid()
    return f"{socket.gethostname()}/{_boot()}/{pid}/{_started(pid)}/{unique}"


def is_dead(owner: str, here: str) -> bool:
    """Whether *owner* surely runs no more, as far as the process *here* can tell."""
    if not owner:
        return True
    host, boot, pid, started, _ = owner.split("/", 4)
    my_host, my_boot, *_ = here.split("/")
    if host != my_host:
        return False
    return boot != my_boot or _started(int(pid)) != started


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def _started(pid: int) -> str:
    """Return when *pid* started, "-" where it does not run: a pid alone may be another's by now."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        pass
    else:
        return "-" if state[0] in {"Z", "X"} else state[19]  # killed, but not collected yet
    if Path("/proc/self/stat").exists():
        return "-"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "-"
    except OSError:
        return "runs"
    return "runs"


@dataclass(frozen=True, slots=True)
class Lead:
    """A wish to be or stay the dispatcher; a *ttl* of 0 gives it up."""

    owner: str
    now: float
    ttl: float


def lead(conn: Connection, calls: Sequence[Lead]) -> list[bool]:
    """Renew, take or leave the lease; one that changes hands frees what was being sent."""
    return [_lead(conn, c) for c in calls]


def _lead(conn: Connection, c: Lead) -> bool:
    row = conn.execute(select(leases).where(leases.c.name == NAME)).one_or_none()
    if row is None:
        conn.execute(insert(leases), {"name": NAME, "owner": "", "expires_at": 0.0})
    holder = row.owner if row else ""
    dead = is_dead(holder, c.owner)
    if holder != c.owner and not dead and row is not None and row.expires_at > c.now:
        return False
    keep = c.ttl > 0
    if keep or holder == c.owner:
        conn.execute(
            update(leases)
            .where(leases.c.name == NAME)
            .values(owner=c.owner if keep else "", expires_at=c.now + c.ttl)
        )
    if keep and holder != c.owner and dead:
        # Nobody holds these any more. Where the last owner may still live (another host, or
        # paused), its claims are left to run out by themselves.
        conn.execute(
            update(messages)
            .where(messages.c.status == Status.SENDING.value, messages.c.due_at > c.now)
            .values(due_at=c.now, version=messages.c.version + 1)
        )
    return keep


def holder(conn: Connection) -> tuple[str, float] | None:
    """Return who dispatches and until when, without changing anything."""
    row = conn.execute(select(leases).where(leases.c.name == NAME)).one_or_none()
    return None if row is None else (row.owner, row.expires_at)
