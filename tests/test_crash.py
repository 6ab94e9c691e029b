"""Nothing that was acknowledged is lost, whenever the server dies."""

from .crash import crash


def test_ten_kills_lose_nothing(tmp_path):
    tally = crash(tmp_path, rounds=10, messages=2000, seed=7)
    assert tally.kills == 10
    assert tally.cut_posts, "no post was cut by a kill: the faults did not happen"
    assert tally.in_flight, "no send was in flight at a kill: the faults did not happen"
