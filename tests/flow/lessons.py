"""What was learned, as tests need it: lessons, histories of lessons, and any of them."""

from hypothesis import strategies as st

from otp_messaging_agent.flow.learned import Learned
from otp_messaging_agent.flow.lesson import NOWHERE, Kind, Lesson, Place
from otp_messaging_agent.message import Channel

from .routes import NOW, PRIORS, SMS

HERE = Place("GB", "+44770")  # where the messages of `routes` go
NEXT_DOOR = Place("GB", "+44740")
ABROAD = Place("US", "+1212")
HOUR = 3600.0
ARRIVED, FAILED, RECOVERED = Kind.ARRIVED, Kind.FAILED, Kind.RECOVERED
UNREACHABLE, ASKED, CONFIRMED = Kind.UNREACHABLE, Kind.ASKED, Kind.CONFIRMED


def lesson(kind, channel=SMS, provider="main", at=NOW, place=HERE, seconds=None):
    return Lesson(channel, provider, place, kind, at, seconds)


def taught(*lessons, learned=None):
    """Return what is learned of *lessons*, in this order."""
    learned = learned or Learned(PRIORS)
    for one in lessons:
        learned.add(one)
    return learned


def history(share, channel=SMS, tries=100, *, until=NOW, over=HOUR, **fields):
    """Return lessons of tries at even times, of which *share* arrived, evenly spread."""
    came = [round((i + 1) * share) - round(i * share) for i in range(tries)]
    return [
        lesson(ARRIVED if c else FAILED, channel, at=until - over * (1 - (i + 1) / tries), **fields)
        for i, c in enumerate(came)
    ]


def codes(share, channel=SMS, asked=100, **fields):
    """Return lessons of codes whose time was over, of which *share* were typed in."""
    typed = round(asked * share)
    kinds = [ASKED] * asked + [CONFIRMED] * typed
    return [lesson(kind, channel, **fields) for kind in kinds]


def in_order(*histories):
    """Return all lessons in the order in which they became known."""
    return sorted((one for h in histories for one in h), key=lambda one: one.at)


def estimate(learned, channel=SMS, provider="main", place=HERE, now=NOW):
    return learned.outlook(place, now).of(channel, provider)


PLACES = st.sampled_from([HERE, HERE, HERE, NEXT_DOOR, ABROAD, NOWHERE])
TIMES = st.just(NOW) | st.floats(NOW - 30, NOW) | st.floats(NOW - 100_000, NOW)
LESSONS = st.builds(
    Lesson,
    st.sampled_from(Channel),
    st.sampled_from(["a", "b"]),
    PLACES,
    st.sampled_from(Kind),
    TIMES,
    st.none() | st.floats(0, 1000),
)


@st.composite
def many(draw, most=16):
    """Draw lessons in any order, each once or often: what counts a lot is seen too."""
    found = []
    for _ in range(draw(st.integers(0, most))):
        found += [draw(LESSONS)] * draw(st.sampled_from([1, 3, 30, 300]))
    return found


LEARNED = many().map(lambda found: taught(*found))
"""Any state, reached in any order."""
