"""What the proofs ask of a running agent."""

import time

MOVING = {"accepted", "queued", "sending"}


def at_rest(agent):
    """Whether nothing waits or is being sent."""
    return not MOVING & set(agent._parts.store.figures(time.time()).by_status)


def send(agent, numbers, **fields):
    """Send a message to each of *numbers*; return number -> id."""
    rows = [{"phone_number": n, "content": "hello", **fields} for n in numbers]
    results = agent.send_bulk(rows).results
    return dict(zip(numbers, (str(r.message_id) for r in results), strict=True))
