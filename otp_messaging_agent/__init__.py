"""Intelligent OTP Messaging Agent: messages and one-time codes, delivered without a hand.

A request comes in by `web` or by a method of `IntelligentOTPAgent`. `flow` is the way it takes,
file by file: `ingest` reads it, `validate` makes a message of it, `enqueue` commits it to the
store and puts a ticket into the queue, `route` ranks the channels, `deliver` claims it, calls a
provider and keeps the verdict, `report` counts. `verify` checks the code that comes back, `hear`
takes in receipts and what people write.

What can be exchanged lies in folders of plug-ins, each with its contract in `base.py`:
`channels` (rules of a medium), `providers` (vendors), `queues`, `stores`. `safety` protects.
`assembly` wires the parts, `agent` is their face.
"""

from .agent import IntelligentOTPAgent
from .errors import (
    AgentError,
    ConfigError,
    Conflict,
    IdempotencyConflict,
    InvalidRequest,
    NotFound,
    NotRunning,
    QueueFull,
    RateLimited,
    SendError,
    StoreUnavailable,
)
from .message import Channel, MessageType, Priority, Status, VerificationStatus
from .request import MessageRequest

__all__ = [
    "AgentError",
    "Channel",
    "ConfigError",
    "Conflict",
    "IdempotencyConflict",
    "IntelligentOTPAgent",
    "InvalidRequest",
    "MessageRequest",
    "MessageType",
    "NotFound",
    "NotRunning",
    "Priority",
    "QueueFull",
    "RateLimited",
    "SendError",
    "Status",
    "StoreUnavailable",
    "VerificationStatus",
]
