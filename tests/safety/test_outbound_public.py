"""URLs that others wrote lead to the public internet or nowhere, and not too often."""

import socket
import ssl

import pytest
import time_machine

from otp_messaging_agent.safety import outbound
from otp_messaging_agent.safety.outbound import Outbound, OutboundError, Refused

from .test_outbound import OK, Peer, answering, certificate, failure, get, tls

__all__ = ["certificate", "tls"]

INWARD = [
    *("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "2130706433"),
    *("0x7f.1", "0x7f000001", "0177.0.0.1", "127.1", "0", "0.0.0.0", "[::]"),  # noqa: S104
    *("169.254.169.254", "[::ffff:169.254.169.254]", "100.64.0.1", "192.0.0.192", "10.0.0.1"),
    *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "[fd00:ec2::254]", "255.255.255.255"),
]


@pytest.fixture
def public():
    client = Outbound(public_only=True)
    yield client
    client.close()


class Names(dict):
    """A resolver: each name's answers, one list of addresses a look-up, the last one for good."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def look_up(self, host, port, **_):
        self.asked.append(host)
        answers = self[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in found]


@pytest.fixture
def names(monkeypatch):
    known = Names()
    monkeypatch.setattr(socket, "getaddrinfo", known.look_up)
    return known


@pytest.fixture
def outside(monkeypatch):
    """127.0.0.2 counts as an address of the internet; the real ones are out of reach here."""
    monkeypatch.setattr(outbound, "is_global", lambda address: address == "127.0.0.2")
    return "127.0.0.2"


def refused(client, url):
    error, _ = failure(client, url)
    assert isinstance(error, Refused)
    assert (error.code, error.permanent, error.written) == ("address_not_allowed", True, False)
    return error


def at(peer, host, path="/"):
    return f"http://{host}:{peer.port}{path}"


class At(Peer):
    """A peer that listens at all addresses of this machine, as a service inside would."""

    def __init__(self, host="0.0.0.0", port=0):  # noqa: S104
        super().__init__(answering(OK))
        self.listener.close()
        self.listener = socket.create_server((host, port), backlog=128)
        self.port = self.listener.getsockname()[1]


@pytest.mark.parametrize("host", INWARD)
def test_no_spelling_of_an_address_inside_is_connected_to(public, host):
    with At() as inside:
        error = refused(public, at(inside, host, "/?token=secret"))
        assert "secret" not in str(error)
        assert host not in str(error)
        assert inside.connections == 0


def test_without_the_bound_they_are_reached():
    """The operator's own URLs may lead inside: the test above tests something."""
    with At() as inside:
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "0"):
            assert get(Outbound(), at(inside, host)).body == b"hi"


def test_a_name_is_looked_up_once_and_connected_to_where_it_was_judged(public, names, outside):
    with At(outside) as good, At("127.0.0.1", good.port) as inside:
        names["moves.example"] = [[outside], ["127.0.0.1"]]
        assert get(public, at(good, "moves.example")).body == b"hi"
        assert names.asked == ["moves.example"]
        refused(public, at(good, "moves.example"))
        assert names.asked == ["moves.example"] * 2
        assert (good.connections, inside.connections) == (1, 0)


def test_a_name_with_any_address_inside_is_refused(public, names, outside):
    with At(outside) as good:
        names["both.example"] = [[outside, "127.0.0.1"]]
        refused(public, at(good, "both.example"))
        assert good.connections == 0


def test_a_name_of_nobody_is_unreachable(public, names):
    names["none.example"] = [[]]
    assert failure(public, "http://none.example/")[0].code == "unreachable"


@pytest.mark.parametrize("host", INWARD)
def test_a_redirect_is_an_answer_like_any_other(public, names, outside, host):
    with At() as inside, At(outside) as good:
        target = at(inside, host).encode()
        moved = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % target
        good.handle = answering(moved)
        names["good.example"] = [[outside]]
        answer = get(public, at(good, "good.example"))
        assert (answer.status, answer.headers["Location"]) == (302, target.decode())
        assert inside.connections == 0


def test_no_connection_and_no_name_is_kept(public, names, outside):
    with At(outside) as good:
        names["good.example"] = [[outside]]
        for _ in range(3):
            get(public, at(good, "good.example"))
        assert good.connections == 3
        assert public._resting == {}


def test_its_certificates_are_verified(names, outside, certificate, tls):
    with At(outside) as good:
        good.tls = tls
        names["good.example"] = [[outside]]
        trusting = Outbound(public_only=True, tls=ssl.create_default_context(cafile=certificate))
        error, _ = failure(trusting, at(good, "good.example").replace("http:", "https:"))
        assert error.detail == "SSLCertVerificationError"  # it is for 127.0.0.1


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://u:secret@good.example/", "//h/"])
def test_other_urls_are_no_requests(public, names, url):
    with pytest.raises(ValueError, match="must be an http or https URL"):
        get(public, url)
    assert names.asked == []


def test_a_host_is_asked_so_often_in_a_second_and_no_more(monkeypatch):
    monkeypatch.setattr(outbound, "_PLACES", 1 << 61)  # no two hosts share one by chance
    client = Outbound(per_second=2)
    with At() as peer, time_machine.travel(1_900_000_000, tick=False) as clock:
        assert [get(client, at(peer, "localhost")).status for _ in range(2)] == [200, 200]
        for spelling in ("localhost", "LOCALHOST", "localhost."):
            with pytest.raises(OutboundError) as caught:
                get(client, at(peer, spelling, "/?token=secret"))
            error = caught.value
            assert (error.code, error.permanent, error.written) == ("rate_limited", False, False)
            assert "secret" not in str(error)
            assert error.retry_after == 1
        assert len(peer.seen) == 2
        assert get(client, at(peer, "127.0.0.1")).status == 200  # another host
        clock.shift(1.01)
        assert get(client, at(peer, "localhost")).status == 200
    client.close()


def test_the_counters_of_many_hosts_take_no_more_memory():
    client = Outbound(per_second=1_000_000)
    for i in range(2 * outbound._PLACES):
        client._take_turn(f"h{i}.example", client._limit)
    assert len(client._windows.storage.events) <= outbound._PLACES
